/** Catching up: index entries come from the database in runs of blocks, and are those that were written. */
import { expect, onTestFinished, test } from 'vitest';
import type { QueueOffset } from '../../../../src/protocol/message/message.ts';
import { BlockCache } from '../../../../src/server/store/index/block-cache.ts';
import { IndexedQueue } from '../../../../src/server/store/index/queue.ts';
import type { QueueEntry } from '../../../../src/server/store/message-store.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

async function started(): Promise<TestStore> {
  const held = await new TestStore({ segmentSizeBytes: 8 << 20 }).start();
  onTestFinished(() => held.store.stop());
  return held;
}

async function fill(held: TestStore, count: number, prefix: string): Promise<void> {
  const drafts = Array.from({ length: count }, (_, index) => draftOf('t', 0, `${prefix}${index}`));
  await held.append(...drafts);
}

function entries(held: TestStore, from: number, maxCount: number): Promise<readonly QueueEntry[]> {
  const { store } = held;
  return new Promise((resolve, reject) => {
    store.readEntries(store.queue('t', 0), from as QueueOffset, maxCount, (found) =>
      found instanceof Error ? reject(found) : resolve(found),
    );
  });
}

async function bodies(held: TestStore, step: number): Promise<string[]> {
  const found: string[] = [];
  const { maxOffset } = held.store.queue('t', 0);
  while (found.length < maxOffset) {
    const part = await entries(held, found.length, step);
    expect(part.length).toBeGreaterThan(0);
    for (const { queueOffset, physicalOffset } of part) {
      expect(queueOffset).toBe(found.length);
      found.push(String((await held.store.readAt(physicalOffset))?.body));
    }
  }
  return found;
}

test('every entry in its order, whatever the steps, while more come', async () => {
  const held = await started();
  await fill(held, 1_500, 'm');
  await held.restart();
  const all = Array.from({ length: 1_500 }, (_, index) => `m${index}`);
  for (const step of [1, 31, 32, 64, 500]) expect(await bodies(held, step)).toEqual(all);
  // The last block was not full, and must not stay as it was read.
  await fill(held, 100, 'n');
  await held.restart();
  const more = Array.from({ length: 100 }, (_, index) => `n${index}`);
  expect(await bodies(held, 32)).toEqual([...all, ...more]);
});

test('a topic that is made again has its own entries', async () => {
  const held = await started();
  await fill(held, 300, 'old');
  await held.restart();
  await entries(held, 0, 32);
  held.store.dropTopic('t');
  await fill(held, 200, 'new');
  await held.restart();
  expect((await bodies(held, 32)).every((body) => body.startsWith('new'))).toBe(true);
});

test('the queues read longest ago are forgotten', () => {
  const cache = new BlockCache();
  const queues = Array.from({ length: 200 }, (_, index) => new IndexedQueue('t', index, index));
  for (const queue of queues) cache.set(queue, 3, [Buffer.of(1)]);
  const [first, last] = [queues[0] as IndexedQueue, queues[199] as IndexedQueue]; // there are 200
  expect(cache.get(first, 3)).toBeUndefined();
  expect(cache.get(last, 3)).toEqual(Buffer.of(1));
  expect(cache.get(last, 2)).toBeUndefined();
  expect(cache.get(last, 4)).toBeUndefined();
  const { deletionCount } = cache;
  cache.delete(last);
  expect(cache.get(last, 3)).toBeUndefined();
  expect(cache.deletionCount).not.toBe(deletionCount);
});
