/** Groups, offsets and single messages against a real server. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';

let server: Rmq;
const run = (args: readonly string[]) => rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 1 } } });
});
afterAll(() => server.stop());

test('a group is created, described, changed and deleted', async () => {
  expect(
    await json(['group', 'create', 'billing', '--fifo', 'yes', '--retries', '3']),
  ).toMatchObject({ group: 'billing', delivery: 'fifo', retryCountMax: 3, canConsume: true });
  expect(await json(['group', 'list'])).toMatchObject([{ group: 'billing' }]);
  expect(
    await json(['group', 'update', 'billing', '--consume', 'no', '--retry-after', '2,30']),
  ).toMatchObject({ retryCountMax: 3, canConsume: false, retryPolicy: '2s, 30s' });
  expect(await json(['group', 'describe', 'billing'])).toMatchObject({
    delivery: 'fifo',
    canConsume: false,
    brokerNames: ['broker-a'],
    lag: 0,
    members: [],
    deadLetterCount: 0,
  });
  const twice = await run(['group', 'create', 'billing']);
  expect(twice.stderr).toContain('rmq group update billing');
  expect((await run(['group', 'delete', 'billing', '--yes'])).code).toBe(0);
  expect(await json(['group', 'list'])).toEqual([]);
});

test('an unknown group is exit 5 with the nearest name', async () => {
  await json(['group', 'create', 'shipping']);
  const { code, stderr } = await run(['group', 'describe', 'shiping']);
  expect(code).toBe(5);
  expect(stderr).toContain('did you mean shipping?');
});

test('a retry pause that is none is refused before anything is asked', async () => {
  const { code, stderr } = await run(['group', 'create', 'g', '--retry-after', '5,soon']);
  expect(code).toBe(2);
  expect(stderr).toContain('"soon"');
});

test('a group is moved: dry run first, then for good', async () => {
  for (const body of ['a', 'b', 'c', 'd']) await server.send('orders', { body });
  await json(['group', 'create', 'audit']);
  const reset = ['offset', 'reset', 'audit', 'orders', '--yes'];
  await json([...reset, '--to', 'latest']);
  expect(await json(['offset', 'show', 'audit'])).toMatchObject([
    { topic: 'orders', queueId: 0, consumerOffset: 4, brokerOffset: 4, lag: 0 },
  ]);
  expect(await json([...reset, '--to', '1', '--dry-run'])).toMatchObject([
    { from: 4, to: 1, change: 3, isMoved: false },
  ]);
  expect(await json(['offset', 'show', 'audit'])).toMatchObject([{ consumerOffset: 4 }]);
  expect(await json([...reset, '--to', '1'])).toMatchObject([{ to: 1, isMoved: true }]);
  expect(await json(['offset', 'show', 'audit', 'orders'])).toMatchObject([{ lag: 3 }]);
  expect(await json([...reset, '--to', '-1h'])).toMatchObject([{ to: 0 }]);
  const refused = await run([...reset, '--to', 'yesterday']);
  expect(refused.stderr).toContain('--to: "yesterday" is not allowed');
});

test('a message is shown by place and by id', async () => {
  await server.createTopic('shown', { queues: 1 });
  const sent = await json(['send', 'shown', 'hello', '--tag', 'new', '--key', 'k1']);
  expect(sent).toMatchObject({ queueId: 0, queueOffset: 0 });
  const byPlace = await json(['message', 'show', 'shown', '0@0']);
  expect(byPlace).toMatchObject({ topic: 'shown', body: 'hello', tag: 'new', keys: ['k1'] });
  const { offsetMessageId } = sent as { offsetMessageId: string };
  expect(await json(['message', 'show', offsetMessageId])).toEqual(byPlace);
  const missing = await run(['message', 'show', 'shown', '0@7']);
  expect(missing.code).toBe(5);
  expect(missing.stderr).toContain('it holds 0 to 0');
  expect((await run(['message', 'show', 'shown'])).code).toBe(2);
});

test('messages are found by key, id and tag', async () => {
  await server.createTopic('found', { queues: 1 });
  const sent = await json(['send', 'found', 'one', '--key', 'k1', '--tag', 'red']);
  await json(['send', 'found', 'two', '--key', 'k1', '--key', 'k2']);
  const { messageId } = sent as { messageId: string };
  expect(await json(['message', 'find', 'found', '--key', 'k1'])).toMatchObject([
    { body: 'two' },
    { body: 'one' },
  ]);
  expect(await json(['message', 'find', 'found', '--id', messageId])).toMatchObject([
    { body: 'one' },
  ]);
  expect(await json(['message', 'find', 'found', '--tag', 'red'])).toMatchObject([{ body: 'one' }]);
  expect(await json(['message', 'find', 'found', '--key', 'nobody'])).toEqual([]);
  expect(await json(['message', 'find', 'found', '--key', 'k1', '--to', '-1h'])).toEqual([]);
  const both = await run(['message', 'find', 'found', '--key', 'a', '--tag', 'b']);
  expect(both.code).toBe(2);
  expect((await run(['message', 'find', 'nowhere', '--key', 'a'])).code).toBe(5);
});
