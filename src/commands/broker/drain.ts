/** `rmq broker drain` and `undrain`: whether producers are sent to a broker. */
import { setWritable } from '../../client/broker-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Column, Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { brokerArgument, brokersOf } from './broker-row.ts';

interface Options {
  readonly broker: string;
}

interface DrainedRow {
  readonly brokerName: string;
  readonly isDrained: boolean;
  /** NameServers that say so from now on, of those asked for. */
  readonly nameserverCount: number;
  readonly nameserverCountAll: number;
}

const columns: readonly Column<DrainedRow>[] = [
  { title: 'BROKER', value: (row) => row.brokerName },
  { title: 'PRODUCERS', value: (row) => (row.isDrained ? 'go elsewhere' : 'are sent to it') },
  {
    title: 'NAMESERVERS',
    value: (row) => `${row.nameserverCount} of ${row.nameserverCountAll}`,
  },
];

const verdict = (result: readonly DrainedRow[] | DrainedRow): RmqError | undefined => {
  const row = result as DrainedRow; // run returns one
  const { nameserverCount, nameserverCountAll } = row;
  if (nameserverCount === nameserverCountAll) return undefined;
  const text = `${nameserverCountAll - nameserverCount} of ${nameserverCountAll} NameServers were not reached`;
  return new RmqError('PARTIAL', text, { hint: 'run it again once they are back' });
};

export const brokerDrain: Command<Options, DrainedRow> = {
  summary: 'Send producers to the other brokers; consumers empty this one',
  impact: 'change',
  isRemote: true,
  arguments: [brokerArgument],
  flags: [],
  columns,
  examples: [
    ['rmq broker drain broker-a', 'before it is stopped; clients notice within 30 s'],
    ['rmq broker drain broker-a --output json', 'the same for a program'],
  ],
  verdict,
  run: (context, { broker }) => change(context, broker, true),
};

export const brokerUndrain: Command<Options, DrainedRow> = {
  summary: 'Send producers to the broker again',
  impact: 'change',
  isRemote: true,
  arguments: [brokerArgument],
  flags: [],
  columns,
  examples: [
    ['rmq broker undrain broker-a', 'it takes messages again'],
    ['rmq broker undrain broker-a --output json', 'the same for a program'],
  ],
  verdict,
  run: (context, { broker }) => change(context, broker, false),
};

async function change(
  context: Context,
  brokerName: string,
  isDrained: boolean,
): Promise<DrainedRow> {
  const admin = await context.connect();
  await brokersOf(admin, brokerName);
  const nameserverCount = await setWritable(admin, brokerName, !isDrained);
  const nameserverCountAll = admin.nameserver.addresses.length;
  return { brokerName, isDrained, nameserverCount, nameserverCountAll };
}
