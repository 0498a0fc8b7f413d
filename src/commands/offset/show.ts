/** `rmq offset show` */
import { type GroupOffset, getGroup, groupOffsets } from '../../client/group-client.ts';
import { unknownGroup } from '../group/group-row.ts';
import type { Command } from '../shared/command.ts';
import { ago, isoTime } from '../shared/times.ts';

interface Options {
  readonly group: string;
  readonly topic?: string;
}

export interface OffsetRow {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  /** First offset that is not consumed. */
  readonly consumerOffset: number;
  /** Offset that the next message gets. */
  readonly brokerOffset: number;
  readonly lag: number;
  /** Store time of the last consumed message, ISO 8601. */
  readonly consumedUpTo: string | undefined;
}

export const offsetShow: Command<Options, OffsetRow> = {
  summary: 'Show how far a group has consumed each queue',
  impact: 'read',
  isRemote: true,
  arguments: [
    { name: 'group', description: 'name of the consumer group', isRequired: true },
    { name: 'topic', description: 'only this topic', isRequired: false },
  ],
  flags: [],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic, style: () => 'name' },
    { title: 'BROKER', value: (row) => row.brokerName },
    { title: 'QUEUE', align: 'right', value: (row) => row.queueId },
    { title: 'OFFSET', align: 'right', value: (row) => row.consumerOffset },
    { title: 'END', align: 'right', value: (row) => row.brokerOffset },
    {
      title: 'LAG',
      align: 'right',
      value: (row) => row.lag,
      style: (row) => (row.lag > 0 ? 'warning' : undefined),
    },
    {
      title: 'CONSUMED UP TO',
      value: (row, context) =>
        row.consumedUpTo === undefined
          ? undefined
          : ago(Date.parse(row.consumedUpTo), context.clock.nowMs()),
    },
  ],
  examples: [
    ['rmq offset show billing', 'all topics of the group'],
    ['rmq offset show billing orders --output json', 'one topic, for a program'],
  ],
  async run(context, { group, topic }) {
    const admin = await context.connect();
    if ((await getGroup(admin, group)) === undefined) throw await unknownGroup(admin, group);
    return (await groupOffsets(admin, group, topic)).map(offsetRow);
  },
};

function offsetRow(offset: GroupOffset): OffsetRow {
  const { topic, brokerName, queueId, consumerOffset, brokerOffset, lastTimestampMs } = offset;
  return {
    topic,
    brokerName,
    queueId,
    consumerOffset,
    brokerOffset,
    lag: Math.max(0, brokerOffset - consumerOffset),
    consumedUpTo: isoTime(lastTimestampMs),
  };
}
