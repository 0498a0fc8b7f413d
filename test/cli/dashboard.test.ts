/** The dashboard's snapshot and its refusals, as scripts meet them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';

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

test('without a terminal it says what to do instead', async () => {
  const { code, stdout, stderr } = await run();
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('rmq dashboard --snapshot');
});
