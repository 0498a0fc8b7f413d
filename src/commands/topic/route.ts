/** `rmq topic route`: what a client is told when it asks where a topic is. */
import { permissionText } from '../shared/columns.ts';
import type { Command } from '../shared/command.ts';
import { unknownTopic } from './describe.ts';

interface Options {
  readonly topic: string;
}

interface RouteRow {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** Bits: 4 read, 2 write, 1 inherit. */
  readonly permission: number;
  /** By broker id; 0 is the master. */
  readonly addresses: Readonly<Record<string, string>>;
}

export const topicRoute: Command<Options, RouteRow> = {
  summary: 'Show where clients are sent for a topic',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [],
  columns: [
    { title: 'BROKER', value: (row) => row.brokerName, style: () => 'name' },
    { title: 'CLUSTER', value: (row) => row.clusterName },
    { title: 'READ', align: 'right', value: (row) => row.readQueueCount },
    { title: 'WRITE', align: 'right', value: (row) => row.writeQueueCount },
    { title: 'PERM', value: (row) => permissionText(row.permission) },
    {
      title: 'ADDRESSES',
      value: ({ addresses }) =>
        Object.entries(addresses)
          .map(([id, address]) => (id === '0' ? address : `${address} (replica ${id})`))
          .join(', '),
    },
  ],
  examples: [
    ['rmq topic route orders', 'brokers, queues and addresses of the topic'],
    ['rmq topic route orders --output json', 'the same for a program'],
  ],
  async run(context, { topic }) {
    const admin = await context.connect();
    const route = await admin.nameserver.route(topic);
    if (route === undefined) throw await unknownTopic(admin, topic);
    return route.queues.map(
      ({ brokerName, readQueueCount, writeQueueCount, permission }): RouteRow => {
        const broker = route.brokers.find((one) => one.brokerName === brokerName);
        return {
          brokerName,
          clusterName: broker?.clusterName ?? '',
          readQueueCount,
          writeQueueCount,
          permission,
          addresses: Object.fromEntries(broker?.addresses ?? []),
        };
      },
    );
  },
};
