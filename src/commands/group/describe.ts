/** `rmq group describe` */
import {
  type GroupOffset,
  getGroup,
  groupConnections,
  groupOffsets,
} from '../../client/group-client.ts';
import { queuesOfGroup } from '../dlq/dead-letters.ts';
import type { Command } from '../shared/command.ts';
import { consumersOfProxies } from '../shared/proxies.ts';
import { isoTime } from '../shared/times.ts';
import { type GroupRow, groupArgument, groupRow, unknownGroup } from './group-row.ts';

interface Options {
  readonly group: string;
}

interface QueueLag {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly consumerOffset: number;
  readonly brokerOffset: number;
  readonly lag: number;
  /** Store time of the last consumed message, ISO 8601. */
  readonly consumedUpTo: string | undefined;
}

interface GroupDetails extends GroupRow {
  readonly brokerNames: readonly string[];
  /** Messages not consumed yet, all queues together. */
  readonly lag: number;
  /** `CONSUME_PASSIVELY` or `CONSUME_ACTIVELY`, `CLUSTERING` or `BROADCASTING`; empty without members. */
  readonly consumeType: string;
  readonly messageModel: string;
  readonly members: readonly string[];
  /** Dead letters that were not sent again yet. */
  readonly deadLetterCount: number;
  readonly subscriptions: Readonly<Record<string, string>>;
  readonly queues: readonly QueueLag[];
}

export const groupDescribe: Command<Options, GroupDetails> = {
  summary: 'Show a consumer group: settings, members, lag of each queue',
  impact: 'read',
  isRemote: true,
  arguments: [groupArgument],
  flags: [],
  columns: [
    { title: 'GROUP', value: (row) => row.group },
    { title: 'DELIVERY', value: (row) => row.delivery },
    { title: 'CONSUME', value: (row) => (row.canConsume ? 'yes' : 'no') },
    { title: 'RETRIES', value: (row) => row.retryCountMax },
    { title: 'RETRY AFTER', value: (row) => row.retryPolicy },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(', ') },
    {
      title: 'SUBSCRIBES',
      value: (row) =>
        Object.entries(row.subscriptions)
          .map(([topic, expression]) => `${topic} (${expression})`)
          .join(', '),
    },
    { title: 'MEMBERS', value: (row) => row.members.join(', ') },
    { title: 'LAG', value: (row) => row.lag },
    { title: 'DEAD LETTERS', value: (row) => row.deadLetterCount },
    { title: 'QUEUES', value: (row) => row.queues.map(queueText).join(', ') },
  ],
  examples: [
    ['rmq group describe billing', 'settings, members and lag'],
    ['rmq group describe billing --output json', 'the same for a program'],
  ],
  async run(context, { group }) {
    const admin = await context.connect();
    const found = await getGroup(admin, group);
    if (found === undefined) throw await unknownGroup(admin, group);
    const [offsets, connections, dead, overGrpc] = await Promise.all([
      groupOffsets(admin, group),
      groupConnections(admin, group),
      queuesOfGroup(admin, group),
      consumersOfProxies(context, admin, [group]),
    ]);
    const queues = offsets.map(queueLag);
    return {
      ...groupRow(found.config),
      brokerNames: found.brokerNames,
      lag: queues.reduce((sum, { lag }) => sum + lag, 0),
      consumeType: connections.consumeType,
      messageModel: connections.messageModel,
      members: [...connections.members, ...(overGrpc.get(group) ?? [])].map(
        ({ clientId }) => clientId,
      ),
      deadLetterCount: dead.reduce((sum, one) => sum + one.maxOffset - one.nextOffset, 0),
      subscriptions: connections.subscriptions,
      queues,
    };
  },
};

function queueLag(offset: GroupOffset): QueueLag {
  const { topic, brokerName, queueId, consumerOffset, brokerOffset, lastTimestampMs } = offset;
  const lag = Math.max(0, brokerOffset - consumerOffset);
  const consumedUpTo = isoTime(lastTimestampMs);
  return { topic, brokerName, queueId, consumerOffset, brokerOffset, lag, consumedUpTo };
}

function queueText({ topic, brokerName, queueId, consumerOffset, brokerOffset }: QueueLag): string {
  return `${topic} ${brokerName}:${queueId} ${consumerOffset}/${brokerOffset}`;
}
