import { expect, test } from 'vitest';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import type { MessageDraft } from '../../../../src/protocol/message/message.ts';
import type { LogStoreOptions } from '../../../../src/server/store/options.ts';
import { settle } from '../../../support/manual-clock.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

const hourMs = 3_600_000;

function makeStore(options: Partial<LogStoreOptions> = {}): TestStore {
  // Rounds are made by `round` alone.
  const tuning = { retentionIntervalMs: 1e12, ...options.tuning };
  const t = new TestStore({ ...options, tuning });
  t.prepare = (store) => store.compactTopics((topic) => topic.startsWith('C'));
  return t;
}

function keyed(key: string, body: string, topic = 'C'): MessageDraft {
  return draftOf(topic, 0, body, { KEYS: key });
}

async function round(t: TestStore): Promise<void> {
  await t.store.deleteExpired();
  await settle(20);
}

/** Bodies that are served, in order. */
async function served(t: TestStore, topic = 'C'): Promise<string[]> {
  return (await t.bodies(topic, 0)).filter((body) => body !== 'undefined');
}

async function fill(t: TestStore, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await t.append(draftOf('T', 0, `${index} ${'x'.repeat(9_000)}`));
  }
}

test('only the newest message of each key is served, at the offset it had', async () => {
  const t = await makeStore().start();
  for (let index = 0; index < 300; index++) {
    await t.append(keyed(`key-${index % 7}`, `${index}`), draftOf('T', 0, `${index}`));
  }
  await round(t);
  const wanted = ['293', '294', '295', '296', '297', '298', '299'];
  const expected = async (): Promise<void> => {
    expect(await served(t)).toEqual(wanted);
    expect((await t.messages('C', 0)).filter(Boolean).map((one) => one?.queueOffset)).toEqual(
      wanted.map(Number),
    );
    expect(t.store.queue('C', 0)).toMatchObject({ minOffset: 0, maxOffset: 300 });
    expect(await t.bodies('T', 0)).toHaveLength(300);
  };
  await expected();
  await t.restart();
  await expected();
  await t.restartWithoutIndex();
  await round(t);
  await expected();
});

test('entries that were in the database, in part or in full blocks, are gone from it, too', async () => {
  const t = await makeStore({ tuning: { recentEntryCount: 8 } }).start();
  for (let count = 1; count <= 5; count++) {
    for (let index = 0; index < 50; index++) await t.append(keyed(`${index % 40}`, `${count}`));
    await t.store.writeStateNow();
    if (count % 2 === 0) await round(t);
  }
  await round(t);
  await t.restart();
  expect(await served(t)).toEqual(Array.from({ length: 40 }, () => '5'));
});

test('as few keys at a time as fit memory, and messages without a key are left alone', async () => {
  const t = await makeStore({ tuning: { compactionKeyCount: 3 } }).start();
  for (let index = 0; index < 40; index++) await t.append(keyed(`key-${index % 10}`, `${index}`));
  await t.append(draftOf('C', 0, 'no key'));
  await round(t);
  expect(await served(t)).toEqual([
    ...Array.from({ length: 10 }, (_, index) => `${30 + index}`),
    'no key',
  ]);
});

test('a queue is looked through when half of it is new, or some messages have waited', async () => {
  const t = await makeStore().start();
  for (let index = 0; index < 10; index++) await t.append(keyed(`key-${index}`, 'old'));
  await round(t);
  await t.append(keyed('key-0', 'new'));
  await round(t);
  expect(await served(t)).toHaveLength(11);
  await t.clock.advance(900_000);
  await round(t);
  expect(await served(t)).toEqual([...Array.from({ length: 9 }, () => 'old'), 'new']);
});

test('the newest message of a key outlives its segment, deleted keys do not', async () => {
  const t = await makeStore().start();
  await t.append(keyed('a', 'old a'), keyed('b', 'b'), keyed('c', 'c'), keyed('a', 'a'));
  await t.append(keyed('c', ''));
  await fill(t, 20);
  await t.clock.advance(2 * hourMs);
  const before = (await t.segments()).length;
  await round(t);
  expect((await t.segments()).length).toBeLessThan(before);
  const expected = async (): Promise<void> => {
    expect(await served(t)).toEqual(['b', 'a']);
    expect(t.store.queue('C', 0)).toMatchObject({ minOffset: 5, maxOffset: 7 });
  };
  await expected();
  await t.restartWithoutIndex();
  await expected();
  // Once more round the log.
  await fill(t, 20);
  await t.clock.advance(2 * hourMs);
  await round(t);
  expect(await served(t)).toEqual(['b', 'a']);
  expect(t.store.queue('C', 0)).toMatchObject({ minOffset: 7, maxOffset: 9 });
});

test('a message that arrives while its key is moved stays the newest', async () => {
  const t = await makeStore().start();
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
  for (const key of keys) await t.append(keyed(key, 'old'));
  await fill(t, 20);
  await t.clock.advance(2 * hourMs);
  const done = t.store.deleteExpired();
  const sends: Promise<unknown>[] = [];
  for (let index = 0; index < 200; index += 2) {
    await new Promise((resolve) => t.clock.afterTick(() => resolve(undefined)));
    sends.push(t.append(keyed(`key-${index}`, 'new')));
  }
  await Promise.all([done, ...sends]);
  await round(t);
  await t.clock.advance(900_000);
  await round(t);
  const found = (await t.messages('C', 0)).filter((one) => one !== undefined);
  expect(found.filter((one) => String(one.body) === 'new')).toHaveLength(100);
  expect(found.filter((one) => String(one.body) === 'old')).toHaveLength(100);
});

test('to save space nothing goes round: compacted topics that fill the log stay', async () => {
  const t = await makeStore({ retentionBytes: 200 << 10 }).start();
  const body = 'x'.repeat(9_000);
  for (let index = 0; index < 60; index++) await t.append(keyed(`key-${index}`, body));
  const { maxPhysicalOffset } = t.store.status();
  await round(t);
  await round(t);
  expect(t.store.status()).toMatchObject({ minPhysicalOffset: 0, maxPhysicalOffset });
  expect(await served(t)).toHaveLength(60);
});

test('cut short at any write, it leaves the newest of each key', async () => {
  class Unlocked extends MemoryFiles {
    override lockFolder = (): Promise<{ release: () => Promise<void> }> =>
      Promise.resolve({ release: () => Promise.resolve() });
  }
  for (let lastWrite = 0; lastWrite < 12; lastWrite++) {
    const t = makeStore();
    t.files = new Unlocked({ nowMs: () => t.clock.nowMs() });
    await t.start();
    for (let index = 0; index < 90; index++) await t.append(keyed(`key-${index % 30}`, `${index}`));
    await fill(t, 20);
    await t.clock.advance(2 * hourMs);
    let count = 0;
    const sync = t.files.syncFolder.bind(t.files);
    t.files.syncFolder = (path) => (count++ >= lastWrite ? new Promise(() => {}) : sync(path));
    void t.store.deleteExpired();
    await settle(lastWrite * 5);
    t.files.syncFolder = sync;
    await t.crash();
    await round(t);
    const bodies = await served(t);
    expect(bodies.toSorted()).toEqual(Array.from({ length: 30 }, (_, index) => `${60 + index}`));
    await t.store.stop();
  }
});

test('a topic that is deleted meanwhile does not come back', async () => {
  const t = await makeStore().start();
  for (let index = 0; index < 300; index++) await t.append(keyed(`key-${index % 3}`, `${index}`));
  const done = t.store.deleteExpired();
  await new Promise((resolve) => t.clock.afterTick(() => resolve(undefined)));
  t.store.dropTopic('C');
  await done;
  await t.restart();
  expect([...t.store.queues()].map(({ topic }) => topic)).toEqual([]);
});

test('what a power cut can take replaces nothing', async () => {
  const t = await makeStore({ flush: 'async', tuning: { asyncSyncIntervalMs: hourMs } }).start();
  for (let index = 0; index < 10; index++) await t.append(keyed('key', `${index}`));
  await round(t);
  expect(await served(t)).toHaveLength(10);
});
