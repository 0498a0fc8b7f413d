/** `rmq context add` */
import { RmqError } from '../../protocol/errors.ts';
import type { Command } from '../shared/command.ts';
import { readContexts, writeContexts } from '../shared/contexts.ts';
import {
  type ContextRow,
  checkAddresses,
  contextColumns,
  contextRow,
  nameArgument,
} from './context-row.ts';

interface Options {
  readonly name: string;
  readonly addresses: string;
  readonly description?: string;
  readonly readOnly: boolean;
  readonly replace: boolean;
}

const nameAllowed = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export const contextAdd: Command<Options, ContextRow> = {
  summary: 'Give a cluster a name; the first one is in use at once',
  impact: 'change',
  isRemote: false,
  arguments: [
    nameArgument,
    { name: 'addresses', description: 'its NameServers, HOST:PORT[;HOST:PORT]', isRequired: true },
  ],
  flags: [
    {
      name: 'description',
      kind: { type: 'text', placeholder: 'TEXT' },
      description: 'what the cluster is for',
    },
    {
      name: 'read-only',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'refuse commands that change something',
    },
    {
      name: 'replace',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'take the place of a context of that name',
    },
  ],
  columns: contextColumns,
  examples: [
    ['rmq context add dev 127.0.0.1:9876', 'a cluster on this machine'],
    [
      "rmq context add prod '10.0.0.1:9876;10.0.0.2:9876' --read-only",
      'one with two NameServers, to look at only',
    ],
  ],
  async run({ host }, { name, addresses, description, readOnly, replace }) {
    if (!nameAllowed.test(name)) {
      throw new RmqError('USAGE', `"${name}" is not allowed: letters, digits, ., _ and -`);
    }
    const namesrv = addresses.split(';').filter((address) => address !== '');
    if (namesrv.length === 0) throw new RmqError('USAGE', 'no NameServer is named');
    checkAddresses(namesrv);
    const before = await readContexts(host);
    if (!replace && before.list.some((one) => one.name === name)) {
      throw new RmqError('USAGE', `there is a context ${name}`, {
        hint: '--replace changes it; rmq context show tells what it is',
      });
    }
    const made = { name, namesrv, description, isReadOnly: readOnly };
    const others = before.list.filter((one) => one.name !== name);
    const list = [...others, made].sort((a, b) => (a.name < b.name ? -1 : 1));
    const after = { ...before, current: before.current ?? name, list };
    await writeContexts(host, after);
    return contextRow(after, name);
  },
};
