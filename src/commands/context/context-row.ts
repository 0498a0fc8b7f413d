/** A context as the commands show it. */
import { parseHostPort } from '../../platform/host-port.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Argument, Column } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { type Contexts, contextNamed, readContexts, writeContexts } from '../shared/contexts.ts';

export interface ContextRow {
  readonly name: string;
  readonly namesrv: readonly string[];
  readonly description: string | undefined;
  readonly isReadOnly: boolean;
  readonly isCurrent: boolean;
}

export const contextColumns: readonly Column<ContextRow>[] = [
  {
    title: 'CURRENT',
    value: (row) => (row.isCurrent ? '*' : undefined),
    style: () => 'good',
  },
  { title: 'NAME', isName: true, value: (row) => row.name, style: () => 'name' },
  { title: 'NAMESRV', value: (row) => row.namesrv.join(';') },
  { title: 'MAY', value: (row) => (row.isReadOnly ? 'read' : 'read, change') },
  { title: 'DESCRIPTION', value: (row) => row.description },
];

export const nameArgument: Argument = {
  name: 'name',
  description: 'name of the context',
  isRequired: true,
};

export function contextRows({ current, list }: Contexts): ContextRow[] {
  return list.map((one) => ({ ...one, isCurrent: one.name === current }));
}

/** @throws RmqError USAGE when there is none of that name, or none in use. */
export function contextRow(contexts: Contexts, name: string | undefined): ContextRow {
  if (name === undefined) {
    throw new RmqError('USAGE', 'no context is in use', {
      hint: 'rmq context use NAME; rmq context list shows what there is',
    });
  }
  return { ...contextNamed(contexts, name), isCurrent: name === contexts.current };
}

/** Makes `name` the one in use. */
export async function useContext({ host, stderr }: Context, name: string): Promise<ContextRow> {
  const before = await readContexts(host);
  contextNamed(before, name);
  const previous = before.current === name ? before.previous : before.current;
  const after = { ...before, current: name, previous };
  await writeContexts(host, after);
  if ((host.environment['RMQ_NAMESRV'] ?? '') !== '') {
    await stderr.write('RMQ_NAMESRV is set and goes before the context\n');
  } else if ((host.environment['RMQ_CONTEXT'] ?? '') !== '') {
    await stderr.write('RMQ_CONTEXT is set and goes before the context in use\n');
  }
  return contextRow(after, name);
}

/** @throws RmqError USAGE naming what is no HOST:PORT. */
export function checkAddresses(addresses: readonly string[]): void {
  for (const text of addresses) {
    const address = parseHostPort(text);
    if (address !== undefined && address.port > 0) continue;
    throw new RmqError('USAGE', `"${text}" is not allowed: HOST:PORT`);
  }
}
