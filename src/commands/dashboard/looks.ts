/** What is asked for while a view is in sight, by view. */
import { type DeadLetterQueue, deadLetterQueues } from '../../client/dead-letter-client.ts';
import { groupConnections, groupOffsets } from '../../client/group-client.ts';
import { proxyConsumers } from '../../client/proxy-client.ts';
import { groupsOfTopic, queueRanges, timerCounts } from '../../client/topic-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { isSystemTopic } from '../../protocol/message/names.ts';
import { clientRows } from '../client/client-row.ts';
import type { Context } from '../shared/context.ts';
import type { ClusterState, Member, Pending, QueueStat } from './cluster-state.ts';
import { brokerNameOf, type MachinePorts } from './machines.ts';
import { Meter } from './meter.ts';
import { lookAtProducers } from './producers.ts';
import type { Focus, ViewName } from './view.ts';

export interface LookPorts extends MachinePorts {
  readonly context: Context;
}

type Look = (state: ClusterState, focus: Focus, ports: LookPorts) => Promise<unknown>;

/** Rows that are asked for at a tick, in turn, and at once. */
const perTick = 24;
const atOnce = 4;

export const looks: Partial<Record<ViewName, Look>> = {
  topics: (state, focus, ports) =>
    eachInTurn(state, focus.visible, (topic) => lookAtTopic(state, topic, ports)),
  topic: async (state, { name = '' }, ports) => {
    await lookAtTopic(state, name, ports);
    await lookAtProducers(state, name, ports);
    const groups = await groupsOfTopic(ports.admin, name);
    state.consumersOf.set(name, groups);
    await eachInTurn(state, groups, (group) => lookAtGroup(state, group, ports));
  },
  groups: (state, focus, ports) =>
    eachInTurn(state, focus.visible, async (group) => {
      await lookAtGroup(state, group, ports);
      await lookAtMembersOf(state, group, ports);
      await lookAtDeadLetters(state, group, ports);
    }),
  group: async (state, { name = '' }, ports) => {
    await lookAtGroup(state, name, ports);
    await lookAtMembersOf(state, name, ports);
    await lookAtDeadLetters(state, name, ports);
  },
  clients: async (state, _focus, { context, admin }) => {
    state.clients = await clientRows(context, admin);
  },
  dlq: (state, focus, ports) =>
    eachInTurn(state, focus.visible, (group) => lookAtDeadLetters(state, group, ports)),
  pending: async (state, _focus, ports) => {
    state.pending = await pendingOf(state, ports);
  },
};

/** Where the last tick stopped, by list; lists that fit into one tick always begin with the first. */
async function eachInTurn(
  state: ClusterState,
  names: readonly string[],
  look: (name: string) => Promise<void>,
): Promise<void> {
  const begin = names.length <= perTick ? 0 : (state.version * perTick) % names.length;
  const chosen = Array.from(
    { length: Math.min(perTick, names.length) },
    (_, index) => names[(begin + index) % names.length] ?? '',
  );
  for (let at = 0; at < chosen.length; at += atOnce) {
    await Promise.all(chosen.slice(at, at + atOnce).map(look));
  }
}

async function lookAtTopic(state: ClusterState, topic: string, ports: LookPorts): Promise<void> {
  const { admin, clock } = ports;
  const row = state.topics.find((one) => one.topic === topic);
  const stat = state.topicStat(topic);
  const queues: QueueStat[] = [];
  const brokers = state.machinesOf('broker').filter(({ name }) => name.endsWith(':0'));
  for (const machine of brokers) {
    const brokerName = brokerNameOf(machine);
    if (row !== undefined && !row.brokerNames.includes(brokerName)) continue;
    const ranges = await whenThere(queueRanges(admin, machine.address, topic));
    for (const range of ranges ?? []) {
      const known = stat.queues.find(
        (one) => one.brokerName === brokerName && one.queueId === range.queueId,
      );
      const meter = known?.in ?? new Meter();
      meter.sample(range.maxOffset, clock.monotonicMs());
      queues.push({ ...range, brokerName, in: meter });
    }
  }
  const sum = (of: (queue: QueueStat) => number): number =>
    queues.reduce((total, queue) => total + of(queue), 0);
  stat.queues = queues;
  stat.storedCount = sum(({ minOffset, maxOffset }) => maxOffset - minOffset);
  stat.in.sample(
    sum(({ maxOffset }) => maxOffset),
    clock.monotonicMs(),
  );
  ports.changed();
}

/** How far a group is, in every queue that it consumes. */
export async function lookAtGroup(
  state: ClusterState,
  group: string,
  { admin, clock, changed }: LookPorts,
): Promise<void> {
  const offsets = await groupOffsets(admin, group);
  const stat = state.groupStat(group);
  stat.queues = offsets.map((one) => {
    // -1: the group has not been in that queue.
    const consumerOffset = Math.max(0, one.consumerOffset);
    return {
      topic: one.topic,
      brokerName: one.brokerName,
      queueId: one.queueId,
      consumerOffset,
      brokerOffset: one.brokerOffset,
      lag: Math.max(0, one.brokerOffset - consumerOffset),
      inFlightCount: Math.max(0, one.pullOffset - consumerOffset),
      lastTimestampMs: one.lastTimestampMs,
    };
  });
  stat.lag = stat.queues.reduce((sum, { lag }) => sum + lag, 0);
  stat.inFlightCount = stat.queues.reduce((sum, { inFlightCount }) => sum + inFlightCount, 0);
  const consumed = stat.queues.reduce((sum, { consumerOffset }) => sum + consumerOffset, 0);
  stat.out.sample(consumed, clock.monotonicMs());
  changed();
}

async function lookAtMembersOf(
  state: ClusterState,
  group: string,
  ports: LookPorts,
): Promise<void> {
  const { admin, unary, clock, changed } = ports;
  const { members, subscriptions } = await groupConnections(admin, group);
  const found: Member[] = members.map(({ clientId, address, language, brokerName }) => ({
    clientId,
    address,
    language,
    via: brokerName,
  }));
  for (const { name, address, problem } of state.machinesOf('proxy')) {
    if (problem !== undefined) continue;
    const consumers = await proxyConsumers(unary, { proxyName: name, address }, group);
    for (const { clientId, host, language } of consumers) {
      found.push({ clientId, address: host, language, via: name });
    }
  }
  const stat = state.groupStat(group);
  const before = stat.members;
  stat.members = found;
  stat.subscriptions = subscriptions;
  if (before !== undefined) tellMembers(state, clock.nowMs(), { group, before, after: found });
  changed();
}

function tellMembers(
  state: ClusterState,
  atMs: number,
  change: {
    readonly group: string;
    readonly before: readonly Member[];
    readonly after: readonly Member[];
  },
): void {
  const ids = (members: readonly Member[]): Set<string> =>
    new Set(members.map(({ clientId }) => clientId));
  const [before, after] = [ids(change.before), ids(change.after)];
  for (const id of [...after].filter((one) => !before.has(one))) {
    state.tell({ atMs, tone: 'plain', text: `consumer ${id} has joined ${change.group}` });
  }
  for (const id of [...before].filter((one) => !after.has(one))) {
    state.tell({ atMs, tone: 'warning', text: `consumer ${id} has left ${change.group}` });
  }
}

async function lookAtDeadLetters(
  state: ClusterState,
  group: string,
  { admin, clock, changed }: LookPorts,
): Promise<void> {
  if (!state.deadLetterGroups.includes(group)) return;
  const queues = (await whenThere(deadLetterQueues(admin, group))) ?? [];
  const count = (from: (queue: DeadLetterQueue) => number): number =>
    queues.reduce((sum, queue) => sum + queue.maxOffset - from(queue), 0);
  const before = state.deadLetters.get(group);
  const storedCount = count(({ minOffset }) => minOffset);
  state.deadLetters.set(group, {
    storedCount,
    waitingCount: count(({ nextOffset }) => nextOffset),
  });
  if (before !== undefined && storedCount > before.storedCount) {
    const text = `${storedCount - before.storedCount} more dead letters of ${group}`;
    state.tell({ atMs: clock.nowMs(), tone: 'bad', text });
  }
  changed();
}

async function pendingOf(state: ClusterState, { admin }: LookPorts): Promise<Pending[]> {
  const pending: Pending[] = [];
  for (const machine of state.machinesOf('broker')) {
    if (!machine.name.endsWith(':0')) continue;
    const brokerName = brokerNameOf(machine);
    const byTopic = await timerCounts(admin, machine.address);
    for (const [topic, count] of byTopic) {
      // Apache's retries of pop wait there, too, in a topic of the system.
      if (count > 0 && !isSystemTopic(topic))
        pending.push({ kind: 'delayed', brokerName, topic, count });
    }
    const open = Number(machine.facts['openTransactionNum'] ?? 0);
    if (open > 0) pending.push({ kind: 'transaction', brokerName, topic: '', count: open });
  }
  return pending;
}

/** undefined when the broker does not have the topic. */
async function whenThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RmqError && error.code === 'TOPIC_NOT_FOUND') return undefined;
    throw error;
  }
}
