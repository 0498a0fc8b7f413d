/** How far long work is: one line on a terminal's stderr, drawn anew; nothing on a pipe. */
import type { Context } from './context.ts';

const intervalMs = 200;

export class Progress {
  readonly #context: Context;
  readonly #what: string;
  readonly #totalCount: number;
  readonly #startedMs: number;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #width = 0;

  /** `what`: as in "redriven 12 of 40". */
  constructor(context: Context, what: string, totalCount: number) {
    this.#context = context;
    this.#what = what;
    this.#totalCount = totalCount;
    this.#startedMs = context.clock.monotonicMs();
  }

  async update(doneCount: number): Promise<void> {
    const { stderr, clock } = this.#context;
    const nowMs = clock.monotonicMs();
    if (!stderr.isTerminal || nowMs - this.#drawnMs < intervalMs) return;
    this.#drawnMs = nowMs;
    const seconds = (nowMs - this.#startedMs) / 1_000;
    const rate = seconds > 0 ? doneCount / seconds : 0;
    const left = rate > 0 ? Math.ceil((this.#totalCount - doneCount) / rate) : undefined;
    const time = left === undefined ? '' : `, ${left}s left`;
    const line = `${this.#what} ${doneCount} of ${this.#totalCount}, ${rate.toFixed(0)}/s${time}`;
    const text = line.slice(0, Math.max(0, stderr.columns - 1));
    await stderr.write(`\r${text.padEnd(this.#width)}`);
    this.#width = text.length;
  }

  /** Takes the line away. */
  async end(): Promise<void> {
    if (this.#width === 0) return;
    await this.#context.stderr.write(`\r${' '.repeat(this.#width)}\r`);
    this.#width = 0;
  }
}

/** Resolves after that time, or at once when the command is interrupted. */
export function pause(context: Context, durationMs: number): Promise<void> {
  const { clock, signal, host } = context;
  if (signal.aborted || durationMs <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const release = host.holdOpen();
    const end = (): void => {
      release();
      clock.clearTimer(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimer(durationMs, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
