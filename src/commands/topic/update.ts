/** `rmq topic update`: changes what is said and leaves the rest, broker by broker. */
import type { Master } from '../../client/admin-client.ts';
import { putTopicConfig } from '../../client/topic-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { TopicConfigBody } from '../../protocol/remoting/bodies/topic-config.ts';
import { permissionText } from '../shared/columns.ts';
import type { Command } from '../shared/command.ts';
import { messageTypes, parseAttributes } from '../shared/topics.ts';
import { unknownTopic } from './describe.ts';

interface Options {
  readonly topic: string;
  readonly queues?: number;
  readonly readQueues?: number;
  readonly writeQueues?: number;
  readonly permission?: string;
  readonly type?: string;
  readonly attribute?: readonly string[];
  readonly broker?: string;
}

interface UpdatedRow {
  readonly topic: string;
  readonly brokerName: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** Bits: 4 read, 2 write, 1 inherit. */
  readonly permission: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Bits of a topic's permission; facts/store.md §9. */
const permissions: Readonly<Record<string, number>> = { rw: 6, r: 4, w: 2, none: 0 };
const queueCount = { type: 'integer', min: 1, max: 4_096 } as const;

export const topicUpdate: Command<Options, UpdatedRow> = {
  summary: 'Change queues, permission, type or attributes of a topic',
  impact: 'change',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [
    { name: 'queues', short: 'q', kind: queueCount, description: 'queues on each broker' },
    {
      name: 'write-queues',
      kind: queueCount,
      description: 'queues that producers use; lower it first to take queues away',
    },
    {
      name: 'read-queues',
      kind: queueCount,
      description: 'queues that consumers use; lower it once the others are empty',
    },
    {
      name: 'permission',
      kind: { type: 'choice', choices: Object.keys(permissions) },
      description: 'what clients may do with it',
    },
    {
      name: 'type',
      short: 't',
      kind: { type: 'choice', choices: messageTypes },
      description: 'what its messages are from now on',
    },
    {
      name: 'attribute',
      kind: { type: 'list', placeholder: 'NAME=VALUE', separator: '' },
      description: 'another attribute, NAME= takes it away (repeatable)',
    },
    {
      name: 'broker',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'only on this broker',
    },
  ],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'BROKER', value: (row) => row.brokerName },
    { title: 'READ', align: 'right', value: (row) => row.readQueueCount },
    { title: 'WRITE', align: 'right', value: (row) => row.writeQueueCount },
    { title: 'PERM', value: (row) => permissionText(row.permission) },
    {
      title: 'ATTRIBUTES',
      value: ({ attributes }) =>
        Object.entries(attributes)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
    },
  ],
  examples: [
    ['rmq topic update orders --queues 8', 'more queues'],
    ['rmq topic update orders --permission r', 'nobody sends to it any more'],
    ['rmq topic update orders --write-queues 2', 'first step to fewer queues'],
    ['rmq topic update orders --attribute reserve.time=3600000', 'keep its messages for an hour'],
  ],
  async run(context, options) {
    const changes = attributeChanges(options);
    const { queues, readQueues, writeQueues, permission } = options;
    const said = [queues, readQueues, writeQueues, permission].some((one) => one !== undefined);
    if (!said && Object.keys(changes).length === 0) {
      throw new RmqError('USAGE', 'say what shall change', {
        hint: 'rmq topic update --help lists what can',
      });
    }
    const admin = await context.connect();
    const all = await admin.getTopic(options.topic);
    if (all.length === 0) throw await unknownTopic(admin, options.topic);
    const chosen = all.filter(
      ({ brokerName }) => options.broker === undefined || brokerName === options.broker,
    );
    if (chosen.length === 0) {
      const names = all.map(({ brokerName }) => brokerName).join(', ');
      throw new RmqError('BROKER_NOT_FOUND', `broker ${options.broker} does not have the topic`, {
        hint: `these have it: ${names}`,
      });
    }
    for (const config of chosen) {
      await putTopicConfig(admin, config, { ...changed(config, options), attributes: changes });
    }
    const after = await admin.getTopic(options.topic);
    return after
      .filter(({ brokerName }) => chosen.some((one) => one.brokerName === brokerName))
      .map(updatedRow);
  },
};

function changed(config: TopicConfigBody, options: Options): TopicConfigBody {
  const { queues, readQueues, writeQueues, permission } = options;
  return {
    ...config,
    readQueueCount: readQueues ?? queues ?? config.readQueueCount,
    writeQueueCount: writeQueues ?? queues ?? config.writeQueueCount,
    permission: permission === undefined ? config.permission : (permissions[permission] ?? 0),
  };
}

/** `+name`: value, or `-name`. */
function attributeChanges({ type, attribute }: Options): Record<string, string> {
  const changes = new Map<string, string>();
  if (type !== undefined) changes.set('+message.type', type);
  for (const [name, value] of parseAttributes(attribute)) {
    changes.set(value === '' ? `-${name}` : `+${name}`, value);
  }
  return Object.fromEntries(changes);
}

function updatedRow(config: TopicConfigBody & Master): UpdatedRow {
  const { topic, brokerName, readQueueCount, writeQueueCount, permission, attributes } = config;
  return { topic, brokerName, readQueueCount, writeQueueCount, permission, attributes };
}
