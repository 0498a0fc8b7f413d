/** `rmq cluster health`: is everybody there, does everybody answer. What to do about it: `rmq doctor`. */
import type { AdminClient } from '../../client/admin-client.ts';
import { isDrained, runtimeInfo } from '../../client/broker-client.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { ClusterMember } from '../../protocol/remoting/bodies/cluster-members.ts';
import { entriesOf } from '../../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../protocol/remoting/bodies/lenient-json.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import { reach } from '../proxy/list.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { pause } from '../shared/progress.ts';

interface Options {
  readonly wait?: number;
}

interface HealthRow {
  readonly status: 'ok' | 'warning' | 'critical';
  readonly role: 'nameserver' | 'broker' | 'proxy';
  readonly name: string;
  readonly address: string;
  readonly detail: string;
}

const pollMs = 250;
/** Shares of the disk at which Apache's brokers begin to delete, and refuse; facts/broker.md §19. */
const diskWarning = 0.75;
const diskCritical = 0.9;

export const clusterHealth: Command<Options, HealthRow> = {
  summary: 'Check that every machine of the cluster is there and answers',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'wait',
      kind: { type: 'duration', min: 1, max: 3_600_000 },
      description: 'wait up to that long for it to become healthy',
    },
  ],
  columns: [
    {
      title: 'STATUS',
      value: (row) => row.status,
      style: ({ status }) => {
        if (status === 'ok') return 'good';
        return status === 'warning' ? 'warning' : 'bad';
      },
    },
    { title: 'ROLE', value: (row) => row.role },
    { title: 'NAME', isName: true, value: (row) => row.name, style: () => 'name' },
    { title: 'ADDRESS', value: (row) => row.address },
    { title: 'DETAIL', value: (row) => row.detail },
  ],
  examples: [
    ['rmq cluster health', 'exit code 0: healthy, warnings or not; 1: something is wrong'],
    ['rmq cluster health --wait 30s', 'in scripts, behind a start'],
  ],
  verdict(result) {
    const rows = result as readonly HealthRow[]; // run returns rows
    const bad = rows.filter(({ status }) => status === 'critical');
    if (bad.length === 0) return undefined;
    const names = bad.map(({ role, name }) => `${role} ${name}`).join(', ');
    return new RmqError('UNHEALTHY', `not healthy: ${names}`, { hint: 'rmq doctor says more' });
  },
  async run(context, { wait }) {
    const untilMs = context.clock.monotonicMs() + (wait ?? 0);
    for (;;) {
      const rows = await check(context);
      const isBad = rows.some(({ status }) => status === 'critical');
      if (!isBad || context.signal.aborted || context.clock.monotonicMs() >= untilMs) return rows;
      await pause(context, pollMs);
    }
  },
};

async function check(context: Context): Promise<HealthRow[]> {
  const admin = await context.connect();
  const nameservers = await checkNameServers(context, admin);
  if (nameservers.every(({ status }) => status === 'critical')) return nameservers;
  const members = await admin.members();
  const brokers = members.filter(({ role }) => role === 'broker');
  const proxies = members.filter(({ role }) => role === 'proxy');
  const rows = [
    ...nameservers,
    ...(await Promise.all(brokers.map((member) => checkBroker(admin, member, brokers)))),
    ...(await Promise.all(proxies.map((member) => checkProxy(context, admin, member)))),
  ];
  if (brokers.length === 0) {
    rows.push({
      status: 'critical',
      role: 'broker',
      name: 'none',
      address: '',
      detail: 'no broker is registered',
    });
  }
  return rows;
}

async function checkNameServers(context: Context, admin: AdminClient): Promise<HealthRow[]> {
  const seen = await Promise.all(
    context.namesrv.addresses.map(async (asked) => {
      const address = formatHostPort(asked);
      try {
        const answer = await admin.call(address, RequestCode.GET_BROKER_CLUSTER_INFO, {});
        const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
        const names = entriesOf(json['brokerAddrTable']).map(([name]) => name);
        return { address, brokers: names.sort().join(', '), error: undefined };
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown.message : String(thrown);
        return { address, brokers: '', error };
      }
    }),
  );
  const known = new Set(seen.filter(({ error }) => error === undefined).map((one) => one.brokers));
  return seen.map(({ address, brokers, error }): HealthRow => {
    const base = { role: 'nameserver', name: address, address } as const;
    if (error !== undefined) return { ...base, status: 'critical', detail: error };
    if (known.size > 1) {
      const detail = `knows ${brokers === '' ? 'no broker' : brokers}; others know others`;
      return { ...base, status: 'warning', detail };
    }
    return { ...base, status: 'ok', detail: `knows ${brokers === '' ? 'no broker' : brokers}` };
  });
}

async function checkBroker(
  admin: AdminClient,
  { name, address, brokerId }: ClusterMember,
  all: readonly ClusterMember[],
): Promise<HealthRow> {
  const base = { role: 'broker', name: `${name}:${brokerId}`, address } as const;
  let info: Readonly<Record<string, string>>;
  try {
    info = await runtimeInfo(admin, address);
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    return { ...base, status: 'critical', detail };
  }
  const refusing = info['refusing'];
  if (refusing !== undefined) {
    return { ...base, status: 'critical', detail: `refuses messages: ${refusing}` };
  }
  const disk = Number(info['commitLogDiskRatio'] ?? 0);
  if (disk >= diskCritical) {
    return { ...base, status: 'critical', detail: `the disk is ${percent(disk)} full` };
  }
  if (!all.some((one) => one.name === name && one.brokerId === 0)) {
    return { ...base, status: 'critical', detail: 'there is no master of that name' };
  }
  if (disk >= diskWarning) {
    return { ...base, status: 'warning', detail: `the disk is ${percent(disk)} full` };
  }
  if (await isDrained(admin, name)) {
    return { ...base, status: 'warning', detail: 'drained: producers are not sent to it' };
  }
  return { ...base, status: 'ok', detail: 'answers' };
}

async function checkProxy(
  context: Context,
  admin: AdminClient,
  member: ClusterMember,
): Promise<HealthRow> {
  const { name, address } = member;
  const { isReachable, error } = await reach(context, admin, { proxyName: name, address });
  const base = { role: 'proxy', name, address } as const;
  if (isReachable) return { ...base, status: 'ok', detail: 'answers' };
  return { ...base, status: 'critical', detail: error ?? 'cannot be reached from here' };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
