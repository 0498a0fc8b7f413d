/** From a counter that only grows to a rate, and how it went. */

/** Values that are kept: 5 minutes at one every 2 seconds. */
const historyMax = 150;

export class Meter {
  readonly #windowMs: number;
  #samples: { readonly total: number; readonly atMs: number }[] = [];
  #perSecond: number | undefined = undefined;

  /** `windowMs`: over which the rate is taken; 0: between the last two samples. */
  constructor(windowMs = 0) {
    this.#windowMs = windowMs;
  }

  /** A second, over the window; undefined before the second sample. */
  get perSecond(): number | undefined {
    return this.#perSecond;
  }

  /** `atMs` is monotonic. A counter that fell has begun anew: its server was restarted. */
  sample(total: number, atMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs <= last.atMs) return;
    if (last !== undefined && total < last.total) this.#samples = [{ total: 0, atMs: last.atMs }];
    this.#samples.push({ total, atMs });
    // The first is what the window begins with, or the last before it.
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? 0) <= atMs - this.#windowMs) {
      this.#samples.shift();
    }
    const [first] = this.#samples;
    if (first === undefined || first.atMs === atMs) return;
    this.#perSecond = ((total - first.total) * 1_000) / (atMs - first.atMs);
  }
}

/** The newest values, the oldest first. */
export class History {
  readonly #values: number[] = [];

  get values(): readonly number[] {
    return this.#values;
  }

  push(value: number): void {
    if (this.#values.push(value) > historyMax) this.#values.shift();
  }
}
