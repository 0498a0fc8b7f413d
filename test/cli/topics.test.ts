/** Topics beyond making and listing them, and who consumes them, against a real server. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';
import { joinGroup } from '../support/remoting-member.ts';

let server: Rmq;
const run = (args: readonly string[]) => rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 2 }, counted: { queues: 1 } } });
});
afterAll(() => server.stop());

test('update changes what is said and leaves the rest', async () => {
  await server.createTopic('changed', { type: 'FIFO', queues: 2 });
  expect(await json(['topic', 'update', 'changed', '--queues', '5'])).toEqual([
    {
      topic: 'changed',
      brokerName: 'broker-a',
      readQueueCount: 5,
      writeQueueCount: 5,
      permission: 6,
      attributes: { 'message.type': 'FIFO' },
    },
  ]);
  expect(
    await json(['topic', 'update', 'changed', '--write-queues', '1', '--permission', 'r']),
  ).toMatchObject([{ readQueueCount: 5, writeQueueCount: 1, permission: 4 }]);
  const refused = await run(['send', 'changed', 'x', '--group', 'g']);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain('takes no messages');
  const attributes = ['topic', 'update', 'changed', '--attribute', 'reserve.time=60000'];
  expect(await json([...attributes, '--type', 'NORMAL'])).toMatchObject([
    { attributes: { 'message.type': 'NORMAL', 'reserve.time': '60000' }, permission: 4 },
  ]);
  expect(await json(['topic', 'update', 'changed', '--attribute', 'reserve.time='])).toMatchObject([
    { attributes: { 'message.type': 'NORMAL' } },
  ]);
  expect((await run(['topic', 'update', 'changed'])).code).toBe(2);
  expect((await run(['topic', 'update', 'chnged', '--queues', '2'])).code).toBe(5);
  const elsewhere = await run(['topic', 'update', 'changed', '--queues', '2', '--broker', 'x']);
  expect(elsewhere.stderr).toContain('these have it: broker-a');
});

test('route says where clients are sent', async () => {
  expect(await json(['topic', 'route', 'orders'])).toEqual([
    {
      brokerName: 'broker-a',
      clusterName: 'DefaultCluster',
      readQueueCount: 2,
      writeQueueCount: 2,
      permission: 6,
      addresses: { 0: server.endpoints.broker },
    },
  ]);
  expect((await run(['topic', 'route', 'nowhere'])).code).toBe(5);
});

test('stats have a row for each group, with what waits', async () => {
  for (const body of ['a', 'b', 'c']) await server.send('counted', { body });
  await json(['group', 'create', 'reader']);
  await json(['offset', 'reset', 'reader', 'counted', '--to', '1', '--yes']);
  expect(await json(['topic', 'stats', 'counted'])).toMatchObject([
    { topic: 'counted', group: 'reader', lag: 2 },
  ]);
  const all = (await json(['topic', 'stats'])) as { topic: string; group?: string }[];
  expect(all.map(({ topic }) => topic)).toContain('orders');
  expect(all.find(({ topic }) => topic === 'orders')?.group).toBeUndefined();
  expect((await run(['topic', 'stats', 'nowhere'])).code).toBe(5);
});

test('members are those who consume now', async () => {
  await json(['group', 'create', 'team']);
  const who = { clientId: '10.0.0.9@1', group: 'team', topic: 'orders' };
  const member = await joinGroup(server.endpoints.broker, who);
  expect(await json(['group', 'members', 'team'])).toMatchObject([
    { clientId: '10.0.0.9@1', language: 'NODE_JS', version: '5.4.0', brokerNames: ['broker-a'] },
  ]);
  expect(await json(['group', 'describe', 'team'])).toMatchObject({
    members: ['10.0.0.9@1'],
    subscriptions: { orders: '*' },
  });
  await member.leave();
  await expect.poll(() => json(['group', 'members', 'team'])).toEqual([]);
  expect((await run(['group', 'members', 'tam'])).code).toBe(5);
});
