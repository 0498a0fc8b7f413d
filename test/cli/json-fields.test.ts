/** What commands print as JSON has the fields that docs/reference/json.md says, all of them and no others. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Field, rowTypes } from '../../scripts/docs/row-types.ts';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';
import { joinGroup } from '../support/remoting-member.ts';

let server: Rmq;
const fieldsOf = new Map<string, readonly Field[]>();
const run = (line: string) =>
  rmqHere([...line.split(' '), '-o', 'json'], { RMQ_NAMESRV: server.endpoints.namesrv });

beforeAll(async () => {
  for (const { commands, fields } of await rowTypes()) {
    for (const command of commands) fieldsOf.set(command, fields);
  }
  server = await startRmq({ topics: { orders: { queues: 2 } } });
  await server.send('orders', { body: 'x', key: 'k-1', tag: 'new' });
  await run('group create billing');
  await run('offset reset billing orders --to earliest --yes');
});
afterAll(() => server.stop());

/** Rows of an array, an object, or an object a line. */
function rowsOf(stdout: string): readonly unknown[] {
  if (/^\{.*\}$/m.test(stdout))
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const value: unknown = JSON.parse(stdout);
  return Array.isArray(value) ? value : [value];
}

/** Differences between an object and the fields that stand right below `prefix`, and on downwards. */
function differences(value: unknown, fields: readonly Field[], prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one) => differences(one, fields, prefix));
  const below = fields.filter(
    ({ path }) => path.startsWith(prefix) && !/[.[]/.test(path.slice(prefix.length)),
  );
  const missing = below
    .filter(({ path, isOptional }) => !isOptional && !(path.slice(prefix.length) in value))
    .map(({ path }) => `${path} is missing`);
  const others = Object.entries(value).flatMap(([name, inner]) => {
    const field = below.find(({ path }) => path === prefix + name);
    if (field === undefined) return [`${prefix}${name} is not documented`];
    const { path, type } = field;
    const plain = Array.isArray(inner) ? inner[0] : inner;
    const isRight = type.endsWith('[]') === Array.isArray(inner) && isOf(plain, type);
    if (!isRight) return [`${path} is no ${type}: ${JSON.stringify(inner)}`];
    if (type === 'object' || type === 'object[]') {
      return differences(inner, fields, `${path}${type === 'object' ? '' : '[]'}.`);
    }
    if (type !== 'object of object') return [];
    return Object.values(inner as object).flatMap((one) => differences(one, fields, `${path}.*.`));
  });
  return [...missing, ...others];
}

function isOf(value: unknown, type: string): boolean {
  if (value === undefined || type === 'unknown') return true; // an empty array
  if (type.startsWith('object')) return typeof value === 'object';
  const texts = [...type.matchAll(/'([^']*)'/g)].map(([, text]) => text);
  if (texts.length > 0) return texts.includes(String(value));
  return typeof value === type.replace('[]', '');
}

test.each([
  ['topic list', ''],
  ['topic create', 'made --queues 3'],
  ['topic describe', 'orders'],
  ['topic update', 'orders --queues 3'],
  ['topic route', 'orders'],
  ['topic stats', 'orders'],
  ['group list', ''],
  ['group update', 'billing --retries 4'],
  ['group describe', 'billing'],
  ['offset show', 'billing'],
  ['offset reset', 'billing orders --to earliest --yes'],
  ['message find', 'orders --key k-1'],
  ['message list', 'orders'],
  ['send', 'orders y'],
  ['tail', 'orders --from earliest --no-follow'],
  ['consume', 'billing orders --count 1'],
  ['broker list', ''],
  ['broker stats', 'broker-a'],
  ['broker config', 'broker-a'],
  ['nameserver list', ''],
  ['nameserver config', ''],
  ['proxy list', ''],
  ['cluster list', ''],
  ['cluster health', ''],
  ['group create', 'made'],
  ['offset set', 'billing orders 0 --queue 0 --broker broker-a --yes'],
  ['offset rewind', 'billing orders 1h --yes'],
  ['offset skip', 'billing orders --yes'],
  ['offset clone', 'billing made --yes'],
  ['export topics', '--dry-run'],
  ['export groups', '--dry-run'],
  ['export offsets', '--dry-run'],
  ['export messages', 'orders --dry-run'],
  ['broker configure', 'broker-a fileReservedTime 48'],
  ['broker drain', 'broker-a'],
  ['broker undrain', 'broker-a'],
  ['nameserver kv-set', 'NAMES a b'],
  ['nameserver kv', 'NAMES'],
  ['nameserver kv-delete', 'NAMES a --yes'],
  ['bench produce', '--count 10 --warmup 0ms'],
  ['topic delete', 'made --yes'],
  ['group delete', 'made --yes'],
])('rmq %s %s', async (command, args) => {
  const { code, stdout, stderr } = await run(`${command} ${args}`.trim());
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const rows = rowsOf(stdout);
  expect(rows).not.toEqual([]);
  expect(rows.flatMap((row) => differences(row, fieldsOf.get(command) ?? []))).toEqual([]);
});

test('the comparison notices what is missing, new, or of another type', () => {
  const comment = '';
  const fields: readonly Field[] = [
    { path: 'name', type: 'string', isOptional: false, comment },
    { path: 'lag', type: 'number', isOptional: true, comment },
    { path: 'queues', type: 'object[]', isOptional: false, comment },
    { path: 'queues[].id', type: 'number', isOptional: false, comment },
  ];
  expect(differences({ name: 'a', queues: [{ id: 1 }] }, fields)).toEqual([]);
  expect(differences({ lag: '1', other: 2, queues: [{ id: 1 }, {}] }, fields)).toEqual([
    'name is missing',
    'lag is no number: "1"',
    'other is not documented',
    'queues[].id is missing',
  ]);
});

test('with a client connected: group members, client list, client show', async () => {
  const member = { clientId: 'a@1', group: 'billing', topic: 'orders', producer: 'checkout' };
  const joined = await joinGroup(server.endpoints.broker, member);
  onTestFinished(() => joined.leave());
  for (const [command, args] of [
    ['group members', 'billing'],
    ['client list', ''],
    ['client show', 'a@1'],
  ] as const) {
    const { stdout } = await run(`${command} ${args}`.trim());
    const rows = rowsOf(stdout);
    expect(rows).not.toEqual([]);
    expect(rows.flatMap((row) => differences(row, fieldsOf.get(command) ?? []))).toEqual([]);
  }
});
