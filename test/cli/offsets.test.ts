/** Moving groups, against a real server. */
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
  server = await startRmq({ topics: { orders: { queues: 1 }, wide: { queues: 2 } } });
  for (const body of ['a', 'b', 'c', 'd']) await server.send('orders', { body });
  for (const group of ['billing', 'audit', 'fresh']) await json(['group', 'create', group]);
});
afterAll(() => server.stop());

test('set takes one queue to one offset that it has', async () => {
  const set = ['offset', 'set', 'billing', 'orders'];
  expect(await json([...set, '3', '--dry-run'])).toMatchObject([{ to: 3, isMoved: false }]);
  expect(await json([...set, '3', '--yes'])).toMatchObject([{ queueId: 0, to: 3, isMoved: true }]);
  expect(await json(['offset', 'show', 'billing'])).toMatchObject([{ consumerOffset: 3, lag: 1 }]);
  const outside = await run([...set, '9', '--yes']);
  expect(outside.code).toBe(2);
  expect(outside.stderr).toContain('offset 9 is not in queue 0, which has 0 to 4');
  const several = await run(['offset', 'set', 'billing', 'wide', '0', '--yes']);
  expect(several.code).toBe(2);
  expect(several.stderr).toContain('name one with --queue');
  expect((await run([...set, 'end', '--yes'])).code).toBe(2);
});

test('skip goes forward only, rewind back only', async () => {
  await json(['offset', 'set', 'audit', 'orders', '1', '--yes']);
  const skip = ['offset', 'skip', 'audit', 'orders', '--yes'];
  expect(await json([...skip, '--count', '2'])).toMatchObject([{ from: 1, to: 3, change: -2 }]);
  expect(await json([...skip, '--until', '-1h'])).toMatchObject([
    { from: 3, to: 3, change: 0, isMoved: false },
  ]);
  expect(await json(skip)).toMatchObject([{ from: 3, to: 4, isMoved: true }]);
  const rewind = ['offset', 'rewind', 'audit', 'orders'];
  expect(await json([...rewind, '1h', '--yes'])).toMatchObject([{ from: 4, to: 0, change: 4 }]);
  // What was stored in the last millisecond is behind the group: it stays.
  expect(await json([...rewind, '1ms', '--yes'])).toMatchObject([{ from: 0, to: 0 }]);
  const refused = await run([...rewind, 'long', '--yes']);
  expect(refused.stderr).toContain('"long" is no duration');
});

test('a group that has never been there is set, even to where it would begin', async () => {
  await json(['group', 'create', 'newcomer']);
  const reset = ['offset', 'reset', 'newcomer', 'wide', '--to', 'earliest', '--yes'];
  const first = await json(reset);
  expect(first).toMatchObject([
    { queueId: 0, to: 0, isMoved: true },
    { queueId: 1, to: 0, isMoved: true },
  ]);
  expect(await json(['offset', 'show', 'newcomer'])).toHaveLength(2);
  expect(await json(reset)).toMatchObject([{ isMoved: false }, { isMoved: false }]);
});

test('clone takes a group to where another one is', async () => {
  await json(['offset', 'set', 'billing', 'orders', '2', '--yes']);
  const clone = ['offset', 'clone', 'billing', 'fresh'];
  expect(await json([...clone, '--dry-run'])).toMatchObject([{ to: 2, isMoved: false }]);
  expect(await json([...clone, '--yes'])).toMatchObject([
    { topic: 'orders', to: 2, isMoved: true },
  ]);
  expect(await json(['offset', 'show', 'fresh'])).toMatchObject([{ consumerOffset: 2 }]);
  const unknown = await run(['offset', 'clone', 'billing', 'fres', '--yes']);
  expect(unknown.code).toBe(5);
  expect(unknown.stderr).toContain('did you mean fresh?');
  expect((await run([...clone, '--topic', 'wide', '--yes'])).code).toBe(5);
});
