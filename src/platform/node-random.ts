/** Randomness as Node has it. `bytes` is fit for secrets, the numbers are fit for spreading load. */
import { randomBytes } from 'node:crypto';
import type { Random } from './random.ts';

/** The random source of production. */
export const nodeRandom: Random = {
  below: (bound) => Math.floor(Math.random() * bound),
  fraction: () => Math.random(),
  bytes: (size) => randomBytes(size),
};
