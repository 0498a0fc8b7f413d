/** All consumer groups, and one group. */
import {
  deadLetterTopicOf,
  isSystemGroup,
  retryTopicPrefix,
} from '../../../protocol/message/names.ts';
import { ago } from '../../shared/times.ts';
import type { Span } from '../../terminal/rows.ts';
import type { QueueProgress } from '../cluster-state.ts';
import { rate, short } from '../numbers.ts';
import type { Scene, View, ViewColumn } from '../view.ts';

interface NamedGroup {
  readonly group: string;
  readonly delivery: string;
}

export const groups: View<NamedGroup> = {
  title: () => 'consumer groups',
  columns: [
    { title: 'GROUP', value: ({ group }) => group },
    { title: 'DELIVERY', value: ({ delivery }) => delivery, rank: 1 },
    {
      title: 'MEMBERS',
      align: 'right',
      value: ({ group }, { state }) => String(state.groupStats.get(group)?.members?.length ?? '·'),
      order: ({ group }, { state }) => state.groupStats.get(group)?.members?.length ?? -1,
      tone: ({ group }, { state }) => {
        const stat = state.groupStats.get(group);
        return stat?.members?.length === 0 && stat.lag > 0 ? 'bad' : undefined;
      },
    },
    {
      title: 'LAG',
      align: 'right',
      value: ({ group }, { state }) => {
        const stat = state.groupStats.get(group);
        return stat === undefined ? '·' : short(stat.lag);
      },
      order: ({ group }, { state }) => state.groupStats.get(group)?.lag ?? -1,
      tone: ({ group }, { state }) =>
        (state.groupStats.get(group)?.lag ?? 0) > 0 ? 'warning' : undefined,
    },
    {
      title: 'BEHIND',
      align: 'right',
      value: ({ group }, scene) => behind(scene.state.groupStats.get(group)?.queues ?? [], scene),
    },
    {
      title: 'IN FLIGHT',
      align: 'right',
      value: ({ group }, { state }) => {
        const stat = state.groupStats.get(group);
        return stat === undefined ? '·' : short(stat.inFlightCount);
      },
      order: ({ group }, { state }) => state.groupStats.get(group)?.inFlightCount ?? -1,
    },
    {
      title: 'OUT/S',
      align: 'right',
      value: ({ group }, { state }) => rate(state.groupStats.get(group)?.out.perSecond),
      order: ({ group }, { state }) => state.groupStats.get(group)?.out.perSecond ?? -1,
    },
    {
      title: 'DEAD',
      align: 'right',
      value: ({ group }, { state }) => {
        const stat = state.deadLetters.get(group);
        return stat === undefined ? '' : short(stat.waitingCount);
      },
      order: ({ group }, { state }) => state.deadLetters.get(group)?.waitingCount ?? -1,
      tone: ({ group }, { state }) =>
        (state.deadLetters.get(group)?.waitingCount ?? 0) > 0 ? 'warning' : undefined,
    },
  ],
  rows: ({ state }) =>
    [...state.groups.values()]
      .filter(({ group }) => !isSystemGroup(group))
      .map(({ group, isOrdered }) => ({ group, delivery: isOrdered ? 'fifo' : 'concurrent' })),
  idOf: ({ group }) => group,
  open: ({ group }) => ({ view: 'group', name: group }),
  actions: ['reset-offset', 'delete-group'],
  sort: { column: 0, isDescending: false },
  empty: 'no consumer groups',
};

/** How old the last consumed message is where something waits: `4s ago`. */
function behind(queues: readonly QueueProgress[], { nowMs }: Scene): string {
  const times = queues.filter(({ lag }) => lag > 0).map((one) => one.lastTimestampMs);
  const known = times.filter((time) => time > 0);
  return known.length === 0 ? '' : ago(Math.min(...known), nowMs).replace(' ago', '');
}

const lagBarCells = 12;

export const group: View<QueueProgress> = {
  title: ({ name }) => `group ${name ?? ''}`,
  columns: [
    {
      title: 'QUEUE',
      value: ({ topic, brokerName, queueId }) => `${topic} ${brokerName}:${queueId}`,
    },
    numberColumn('CONSUMED', ({ consumerOffset }) => consumerOffset),
    numberColumn('NEXT', ({ brokerOffset }) => brokerOffset),
    {
      ...numberColumn('LAG', ({ lag }) => lag),
      tone: ({ lag }) => (lag > 0 ? 'warning' : undefined),
    },
    {
      title: '',
      value: ({ lag }, { state, place }) => {
        const all = state.groupStats.get(place.name ?? '')?.queues ?? [];
        const most = Math.max(lagBarCells, ...all.map((one) => one.lag));
        return '█'.repeat(Math.ceil((lag / most) * lagBarCells)).padEnd(lagBarCells);
      },
      tone: () => 'warning',
      rank: 1,
    },
    numberColumn('IN FLIGHT', ({ inFlightCount }) => inFlightCount),
    {
      title: 'CONSUMED UP TO',
      value: ({ lastTimestampMs }, { nowMs }) =>
        lastTimestampMs > 0 ? ago(lastTimestampMs, nowMs) : '',
      order: ({ lastTimestampMs }) => lastTimestampMs,
    },
  ],
  rows: ({ state, place }) => state.groupStats.get(place.name ?? '')?.queues ?? [],
  idOf: ({ topic, brokerName, queueId }) => `${topic} ${brokerName}:${queueId}`,
  targetOf: (_row, { name }) => name ?? '',
  open: ({ topic }) => ({ view: 'topic', name: topic }),
  head: groupHead,
  actions: ['reset-offset', 'delete-group'],
  empty: 'it has consumed nothing yet',
};

function numberColumn(
  title: string,
  of: (row: QueueProgress) => number,
): ViewColumn<QueueProgress> {
  return { title, align: 'right', value: (row) => String(of(row)), order: of };
}

function groupHead({ state, place }: Scene): Span[][] {
  const name = place.name ?? '';
  const stat = state.groupStats.get(name);
  const config = state.groups.get(name);
  if (stat === undefined) return [[['dim', ' asking the brokers']], []];
  const dead = state.deadLetters.get(name);
  const retries = stat.queues
    .filter(({ topic }) => topic.startsWith(retryTopicPrefix))
    .reduce((sum, { lag }) => sum + lag, 0);
  const lines: Span[][] = [
    [
      ['plain', ` ${config?.isOrdered === true ? 'fifo' : 'concurrent'}, lag `],
      [stat.lag > 0 ? 'warning' : 'good', short(stat.lag)],
      ['plain', `, ${short(stat.inFlightCount)} in flight, ${rate(stat.out.perSecond)}/s out`],
      ['plain', `, ${short(retries)} to retry, `],
      [
        (dead?.waitingCount ?? 0) > 0 ? 'warning' : 'plain',
        `${short(dead?.waitingCount ?? 0)} dead`,
      ],
      ['dim', dead === undefined ? '' : ` (${deadLetterTopicOf(name)})`],
    ],
  ];
  const subscribed = Object.entries(stat.subscriptions).map(
    ([topic, expression]) => `${topic} (${expression})`,
  );
  if (subscribed.length > 0) lines.push([['plain', ` subscribes to ${subscribed.join(', ')}`]]);
  const { members } = stat;
  if (members === undefined) lines.push([['dim', ' asking who consumes']]);
  else if (members.length === 0) lines.push([['warning', ' nobody consumes']]);
  for (const { clientId, address, language, via } of members?.slice(0, 4) ?? []) {
    lines.push([
      ['plain', ' member '],
      ['name', clientId],
      ['plain', `  ${language} ${address} via ${via}`],
    ]);
  }
  if (members !== undefined && members.length > 4) {
    lines.push([['dim', ` and ${members.length - 4} members more`]]);
  }
  return [...lines, []];
}
