/**
 * Time as a port. In production it is Node's (`node-clock.ts`), in the simulator a number that
 * jumps from one due timer to the next. Nothing outside `platform/` calls `Date` or `setTimeout`.
 */

/** A timer that has been set; opaque to everybody but the clock that made it. */
export interface Timer {
  readonly dueMs: number;
}

export interface Clock {
  /** Wall clock, Unix milliseconds. May jump when an operator sets the time. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never runs back. For durations and timeouts. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs` (monotonic). A timer never keeps the process alive. */
  setTimer(delayMs: number, run: () => void): Timer;
  clearTimer(timer: Timer): void;
  /**
   * Calls `run` after everything that is ready now has been handled: the end of the tick.
   * Batches (one write, one sync, one socket write) are closed here.
   */
  afterTick(run: () => void): void;
}
