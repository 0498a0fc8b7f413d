/** From a counter that only grows to a rate, and how it went. */

/** Values that are kept: 5 minutes at one every 2 seconds. */
const historyMax = 150;

export class Meter {
  #last: { readonly total: number; readonly atMs: number } | undefined = undefined;
  #perSecond: number | undefined = undefined;

  /** A second, between the last two samples; undefined before the second one. */
  get perSecond(): number | undefined {
    return this.#perSecond;
  }

  /** `atMs` is monotonic. A counter that fell has begun anew: its server was restarted. */
  sample(total: number, atMs: number): void {
    const last = this.#last;
    this.#last = { total, atMs };
    if (last === undefined || atMs <= last.atMs) return;
    const grown = total >= last.total ? total - last.total : total;
    this.#perSecond = (grown * 1_000) / (atMs - last.atMs);
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
