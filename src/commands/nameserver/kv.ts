/** `rmq nameserver kv`, `kv-set`, `kv-delete`: the key-value table that NameServers keep. */
import { kvList, kvPut } from '../../client/broker-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Argument, Column, Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';

interface KvRow {
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
}

const columns: readonly Column<KvRow>[] = [
  { title: 'NAMESPACE', value: (row) => row.namespace },
  { title: 'KEY', isName: true, value: (row) => row.key, style: () => 'name' },
  { title: 'VALUE', value: (row) => row.value },
];

const namespaceArgument: Argument = {
  name: 'namespace',
  description: 'namespace of the table, such as ORDER_TOPIC_CONFIG',
  isRequired: true,
};
const keyArgument: Argument = { name: 'key', description: 'name of the entry', isRequired: true };

export const nameserverKv: Command<{ readonly namespace: string; readonly key?: string }, KvRow> = {
  summary: 'Show entries of the key-value table of the NameServers',
  impact: 'read',
  isRemote: true,
  arguments: [
    namespaceArgument,
    { name: 'key', description: 'only this entry', isRequired: false },
  ],
  flags: [],
  columns,
  examples: [
    ['rmq nameserver kv ORDER_TOPIC_CONFIG', 'all of a namespace'],
    ['rmq nameserver kv ORDER_TOPIC_CONFIG orders --output json', 'one of them'],
  ],
  async run(context, { namespace, key }) {
    const entries = await kvList(await context.connect(), namespace);
    const chosen = entries.filter(([name]) => key === undefined || name === key);
    return chosen.map(([name, value]) => ({ namespace, key: name, value }));
  },
};

interface SetOptions {
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
}

export const nameserverKvSet: Command<SetOptions, KvRow> = {
  summary: 'Set an entry of the key-value table on every NameServer',
  impact: 'change',
  isRemote: true,
  arguments: [
    namespaceArgument,
    keyArgument,
    { name: 'value', description: 'its new value', isRequired: true },
  ],
  flags: [],
  columns,
  examples: [
    ['rmq nameserver kv-set ORDER_TOPIC_CONFIG orders broker-a:4', 'the order of a topic'],
    ['rmq nameserver kv-set my-namespace limit 10', 'a value of your own'],
  ],
  async run(context, { namespace, key, value }) {
    await put(context, namespace, key, value);
    return { namespace, key, value };
  },
};

export const nameserverKvDelete: Command<
  { readonly namespace: string; readonly key: string },
  KvRow
> = {
  summary: 'Delete an entry of the key-value table on every NameServer',
  impact: 'destroy',
  isRemote: true,
  arguments: [namespaceArgument, keyArgument],
  flags: [],
  columns,
  examples: [
    ['rmq nameserver kv-delete ORDER_TOPIC_CONFIG orders --dry-run', 'what would go'],
    ['rmq nameserver kv-delete ORDER_TOPIC_CONFIG orders --yes', 'without a question'],
  ],
  confirmation: ({ namespace, key }) => ({
    question: `entry ${key} of ${namespace} goes on every NameServer`,
    name: key,
  }),
  async run(context, { namespace, key }) {
    const entries = await kvList(await context.connect(), namespace);
    const entry = entries.find(([name]) => name === key);
    if (entry === undefined) {
      throw new RmqError('OFFSET_NOT_FOUND', `namespace ${namespace} has no entry ${key}`);
    }
    if (!context.isDryRun) await put(context, namespace, key, undefined);
    return { namespace, key, value: entry[1] };
  },
};

/** @throws RmqError PARTIAL, CANNOT_CONNECT */
async function put(
  context: Context,
  namespace: string,
  key: string,
  value: string | undefined,
): Promise<void> {
  const admin = await context.connect();
  const all = admin.nameserver.addresses.length;
  const count = await kvPut(admin, namespace, key, value);
  if (count === all) return;
  const text = `${count} of ${all} NameServers took it`;
  throw new RmqError(count === 0 ? 'CANNOT_CONNECT' : 'PARTIAL', text);
}
