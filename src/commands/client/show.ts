/** `rmq client show` and `rmq client stack`: what a client says when it is asked. */

import type { AdminClient } from '../../client/admin-client.ts';
import { type RunningInfo, runningInfo } from '../../client/consumers-client.ts';
import { proxyStack } from '../../client/proxy-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Argument, Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { visible } from '../shared/output.ts';
import { withProxies } from '../shared/proxies.ts';
import { brokerAddressOf, type ClientRow, findClient } from './client-row.ts';

const clientArgument: Argument = {
  name: 'client',
  description: 'client id or address, as rmq client list shows it',
  isRequired: true,
};

interface ClientDetails extends ClientRow {
  /** What it says of each group that it consumes with; undefined: it did not answer. */
  readonly consumers: Readonly<Record<string, Omit<RunningInfo, 'stack'> | undefined>>;
}

export const clientShow: Command<{ readonly client: string }, ClientDetails> = {
  summary: 'Show one client: groups, subscriptions, rates, settings',
  impact: 'read',
  isRemote: true,
  arguments: [clientArgument],
  flags: [],
  columns: [
    { title: 'CLIENT', value: (row) => row.clientId },
    { title: 'ADDRESS', value: (row) => row.address },
    { title: 'LANGUAGE', value: (row) => row.language },
    { title: 'VERSION', value: (row) => row.version },
    { title: 'PRODUCES WITH', value: (row) => row.producerGroups.join(', ') },
    { title: 'CONSUMES WITH', value: (row) => row.consumerGroups.join(', ') },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(', ') },
    { title: 'PROXIES', value: (row) => row.proxyNames.join(', ') },
    {
      title: 'SUBSCRIBES',
      value: (row) => Object.values(row.consumers).map(subscribed).join(', '),
    },
    { title: 'RATES', value: (row) => Object.values(row.consumers).map(rated).join(', ') },
  ],
  examples: [
    ['rmq client show 10.0.0.9@1', 'by its id'],
    ['rmq client show 10.0.0.9@1 --output json', 'with its settings, for a program'],
  ],
  async run(context, { client }) {
    const admin = await context.connect();
    const row = await findClient(context, admin, client);
    if (row.brokerNames.length === 0) return { ...row, consumers: {} };
    const address = await brokerAddressOf(admin, row);
    const consumers = await Promise.all(
      row.consumerGroups.map(async (group) => {
        const { clientId } = row;
        const info = await runningInfo(admin, address, { group, clientId, hasStack: false }).catch(
          () => undefined, // shown as no answer
        );
        if (info === undefined) return [group, undefined] as const;
        const { stack: _, ...shown } = info;
        return [group, shown] as const;
      }),
    );
    return { ...row, consumers: Object.fromEntries(consumers) };
  },
};

function subscribed(info: Omit<RunningInfo, 'stack'> | undefined): string {
  if (info === undefined) return 'no answer';
  return Object.entries(info.subscriptions)
    .map(([topic, expression]) => `${topic} (${expression})`)
    .join(', ');
}

function rated(info: Omit<RunningInfo, 'stack'> | undefined): string {
  return Object.entries(info?.rates ?? {})
    .map(
      ([topic, { okPerSecond, failedPerSecond, averageMs }]) =>
        `${topic} ${okPerSecond}/s ok, ${failedPerSecond}/s failed, ${averageMs} ms each`,
    )
    .join(', ');
}

interface StackRow {
  readonly clientId: string;
  readonly group: string;
  readonly stack: string;
}

export const clientStack: Command<{ readonly client: string }, StackRow> = {
  summary: 'Print the stacks of the threads of a consumer',
  impact: 'read',
  isRemote: true,
  arguments: [clientArgument],
  flags: [],
  columns: [
    { title: 'CLIENT', value: (row) => row.clientId },
    { title: 'GROUP', value: (row) => row.group },
    { title: 'STACK', value: (row) => row.stack },
  ],
  examples: [
    ['rmq client stack 10.0.0.9@1', 'what it is doing now'],
    ['rmq client stack 10.0.0.9@1 --output json', 'the same for a program'],
  ],
  async run(context, { client }) {
    const admin = await context.connect();
    const row = await findClient(context, admin, client);
    const [group] = row.consumerGroups;
    if (group === undefined) {
      throw new RmqError('NOT_SUPPORTED', `client ${row.clientId} is a producer`, {
        hint: 'only consumers can be asked for their stacks',
      });
    }
    const { clientId } = row;
    const stack = await stackOf(context, admin, row, group);
    if (stack === undefined || stack === '') {
      throw new RmqError('NOT_SUPPORTED', `client ${clientId} (${row.language}) has no stacks`);
    }
    if (context.format !== 'table' && context.format !== 'tsv') return { clientId, group, stack };
    const lines = stack.replace(/\r?\n$/, '').split(/\r?\n/);
    const shown = lines.map((line) => line.split('\t').map(visible).join('\t'));
    await context.stdout.write(`${shown.join('\n')}\n`);
    return undefined;
  },
};

async function stackOf(
  context: Context,
  admin: AdminClient,
  row: ClientRow,
  group: string,
): Promise<string | undefined> {
  const { clientId, proxyNames } = row;
  if (row.brokerNames.length > 0) {
    const address = await brokerAddressOf(admin, row);
    return (await runningInfo(admin, address, { group, clientId, hasStack: true })).stack;
  }
  return withProxies(context, admin, async (proxies, unary) => {
    const proxy = proxies.find(({ proxyName }) => proxyNames.includes(proxyName));
    return proxy === undefined ? undefined : proxyStack(unary, proxy, { group, clientId });
  });
}
