/** One cluster copied into another; both real servers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { type CliOptions, type CliResult, rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';

let source: Rmq;
let target: Rmq;
let folder: string;
const run = (server: Rmq, args: readonly string[], options: CliOptions = {}) =>
  rmq(args, { ...options, env: { RMQ_NAMESRV: server.endpoints.namesrv } });
const mirror = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> => {
  const from = ['--from', source.endpoints.namesrv, '--state', join(folder, 'state')];
  return run(target, ['mirror', ...args, ...from, '--output', 'json'], options);
};
const stored = async (server: Rmq, topic: string): Promise<Record<string, unknown>[]> => {
  const tail = ['tail', topic, '--from', 'earliest', '--no-follow', '--output', 'json'];
  const { stdout } = await rmqHere(tail, { RMQ_NAMESRV: server.endpoints.namesrv });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
};
const byQueue = (rows: readonly Record<string, unknown>[]): unknown =>
  Object.groupBy(
    rows
      .toSorted((a, b) => Number(a['queueOffset']) - Number(b['queueOffset']))
      .map(({ queueId, body, messageId, tag, keys, messageGroup, bornTime }) => ({
        ...{ queueId, body, messageId, tag, keys, messageGroup, bornTime },
      })),
    ({ queueId }) => String(queueId),
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rmq-mirror-'));
  [source, target] = await Promise.all([
    startRmq({
      topics: {
        steps: { type: 'FIFO', queues: 3 },
        later: { type: 'DELAY', queues: 1 },
        many: { queues: 2 },
      },
    }),
    startRmq(),
  ]);
});
afterAll(async () => {
  await Promise.all([source.stop(), target.stop()]);
  await rm(folder, { recursive: true, force: true });
});

test('copies keep queue, order, id, keys, tag and group; a second run copies what is new', async () => {
  for (let index = 0; index < 40; index++) {
    const key = `k${index}`;
    await source.send('steps', { body: key, key, tag: 't', group: `g${index % 5}` });
  }
  const dry = await mirror(['steps', '--dry-run']);
  expect(JSON.parse(dry.stdout)).toMatchObject([{ copiedCount: 0, remainingCount: 40 }]);
  expect((await run(target, ['topic', 'list', '-o', 'name'])).stdout).toBe('');
  const first = await mirror(['steps']);
  expect(first.stderr).toBe('topic steps was created in the target\n');
  expect(JSON.parse(first.stdout)).toMatchObject([{ copiedCount: 40, remainingCount: 0 }]);
  expect(byQueue(await stored(target, 'steps'))).toEqual(byQueue(await stored(source, 'steps')));
  await source.send('steps', { body: 'new', group: 'g1' });
  const second = await mirror(['steps']);
  expect(JSON.parse(second.stdout)).toMatchObject([{ copiedCount: 1 }]);
  const third = await mirror(['steps']);
  expect(JSON.parse(third.stdout)).toMatchObject([{ copiedCount: 0 }]);
  expect(byQueue(await stored(target, 'steps'))).toEqual(byQueue(await stored(source, 'steps')));
});

test('a delivery time comes over when the message is due', async () => {
  await run(source, ['send', 'later', 'due', '--delay', '1h']);
  expect(JSON.parse((await mirror(['later'])).stdout)).toMatchObject([{ copiedCount: 0 }]);
  source.clock.advance('61m');
  await source.waitFor('later', { within: '5s' });
  target.clock.advance('61m');
  expect(JSON.parse((await mirror(['later'])).stdout)).toMatchObject([{ copiedCount: 1 }]);
  const copy = await target.waitFor('later', { within: '5s' });
  expect(copy.body.toString()).toBe('due');
  const due = async (server: Rmq): Promise<unknown> => {
    const [row] = await stored(server, 'later');
    return (row?.['properties'] as Record<string, string> | undefined)?.['TIMER_DELIVER_MS'];
  };
  expect(await due(source)).toMatch(/^\d+$/);
  expect(await due(target)).toBe(await due(source));
});

test('Ctrl-C loses nothing and doubles nothing; a kill loses nothing', async () => {
  for (let index = 0; index < 400; index++) await source.send('many', { body: `m${index}` });
  const slow = ['many', '--rate', '200', '--follow'];
  const stopped = (signal: NodeJS.Signals, topicCount: number): Promise<CliResult> =>
    mirror(slow, {
      onStart: (child) => {
        void untilMore(topicCount).then(() => child.kill(signal));
      },
    });
  const { code, stderr } = await stopped('SIGINT', 0);
  expect(code).toBe(130);
  const copied = Number(/interrupted: (\d+) messages were copied/.exec(stderr)?.[1]);
  expect(copied).toBeGreaterThan(0);
  const there = await stored(target, 'many');
  expect(there).toHaveLength(copied);
  expect((await stopped('SIGKILL', copied)).code).toBe(null);
  expect((await mirror(['many'])).code).toBe(0);
  const bodies = (await stored(target, 'many')).map(({ body }) => String(body));
  expect(new Set(bodies).size).toBe(400);
  // After a kill, a second's worth at most is there twice.
  expect(bodies.length).toBeLessThanOrEqual(400 + 250);
});

test('wrong sources are one line', async () => {
  const same = await run(target, ['mirror', 'x', '--from', target.endpoints.namesrv]);
  expect(same.stderr).toContain('source and target are the same cluster');
  expect((await run(target, ['mirror', 'x'])).stderr).toContain('no source is named');
  expect((await run(target, ['mirror', 'x', '--from', 'nobody'])).stderr).toContain(
    'there is no context nobody',
  );
  const unknown = await mirror(['nothing']);
  expect(unknown.code).toBe(5);
  expect(unknown.stderr).toContain('the source has no topic nothing');
});

/** Polls a count: the copies come from a process of their own. */
async function untilMore(count: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await stored(target, 'many')).length > count + 10) return;
    await setTimeout(20);
  }
}
