/** Failures, stops and retention while writes, syncs or reads are under way. */
import { expect, onTestFinished, test } from 'vitest';
import type { OpenFile } from '../../../../src/platform/files.ts';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import type { Database } from '../../../../src/server/store/index/database.ts';
import { memoryDatabaseFactory } from '../../../../src/server/store/index/level-database.ts';
import type { QueueEntry } from '../../../../src/server/store/message-store.ts';
import { settle } from '../../../support/manual-clock.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

const ioError = (): Error => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });

/** A door that operations wait at while it is shut. */
class Door {
  #waiting: (() => void)[] | undefined = undefined;
  get count(): number {
    return this.#waiting?.length ?? 0;
  }
  shut(): void {
    this.#waiting = [];
  }
  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const go of waiting) go();
  }
  pass(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting === undefined) resolve();
      else this.#waiting.push(resolve);
    });
  }
}

/** Files whose writes wait at a door, and whose syncs may fail. */
class DoorFiles extends MemoryFiles {
  readonly door = new Door();
  isSyncFailing = false;

  override async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    const file = await super.open(path, options);
    return {
      read: (target, at, size, position) => file.read(target, at, size, position),
      write: async (source, position) => {
        await this.door.pass();
        await file.write(source, position);
      },
      datasync: async () => {
        if (this.isSyncFailing) throw ioError();
      },
      truncate: (size) => file.truncate(size),
      sizeBytes: () => file.sizeBytes(),
      close: () => file.close(),
    };
  }
}

const outcome = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'kept',
    (error: { code?: unknown }) => error.code,
  );

test('who waits behind a write is told when a sync beside it fails, and the store stops', async () => {
  const files = new DoorFiles();
  const held = await new TestStore({ files, flush: 'async' }).start();
  await held.append(draftOf('t', 0, 'a'));
  files.door.shut();
  files.isSyncFailing = true;
  const second = outcome(held.append(draftOf('t', 0, 'b')));
  await settle();
  const third = outcome(held.append(draftOf('t', 0, 'c')));
  await held.clock.advance(600);
  expect(held.store.status().refusing?.code).toBe('STORE_FAILED');
  files.door.open();
  expect(await second).toBe('kept');
  expect(await third).toBe('STORE_FAILED');
  await held.store.stop();
});

for (const flush of ['sync', 'async'] as const) {
  test(`flush ${flush}: a message sent just before the stop is answered before it ends, and kept`, async () => {
    const held = await new TestStore({ flush }).start();
    await held.append(draftOf('t', 0, 'a'));
    const order: string[] = [];
    const sent = held.append(draftOf('t', 0, 'b')).then(() => order.push('answered'));
    await held.store.stop();
    order.push('stopped');
    await sent;
    expect(order).toEqual(['answered', 'stopped']);
    expect(held.clock.timerCount).toBe(0);
    await held.start();
    expect(held.report.redispatchedMessages).toBe(0);
    expect(await held.bodies('t', 0)).toEqual(['a', 'b']);
    await held.store.stop();
  });
}

/** As Linux: that bytes could not be synced is told once to each open file, whichever of its syncs comes first. */
class ErrorOnceFiles extends MemoryFiles {
  /** What fills a file ahead waits here. */
  readonly door = new Door();
  isFailing = false;
  #failures = 0;

  override async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    const file = await super.open(path, options);
    let told = this.#failures;
    const tell = (): void => {
      if (told === this.#failures) return;
      told = this.#failures;
      throw ioError();
    };
    return Object.assign(Object.create(file) as OpenFile, {
      writeSynced: async (source: Uint8Array, position: number) => {
        await file.write(source, position);
        const isZeros = source.every((byte) => byte === 0);
        if (isZeros) await this.door.pass();
        else if (this.isFailing) {
          this.#failures++;
          await settle();
        }
        tell();
      },
    });
  }
}

/** A store that is about to fill its file ahead, or does so; that waits at the door. */
async function fillingAhead(): Promise<{ files: ErrorOnceFiles; held: TestStore }> {
  const files = new ErrorOnceFiles();
  const tuning = { allocateStepMinBytes: 4 << 10, allocateStepMaxBytes: 4 << 10 };
  const held = await new TestStore({ files, tuning }).start();
  await held.append(draftOf('t', 0, 'makes the file'));
  files.door.shut();
  // Leaves so little behind it that the file is filled on, beside the next one.
  await held.append(draftOf('t', 0, 'a'.repeat(2_500)));
  return { files, held };
}

test('that a record could not be synced is not told to who fills the file ahead instead', async () => {
  const { files, held } = await fillingAhead();
  files.isFailing = true;
  const told = outcome(held.append(draftOf('t', 0, 'b')));
  await settle(2);
  files.door.open();
  expect(await told).toBe('STORE_FAILED');
  await held.store.stop();
});

test('a record that fits what has been made does not wait for what is made ahead', async () => {
  const { files, held } = await fillingAhead();
  await settle();
  expect(files.door.count).toBe(1);
  await held.append(draftOf('t', 0, 'b'));
  const larger = outcome(held.append(draftOf('t', 0, 'c'.repeat(2_500))));
  await settle();
  files.door.open();
  expect(await larger).toBe('kept');
  await held.restart();
  expect(await held.bodies('t', 0)).toHaveLength(4);
  await held.store.stop();
});

/** A database whose operations a test can hold up, or fail. */
async function handledDatabase(held: TestStore): Promise<Database> {
  const factory = await memoryDatabaseFactory();
  const database = factory();
  const handled: Database = Object.assign(Object.create(database) as Database, {
    open: () => database.open(),
    close: () => database.close(),
    get: (key: string) => database.get(key),
    getMany: (keys: string[]) => database.getMany(keys),
    batch: (...all: Parameters<Database['batch']>) => database.batch(...all),
    iterator: (range: Parameters<Database['iterator']>[0]) => database.iterator(range),
    clear: (range: Parameters<Database['clear']>[0]) => database.clear(range),
  });
  held.openDatabase = () => handled;
  return handled;
}

const manyBlocks = {
  retentionMs: 60_000,
  tuning: { recentEntryCount: 0, journalEntryCount: 0, tailCacheBytes: 0 },
};

async function storeOfOldMessages(): Promise<{ held: TestStore; database: Database }> {
  const held = new TestStore(manyBlocks);
  const database = await handledDatabase(held);
  await held.start();
  const body = 'x'.repeat(1_000);
  for (let count = 0; count < 200; count++) await held.append(draftOf('t', 0, `${count} ${body}`));
  await held.clock.advance(50_000);
  for (let count = 0; count < 100; count++) await held.append(draftOf('t', 0, `${count} ${body}`));
  await held.store.writeStateNow();
  return { held, database };
}

test('a read that retention overtook goes on at the begin of the queue', async () => {
  const { held, database } = await storeOfOldMessages();
  onTestFinished(() => held.store.stop());
  const queue = held.store.queue('t', 0);
  const door = new Door();
  const { get } = database;
  database.get = async (key) => {
    database.get = get;
    await door.pass();
    return await get(key);
  };
  door.shut();
  const reading = new Promise<readonly QueueEntry[] | Error>((resolve) => {
    held.store.readEntries(queue, queue.minOffset, 1, resolve);
  });
  await settle();
  expect(door.count).toBe(1);
  await held.clock.advance(30_000);
  await held.store.deleteExpired();
  expect(queue.minOffset).toBeGreaterThan(64);
  expect(queue.minOffset).toBeLessThan(queue.maxOffset);
  door.open();
  expect(await reading).toMatchObject([{ queueOffset: queue.minOffset }]);
  await held.restart();
  expect(held.report).toMatchObject({ problems: [], rebuilt: false });
});

test('a stop does not wait for a round of retention that waits for space', async () => {
  const { held, database } = await storeOfOldMessages();
  database.batch = () => Promise.reject(new Error('IO error: No space left on device'));
  await held.clock.advance(30_000);
  const round = outcome(held.store.deleteExpired());
  await settle();
  expect(held.store.status().refusing?.code).toBe('DISK_FULL');
  await outcome(held.store.stop());
  expect(await round).toBe('STORE_FAILED');
});

test('a read of a topic that is deleted meanwhile finds nothing, and no damage', async () => {
  const { held, database } = await storeOfOldMessages();
  onTestFinished(() => held.store.stop());
  const queue = held.store.queue('t', 0);
  const read = (): Promise<readonly QueueEntry[] | Error> =>
    new Promise((resolve) => held.store.readEntries(queue, queue.minOffset, 1, resolve));
  const batches: string[] = [];
  const { batch, clear } = database;
  database.batch = async (...all) => {
    await batch(...all);
    batches.push('batch');
  };
  database.clear = async (range) => {
    await clear(range);
    batches.push('clear');
  };
  held.store.dropTopic('t');
  expect(await read()).toHaveLength(1);
  await held.store.writeStateNow();
  // A crash in between must not leave a queue without its entries.
  expect(batches).toEqual(['batch', 'clear']);
  expect(await read()).toEqual([]);
  await held.restart();
  expect(held.report).toMatchObject({ problems: [], rebuilt: false });
});
