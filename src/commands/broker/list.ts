/** `rmq broker list` */
import type { AdminClient } from '../../client/admin-client.ts';
import { isDrained, runtimeInfo } from '../../client/broker-client.ts';
import type { Command } from '../shared/command.ts';
import { type BrokerPlace, brokersOf } from './broker-row.ts';

interface BrokerRow extends BrokerPlace {
  readonly isAlive: boolean;
  /** Producers are not sent to it. */
  readonly isDrained: boolean;
  /** Why it takes no messages. */
  readonly refusing: string | undefined;
  /** Such as `5.4.0`. */
  readonly version: string | undefined;
  readonly startTime: string | undefined;
  /** Messages a second, lately. */
  readonly inPerSecond: number | undefined;
  readonly outPerSecond: number | undefined;
}

export const brokerList: Command<object, BrokerRow> = {
  summary: 'List the brokers with their state and rates',
  impact: 'read',
  isRemote: true,
  flags: [],
  columns: [
    { title: 'NAME', value: (row) => row.brokerName, style: () => 'name' },
    { title: 'ID', align: 'right', value: (row) => row.brokerId },
    { title: 'ADDRESS', value: (row) => row.address },
    { title: 'CLUSTER', value: (row) => row.clusterName },
    { title: 'VERSION', value: (row) => row.version },
    { title: 'STATE', value: stateText, style: (row) => (isGood(row) ? 'good' : 'bad') },
    { title: 'IN/S', align: 'right', value: (row) => row.inPerSecond?.toFixed(1) },
    { title: 'OUT/S', align: 'right', value: (row) => row.outPerSecond?.toFixed(1) },
  ],
  examples: [
    ['rmq broker list', 'every broker that is registered'],
    ['rmq broker list --output name', 'their names alone'],
  ],
  async run(context) {
    const admin = await context.connect();
    const places = await brokersOf(admin, undefined);
    return Promise.all(places.map((place) => brokerRow(admin, place)));
  },
};

async function brokerRow(admin: AdminClient, place: BrokerPlace): Promise<BrokerRow> {
  const [info, drained] = await Promise.all([
    runtimeInfo(admin, place.address).catch(() => undefined), // shown in the row
    isDrained(admin, place.brokerName),
  ]);
  const boot = Number(info?.['bootTimestamp']);
  return {
    ...place,
    isAlive: info !== undefined,
    isDrained: drained,
    refusing: info?.['refusing'],
    version: info?.['brokerVersionDesc']?.replace(/^V/, '').replaceAll('_', '.'),
    startTime: boot > 0 ? new Date(boot).toISOString() : undefined,
    inPerSecond: firstNumber(info?.['putTps']),
    outPerSecond: firstNumber(info?.['getTransferredTps']),
  };
}

/** `10s 60s 600s` averages: the newest. */
function firstNumber(text: string | undefined): number | undefined {
  const value = Number(text?.trim().split(' ')[0]);
  return text === undefined || Number.isNaN(value) ? undefined : value;
}

function isGood(row: BrokerRow): boolean {
  return row.isAlive && row.refusing === undefined && !row.isDrained;
}

function stateText(row: BrokerRow): string {
  if (!row.isAlive) return 'no answer';
  if (row.refusing !== undefined) return `refuses messages: ${row.refusing}`;
  return row.isDrained ? 'up, drained' : 'up';
}
