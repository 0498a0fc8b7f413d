/** `rmq broker stats`: everything that brokers say of themselves. */
import { runtimeInfo } from '../../client/broker-client.ts';
import type { Command } from '../shared/command.ts';
import { brokersOf } from './broker-row.ts';

interface Options {
  readonly broker?: string;
}

interface StatRow {
  readonly brokerName: string;
  readonly brokerId: number;
  /** By Apache's name. */
  readonly name: string;
  readonly value: string;
}

export const brokerStats: Command<Options, StatRow> = {
  summary: 'Show what brokers measure: rates, totals, disk, queues of requests',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'broker', description: 'only this broker', isRequired: false }],
  flags: [],
  columns: [
    { title: 'BROKER', value: (row) => `${row.brokerName}:${row.brokerId}` },
    { title: 'NAME', isName: true, value: (row) => row.name, style: () => 'name' },
    { title: 'VALUE', value: (row) => row.value },
  ],
  examples: [
    ['rmq broker stats broker-a', 'one broker'],
    ['rmq broker stats --output json', 'all of them, for a program'],
  ],
  async run(context, { broker }) {
    const admin = await context.connect();
    const rows: StatRow[] = [];
    for (const { brokerName, brokerId, address } of await brokersOf(admin, broker)) {
      const info = await runtimeInfo(admin, address);
      for (const name of Object.keys(info).sort()) {
        rows.push({ brokerName, brokerId, name, value: info[name] ?? '' });
      }
    }
    return rows;
  },
};
