/**
 * How bad a disk is in a run. The rates are drawn from the seed, many of them zero, so that runs
 * differ in kind. `calm()` switches everything off for the liveness phase.
 */
import type { SimRandom } from './random.ts';

export interface DiskFaults {
  /** Probability that an operation of the kind fails with EIO. */
  readFails: number;
  writeFails: number;
  syncFails: number;
  /** Opening, removing, renaming, truncating, syncing a folder. */
  namesFail: number;
  databaseFails: number;
  /** Probability that an operation takes up to `slowestMs`. */
  isSlow: number;
  slowestMs: number;
}

export const noFaults: DiskFaults = {
  readFails: 0,
  writeFails: 0,
  syncFails: 0,
  namesFail: 0,
  databaseFails: 0,
  isSlow: 0,
  slowestMs: 0,
};

/** Faults of a whole run. */
export function drawFaults(random: SimRandom): DiskFaults {
  if (random.chance(0.4)) return { ...noFaults };
  return {
    readFails: random.rate(0.02),
    writeFails: random.rate(0.02),
    syncFails: random.rate(0.03),
    namesFail: random.rate(0.05),
    databaseFails: random.rate(0.03),
    isSlow: random.rate(0.1),
    slowestMs: random.pick([20, 500, 5_000, 60_000]),
  };
}

/** An error as Node's file system reports it. */
export function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${what}`), { code });
}
