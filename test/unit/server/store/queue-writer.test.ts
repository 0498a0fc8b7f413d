/** Batches of the index while its queues change: what they write is what was true, and nothing is left out. */
import { expect, test } from 'vitest';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import { BlockCache } from '../../../../src/server/store/index/block-cache.ts';
import type { CheckedDatabase } from '../../../../src/server/store/index/checked-database.ts';
import type { Database, DatabaseOperation } from '../../../../src/server/store/index/database.ts';
import { memoryDatabaseFactory } from '../../../../src/server/store/index/level-database.ts';
import {
  decodeBlock,
  IndexedEntry,
  IndexedQueue,
} from '../../../../src/server/store/index/queue.ts';
import { QueueIndex } from '../../../../src/server/store/index/queue-index.ts';
import { type QueueRow, QueueWriter } from '../../../../src/server/store/index/queue-writer.ts';
import { defaultTuning } from '../../../../src/server/store/options.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

function publish(queue: IndexedQueue, count: number, physicalOffset: number): void {
  for (let index = 0; index < count; index++) {
    queue.publish(new IndexedEntry(queue.max, physicalOffset + index, 100, 0));
  }
}

function apply(rows: Map<string, Uint8Array>, operations: readonly DatabaseOperation[]): void {
  for (const one of operations) {
    if (one.type === 'put') rows.set(one.key, one.value);
    else rows.delete(one.key);
  }
}

const noneMissing = (): void => {
  throw new Error('nothing is missing');
};

const databaseOf = (rows: ReadonlyMap<string, Uint8Array>): CheckedDatabase =>
  ({ get: (key: string) => Promise.resolve(rows.get(key)) }) as unknown as CheckedDatabase; // all that is read

/** Physical offsets of a queue's entries, as a new process finds them. */
async function restored(rows: Map<string, Uint8Array>, number: number): Promise<number[]> {
  const queue = new IndexedQueue('t', 0, number);
  const row = JSON.parse(Buffer.from(rows.get(queue.rowKey) ?? '').toString()) as QueueRow;
  queue.restore(row.min, row.max);
  const writer = new QueueWriter(defaultTuning, new BlockCache(), noneMissing);
  // Batches come one after the other here, and so do their rows.
  const journal = [...rows].filter(([key]) => key.startsWith('j/'));
  writer.restore(new Map(journal), new Map([[number, queue]]));
  const found: number[] = [];
  for (let block = 0; block * 64 < row.max; block++) {
    const stored = rows.get(queue.blockKey(block)) ?? Buffer.alloc(0);
    const entries = decodeBlock(stored, block, Math.max(row.min, block * 64), 64, row.max);
    found.push(...entries.map((one) => one.physicalOffset as number));
  }
  const recent = queue.recent(row.max, 1_000) ?? [];
  return [...found, ...recent.map((one) => one.physicalOffset as number)];
}

for (const count of [5, 70]) {
  test(`a queue that recovery begins anew under a batch of ${count} entries has the new ones`, async () => {
    const rows = new Map<string, Uint8Array>();
    const writer = new QueueWriter(defaultTuning, new BlockCache(), noneMissing);
    const queue = new IndexedQueue('t', 0, 1);
    const batch = async (number: number, meanwhile: () => void = () => {}): Promise<void> => {
      while (writer.isUnread) await writer.readParts(databaseOf(rows));
      const operations: DatabaseOperation[] = [];
      const written = writer.collect(number, operations);
      meanwhile();
      apply(rows, operations);
      written();
    };
    publish(queue, count, 1_000);
    writer.markDirty(queue);
    await batch(1, () => {
      // Its topic was deleted and made again.
      queue.startAt(0);
      publish(queue, 3, 9_000);
      writer.markDirty(queue);
    });
    await batch(2);
    expect(await restored(rows, 1)).toEqual([9_000, 9_001, 9_002]);
    publish(queue, 70, 9_003);
    writer.markDirty(queue);
    await batch(3);
    expect(await restored(rows, 1)).toEqual(Array.from({ length: 73 }, (_, one) => 9_000 + one));
  });
}

test('a block that the database does not show is not written over with lost messages', async () => {
  const missed: number[] = [];
  const writer = new QueueWriter(defaultTuning, new BlockCache(), (_, offset) => {
    missed.push(offset);
  });
  const queue = new IndexedQueue('t', 0, 1);
  queue.restore(0, 10);
  publish(queue, 60, 1_000);
  writer.markDirty(queue);
  while (writer.isUnread) await writer.readParts(databaseOf(new Map()));
  const operations: DatabaseOperation[] = [];
  writer.collect(1, operations)();
  expect(missed).toEqual([0]);
  expect(operations.map((one) => one.key)).not.toContain(queue.blockKey(0));
});

async function openIndex(database: Database): Promise<{ index: QueueIndex; clock: ManualClock }> {
  const clock = new ManualClock();
  const index = new QueueIndex({
    clock,
    logger: silentLogger,
    tuning: { ...defaultTuning, journalEntryCount: 0 },
    syncedOffset: () => 0,
    freeBytes: () => Promise.resolve(1e9),
  });
  await index.open(new MemoryFiles(), undefined, () => database);
  return { index, clock };
}

test('a block that gets full just before a batch is collected keeps what it had', async () => {
  for (let tickCount = 0; tickCount < 12; tickCount++) {
    const database = (await memoryDatabaseFactory())();
    const { index } = await openIndex(database);
    await index.load();
    const queue = index.queue('t', 0);
    const add = (count: number): void => {
      publish(queue, count, 1_000 + queue.max);
      index.markDirty(queue);
    };
    add(10);
    await index.write({ sync: false });
    await index.write({ sync: false });
    expect(queue.persisted).toBe(10);
    add(53);
    const writing = index.write({ sync: false });
    for (let tick = 0; tick < tickCount; tick++) await Promise.resolve();
    add(1);
    await writing;
    await index.write({ sync: false });
    queue.trim(0);
    const entries = await index.readBlock(queue, 0, 64);
    expect(entries.map((one) => one.physicalOffset)).toEqual(
      Array.from({ length: 64 }, (_, one) => 1_000 + one),
    );
    await index.close();
  }
});

test('an index that is cleared gets no batch of the queues that it had', async () => {
  const database = (await memoryDatabaseFactory())();
  let inClear: Promise<void> = Promise.resolve();
  const clear = database.clear.bind(database);
  database.clear = async (range) => {
    await clear(range);
    await inClear;
  };
  const { index, clock } = await openIndex(database);
  await index.load();
  publish(index.queue('t', 0), 3, 0);
  index.markDirty(index.queue('t', 0));
  let go = (): void => {};
  inClear = new Promise((resolve) => (go = resolve));
  const clearing = index.clear();
  await clock.advance(150);
  go();
  await clearing;
  await settle();
  const keys: string[] = [];
  for await (const [key] of database.iterator({ gte: 'a', lt: 'z' })) keys.push(key);
  expect(keys).toEqual(['m/kept']);
  await index.abandon();
});
