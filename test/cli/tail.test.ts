/** `rmq tail` on a pipe, against a real server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { type CliOptions, rmq } from '../support/cli.ts';
import { rmqExecutable } from '../support/tmux.ts';

let server: Rmq;
const run = (args: readonly string[], options: CliOptions = {}) =>
  rmq(['tail', ...args], { ...options, env: { RMQ_NAMESRV: server.endpoints.namesrv } });
const all = ['--from', 'earliest', '--no-follow'];

beforeAll(async () => {
  server = await startRmq({
    topics: { 'orders-eu': { queues: 3 }, 'orders-us': { queues: 2 }, payments: { queues: 1 } },
  });
  for (let n = 0; n < 40; n++) {
    await server.send(n % 2 === 0 ? 'orders-eu' : 'orders-us', {
      body: JSON.stringify({
        n,
        user: { id: n % 4 },
        text: n === 7 ? 'Refused: no money' : 'fine',
      }),
      tag: n % 4 === 0 ? 'paid' : 'new',
      key: `o-${n}`,
      properties: { price: String(n), region: n < 20 ? 'eu' : 'us' },
    });
  }
  await server.send('payments', { body: 'a payment' });
});
afterAll(() => server.stop());

const format = ['--format', '%{price}'];
const prices = (stdout: string): number[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => Number(line));

describe('what is followed', () => {
  test('several topics and patterns, in the order of the store', async () => {
    const { code, stdout } = await run(['orders-*', ...all, ...format]);
    expect(code).toBe(0);
    expect(prices(stdout)).toEqual(Array.from({ length: 40 }, (_, n) => n));
    const rows = await run(['payments', 'orders-us', ...all, '-o', 'json']);
    const topics = rows.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { topic: string }).topic);
    expect(new Set(topics)).toEqual(new Set(['payments', 'orders-us']));
    expect(topics).toHaveLength(21);
  });

  test('the last ones of all topics together', async () => {
    const { stdout } = await run(['orders-*', '--last', '3', '--no-follow', ...format]);
    expect(prices(stdout)).toEqual([37, 38, 39]);
  });

  test('up to a time, and the first so many', async () => {
    const counted = await run(['orders-*', '--from', 'earliest', '--count', '5', ...format]);
    expect(prices(counted.stdout)).toEqual([0, 1, 2, 3, 4]);
    const now = await run(['orders-eu', '--from', '-1h', '--until', 'now', ...format]);
    expect(prices(now.stdout)).toHaveLength(20);
    const past = await run(['orders-eu', '--from', 'earliest', '--until', '-1h', ...format]);
    expect({ code: past.code, stdout: past.stdout }).toEqual({ code: 0, stdout: '' });
  });

  test('what does not exist is named', async () => {
    expect((await run(['nothing-*'])).stderr).toContain('no topic is called like nothing-*');
    expect((await run(['--dlq', 'billing'])).stderr).toContain('billing has no dead letters');
    expect((await run(['--retry', 'billing'])).stderr).toContain('billing has no retry topic');
    const none = await run([]);
    expect({ code: none.code, stderr: none.stderr.split('\n')[0] }).toEqual({
      code: 2,
      stderr: 'error: name a topic, a pattern, --dlq GROUP or --retry GROUP',
    });
  });
});

describe('filters', () => {
  test.each([
    [['--tag', 'paid', '--sql', 'price < 9'], 3],
    [['--prop', 'region=us', '--prop', 'price=*'], 20],
    [['--grep', '/^\\{"n":1\\d,/'], 10],
    [['--where', '$.user.id == 3 && $.n > 30'], 3],
    [['--filter', 'tag:paid $.n < 10 !key:o-4'], 2],
  ] as const)('%j lets %i through', async (flags, count) => {
    const { code, stdout, stderr } = await run(['orders-*', ...all, ...format, ...flags]);
    expect({ code, count: prices(stdout).length }).toEqual({ code: 0, count });
    expect(stderr).toBe(`40 seen, ${count} shown, ${40 - count} filtered out\n`);
  });

  test.each([
    ['--sql', 'price >', 'ILLEGAL_FILTER'],
    ['--where', '$.a ==', 'ILLEGAL_FILTER'],
    ['--format', '%y', 'USAGE'],
    ['--until', '12', 'USAGE'],
  ])('%s %j is refused before anybody is asked', async (flag, value, errorCode) => {
    const args = ['tail', 'x', flag, value, '--namesrv', '127.0.0.1:1', '-o', 'json'];
    const { code, stdout, stderr } = await rmq(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: errorCode } });
  });
});

test('a topic that is made later belongs to its pattern', async () => {
  await server.createTopic('later-a');
  // Until the first is seen: nobody tells when the reader is in place.
  const feeding = setInterval(() => void server.send('later-a', { body: 'x' }), 50);
  let isMade = false;
  const { code } = await run(['later-*', '--format', '%t'], {
    onStdout: (soFar, child) => {
      clearInterval(feeding);
      if (soFar.includes('later-b')) child.kill('SIGINT');
      if (isMade) return;
      isMade = true;
      void server.createTopic('later-b').then(() => server.send('later-b', { body: 'x' }));
    },
  });
  clearInterval(feeding);
  expect(code).toBe(130);
});

test('no group is left behind', async () => {
  const env = { RMQ_NAMESRV: server.endpoints.namesrv };
  const before = (await rmq(['group', 'list', '-o', 'json'], { env })).stdout;
  await run(['payments', ...all]);
  expect((await rmq(['group', 'list', '-o', 'json'], { env })).stdout).toBe(before);
});

test('a reader that goes away ends it silently', async () => {
  // Only a further line meets the closed pipe.
  const feeding = setInterval(() => void server.send('orders-eu', { body: 'more' }), 50);
  const { code, stderr } = await run(['orders-eu', '--from', 'earliest'], {
    onStdout: (_soFar, child) => child.stdout?.destroy(),
  });
  clearInterval(feeding);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('Ctrl-C need not wait for a cluster that does not answer', async () => {
  const silent = createServer((socket) => {
    socket.on('error', () => {});
    silent.emit('asked');
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const child = spawn(process.execPath, [rmqExecutable, 'tail', 'x', '--timeout', '1h'], {
    env: { ...process.env, RMQ_NAMESRV: `127.0.0.1:${port}` },
    stdio: 'ignore',
  });
  await once(silent, 'asked');
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  silent.close();
  expect(code).toBe(130);
});
