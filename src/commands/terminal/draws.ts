import type { Clock } from '../../platform/clock.ts';

/** Between two draws for what has come; keys are drawn at once. */
const drawMs = 50;

/** When to draw: at once after a key, a little later after messages, at least once a second. */
export class Draws {
  readonly #clock: Clock;
  #draw: (() => void) | undefined = undefined;
  #isAsked = false;
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tick();
  }

  onDraw(draw: () => void): () => void {
    this.#draw = draw;
    return () => {
      this.#draw = undefined;
    };
  }

  soon(): void {
    this.#draw?.();
  }

  later(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#clock.setTimer(drawMs, () => {
      this.#isAsked = false;
      this.soon();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Rates grow old without messages, too. */
  #tick(): void {
    if (this.#isStopped) return;
    this.soon();
    this.#clock.setTimer(1_000, () => this.#tick());
  }
}
