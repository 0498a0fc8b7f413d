/** Exports of one cluster, imported into another; both real servers. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';

let source: Rmq;
let target: Rmq;
let folder: string;
const run = (server: Rmq, args: readonly string[], input = '') =>
  rmq(args, { env: { RMQ_NAMESRV: server.endpoints.namesrv }, input });
const json = async (server: Rmq, args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run(server, [...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};
const bodies = async (server: Rmq, topic: string): Promise<string[]> => {
  const tail = ['tail', topic, '--from', 'earliest', '--no-follow', '--output', 'json'];
  const { stdout } = await rmqHere(tail, { RMQ_NAMESRV: server.endpoints.namesrv });
  const rows = stdout.split('\n').filter((line) => line !== '');
  return rows.map((line) => String((JSON.parse(line) as { body: unknown }).body));
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rmq-export-'));
  [source, target] = await Promise.all([
    startRmq({ topics: { orders: { queues: 2 }, steps: { type: 'FIFO', queues: 3 } } }),
    startRmq(),
  ]);
});
afterAll(async () => {
  await Promise.all([source.stop(), target.stop()]);
  await rm(folder, { recursive: true, force: true });
});

test('topics, groups and offsets come over, and a second time nothing changes', async () => {
  await json(source, ['group', 'create', 'billing', '--retries', '3']);
  await source.send('orders', { body: 'first' });
  await json(source, ['offset', 'reset', 'billing', 'orders', '--yes']);
  const lines: string[] = [];
  for (const what of ['topics', 'groups', 'offsets']) {
    const { code, stdout, stderr } = await run(source, ['export', what]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    lines.push(stdout);
  }
  const file = join(folder, 'settings.ndjson');
  await writeFile(file, lines.join(''));
  // A dry run makes no topic, so an offset has no place yet.
  const dry = await run(target, ['import', file, '--dry-run']);
  expect(dry.code).toBe(5);
  expect(dry.stderr).toContain('topic orders has no route');
  expect((await run(target, ['topic', 'list', '-o', 'name'])).stdout).toBe('');
  expect(await json(target, ['import', file])).toMatchObject({ topicCount: 2, groupCount: 1 });
  expect(await json(target, ['import', file])).toMatchObject({
    topicCount: 0,
    groupCount: 0,
    unchangedCount: 3,
  });
  expect(await json(target, ['topic', 'describe', 'steps'])).toMatchObject({ messageType: 'FIFO' });
  expect(await json(target, ['group', 'describe', 'billing'])).toMatchObject({ retryCountMax: 3 });
});

test('messages come over with all that their senders gave them, in order of their groups', async () => {
  for (let index = 0; index < 10; index++) {
    for (const group of ['a', 'b']) {
      const key = `${group}${index}`;
      const properties = { region: 'eu' };
      await source.send('steps', { body: key, group, key, tag: 'step', properties });
    }
  }
  const file = join(folder, 'steps.ndjson');
  const exported = await json(source, ['export', 'messages', 'steps', '--file', file]);
  expect(exported).toMatchObject({ kind: 'message', count: 20, file });
  expect((await run(source, ['export', 'messages', 'steps', '--file', file])).code).toBe(2);
  await json(target, ['topic', 'create', 'copied', '--type', 'FIFO']);
  const args = ['import', file, '--topic', 'copied'];
  expect(await json(target, [...args, '--dry-run'])).toMatchObject({ messageCount: 20 });
  expect(await bodies(target, 'copied')).toEqual([]);
  expect(await json(target, args)).toMatchObject({ messageCount: 20 });
  const copied = await bodies(target, 'copied');
  for (const group of ['a', 'b']) {
    const order = copied.filter((body) => body.startsWith(group));
    expect(order).toEqual(Array.from({ length: 10 }, (_, index) => `${group}${index}`));
  }
  expect(await json(target, ['message', 'find', 'copied', '--key', 'b7'])).toMatchObject([
    { tag: 'step', keys: ['b7'], messageGroup: 'b', properties: { region: 'eu' } },
  ]);
});

test('a broken line stops it there; mended, it goes on without sending anything twice', async () => {
  const line = (body: string): string => `${JSON.stringify({ topic: 'again', body })}\n`;
  await json(target, ['topic', 'create', 'again']);
  const file = join(folder, 'again.ndjson');
  const good = Array.from({ length: 70 }, (_, index) => line(`m${index}`)).join('');
  await writeFile(file, `${good}{"body":\n${line('last')}`);
  const broken = await run(target, ['import', file]);
  expect(broken.code).toBe(2);
  expect(broken.stderr).toContain('stopped: 64 messages');
  expect(broken.stderr).toContain('line 71: no JSON');
  expect(existsSync(`${file}.import`)).toBe(true);
  await writeFile(file, `${good}${line('mended')}${line('last')}`);
  const { code, stderr } = await run(target, ['import', file]);
  expect(code).toBe(0);
  expect(stderr).toContain('goes on at byte');
  expect(existsSync(`${file}.import`)).toBe(false);
  const all = await bodies(target, 'again');
  expect(all.length).toBe(72);
  expect(new Set(all).size).toBe(72);
});

test('Ctrl-C finishes what is under way, says how far it came, and the rest follows', async () => {
  await json(target, ['topic', 'create', 'slow', '--queues', '1']);
  const file = join(folder, 'slow.ndjson');
  const lines = Array.from({ length: 300 }, (_, index) => JSON.stringify({ body: `s${index}` }));
  await writeFile(file, `${lines.join('\n')}\n`);
  const args = ['import', file, '--topic', 'slow'];
  const interrupted = rmq([...args, '--rate', '100'], {
    env: { RMQ_NAMESRV: target.endpoints.namesrv },
    onStart: (child) => {
      void untilSome('slow').then(() => child.kill('SIGINT'));
    },
  });
  const { code, stderr } = await interrupted;
  expect(code).toBe(130);
  const done = Number(/interrupted: (\d+) messages/.exec(stderr)?.[1]);
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(300);
  expect((await bodies(target, 'slow')).length).toBe(done);
  expect((await run(target, args)).code).toBe(0);
  expect(new Set(await bodies(target, 'slow'))).toEqual(
    new Set(lines.map((text) => String((JSON.parse(text) as { body: unknown }).body))),
  );
  expect((await bodies(target, 'slow')).length).toBe(300);
  expect(await readFile(`${file}.import`).catch(() => 'gone')).toBe('gone');
});

async function untilSome(topic: string): Promise<void> {
  await target.waitFor(topic, { within: '15s' });
}
