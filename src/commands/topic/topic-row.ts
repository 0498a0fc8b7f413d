/** Topics as rows: what all masters say, put together. */
import type { AdminClient, Master } from '../../client/admin-client.ts';
import { isSystemTopic } from '../../protocol/message/names.ts';
import type { TopicConfigBody } from '../../protocol/remoting/bodies/topic-config.ts';
import { permissionText } from '../shared/columns.ts';
import type { Column } from '../shared/command.ts';

export interface TopicRow {
  readonly topic: string;
  /** NORMAL, FIFO, DELAY, …; UNSPECIFIED when the topic does not say. */
  readonly messageType: string;
  /** Of all brokers together. */
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** Bits: 4 read, 2 write, 1 inherit. */
  readonly permission: number;
  readonly brokerNames: readonly string[];
  readonly isSystem: boolean;
}

export const topicColumns: readonly Column<TopicRow>[] = [
  { title: 'TOPIC', value: (row) => row.topic, style: () => 'name' },
  { title: 'TYPE', value: (row) => row.messageType },
  {
    title: 'QUEUES',
    align: 'right',
    value: (row) =>
      row.readQueueCount === row.writeQueueCount
        ? row.readQueueCount
        : `${row.readQueueCount}r/${row.writeQueueCount}w`,
  },
  { title: 'PERM', value: (row) => permissionText(row.permission) },
  { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
];

/** One row a topic, sorted by name. */
export async function topicRows(admin: AdminClient): Promise<TopicRow[]> {
  const masters = await admin.masters();
  const reserved = new Set(
    masters.flatMap(({ brokerName, clusterName }) => [
      brokerName,
      clusterName,
      `${clusterName}_REPLY_TOPIC`,
    ]),
  );
  const rows = [...(await admin.listTopics())].map(([topic, configs]) =>
    topicRow(topic, configs, reserved),
  );
  return rows.sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

function topicRow(
  topic: string,
  configs: readonly (TopicConfigBody & Master)[],
  reserved: ReadonlySet<string>,
): TopicRow {
  const sum = (count: (config: TopicConfigBody) => number): number =>
    configs.reduce((total, config) => total + count(config), 0);
  return {
    topic,
    messageType: messageTypeOf(configs),
    readQueueCount: sum((config) => config.readQueueCount),
    writeQueueCount: sum((config) => config.writeQueueCount),
    permission: configs.reduce((bits, config) => bits | config.permission, 0),
    brokerNames: configs.map(({ brokerName }) => brokerName).sort(),
    isSystem: reserved.has(topic) || isSystemTopic(topic) || /^%(RETRY|DLQ)%/.test(topic),
  };
}

export function messageTypeOf(configs: readonly TopicConfigBody[]): string {
  return configs[0]?.attributes['message.type'] ?? 'UNSPECIFIED';
}
