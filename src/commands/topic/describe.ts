/** `rmq topic describe` */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { nearest } from '../../util/nearest.ts';
import { permissionText } from '../shared/columns.ts';
import type { Command } from '../shared/command.ts';
import { messageTypeOf } from './topic-row.ts';

interface Options {
  readonly topic: string;
}

interface QueueRow {
  readonly brokerName: string;
  readonly queueId: number;
  readonly minOffset: number;
  readonly maxOffset: number;
}

interface TopicDetails {
  readonly topic: string;
  readonly messageType: string;
  readonly permission: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly brokerNames: readonly string[];
  /** Messages still stored, all queues together. */
  readonly messageCount: number;
  readonly queues: readonly QueueRow[];
}

export const topicDescribe: Command<Options, TopicDetails> = {
  summary: 'Show a topic: its type, brokers, queues and offsets',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'TYPE', value: (row) => row.messageType },
    { title: 'PERM', value: (row) => permissionText(row.permission) },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
    { title: 'MESSAGES', value: (row) => row.messageCount },
    {
      title: 'QUEUES',
      value: (row) =>
        row.queues
          .map(
            (queue) =>
              `${queue.brokerName}:${queue.queueId} ${queue.minOffset}..${queue.maxOffset}`,
          )
          .join(', '),
    },
  ],
  examples: [
    ['rmq topic describe orders', 'its type, brokers, queues and offsets'],
    ['rmq topic describe orders --output json', 'the same for a program'],
  ],
  async run(context, { topic }) {
    const admin = await context.connect();
    const configs = await admin.getTopic(topic);
    const [first] = configs;
    if (first === undefined) throw await unknownTopic(admin, topic);
    const queues = await Promise.all(
      (await admin.queues(topic)).map((queue) => queueRow(admin, queue)),
    );
    return {
      topic,
      messageType: messageTypeOf(configs),
      permission: first.permission,
      attributes: first.attributes,
      brokerNames: configs.map(({ brokerName }) => brokerName),
      messageCount: queues.reduce((sum, queue) => sum + queue.maxOffset - queue.minOffset, 0),
      queues,
    };
  },
};

async function queueRow(admin: AdminClient, queue: QueueAddress): Promise<QueueRow> {
  const [minOffset, maxOffset] = await Promise.all([
    admin.minOffset(queue),
    admin.maxOffset(queue),
  ]);
  return { brokerName: queue.brokerName, queueId: queue.queueId, minOffset, maxOffset };
}

/** TOPIC_NOT_FOUND with the nearest name there is. */
export async function unknownTopic(admin: AdminClient, topic: string): Promise<RmqError> {
  const meant = nearest(topic, await admin.nameserver.topicNames());
  return new RmqError('TOPIC_NOT_FOUND', `there is no topic ${topic}`, {
    hint: meant === undefined ? `create it: rmq topic create ${topic}` : `did you mean ${meant}?`,
  });
}
