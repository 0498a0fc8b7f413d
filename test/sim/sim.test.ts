/** A few hundred seeds of the simulator, its determinism, and that it catches planted bugs. */
import { expect, test } from 'vitest';
import { ackBeforeWrite } from './planted.ts';
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

test('200 seeds keep every promise of the store', { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 200; seed += 1) expect(await failureOf(seed)).toBeUndefined();
});

test('seeds that found defects pass', { timeout: 60_000 }, async () => {
  for (const seed of regressionSeeds) expect(await failureOf(seed)).toBeUndefined();
});

test('a seed replays exactly', async () => {
  const first = await new StoreRun(7).run();
  expect(await new StoreRun(7).run()).toEqual(first);
  expect((await new StoreRun(8).run()).traceHash).not.toBe(first.traceHash);
});

test('acknowledging before the write is caught', { timeout: 60_000 }, async () => {
  let caught: string | undefined;
  for (let seed = 1; seed <= 50 && caught === undefined; seed += 1) {
    caught = await failureOf(seed, ackBeforeWrite);
  }
  expect(caught).toContain('is gone');
});
