/** Some seeds of the simulator, its determinism, that it catches planted bugs and makes failing runs short. */
import { expect, test } from 'vitest';
import { BrokerRun } from './broker-run.ts';
import {
  ackBeforeWrite,
  ackLost,
  attemptsForgotten,
  compactionForgotten,
  deletedTooSoon,
  expiredTooSoon,
  folderSyncForgotten,
  offsetTooFar,
  oldMovesPastNew,
  orderForgotten,
  priorityForgotten,
  pulledOffsetTooFar,
  recallForgotten,
  rollbackForgotten,
  sentTwice,
  syncForgotten,
  tooEarly,
  visibleTooSoon,
} from './planted.ts';
import { regressionSeeds } from './seeds.ts';
import { shrink } from './shrink.ts';
import { StoreRun } from './store-run.ts';

type RunOptions = ConstructorParameters<typeof BrokerRun>[1] &
  ConstructorParameters<typeof StoreRun>[1];
type Make = (seed: number, options?: RunOptions) => BrokerRun | StoreRun;

const ofStore: Make = (seed, options) => new StoreRun(seed, options);
const ofBroker: Make = (seed, options) => new BrokerRun(seed, options);

async function failureOf(run: BrokerRun | StoreRun): Promise<string | undefined> {
  try {
    await run.run();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** The failures of the seeds, which are to be none. */
async function failuresOf(make: Make, seeds: Iterable<number>): Promise<string[]> {
  const failures: string[] = [];
  for (const seed of seeds) {
    const failure = await failureOf(make(seed));
    if (failure !== undefined) failures.push(`SEED=${seed} ${failure}`);
  }
  return failures;
}

function* upTo(count: number): Iterable<number> {
  for (let seed = 1; seed <= count; seed += 1) yield seed;
}

test('60 seeds keep every promise of the store', { timeout: 120_000 }, async () => {
  expect(await failuresOf(ofStore, upTo(60))).toEqual([]);
});

test('60 seeds keep every promise of the broker', { timeout: 120_000 }, async () => {
  expect(await failuresOf(ofBroker, upTo(60))).toEqual([]);
});

test('seeds that found defects pass', { timeout: 60_000 }, async () => {
  const make: Make = (seed) =>
    new StoreRun(seed, { overrides: { hasRetention: false, keyCount: 0 } });
  expect(await failuresOf(make, regressionSeeds)).toEqual([]);
});

test.each([
  ['store', ofStore],
  ['broker', ofBroker],
] as const)('a seed of the %s replays exactly', async (_name, make) => {
  const first = await make(7).run();
  expect(await make(7).run()).toEqual(first);
  expect((await make(8).run()).traceHash).not.toBe(first.traceHash);
});

/** Each bug, the number of seeds within which it has to show, and in which words. */
const bugsOfTheStore = [
  ['ackBeforeWrite', ackBeforeWrite, 20, /is gone|been lost|damaged|nothing is/],
  ['syncForgotten', syncForgotten, 20, /is gone|been lost|damaged|nothing is/],
  ['folderSyncForgotten', folderSyncForgotten, 30, /is gone|been lost|damaged|nothing is/],
  ['expiredTooSoon', expiredTooSoon, 40, /was acknowledged and is gone/],
  ['compactionForgotten', compactionForgotten, 20, /there twice|is gone/],
  ['oldMovesPastNew', oldMovesPastNew, 40, /behind|answered as/],
] as const;
const bugsOfTheBroker = [
  ['offsetTooFar', offsetTooFar, 30, /is not consumed|never delivered|overtakes/],
  ['pulledOffsetTooFar', pulledOffsetTooFar, 50, /is not consumed/],
  ['attemptsForgotten', attemptsForgotten, 20, /attempt 1 after/],
  ['ackLost', ackLost, 20, /after its acknowledgement/],
  ['orderForgotten', orderForgotten, 20, /overtakes/],
  ['rollbackForgotten', rollbackForgotten, 20, /rolled back/],
  ['visibleTooSoon', visibleTooSoon, 20, /while it is invisible/],
  ['sentTwice', sentTwice, 20, /was at/],
  ['recallForgotten', recallForgotten, 20, /recalled/],
  ['tooEarly', tooEarly, 20, /before its time/],
  ['deletedTooSoon', deletedTooSoon, 60, /deleted too soon/],
  ['priorityForgotten', priorityForgotten, 20, /came from queue/],
] as const;

test.each(bugsOfTheStore)(
  '%s is caught',
  { timeout: 60_000 },
  async (_name, planted, seedCount, words) => {
    expect(await firstFailure(seedCount, (seed) => new StoreRun(seed, { planted }))).toMatch(words);
  },
);

test.each(bugsOfTheBroker)(
  '%s is caught',
  { timeout: 60_000 },
  async (_name, planted, seedCount, words) => {
    expect(await firstFailure(seedCount, (seed) => new BrokerRun(seed, { planted }))).toMatch(
      words,
    );
  },
);

async function firstFailure(seedCount: number, make: Make): Promise<string> {
  for (const seed of upTo(seedCount)) {
    const failure = await failureOf(make(seed));
    if (failure !== undefined) return failure;
  }
  return 'not caught';
}

test('a failing run is made short, and fails again as it is said', {
  timeout: 60_000,
}, async () => {
  const make = (seed: number, overrides: object): BrokerRun =>
    new BrokerRun(seed, { planted: orderForgotten, overrides });
  let seed = 0;
  let long: BrokerRun;
  let failure: string | undefined;
  do {
    seed += 1;
    long = make(seed, {});
    failure = await failureOf(long);
  } while (failure === undefined || long.eventCount < 500);
  expect(failure).toMatch(/overtakes/);
  const short = await shrink((overrides) => make(seed, overrides), 400);
  expect(short?.eventCount).toBeLessThan(long.eventCount / 4);
  expect(await failureOf(make(seed, short?.overrides ?? {}))).toBe(short?.failure);
});

test('a run that does not fail is not shrunk', async () => {
  expect(await shrink((overrides) => new BrokerRun(1, { overrides }), 10)).toBeUndefined();
});
