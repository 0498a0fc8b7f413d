/** `rmq client list` */
import type { Command } from '../shared/command.ts';
import { type ClientRow, clientRows } from './client-row.ts';

interface Options {
  readonly group?: string;
}

export const clientList: Command<Options, ClientRow> = {
  summary: 'List the clients of brokers, and the consumers of proxies',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'group',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'only those of this producer or consumer group',
    },
  ],
  columns: [
    { title: 'CLIENT', value: (row) => row.clientId, style: () => 'name' },
    { title: 'ADDRESS', value: (row) => row.address },
    { title: 'LANGUAGE', value: (row) => row.language },
    { title: 'VERSION', value: (row) => row.version },
    { title: 'CONSUMES WITH', value: (row) => row.consumerGroups.join(',') },
    { title: 'PRODUCES WITH', value: (row) => row.producerGroups.join(',') },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
    { title: 'PROXIES', value: (row) => row.proxyNames.join(',') },
  ],
  examples: [
    ['rmq client list', 'everybody'],
    ['rmq client list --group billing --output json', 'those of one group, for a program'],
  ],
  async run(context, { group }) {
    const rows = await clientRows(context, await context.connect());
    return rows.filter(
      ({ consumerGroups, producerGroups }) =>
        group === undefined || consumerGroups.includes(group) || producerGroups.includes(group),
    );
  },
};
