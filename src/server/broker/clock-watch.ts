/** Notices that the wall clock was set back. */
import type { Clock } from '../../platform/clock.ts';

/** A clock that is behind by more than this has been set back; less is smoothed away by it. */
export const setBackMinMs = 500;

export class ClockWatch {
  readonly #clock: Clock;
  /** Wall clock less monotonic time, at its highest. */
  #leadMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** By how many milliseconds since the last look; 0: it was not. */
  setBackMs(): number {
    const leadMs = this.#clock.nowMs() - this.#clock.monotonicMs();
    const backMs = Math.round(this.#leadMs - leadMs);
    const isSetBack = backMs > setBackMinMs;
    if (isSetBack || leadMs > this.#leadMs) this.#leadMs = leadMs;
    return isSetBack ? backMs : 0;
  }
}
