/** A few hundred seeds of the simulator, its determinism, and that it catches planted bugs. */
import { expect, test } from 'vitest';
import { BrokerRun } from './broker-run.ts';
import {
  ackBeforeWrite,
  offsetTooFar,
  recallForgotten,
  tooEarly,
  tornTailForgotten,
} from './planted.ts';
import { regressionSeeds } from './seeds.ts';
import { type Planted, StoreRun } from './store-run.ts';

async function failureOf(seed: number, planted?: Planted): Promise<string | undefined> {
  const run = new StoreRun(seed, planted === undefined ? {} : { planted });
  try {
    await run.run();
    return undefined;
  } catch (error) {
    return `SEED=${seed} ${String(error)}; repeat it: npm run sim -- --seed ${seed} --verbose`;
  }
}

test('100 seeds keep every promise of the store', { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 100; seed += 1) expect(await failureOf(seed)).toBeUndefined();
});

test('seeds that found defects pass', { timeout: 60_000 }, async () => {
  for (const seed of regressionSeeds) expect(await failureOf(seed)).toBeUndefined();
});

test('a seed replays exactly', async () => {
  const first = await new StoreRun(7).run();
  expect(await new StoreRun(7).run()).toEqual(first);
  expect((await new StoreRun(8).run()).traceHash).not.toBe(first.traceHash);
});

/** The first of `seedCount` seeds that sees the bug says how. */
async function caughtIn(seedCount: number, planted: Planted): Promise<string | undefined> {
  for (let seed = 1; seed <= seedCount; seed += 1) {
    const failure = await failureOf(seed, planted);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

test('acknowledging before the write is caught', { timeout: 60_000 }, async () => {
  expect(await caughtIn(20, ackBeforeWrite)).toMatch(/is gone|damaged/);
});

test('forgetting the torn tail is caught', { timeout: 120_000 }, async () => {
  expect(await caughtIn(150, tornTailForgotten)).toBeDefined();
});

test.each([
  ['an offset that passes what was not consumed', offsetTooFar, /is not consumed|never delivered/],
  ['a forgotten recall', recallForgotten, /it was recalled/],
  ['a delivery before its time', tooEarly, /before its time/],
])('%s is caught', { timeout: 60_000 }, async (_name, planted, words) => {
  let caught = '';
  for (let seed = 1; seed <= 30 && caught === ''; seed += 1) {
    const run = new BrokerRun(seed, { planted });
    await run.run().catch((error: unknown) => (caught = String(error)));
  }
  expect(caught).toMatch(words);
});

test('30 seeds keep every promise of the broker', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 30; seed += 1) await new BrokerRun(seed).run();
});
