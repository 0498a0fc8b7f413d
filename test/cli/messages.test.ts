/** Single messages against a real server: listed, traced, sent again, tried by a consumer. */
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
const lines = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

beforeAll(async () => {
  server = await startRmq({
    topics: { orders: { queues: 2 }, other: { queues: 1 }, traces: { queues: 1 } },
  });
});
afterAll(() => server.stop());

test('a message is shown by the id that its producer was told', async () => {
  const { messageId } = await server.send('orders', { body: 'by id', key: 'k' });
  expect(await json(['message', 'show', 'orders', messageId])).toMatchObject({
    messageId,
    body: 'by id',
  });
  const missing = await run(['message', 'show', 'orders', 'ABCD']);
  expect(missing.code).toBe(5);
  expect(missing.stderr).toContain('topic orders has no message ABCD');
});

test('list goes from one time to another, filtered', async () => {
  await server.createTopic('span', { queues: 2 });
  for (const [index, tag] of ['a', 'b', 'a'].entries()) {
    await server.send('span', { body: `m${index}`, tag, properties: { price: String(index) } });
    const storedAt = Date.now();
    await expect.poll(() => Date.now()).toBeGreaterThan(storedAt); // the next one is later
  }
  const bodies = async (...flags: string[]): Promise<string[]> => {
    const { code, stdout } = await run(['message', 'list', 'span', '-o', 'json', ...flags]);
    expect(code).toBe(0);
    return (lines(stdout) as { body: string }[]).map(({ body }) => body);
  };
  expect(await bodies()).toEqual(['m0', 'm1', 'm2']);
  expect(await bodies('--count', '2')).toEqual(['m0', 'm1']);
  expect(await bodies('--tag', 'a')).toEqual(['m0', 'm2']);
  expect(await bodies('--sql', 'price > 1')).toEqual(['m2']);
  expect(await bodies('--filter', 'tag:a !price=0')).toEqual(['m2']);
  expect(await bodies('--grep', '/^m[01]$/')).toEqual(['m0', 'm1']);
  const all = (await run(['message', 'list', 'span', '-o', 'json'])).stdout;
  const [, second] = lines(all) as { storeTime: string }[];
  expect(await bodies('--from', second?.storeTime ?? '')).toEqual(['m1', 'm2']);
  expect(await bodies('--to', second?.storeTime ?? '')).toEqual(['m0']);
  expect(await bodies('--to', '-1h')).toEqual([]);
  const wrong = await run(['message', 'list', 'span', '--sql', 'price >']);
  expect(wrong.code).toBe(2);
  expect((await run(['message', 'list', 'span', '--grep', '/(/'])).code).toBe(2);
});

test('a copy has the tag, keys, group and properties, and an id of its own', async () => {
  await json(['topic', 'create', 'first', '--queues', '1']);
  const sent = (await json([
    ...['send', 'first', 'again', '--tag', 't', '--key', 'k9', '--prop', 'a=b'],
  ])) as { messageId: string };
  const copy = (await json(['message', 'resend', 'first', '0@0', '--to', 'other'])) as {
    messageId: string;
  };
  expect(copy).toMatchObject({ topic: 'other', copyOf: '0@0' });
  expect(copy.messageId).not.toBe(sent.messageId);
  expect(await json(['message', 'show', 'other', '0@0'])).toMatchObject({
    body: 'again',
    tag: 't',
    keys: ['k9'],
    messageId: copy.messageId,
    properties: { a: 'b' },
  });
  await json(['message', 'resend', 'first', sent.messageId]);
  expect(await json(['message', 'show', 'first', '0@1'])).toMatchObject({ body: 'again' });
});

test('trace joins what clients told and where the groups are', async () => {
  await server.createTopic('traced', { queues: 1 });
  const { messageId } = await server.send('traced', { body: 'x' });
  for (const group of ['ahead', 'behind']) await json(['group', 'create', group]);
  await json(['offset', 'reset', 'ahead', 'traced', '--to', 'latest', '--yes']);
  await json(['offset', 'reset', 'behind', 'traced', '--to', 'earliest', '--yes']);
  const quiet = await run(['message', 'trace', 'traced', messageId, '-o', 'json']);
  expect(quiet.stderr).toContain('no client traced this message');
  expect(JSON.parse(quiet.stdout)).toMatchObject([
    { event: 'stored', where: 'broker-a:0@0' },
    { event: 'passed', group: 'ahead' },
    { event: 'waiting', group: 'behind' },
  ]);
  const record = (...fields: (string | number)[]): string => `${fields.join('\u0001')}\u0002`;
  const host = '127.0.0.1:10911';
  await server.send('traces', {
    key: messageId,
    body:
      record(
        'Pub',
        1000,
        'R',
        'shop',
        'traced',
        messageId,
        '',
        '',
        host,
        1,
        7,
        0,
        'X',
        'true',
        'h1',
      ) +
      record('SubBefore', 2000, 'R', 'ahead', 'r1', messageId, 0, '', 'h2') +
      record('SubAfter', 'r1', messageId, 9, 'false', '', 2, 2009, 'ahead') +
      record('Pub', 1000, 'R', 'shop', 'traced', 'ANOTHER', '', '', host, 1, 7, 0, 'X', 'true'),
  });
  expect(
    await json(['message', 'trace', 'traced', '0@0', '--trace-topic', 'traces']),
  ).toMatchObject([
    { event: 'sent', group: 'shop', where: 'h1', durationMs: 7, isSuccess: true, source: 'client' },
    { event: 'consuming', group: 'ahead', where: 'h2' },
    { event: 'consumed', group: 'ahead', isSuccess: false, detail: 'exception', durationMs: 9 },
    { event: 'stored' },
    { event: 'passed' },
    { event: 'waiting' },
  ]);
});

test('a connected consumer is asked to consume one message', async () => {
  await server.createTopic('tried', { queues: 1 });
  await server.send('tried', { body: 'x' });
  await json(['group', 'create', 'testers']);
  const verify = ['message', 'verify', 'tried', '0@0', 'testers'];
  expect((await run(verify)).code).toBe(5);
  const who = { clientId: 'c1', group: 'testers', topic: 'tried' };
  const good = await joinGroup(server.endpoints.broker, who);
  expect(await json(verify)).toMatchObject({
    clientId: 'c1',
    isConsumed: true,
    result: 'CR_SUCCESS',
    durationMs: 4,
  });
  expect(good.consumed).toHaveLength(1);
  const bad = await joinGroup(server.endpoints.broker, {
    ...who,
    clientId: 'c2',
    consumeResult: 'CR_LATER',
  });
  const several = await run(verify);
  expect(several.code).toBe(2);
  expect(several.stderr).toContain('name one: --client');
  const later = await run([...verify, '--client', 'c2', '-o', 'json']);
  expect(later.code).toBe(6);
  expect(JSON.parse(later.stdout)).toMatchObject({ isConsumed: false, result: 'CR_LATER' });
  await good.leave();
  await bad.leave();
});
