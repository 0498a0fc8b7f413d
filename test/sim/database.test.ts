/** The simulated database keeps, over deaths, power cuts and failed writes, what LevelDB would. */
import { expect, test } from 'vitest';
import type { Database } from '../../src/server/store/index/database.ts';
import { noFaults } from './faults.ts';
import { Machine } from './machine.ts';
import { SimRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { Trace } from './trace.ts';

class Bench {
  readonly scheduler = new Scheduler();
  readonly machine: Machine;

  constructor(seed: number) {
    const random = new SimRandom(seed);
    this.machine = new Machine({ scheduler: this.scheduler, random, trace: new Trace() });
  }

  /** The database of a new life. */
  async boot(): Promise<Database> {
    const database = this.machine.boot().openDatabase();
    await this.settle(database.open());
    return database;
  }

  /** Lets simulated time pass until the work is settled; how it ended. */
  async settle<T>(work: Promise<T>): Promise<T | Error> {
    let outcome: T | Error | undefined;
    work.then(
      (value) => (outcome = value),
      (error: unknown) => (outcome = error as Error),
    );
    await this.scheduler.runUntil(this.scheduler.nowUs + 60_000_000);
    return outcome as T | Error;
  }

  async namesOf(database: Database): Promise<string> {
    const names: string[] = [];
    for await (const [name] of database.iterator({ gte: '', lt: '~' })) names.push(name);
    return names.join('');
  }
}

function put(database: Database, name: string, sync = false): Promise<void> {
  return database.batch([{ type: 'put', key: name, value: Buffer.from('1') }], { sync });
}

test('a batch that was answered survives the death of the process', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const bench = new Bench(seed);
    await bench.settle(put(await bench.boot(), 'a'));
    bench.machine.kill();
    expect(await bench.namesOf(await bench.boot())).toBe('a');
  }
});

test('batches under way at a death are kept in order or not at all, and never answered', async () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const bench = new Bench(seed);
    const database = await bench.boot();
    let answered = 0;
    for (const name of ['a', 'b', 'c']) void put(database, name).then(() => (answered += 1));
    // A turn, so that level has asked for all three.
    await bench.scheduler.runUntil(bench.scheduler.nowUs);
    bench.machine.kill();
    outcomes.add(await bench.namesOf(await bench.boot()));
    expect(answered).toBe(0);
  }
  expect([...outcomes].sort()).toEqual(['', 'a', 'ab', 'abc']);
});

test('a power cut takes batches that were not synced, and none before a synced one', async () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const bench = new Bench(seed);
    const database = await bench.boot();
    await bench.settle(put(database, 'a'));
    await bench.settle(put(database, 'b', true));
    await bench.settle(put(database, 'c'));
    bench.machine.cutPower();
    outcomes.add(await bench.namesOf(await bench.boot()));
  }
  expect([...outcomes].sort()).toEqual(['ab', 'abc']);
});

test('a failed write ends all writes until the database is opened again', async () => {
  const bench = new Bench(1);
  const database = await bench.boot();
  bench.machine.setFaults({ ...noFaults, databaseFails: 1 });
  expect(await bench.settle(put(database, 'a'))).toBeInstanceOf(Error);
  bench.machine.setFaults(noFaults);
  expect(await bench.settle(put(database, 'b'))).toBeInstanceOf(Error);
  bench.machine.kill();
  const again = await bench.boot();
  expect(await bench.settle(put(again, 'c'))).toBeUndefined();
  expect(await bench.namesOf(again)).toMatch(/^a?c$/);
});

test('what is read is what was written, and a dead process reads nothing', async () => {
  const bench = new Bench(1);
  const database = await bench.boot();
  await bench.settle(put(database, 'a'));
  expect(await bench.settle(database.get('a'))).toEqual(Buffer.from('1'));
  expect(await bench.settle(database.get('b'))).toBeUndefined();
  const read = database.get('a');
  bench.machine.kill();
  let isAnswered = false;
  void read.then(() => (isAnswered = true));
  await bench.scheduler.runUntil(bench.scheduler.nowUs + 1_000_000);
  expect(isAnswered).toBe(false);
});
