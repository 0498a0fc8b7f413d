/** Messages a second through a proxy, over the last ten whole seconds. */
import type { Clock } from '../../platform/clock.ts';

const windowSeconds = 10;

export class Rates {
  readonly #clock: Clock;
  /** A bucket a second, by the second modulo its number. */
  readonly #in = new Array<number>(windowSeconds + 1).fill(0);
  readonly #out = new Array<number>(windowSeconds + 1).fill(0);
  #second = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  sent(count: number): void {
    this.#count(this.#in, count);
  }

  delivered(count: number): void {
    this.#count(this.#out, count);
  }

  read(): { readonly inPerSecond: number; readonly outPerSecond: number } {
    this.#turn();
    return { inPerSecond: this.#mean(this.#in), outPerSecond: this.#mean(this.#out) };
  }

  #count(buckets: number[], count: number): void {
    this.#turn();
    const index = this.#second % buckets.length;
    buckets[index] = (buckets[index] ?? 0) + count;
  }

  /** Empties the buckets of the seconds that have passed. */
  #turn(): void {
    const second = Math.floor(this.#clock.monotonicMs() / 1_000);
    const passed = Math.min(second - this.#second, this.#in.length);
    for (let step = 1; step <= passed; step++) {
      const index = (this.#second + step) % this.#in.length;
      this.#in[index] = 0;
      this.#out[index] = 0;
    }
    if (passed >= this.#in.length) {
      this.#in.fill(0);
      this.#out.fill(0);
    }
    this.#second = second;
  }

  /** Without the second that has not ended. */
  #mean(buckets: readonly number[]): number {
    const current = this.#second % buckets.length;
    const total = buckets.reduce((sum, count, index) => (index === current ? sum : sum + count), 0);
    return total / windowSeconds;
  }
}
