/** The clock of one life of a process, over simulated time. */
import type { Clock, Timer } from '../../src/platform/clock.ts';
import type { Incarnation } from './incarnation.ts';
import type { Planned, Scheduler } from './scheduler.ts';

/** Wall clock at simulated time 0: 2025-01-01T00:00:00Z. */
export const epochMs = 1_735_689_600_000;

interface SimTimer extends Timer {
  readonly planned: Planned;
}

export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #incarnation: Incarnation;
  /** Milliseconds by which the wall clock is wrong. */
  readonly #skewMs: number;

  constructor(scheduler: Scheduler, incarnation: Incarnation, skewMs = 0) {
    this.#scheduler = scheduler;
    this.#incarnation = incarnation;
    this.#skewMs = skewMs;
  }

  nowMs(): number {
    return epochMs + this.#skewMs + Math.floor(this.#scheduler.nowUs / 1000);
  }

  monotonicMs(): number {
    return this.#scheduler.nowUs / 1000;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    // As Node does: anything below a millisecond is a millisecond.
    const delayUs = Math.max(1, delayMs) * 1000;
    const planned = this.#scheduler.plan(delayUs, () => {
      if (this.#incarnation.isAlive) run();
    });
    const timer: SimTimer = { dueMs: planned.dueUs / 1000, planned };
    return timer;
  }

  clearTimer(timer: Timer): void {
    (timer as SimTimer).planned.isCancelled = true;
  }

  afterTick(run: () => void): void {
    this.#scheduler.atTickEnd(() => {
      if (this.#incarnation.isAlive) run();
    });
  }
}
