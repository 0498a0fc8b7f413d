/** The dashboard's snapshot and its refusals, as scripts meet them. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';
import { joinGroup } from '../support/remoting-member.ts';

let server: Rmq;
const run = (...args: readonly string[]) =>
  rmqHere(['dashboard', ...args], { RMQ_NAMESRV: server.endpoints.namesrv });

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 3 } } });
});
afterAll(() => server.stop());

test('a snapshot is one frame of the size asked for, with what the cluster holds', async () => {
  for (const body of ['a', 'b']) await server.send('orders', { body });
  const size = ['--width', '90', '--height', '20', '--interval', '250ms'];
  const { code, stdout, stderr } = await run('--snapshot', '--view', 'topics', ...size);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const rows = stdout.split('\n');
  expect(Math.max(...rows.map((text) => text.length))).toBeLessThanOrEqual(90);
  expect(rows.length).toBeLessThanOrEqual(21);
  expect(rows.find((text) => text.startsWith(' orders '))).toMatch(/NORMAL +3 +0 +2 +\d+s ago/);
  expect(stdout).not.toContain('\u001b');
});

test('one topic: who consumes it, and who sent the newest messages', async () => {
  const { broker, namesrv } = server.endpoints;
  const member = { clientId: 'a@1', group: 'billing', topic: 'orders', producer: 'checkout' };
  const joined = await joinGroup(broker, member);
  onTestFinished(() => joined.leave());
  await joined.send('orders', 'from a producer that the broker knows');
  await rmqHere(['send', 'orders', 'from one that it does not know'], { RMQ_NAMESRV: namesrv });
  const { stdout } = await run('--snapshot', '--topic', 'orders', '--interval', '250ms');
  expect(stdout).toMatch(/^ group billing {2}lag \d/m);
  expect(stdout).toMatch(/^ producer a@1 {2}127\.0\.0\.1:\d+ NODE_JS group checkout {2}\d+s ago/m);
  expect(stdout).toMatch(/^ producer 127\.0\.0\.1:\d+ {2}\d+s ago/m);
});

test('without a terminal it says what to do instead', async () => {
  const { code, stdout, stderr } = await run();
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('rmq dashboard --snapshot');
});
