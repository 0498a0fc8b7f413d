/** A clock that a test may move forward: timers that come due meanwhile run in their order. */
import type { Clock, Timer } from './clock.ts';

class MovableTimer implements Timer {
  readonly dueMs: number;
  readonly run: () => void;
  inner: Timer | undefined = undefined;

  constructor(dueMs: number, run: () => void) {
    this.dueMs = dueMs;
    this.run = run;
  }
}

export class MovableClock implements Clock {
  readonly #real: Clock;
  readonly #timers = new Set<MovableTimer>();
  #aheadMs = 0;

  constructor(real: Clock) {
    this.#real = real;
  }

  nowMs(): number {
    return this.#real.nowMs() + this.#aheadMs;
  }

  monotonicMs(): number {
    return this.#real.monotonicMs() + this.#aheadMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = new MovableTimer(this.monotonicMs() + Math.max(0, delayMs), run);
    this.#timers.add(timer);
    this.#arm(timer);
    return timer;
  }

  #arm(timer: MovableTimer): void {
    timer.inner = this.#real.setTimer(timer.dueMs - this.monotonicMs(), () => {
      this.#timers.delete(timer);
      timer.run();
    });
  }

  clearTimer(timer: Timer): void {
    if (!(timer instanceof MovableTimer)) return;
    this.#timers.delete(timer);
    if (timer.inner !== undefined) this.#real.clearTimer(timer.inner);
  }

  afterTick(run: () => void): void {
    this.#real.afterTick(run);
  }

  /** It is `ms` later from now on. Timers that this makes due run at once, one after another. */
  advance(ms: number): void {
    this.#aheadMs += Math.max(0, ms);
    const timers = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs);
    for (const timer of timers) {
      if (timer.inner !== undefined) this.#real.clearTimer(timer.inner);
      this.#arm(timer);
    }
  }
}
