/** The explorer keeps quiet where all is well, and sees what is forgotten. */
import { expect, test } from 'vitest';
import { SimRandom } from '../sim/random.ts';
import { type Count, explore, PromiseBroken } from './explore.ts';
import type { PlantedInDisk } from './journal.ts';
import type { Flush } from './workload.ts';

const limits = {
  imagesOfPlace: 64,
  recoveriesOneOf: 8,
  imagesOfRecovery: 4,
  placesOneOf: 1,
};

async function brokenBy(
  workload: string,
  flush: Flush,
  planted: PlantedInDisk = {},
): Promise<string | undefined> {
  const random = new SimRandom(workload);
  const count: Count = { images: 0, inRecovery: 0, sampledPlaces: 0 };
  try {
    await explore(workload, { flush, limits, random, count, planted });
  } catch (error) {
    if (error instanceof PromiseBroken) return error.message;
    throw error;
  }
  expect(count.images).toBeGreaterThan(5);
  return undefined;
}

const workloads = ['a', 'ab', 'cs', 'ccc', 'pte', 'srk', 'cct|ab|pk', 'ccce|cs'];

test.each(workloads)('%s keeps its promises through every crash', async (workload) => {
  expect(await brokenBy(workload, 'sync')).toBeUndefined();
  expect(await brokenBy(workload, 'async')).toBeUndefined();
});

test.each([
  ['syncForgotten', 'ab', /acknowledged and is gone/],
  ['namesForgotten', 'ccc', /acknowledged and is gone/],
  ['batchSyncForgotten', 's', /state says 0/],
] as const)('%s is seen', async (name, workload, words) => {
  expect(await brokenBy(workload, 'sync', { [name]: true })).toMatch(words);
});
