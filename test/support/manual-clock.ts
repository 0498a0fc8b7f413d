/** A clock that stands still until a test moves it. Ticks end with Node's own loop. */
import type { Clock, Timer } from '../../src/platform/clock.ts';

interface Planned extends Timer {
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #elapsedMs = 0;
  #startMs: number;
  readonly #timers = new Set<Planned>();

  constructor(startMs = 1_735_689_600_000) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + Math.floor(this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#elapsedMs + Math.max(1, delayMs), run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as Planned);
  }

  afterTick(run: () => void): void {
    setImmediate(run);
  }

  /** The wall clock is set by an operator; what is measured is not. */
  jump(ms: number): void {
    this.#startMs += ms;
  }

  /** Timers that are set: 0 means that nothing would happen by itself. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Moves on by `ms`, stopping at each timer on the way, and lets everything that follows happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await settle();
    for (;;) {
      let next: Planned | undefined;
      for (const timer of this.#timers) {
        if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.run();
      await settle();
    }
    this.#elapsedMs = endMs;
  }
}

/** Lets promises, ticks and the memory files' callbacks run until nothing is left of them. */
export async function settle(rounds = 6): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
