/** A full disk under the index: what could not be written is written later, reads go on, nothing is lost. */
import { expect, test } from 'vitest';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import type { Database, DatabaseRange } from '../../../../src/server/store/index/database.ts';
import { PatientDatabase } from '../../../../src/server/store/index/patient-database.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** As LevelDB: after a write that failed none succeeds until it is opened again. */
class Disk {
  readonly rows = new Map<string, Uint8Array>();
  freeBytes = 0;
  openCount = 0;
}

class FailingDatabase implements Database {
  readonly #disk: Disk;
  #isOpen = false;
  #hasFailed = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async open(): Promise<void> {
    this.#isOpen = true;
    this.#disk.openCount += 1;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #check(): void {
    if (!this.#isOpen) throw new Error('not open');
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#check();
    return this.#disk.rows.get(key);
  }

  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async batch(operations: Parameters<Database['batch']>[0]): Promise<void> {
    this.#check();
    if (this.#disk.freeBytes === 0) this.#hasFailed = true;
    if (this.#hasFailed) throw new Error('IO error: 000003.log: No space left on device');
    for (const one of operations) {
      if (one.type === 'put') this.#disk.rows.set(one.key, one.value);
      else this.#disk.rows.delete(one.key);
    }
  }

  async *iterator({ gte, lt }: DatabaseRange): AsyncIterable<[string, Uint8Array]> {
    for (const key of [...this.#disk.rows.keys()].toSorted((a, b) => a.localeCompare(b))) {
      this.#check();
      const value = this.#disk.rows.get(key) ?? Buffer.alloc(0);
      if (key >= gte && key < lt) yield [key, value];
    }
  }

  async clear(): Promise<void> {
    this.#check();
  }
}

async function opened(): Promise<{ disk: Disk; clock: ManualClock; database: PatientDatabase }> {
  const disk = new Disk();
  disk.freeBytes = Number.POSITIVE_INFINITY;
  const first = new FailingDatabase(disk);
  await first.open();
  const clock = new ManualClock();
  const database = new PatientDatabase(first, {
    openAgain: () => new FailingDatabase(disk),
    freeBytes: () => Promise.resolve(disk.freeBytes),
    clock,
    logger: silentLogger,
  });
  return { disk, clock, database };
}

const put = (key: string): Parameters<Database['batch']>[0] => [
  { type: 'put', key, value: Buffer.from(key) },
];
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a batch without space waits, is written in order once there is some, and reads go on', async () => {
  const { disk, clock, database } = await opened();
  await database.batch(put('a'), { sync: false });
  disk.freeBytes = 0;
  const order: string[] = [];
  const b = database.batch(put('b'), { sync: false }).then(() => order.push('b'));
  const c = database.batch(put('c'), { sync: true }).then(() => order.push('c'));
  await settled();
  expect(database.full?.code).toBe('DISK_FULL');
  await clock.advance(5_000);
  await settled();
  expect(order).toEqual([]);
  expect(String(await database.get('a'))).toBe('a');
  disk.freeBytes = 1 << 30;
  await clock.advance(500);
  await Promise.all([b, c]);
  expect(order).toEqual(['b', 'c']);
  expect([...disk.rows.keys()]).toEqual(['a', 'b', 'c']);
  expect(database.full).toBeUndefined();
  expect(disk.openCount).toBe(2);
});

test('an iterator goes on where it was when the database is opened anew', async () => {
  const { disk, clock, database } = await opened();
  for (const key of ['a', 'b', 'c']) await database.batch(put(key), { sync: false });
  const seen: string[] = [];
  for await (const [key] of database.iterator({ gte: 'a', lt: 'z' })) {
    seen.push(key);
    if (key !== 'a') continue;
    disk.freeBytes = 0;
    const late = database.batch(put('d'), { sync: false });
    await settled();
    disk.freeBytes = 1 << 30;
    await clock.advance(500);
    await late;
  }
  expect(seen).toEqual(['a', 'b', 'c', 'd']);
});

test('closing does not wait for space; other failures are final', async () => {
  const { disk, database } = await opened();
  disk.freeBytes = 0;
  const lost = database.batch(put('a'), { sync: false });
  const refused = expect(lost).rejects.toThrow('No space left');
  await settled();
  await database.close();
  await refused;
  await expect(database.batch(put('b'), { sync: false })).rejects.toThrow('not open');
});
