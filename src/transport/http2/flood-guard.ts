/**
 * Counts what a client makes us do for nothing. Well-behaved clients send such frames, too, but in
 * proportion to their calls; who does little else is told ENHANCE_YOUR_CALM.
 *
 * A budget that each cheap frame takes from, and that time and work fill again. Known floods: rapid reset
 * (CVE-2023-44487) and resets provoked from us (CVE-2025-8671), PING, SETTINGS, PRIORITY, empty DATA and
 * window updates (CVE-2019-9511 to 9518), CONTINUATION (VU#421644, bounded in `connection.ts`).
 */
import { ConnectionError, ErrorCode } from './http2-error.ts';

interface Budget {
  readonly max: number;
  readonly perSecond: number;
}

/** Frames that carry nothing. A call brings `cheapFramesPerCall` more. */
const cheapFrames: Budget = { max: 20_000, perSecond: 2_000 };
const cheapFramesPerCall = 8;
/**
 * Calls that were begun and not answered. A client that closes cancels all its receives at once, and
 * one that restarts does it again.
 */
const resets: Budget = { max: 20_000, perSecond: 1_000 };

export class FloodGuard {
  #cheapLeft: number = cheapFrames.max;
  #resetsLeft: number = resets.max;
  #filledMs: number;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#filledMs = nowMs();
  }

  /** @throws ConnectionError ENHANCE_YOUR_CALM */
  cheapFrame(cost: number): void {
    this.#cheapLeft -= cost;
    if (this.#cheapLeft >= 0) return;
    this.#fill();
    if (this.#cheapLeft < 0) tooMany('frames without content');
  }

  /** A call that ended without an answer. @throws ConnectionError ENHANCE_YOUR_CALM */
  reset(): void {
    this.#resetsLeft -= 1;
    if (this.#resetsLeft >= 0) return;
    this.#fill();
    if (this.#resetsLeft < 0) tooMany('cancelled calls');
  }

  call(): void {
    if (this.#cheapLeft < cheapFrames.max) this.#cheapLeft += cheapFramesPerCall;
  }

  #fill(): void {
    const nowMs = this.#nowMs();
    const seconds = (nowMs - this.#filledMs) / 1_000;
    this.#filledMs = nowMs;
    const cheap = this.#cheapLeft + seconds * cheapFrames.perSecond;
    this.#cheapLeft = Math.min(cheap, cheapFrames.max);
    this.#resetsLeft = Math.min(this.#resetsLeft + seconds * resets.perSecond, resets.max);
  }
}

function tooMany(what: string): never {
  throw new ConnectionError(ErrorCode.enhanceYourCalm, `too many ${what}`);
}
