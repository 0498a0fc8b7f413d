/** Benchmarks against a real server: that they measure, end, and leave nothing behind. */
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmq } from '../support/cli.ts';

let server: Rmq;
const run = (args: readonly string[], more = {}) =>
  rmq(['bench', ...args], { env: { RMQ_NAMESRV: server.endpoints.namesrv }, ...more });

beforeAll(async () => {
  server = await startRmq();
});
afterAll(async () => {
  const env = { RMQ_NAMESRV: server.endpoints.namesrv };
  const left = await Promise.all(
    ['topic', 'group'].map((noun) => rmq([noun, 'list', '--output', 'name'], { env })),
  );
  await server.stop();
  for (const { stdout } of left) expect(stdout).not.toContain('rmq-bench');
});

const short = ['--warmup', '10ms', '--duration', '100ms', '--workers', '4', '--output', 'json'];

test.each([
  [['produce']],
  [['produce', '--batch', '8', '--size', '1KiB']],
  [['produce', '--protocol', 'remoting', '--topics', '2']],
  [['produce', '--protocol', 'remoting', '--batch', '8']],
  [['produce', '--type', 'FIFO']],
  [['produce', '--type', 'TRANSACTION']],
  [['produce', '--type', 'PRIORITY', '--protocol', 'remoting']],
  [['produce', '--type', 'DELAY', '--delay', '10ms']],
  [['latency', '--rate', '200']],
  [['latency', '--rate', '200', '--protocol', 'remoting']],
])('bench %s measures without errors, quietly', async (args) => {
  const { code, stdout, stderr } = await run([...args, ...short]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const row = JSON.parse(stdout);
  expect(row).toMatchObject({ errors: 0, isInterrupted: false });
  expect(row.messages).toBeGreaterThan(0);
  const { p50, p99, max } = row.latencyMs;
  expect(p50).toBeGreaterThan(0);
  expect(p99).toBeGreaterThanOrEqual(p50);
  expect(max).toBeGreaterThanOrEqual(p99);
});

test.each(['grpc', 'remoting'])('bench consume over %s receives what it sent', async (protocol) => {
  const args = ['consume', '--protocol', protocol, '--count', '640', '--output', 'json'];
  const { code, stdout, stderr } = await run(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ messages: 640, errors: 0 });
});

test('a count ends it; a table shows the same', async () => {
  const { code, stdout } = await run(['produce', '--count', '100', '--warmup', '0ms']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^messages\t100 in /m);
});

test('Ctrl-C prints what there is and cleans up', async () => {
  const env = { RMQ_NAMESRV: server.endpoints.namesrv };
  let started: ChildProcess | undefined;
  const running = rmq(
    ['bench', 'produce', '--duration', '1h', '--warmup', '0ms', '--output', 'json'],
    { env, onStart: (child) => void (started = child) },
  );
  for (let names = ''; !names.includes('rmq-bench'); ) {
    names = (await rmq(['topic', 'list', '--output', 'name'], { env })).stdout;
  }
  started?.kill('SIGINT');
  const { code, stdout } = await running;
  expect(code).toBe(130);
  expect(JSON.parse(stdout)).toMatchObject({ work: 'produce', isInterrupted: true });
});

test('says what is wrong, with its exit code', async () => {
  const unknown = await run(['produce', '--topic', 'nothing-here', ...short]);
  expect({ code: unknown.code, text: unknown.stderr }).toMatchObject({ code: 5 });
  expect((await run(['produce', '--proxy', '127.0.0.1:1', ...short])).code).toBe(3);
  expect((await run(['produce', '--topic', 'x', '--topics', '2'])).code).toBe(2);
  expect((await run(['produce', '--type', 'TRANSACTION', '--protocol', 'remoting'])).code).toBe(2);
  expect((await run(['latency', '--size', '8'])).code).toBe(2);
});
