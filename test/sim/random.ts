/**
 * Randomness from a seed (sfc32). Everything that a simulated run decides comes from here, so that
 * a seed replays a run exactly. Streams made with `fork` are independent of each other: drawing more
 * from one does not change what another yields.
 */
import type { Random } from '../../src/platform/random.ts';

export class SimRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string | number) {
    const [a, b, c] = hashSeed(String(seed));
    this.#a = a;
    this.#b = b;
    this.#c = c;
    for (let i = 0; i < 12; i += 1) this.#next();
  }

  /** A stream of its own, named so that two forks of one seed differ. */
  fork(name: string): SimRandom {
    return new SimRandom(`${this.#next()}/${name}`);
  }

  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  fraction(): number {
    return this.#next() / 0x1_0000_0000;
  }

  bytes(size: number): Buffer {
    const out = Buffer.alloc(size);
    for (let at = 0; at < size; at += 1) out[at] = this.#next() & 0xff;
    return out;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Zero in half of the runs, else up to `highest`: rates differ in kind from seed to seed. */
  rate(highest: number): number {
    return this.chance(0.5) ? 0 : this.fraction() ** 2 * highest;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}

/** Three words from a text (FNV-1a with different starts). */
function hashSeed(text: string): [number, number, number] {
  const hash = (start: number): number => {
    let value = start;
    for (let i = 0; i < text.length; i += 1) {
      value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
    }
    return value | 0;
  };
  return [hash(0x811c9dc5), hash(0x1234567), hash(0x7ed55d16)];
}
