/** All topics, and one topic. */
import { deadLetterTopicPrefix } from '../../../protocol/message/names.ts';
import { permissionText } from '../../shared/columns.ts';
import { ago } from '../../shared/times.ts';
import type { Span } from '../../terminal/rows.ts';
import type { TopicRow } from '../../topic/topic-row.ts';
import type { GroupStat, QueueStat } from '../cluster-state.ts';
import { rate, short } from '../numbers.ts';
import type { Scene, View } from '../view.ts';

export const topics: View<TopicRow> = {
  title: () => 'topics',
  columns: [
    { title: 'TOPIC', value: ({ topic }) => topic },
    { title: 'TYPE', value: ({ messageType }) => messageType },
    {
      title: 'QUEUES',
      align: 'right',
      value: ({ readQueueCount }) => String(readQueueCount),
      order: ({ readQueueCount }) => readQueueCount,
    },
    {
      title: 'IN/S',
      align: 'right',
      value: ({ topic }, { state }) => rate(state.topicStats.get(topic)?.in.perSecond),
      order: ({ topic }, { state }) => state.topicStats.get(topic)?.in.perSecond ?? -1,
    },
    {
      title: 'STORED',
      align: 'right',
      value: ({ topic }, { state }) => {
        const stat = state.topicStats.get(topic);
        return stat === undefined ? '·' : short(stat.storedCount);
      },
      order: ({ topic }, { state }) => state.topicStats.get(topic)?.storedCount ?? -1,
    },
    {
      title: 'NEWEST',
      value: ({ topic }, scene) => newest(scene.state.topicStats.get(topic)?.queues ?? [], scene),
      order: ({ topic }, { state }) =>
        Math.max(
          0,
          ...(state.topicStats.get(topic)?.queues ?? []).map((one) => one.lastStoreTimestampMs),
        ),
    },
    { title: 'PERM', value: ({ permission }) => permissionText(permission), rank: 1 },
    { title: 'BROKERS', value: ({ brokerNames }) => brokerNames.join(','), rank: 2 },
  ],
  rows: ({ state }) =>
    state.topics.filter((row) => !row.isSystem || row.topic.startsWith(deadLetterTopicPrefix)),
  idOf: ({ topic }) => topic,
  open: ({ topic }) => ({ view: 'topic', name: topic }),
  actions: ['messages', 'delete-topic'],
  sort: { column: 0, isDescending: false },
  empty: 'no topics',
};

function newest(queues: readonly QueueStat[], { nowMs }: Scene): string {
  const lastMs = Math.max(0, ...queues.map((one) => one.lastStoreTimestampMs));
  return lastMs > 0 ? ago(lastMs, nowMs) : '';
}

export const topic: View<QueueStat> = {
  title: ({ name }) => `topic ${name ?? ''}`,
  columns: [
    {
      title: 'QUEUE',
      value: ({ brokerName, queueId }) => `${brokerName}:${queueId}`,
      order: ({ brokerName, queueId }) => `${brokerName}:${String(queueId).padStart(5, '0')}`,
    },
    numberColumn('OLDEST', ({ minOffset }) => minOffset),
    numberColumn('NEXT', ({ maxOffset }) => maxOffset),
    numberColumn('STORED', ({ minOffset, maxOffset }) => maxOffset - minOffset),
    {
      title: 'IN/S',
      align: 'right',
      value: (row) => rate(row.in.perSecond),
      order: (row) => row.in.perSecond ?? -1,
    },
    {
      title: 'NEWEST',
      value: (row, scene) => newest([row], scene),
      order: (row) => row.lastStoreTimestampMs,
    },
  ],
  rows: ({ state, place }) => state.topicStats.get(place.name ?? '')?.queues ?? [],
  idOf: ({ brokerName, queueId }) => `${brokerName}:${queueId}`,
  targetOf: (_row, { name }) => name ?? '',
  head: topicHead,
  actions: ['messages', 'delete-topic'],
  sort: { column: 0, isDescending: false },
  empty: 'asking its brokers',
};

function numberColumn(title: string, of: (row: QueueStat) => number) {
  return {
    title,
    align: 'right',
    value: (row: QueueStat) => String(of(row)),
    order: of,
  } as const;
}

const producersShown = 3;

function topicHead(scene: Scene): Span[][] {
  const { state, place } = scene;
  const name = place.name ?? '';
  const row = state.topics.find((one) => one.topic === name);
  const stat = state.topicStats.get(name);
  const lines: Span[][] = [
    [
      ['heading', ' '],
      [
        'plain',
        row === undefined ? 'not there' : `${row.messageType}, ${row.readQueueCount} queues`,
      ],
      ['plain', ` on ${row?.brokerNames.join(', ') ?? 'no broker'}`],
      ['plain', `, ${rate(stat?.in.perSecond)}/s in, ${short(stat?.storedCount ?? 0)} stored`],
    ],
  ];
  const groups = state.consumersOf.get(name);
  if (groups === undefined) lines.push([['dim', ' asking who consumes it']]);
  else if (groups.length === 0) lines.push([['dim', ' no group consumes it']]);
  for (const group of groups?.slice(0, 5) ?? []) {
    lines.push([
      ['plain', ' group '],
      ['name', group],
      ...lagSpans(state.groupStats.get(group), name),
    ]);
  }
  if (groups !== undefined && groups.length > 5) {
    lines.push([['dim', ` and ${groups.length - 5} groups more`]]);
  }
  return [...lines, ...producerLines(scene), []];
}

/** Who sent last; what clients say of themselves only where a broker knows them. */
function producerLines({ state, place, nowMs }: Scene): Span[][] {
  const producers = state.producersOf.get(place.name ?? '') ?? [];
  const lines = producers.slice(0, producersShown).map((producer): Span[] => {
    const { address, clientId, language, groups = [], lastMs } = producer;
    const more = [
      clientId === undefined ? '' : ` ${address}`,
      language === undefined ? '' : ` ${language}`,
      groups.length === 0 ? '' : ` group ${groups.join(',')}`,
    ].join('');
    return [
      ['plain', ' producer '],
      ['name', clientId ?? address],
      ['plain', more === '' ? '' : ` ${more}`],
      ['dim', `  ${ago(lastMs, nowMs)}`],
    ];
  });
  const rest = producers.length - lines.length;
  return rest > 0 ? [...lines, [['dim', ` and ${rest} producers more`]]] : lines;
}

function lagSpans(stat: GroupStat | undefined, topic: string): Span[] {
  if (stat === undefined) return [];
  const lag = stat.queues
    .filter((queue) => queue.topic === topic)
    .reduce((sum, queue) => sum + queue.lag, 0);
  return [
    ['plain', '  lag '],
    [lag > 0 ? 'warning' : 'good', short(lag)],
    ['plain', `, ${rate(stat.out.perSecond)}/s out`],
  ];
}
