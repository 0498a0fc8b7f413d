/** `rmq topic stats`: what comes into topics, what goes out to each group, what waits. */
import type { AdminClient, Master } from '../../client/admin-client.ts';
import { groupOffsets } from '../../client/group-client.ts';
import { groupsOfTopic, type Rates, statistic } from '../../client/topic-client.ts';
import type { Command } from '../shared/command.ts';
import { unknownTopic } from './describe.ts';
import { topicRows } from './topic-row.ts';

interface Options {
  readonly topic?: string;
}

interface StatsRow {
  readonly topic: string;
  /** undefined: nobody consumes the topic. */
  readonly group: string | undefined;
  /** Messages a second, over the last minute. */
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  /** In the last 24 hours. */
  readonly inLastDay: number;
  readonly outLastDay: number;
  /** Messages that the group has not consumed. */
  readonly lag: number | undefined;
}

const nothing: Rates = { perSecond: 0, lastDay: 0 };
/** Topics that are asked for at once. */
const atOnce = 8;

export const topicStats: Command<Options, StatsRow> = {
  summary: 'Show what comes into topics, what each group takes out and what waits',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'only this topic', isRequired: false }],
  flags: [],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic, style: () => 'name' },
    { title: 'GROUP', value: (row) => row.group },
    { title: 'IN/S', align: 'right', value: (row) => row.inPerSecond.toFixed(1) },
    { title: 'OUT/S', align: 'right', value: (row) => row.outPerSecond.toFixed(1) },
    { title: 'IN 24H', align: 'right', value: (row) => row.inLastDay },
    { title: 'OUT 24H', align: 'right', value: (row) => row.outLastDay },
    {
      title: 'LAG',
      align: 'right',
      value: (row) => row.lag,
      style: (row) => ((row.lag ?? 0) > 0 ? 'warning' : undefined),
    },
  ],
  examples: [
    ['rmq topic stats', 'every topic with the groups that consume it'],
    ['rmq topic stats orders --output json', 'one topic, for a program'],
  ],
  async run(context, { topic }) {
    const admin = await context.connect();
    const masters = await admin.masters();
    const topics =
      topic === undefined
        ? (await topicRows(admin)).filter((row) => !row.isSystem).map((row) => row.topic)
        : [topic];
    if (topic !== undefined && (await admin.getTopic(topic)).length === 0) {
      throw await unknownTopic(admin, topic);
    }
    const rows: StatsRow[] = [];
    for (let at = 0; at < topics.length; at += atOnce) {
      const part = topics.slice(at, at + atOnce);
      rows.push(...(await Promise.all(part.map((one) => rowsOf(admin, masters, one)))).flat());
    }
    return rows;
  },
};

async function rowsOf(
  admin: AdminClient,
  masters: readonly Master[],
  topic: string,
): Promise<StatsRow[]> {
  const [put, groups] = await Promise.all([
    statistic(admin, masters, 'TOPIC_PUT_NUMS', topic),
    groupsOfTopic(admin, topic),
  ]);
  const row = (group: string | undefined, got: Rates, lag: number | undefined): StatsRow => ({
    topic,
    group,
    inPerSecond: put.perSecond,
    outPerSecond: got.perSecond,
    inLastDay: put.lastDay,
    outLastDay: got.lastDay,
    lag,
  });
  if (groups.length === 0) return [row(undefined, nothing, undefined)];
  return Promise.all(
    groups.map(async (group) => {
      const [got, offsets] = await Promise.all([
        statistic(admin, masters, 'GROUP_GET_NUMS', `${topic}@${group}`),
        groupOffsets(admin, group, topic),
      ]);
      const lag = offsets.reduce(
        (sum, one) => sum + Math.max(0, one.brokerOffset - Math.max(0, one.consumerOffset)),
        0,
      );
      return row(group, got, lag);
    }),
  );
}
