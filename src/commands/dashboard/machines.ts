/** Looks at the machines: who is there, how it fares. Each is asked by itself, so that none delays another. */
import type { AdminClient } from '../../client/admin-client.ts';
import { isDrained, runtimeInfo } from '../../client/broker-client.ts';
import { proxyStats, type UnaryCall } from '../../client/proxy-client.ts';
import type { Clock } from '../../platform/clock.ts';
import type { ClusterMember } from '../../protocol/remoting/bodies/cluster-members.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import type { ClusterState, Machine, Role } from './cluster-state.ts';
import { Meter } from './meter.ts';

/** Machines that are asked at this moment. */
export type Busy = Set<string>;

export interface MachinePorts {
  readonly admin: AdminClient;
  readonly unary: UnaryCall;
  readonly clock: Clock;
  /** `host:port` of the NameServers that were asked for. */
  readonly nameservers: readonly string[];
  readonly changed: () => void;
}

/** Who is in the cluster now; tells of those that came and went. @throws RmqError */
export async function lookAtMembers(state: ClusterState, ports: MachinePorts): Promise<void> {
  const members = await ports.admin.members();
  const isFirst = state.machinesOf('broker').length + state.machinesOf('proxy').length === 0;
  const seen = new Set<string>();
  for (const member of members) {
    const machine = machineOf(state, ports, member, isFirst);
    seen.add(machine.id);
    machine.lastHeartbeatMs = member.lastHeartbeatMs > 0 ? member.lastHeartbeatMs : undefined;
  }
  for (const machine of state.machines.values()) {
    if (machine.role === 'nameserver' || seen.has(machine.id)) continue;
    state.machines.delete(machine.id);
    const text = `${machine.role} ${machine.name} (${machine.address}) has left`;
    state.tell({ atMs: ports.clock.nowMs(), tone: 'bad', text });
  }
  ports.changed();
}

function machineOf(
  state: ClusterState,
  ports: MachinePorts,
  { role, name, brokerId, address, clusterName }: ClusterMember,
  isFirst: boolean,
): Machine {
  const shown = role === 'broker' ? `${name}:${brokerId}` : name;
  const id = `${role} ${shown} ${address}`;
  const known = state.machines.get(id);
  if (known !== undefined) return known;
  const machine = newMachine(id, role, shown, address, clusterName);
  state.machines.set(id, machine);
  if (!isFirst) {
    const text = `${role} ${shown} (${address}) has come`;
    state.tell({ atMs: ports.clock.nowMs(), tone: 'good', text });
  }
  return machine;
}

function newMachine(
  id: string,
  role: Role,
  name: string,
  address: string,
  clusterName: string,
): Machine {
  return {
    id,
    role,
    name,
    address,
    clusterName,
    lastHeartbeatMs: undefined,
    problem: undefined,
    isDrained: false,
    version: undefined,
    in: new Meter(),
    out: new Meter(),
    facts: {},
  };
}

/** The NameServers that were asked for are machines of the cluster, whether they answer or not. */
export function addNameServers(state: ClusterState, { nameservers }: MachinePorts): void {
  for (const address of nameservers) {
    const id = `nameserver ${address}`;
    state.machines.set(id, newMachine(id, 'nameserver', address, address, ''));
  }
}

/** Asks every machine how it fares, but those that have not answered the last time yet. */
export function askMachines(state: ClusterState, ports: MachinePorts, busy: Busy): void {
  for (const machine of state.machines.values()) {
    if (busy.has(machine.id)) continue;
    busy.add(machine.id);
    void askOne(state, machine, ports).finally(() => busy.delete(machine.id));
  }
}

async function askOne(state: ClusterState, machine: Machine, ports: MachinePorts): Promise<void> {
  const before = machine.problem;
  try {
    if (machine.role === 'broker') await askBroker(machine, ports);
    else if (machine.role === 'proxy') await askProxy(machine, ports);
    else {
      await ports.admin.call(machine.address, RequestCode.GET_BROKER_CLUSTER_INFO, {});
      machine.problem = undefined;
    }
  } catch (thrown) {
    machine.problem = thrown instanceof Error ? thrown.message : String(thrown);
  }
  if (before !== machine.problem && state.machines.has(machine.id)) {
    const { role, name, problem } = machine;
    const event =
      problem === undefined
        ? ({ tone: 'good', text: `${role} ${name} is well again` } as const)
        : ({ tone: 'bad', text: `${role} ${name}: ${problem}` } as const);
    state.tell({ atMs: ports.clock.nowMs(), ...event });
  }
  ports.changed();
}

async function askBroker(machine: Machine, { admin, clock }: MachinePorts): Promise<void> {
  const facts = await runtimeInfo(admin, machine.address);
  const nowMs = clock.monotonicMs();
  machine.facts = facts;
  machine.version = facts['brokerVersionDesc']?.replace(/^V/, '').replaceAll('_', '.');
  machine.in.sample(Number(facts['msgPutTotalTodayNow'] ?? 0), nowMs);
  machine.out.sample(Number(facts['msgGetTotalTodayNow'] ?? 0), nowMs);
  const { refusing } = facts;
  machine.problem = refusing === undefined ? undefined : `refuses messages: ${refusing}`;
  machine.isDrained = await isDrained(admin, brokerNameOf(machine));
}

async function askProxy(machine: Machine, { unary }: MachinePorts): Promise<void> {
  const { version, ...stats } = await proxyStats(unary, {
    proxyName: machine.name,
    address: machine.address,
  });
  machine.version = version;
  machine.facts = Object.fromEntries(
    Object.entries(stats).map(([name, value]) => [name, String(value)]),
  );
  machine.problem = undefined;
}

/** Without the id: `broker-a` of `broker-a:0`. */
export function brokerNameOf({ name }: Pick<Machine, 'name'>): string {
  return name.replace(/:\d+$/, '');
}
