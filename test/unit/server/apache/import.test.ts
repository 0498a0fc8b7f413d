/** Taking over what the recorded stores do not have: crashes, pops in flight, queues that begin late, interruptions. */
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { importApache } from '../../../../src/server/apache/import.ts';
import { decodeTimer } from '../../../../src/server/broker/schedule/timer.ts';
import type { LogStore } from '../../../../src/server/store/log-store.ts';
import { ApacheLog } from '../../../support/apache-log.ts';
import { digestOf, temporaryFolder } from '../../../support/golden-store.ts';
import { diskPorts, importStore, messagesOf, withStore } from '../../../support/offline-store.ts';

const outMs = 1_795_500_000_000;

function timer(key: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    KEYS: key,
    UNIQ_KEY: key,
    REAL_TOPIC: 'orders',
    REAL_QID: '0',
    TIMER_OUT_MS: `${outMs}`,
    ...more,
  };
}

async function waitingKeys(store: LogStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key, value] of store.loadState('timer/')) {
    if (!key.startsWith('timer/!')) keys.push(decodeTimer(key.slice(6), value).uniqueKey);
  }
  return keys.sort();
}

test('after a crash only a delivered copy proves that a timer fired', async () => {
  const log = new ApacheLog();
  for (const key of ['fired', 'twice', 'twice', 'waits', 'recalled']) {
    log.add({ topic: 'rmq_sys_wheel_timer', properties: timer(key) }, 1_000);
  }
  const recall = { TIMER_DEL_UNIQKEY: 'recalled', TAGS: '_RECALL_TAG_' };
  log.add({ topic: 'rmq_sys_wheel_timer', properties: timer('recalled', recall) }, 1_001);
  for (const key of ['fired', 'twice']) {
    log.add({ topic: 'orders', properties: timer(key, { TIMER_DEQUEUE_MS: '1' }) }, 2_000);
  }
  const level = { UNIQ_KEY: 'l', REAL_TOPIC: 'orders', REAL_QID: '0', DELAY: '3' };
  log.add({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 2, properties: level }, 1_000);
  log.add(
    { topic: 'SCHEDULE_TOPIC_XXXX', queueId: 2, properties: { ...level, UNIQ_KEY: 'm' } },
    1_000,
  );
  log.add({ topic: 'orders', properties: level }, 2_000);
  const source = temporaryFolder();
  // A check point that says everything has fired: it is not believed, it may be ahead of a torn log.
  const check = Buffer.alloc(4_096);
  check.writeBigInt64BE(BigInt(outMs + 10_000), 0);
  check.writeBigInt64BE(100n, 16);
  log.write(source, { timercheck: check, 'delayOffset.json': { offsetTable: { 3: 2 } } });
  writeFileSync(join(source, 'abort'), '1');
  const dataDir = temporaryFolder();
  expect((await importStore(source, dataDir)).timers).toBe(3);
  expect(await withStore(dataDir, ({ store }) => waitingKeys(store))).toEqual([
    'm',
    'twice',
    'waits',
  ]);
});

test('what the check points say has been handled is, after a clean stop', async () => {
  const log = new ApacheLog();
  log.add({ topic: 'rmq_sys_wheel_timer', properties: timer('handled') }, 1_000);
  log.add({ topic: 'rmq_sys_wheel_timer', properties: timer('not taken up') }, 1_000);
  const source = temporaryFolder();
  const check = Buffer.alloc(4_096);
  check.writeBigInt64BE(BigInt(outMs + 1_000), 0);
  check.writeBigInt64BE(1n, 16);
  log.write(source, { timercheck: check });
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  expect(await withStore(dataDir, ({ store }) => waitingKeys(store))).toEqual(['not taken up']);
});

test('a deleted index brings back nothing that had fired', async () => {
  const log = new ApacheLog();
  log.add({ topic: 'rmq_sys_wheel_timer', properties: timer('fired') }, 1_000);
  log.add({ topic: 'rmq_sys_wheel_timer', properties: timer('waits') }, 1_000);
  log.add({ topic: 'orders', properties: timer('fired', { TIMER_DEQUEUE_MS: '1' }) }, 2_000);
  const source = temporaryFolder();
  log.write(source);
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  const { rm } = await import('node:fs/promises');
  await rm(join(dataDir, 'broker/index'), { recursive: true });
  expect(await withStore(dataDir, ({ store }) => waitingKeys(store))).toEqual(['waits']);
});

test('pops that were not acknowledged are in flight, the others are done', async () => {
  const log = new ApacheLog();
  for (let index = 0; index < 6; index++) log.add({ topic: 'orders' }, 1_000);
  const queue = { t: 'orders', q: 0, c: 'billing', bn: 'b', so: 1, pt: 5_000 };
  const point = { ...queue, n: 3, d: [0, 1, 3], bm: 0, it: 60_000 };
  const revive = { REAL_TOPIC: 'rmq_sys_REVIVE_LOG_c', REAL_QID: '0', TIMER_OUT_MS: '64000' };
  const add = (tag: string, body: object): void => {
    const properties = { ...revive, TAGS: tag };
    log.add({ topic: 'rmq_sys_wheel_timer', body: JSON.stringify(body), properties }, 6_000);
  };
  add('ck', point);
  add('ack', { ...queue, ao: 2 });
  const old = { ...queue, so: 0, pt: 100, n: 1, d: [0], bm: 0, it: 10 };
  add('ck', old);
  // Handled: its message lies in the retry topic by now.
  log.add(
    { topic: 'rmq_sys_REVIVE_LOG_c', body: JSON.stringify(old), properties: { TAGS: 'ck' } },
    7_000,
  );
  const source = temporaryFolder();
  const offsetTable = {
    'orders@billing': { 0: 5 },
    'rmq_sys_REVIVE_LOG_c@CID_RMQ_SYS_REVIVE_GROUP': { 0: 1 },
  };
  log.write(source, { 'consumerOffset.json': { offsetTable } });
  const dataDir = temporaryFolder();
  expect((await importStore(source, dataDir)).inFlight).toBe(2);
  await withStore(dataDir, async ({ broker }) => {
    expect(await broker.getOffset('billing', 'orders', 0)).toBe(1);
    const open = [...broker.inFlight()].map(({ offset, visibleAtMs }) => [offset, visibleAtMs]);
    expect(open).toEqual([
      [1, 65_000],
      [4, 65_000],
    ]);
  });
});

test('a group whose offset was not written yet goes on at the oldest message that it had popped', async () => {
  const log = new ApacheLog();
  for (let index = 0; index < 4; index++) log.add({ topic: 'orders' }, 1_000);
  const point = { t: 'orders', q: 0, c: 'billing', so: 2, pt: 5, n: 2, d: [0, 1], bm: 1, it: 9 };
  const properties = { REAL_TOPIC: 'rmq_sys_REVIVE_LOG_c', TIMER_OUT_MS: '1000', TAGS: 'ck' };
  log.add({ topic: 'rmq_sys_wheel_timer', body: JSON.stringify(point), properties }, 6_000);
  const source = temporaryFolder();
  log.write(source);
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  await withStore(dataDir, async ({ broker }) => {
    expect(await broker.getOffset('billing', 'orders', 0)).toBe(3);
  });
});

test('queues that begin late keep their offsets, emptied ones too', async () => {
  const log = new ApacheLog({ firstBase: 128 << 10 });
  log.beginAt('orders', 0, 700);
  log.add({ topic: 'orders' }, 1_000);
  const source = temporaryFolder();
  log.write(source);
  // Two entries from 300 on, of records that retention took.
  const entries = Buffer.alloc(6_000);
  for (const [index, offset] of [1_000, 2_000].entries()) {
    entries.writeBigInt64BE(BigInt(offset), index * 20);
    entries.writeInt32BE(100, index * 20 + 8);
  }
  mkdirSync(join(source, 'consumequeue/emptied/3'), { recursive: true });
  writeFileSync(join(source, 'consumequeue/emptied/3/00000000000000006000'), entries);
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  await withStore(dataDir, ({ store }) => {
    const ranges = new Map<string, readonly number[]>();
    for (const { topic, minOffset, maxOffset } of store.queues()) {
      ranges.set(topic, [minOffset, maxOffset]);
    }
    expect(Object.fromEntries(ranges)).toEqual({ emptied: [302, 302], orders: [700, 701] });
    return Promise.resolve();
  });
});

test('the parts of an inner batch are messages of their own', async () => {
  const part = (body: string, properties: string): Buffer => {
    const out = Buffer.alloc(22 + body.length + properties.length);
    out.writeInt32BE(out.length, 0);
    out.writeInt32BE(body.length, 16);
    out.write(body, 20);
    out.writeInt16BE(properties.length, 20 + body.length);
    out.write(properties, 22 + body.length);
    return out;
  };
  const log = new ApacheLog();
  const body = Buffer.concat([
    part('one', 'TAGS\u0001A\u0002'),
    part('two', 'TAGS\u0001B\u0002'),
    part('three', ''),
  ]);
  const properties = { INNER_NUM: '3', INNER_BASE: '0' };
  log.add({ topic: 'batches', body, properties, sysFlag: 0xc0 }, 1_000);
  log.add({ topic: 'batches', body: 'single' }, 1_000);
  const source = temporaryFolder();
  log.write(source);
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  await withStore(dataDir, async ({ store }) => {
    const messages = await messagesOf(store, store.queue('batches', 0));
    const seen = messages.map((one) => [one?.queueOffset, String(one?.body), one?.sysFlag]);
    expect(seen).toEqual([
      [0, 'one', 0],
      [1, 'two', 0],
      [2, 'three', 0],
      [3, 'single', 0],
    ]);
  });
});

test('an import that was stopped goes on, and the source may have grown', async () => {
  const fill = (count: number): ApacheLog => {
    const log = new ApacheLog({ segmentSize: 4 << 10 });
    for (let index = 0; index < count; index++)
      log.add({ topic: 'orders', body: 'x'.repeat(900) }, index);
    return log;
  };
  const source = temporaryFolder();
  fill(10).write(source);
  const dataDir = temporaryFolder();
  const stopped = new AbortController();
  const work = importApache({
    ...diskPorts,
    from: source,
    dataDir,
    signal: stopped.signal,
    progress: ({ doneBytes }) => {
      if (doneBytes >= 8 << 10) stopped.abort();
    },
  });
  await expect(work).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(readdirSync(dataDir)).toEqual(['broker.importing']);
  fill(15).write(source);
  const before = digestOf(source);
  expect((await importStore(source, dataDir)).records).toBe(15);
  expect(digestOf(source)).toBe(before);
  expect(readdirSync(dataDir)).toEqual(['broker']);
  await withStore(dataDir, async ({ store }) => {
    expect(await messagesOf(store, store.queue('orders', 0))).toHaveLength(15);
  });
});

test('what is no store, a store in use and a full folder are refused with one line', async () => {
  const empty = temporaryFolder();
  await expect(importStore(empty, temporaryFolder())).rejects.toMatchObject({ code: 'USAGE' });
  const source = temporaryFolder();
  new ApacheLog().write(source);
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  await expect(importStore(source, dataDir)).rejects.toMatchObject({ code: 'USAGE' });
  writeFileSync(join(source, 'config/topics.json'), '{"topicConfigTable":{');
  await expect(importStore(source, temporaryFolder())).rejects.toMatchObject({
    code: 'STORE_CORRUPT',
  });
  writeFileSync(join(source, 'config/topics.json.bak'), '{}');
  await importStore(source, temporaryFolder());
  const two = new ApacheLog({ segmentSize: 4 << 10 });
  for (let index = 0; index < 9; index++)
    two.add({ topic: 'orders', body: 'x'.repeat(900) }, index);
  two.write(source);
  truncateSync(join(source, 'commitlog', '4096'.padStart(20, '0')), 100);
  await expect(importStore(source, temporaryFolder())).rejects.toMatchObject({
    code: 'STORE_CORRUPT',
  });
});

test('whatever is flipped in a store, it is taken over or refused, and stays as it is', async () => {
  const log = new ApacheLog({ segmentSize: 4 << 10 });
  for (let index = 0; index < 8; index++)
    log.add({ topic: 'orders', body: 'x'.repeat(300) }, index);
  log.add({ topic: 'rmq_sys_wheel_timer', properties: timer('waits') }, 1_000);
  const config = { 'topics.json': { topicConfigTable: { a: { topicName: 'orders' } } } };
  const flips = fc.array(fc.record({ at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) }), {
    minLength: 1,
    maxLength: 3,
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('log', 'topics'), flips, async (where, places) => {
      const source = temporaryFolder();
      log.write(source, config);
      const name = where === 'log' ? `commitlog/${'0'.repeat(20)}` : 'config/topics.json';
      const bytes = readFileSync(join(source, name));
      for (const { at, bit } of places) {
        const index = at % (where === 'log' ? 1_200 : bytes.length);
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
      }
      writeFileSync(join(source, name), bytes);
      const before = digestOf(source);
      const result = await importStore(source, temporaryFolder()).catch((error: unknown) => error);
      if (result instanceof Error) expect(result).toBeInstanceOf(RmqError);
      expect(digestOf(source)).toBe(before);
    }),
    { numRuns: 25 },
  );
});
