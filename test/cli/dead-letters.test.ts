/** Dead letters against a real server. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { type CliOptions, rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';

let server: Rmq;
const run = (args: readonly string[]) => rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });
const runApart = (args: readonly string[], options: CliOptions) =>
  rmq(args, { ...options, env: { RMQ_NAMESRV: server.endpoints.namesrv } });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};
const stored = async (topic: string): Promise<{ body: string; messageId: string }[]> => {
  const { stdout } = await run(['message', 'list', topic, '-o', 'json', '--count', '1000']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { body: string; messageId: string });
};
/** A group with that many dead letters, which died in `orders-GROUP`. */
const groupWith = async (group: string, count: number): Promise<string> => {
  const origin = `orders-${group}`;
  await server.createTopic(origin, { queues: 1 });
  await json(['group', 'create', group]);
  await server.createTopic(`%DLQ%${group}`, { queues: 1 });
  for (let index = 0; index < count; index++) {
    await server.send(`%DLQ%${group}`, {
      body: `m${index}`,
      tag: index % 2 === 0 ? 'even' : 'odd',
      properties: { DLQ_ORIGIN_TOPIC: origin, RETRY_TOPIC: origin, MAX_RECONSUME_TIMES: '3' },
    });
  }
  return origin;
};

beforeAll(async () => {
  server = await startRmq();
});
afterAll(() => server.stop());

test('list and show know what waits', async () => {
  await groupWith('billing', 3);
  expect(await json(['dlq', 'list'])).toMatchObject([
    { group: 'billing', messageCount: 3, waitingCount: 3, brokerNames: ['broker-a'] },
  ]);
  const shown = await run(['dlq', 'show', 'billing', '--tag', 'odd', '-o', 'json']);
  expect(JSON.parse(shown.stdout)).toMatchObject({ body: 'm1', originTopic: 'orders-billing' });
  expect((await run(['dlq', 'show', 'billing', '0@2', '-o', 'name'])).stdout).toBe(
    'broker-a:0@2\n',
  );
  await json(['group', 'create', 'healthy']);
  const none = await run(['dlq', 'show', 'healthy']);
  expect({ code: none.code, stdout: none.stdout }).toEqual({ code: 0, stdout: '' });
  expect((await run(['dlq', 'show', 'helthy'])).code).toBe(5);
});

test('all that wait are sent again once, under their ids, and new ones later', async () => {
  const origin = await groupWith('all', 40);
  const redrive = ['dlq', 'redrive', 'all'];
  expect(await json([...redrive, '--dry-run'])).toMatchObject([
    { redrivenCount: 40, isDryRun: true },
  ]);
  expect(await stored(origin)).toEqual([]);
  expect(await json([...redrive, '--max', '3'])).toMatchObject([
    { redrivenCount: 3, nextOffset: 3 },
  ]);
  expect(await json(redrive)).toMatchObject([{ redrivenCount: 37, nextOffset: 40, state: 'done' }]);
  expect(await json(redrive)).toMatchObject([{ redrivenCount: 0 }]);
  const dead = await stored('%DLQ%all');
  const copies = await stored(origin);
  expect(copies.map(({ messageId }) => messageId).sort()).toEqual(
    dead.map(({ messageId }) => messageId).sort(),
  );
  const [copy] = copies as unknown as { properties: Record<string, string> }[];
  expect(Object.keys(copy?.properties ?? {})).not.toContain('DLQ_ORIGIN_TOPIC');
  expect(Object.keys(copy?.properties ?? {})).not.toContain('MAX_RECONSUME_TIMES');
  expect(await json(['dlq', 'list', '--all'])).toContainEqual(
    expect.objectContaining({ group: 'all', messageCount: 40, waitingCount: 0 }),
  );
  expect(await json([...redrive, '--again', '--max', '1'])).toMatchObject([{ redrivenCount: 1 }]);
});

test('one of them, and those that match, leave the others waiting', async () => {
  const origin = await groupWith('some', 4);
  expect(await json(['dlq', 'redrive', 'some', '0@2'])).toMatchObject([{ redrivenCount: 1 }]);
  expect(await json(['dlq', 'redrive', 'some', '--tag', 'odd'])).toMatchObject([
    { redrivenCount: 2, leftOutCount: 2 },
  ]);
  expect((await stored(origin)).map(({ body }) => body).sort()).toEqual(['m1', 'm2', 'm3']);
  expect(await json(['dlq', 'list'])).toContainEqual(
    expect.objectContaining({ group: 'some', waitingCount: 4 }),
  );
  await server.createTopic('elsewhere', { queues: 1 });
  const other = ['dlq', 'redrive', 'some', '--to', 'elsewhere', '--start', 'broker-a:0@3'];
  expect(await json(other)).toMatchObject([{ redrivenCount: 1 }]);
  expect((await run(['dlq', 'redrive', 'some', '--start', 'here'])).code).toBe(2);
});

test('Ctrl-C stops between two, and the same command goes on there', async () => {
  const origin = await groupWith('slow', 12);
  const stopped = await runApart(['dlq', 'redrive', 'slow', '--rate', '5', '-o', 'json'], {
    onStart: (child) => {
      void vi
        .waitUntil(async () => (await server.lag(origin, 'TOOLS_CONSUMER')) > 0, { timeout: 9_000 })
        .then(() => child.kill('SIGINT'));
    },
  });
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toMatch(/^stopped after \d+; the same command goes on there\n$/);
  const [row] = JSON.parse(stopped.stdout) as { redrivenCount: number; state: string }[];
  expect(row?.state).toBe('interrupted');
  expect(await json(['dlq', 'redrive', 'slow'])).toMatchObject([
    { redrivenCount: 12 - (row?.redrivenCount ?? 0), state: 'done' },
  ]);
  expect(await stored(origin)).toHaveLength(12);
});

test('what cannot be sent stops it, with how far it came', async () => {
  await groupWith('lost', 2);
  await json(['topic', 'delete', 'orders-lost', '--yes']);
  const failed = await run(['dlq', 'redrive', 'lost', '-o', 'json']);
  expect(failed.code).toBe(6);
  expect(JSON.parse(failed.stdout)).toMatchObject([{ redrivenCount: 0, state: 'failed' }]);
  expect(failed.stderr).toContain('orders-lost');
});

test('purge takes all away, and what dies later is seen', async () => {
  await groupWith('gone', 3);
  await json(['dlq', 'redrive', 'gone', '--max', '2']);
  expect(await json(['dlq', 'purge', 'gone', '--dry-run'])).toMatchObject({ isPurged: false });
  expect(await json(['dlq', 'purge', 'gone', '--yes'])).toMatchObject({
    messageCount: 3,
    waitingCount: 1,
    isPurged: true,
  });
  expect(await json(['dlq', 'list', '--all'])).not.toContainEqual(
    expect.objectContaining({ group: 'gone' }),
  );
  await server.createTopic('%DLQ%gone', { queues: 1 });
  for (const body of ['a', 'b', 'c']) await server.send('%DLQ%gone', { body });
  expect(await json(['dlq', 'list'])).toContainEqual(
    expect.objectContaining({ group: 'gone', waitingCount: 3 }),
  );
});
