/** `rmq topic create` */
import { checkTopicName } from '../../protocol/message/names.ts';
import type { Command } from '../shared/command.ts';
import { makeTopic, messageTypes, parseAttributes } from '../shared/topics.ts';

interface Options {
  readonly topic: string;
  readonly type: string;
  readonly queues: number;
  readonly attribute?: readonly string[];
}

interface CreatedRow {
  readonly topic: string;
  readonly messageType: string;
  /** On each broker. */
  readonly queueCount: number;
  readonly brokerNames: readonly string[];
}

export const topicCreate: Command<Options, CreatedRow> = {
  summary: 'Create a topic on every broker, or change it',
  impact: 'change',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [
    {
      name: 'type',
      short: 't',
      kind: { type: 'choice', choices: messageTypes },
      default: 'NORMAL',
      description: 'what its messages are; FIFO keeps the order of each message group',
    },
    {
      name: 'queues',
      short: 'q',
      kind: { type: 'integer', min: 1, max: 4_096 },
      default: '4',
      description: 'queues on each broker',
    },
    {
      name: 'attribute',
      kind: { type: 'list', placeholder: 'NAME=VALUE', separator: '' },
      description: 'another attribute (repeatable)',
    },
  ],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'TYPE', value: (row) => row.messageType },
    { title: 'QUEUES', value: (row) => row.queueCount },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
  ],
  examples: [
    ['rmq topic create orders', 'for normal messages'],
    [
      'rmq topic create prices --attribute cleanup.policy=COMPACTION',
      'keep the newest message of each key',
    ],
    ['rmq topic create payments --type FIFO --queues 8', 'in order for each message group'],
  ],
  async run(context, { topic, type, queues, attribute }) {
    checkTopicName(topic);
    const attributes = Object.fromEntries(parseAttributes(attribute));
    const admin = await context.connect();
    const made = { topic, messageType: type, queueCount: queues };
    return { ...made, brokerNames: await makeTopic(context, admin, { ...made, attributes }) };
  },
};
