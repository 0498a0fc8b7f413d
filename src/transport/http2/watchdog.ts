/**
 * Time limits of a connection: a client that does not begin, one that has vanished without a word, one that
 * takes nothing of what waits for it. None may keep its streams and its memory for ever.
 */
import type { Clock } from '../../platform/clock.ts';
import type { TimerWheel, WheelTimer } from '../../util/timer-wheel.ts';
import { ConnectionError, ErrorCode } from './http2-error.ts';
import { http2Limits } from './limits.ts';

/** What the watchdog sees and does. */
export interface Watched {
  readonly isReading: boolean;
  /** Bytes that the socket has not taken. */
  readonly pendingBytes: number;
  ask(): void;
  destroy(reason: ConnectionError): void;
}

export class Watchdog {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #watched: Watched;
  readonly #checkLater = (): void => this.#check();
  #timer: WheelTimer;
  #stallTimer: WheelTimer | undefined = undefined;
  #lastHeardMs: number;

  constructor(clock: Clock, wheel: TimerWheel, watched: Watched) {
    this.#clock = clock;
    this.#wheel = wheel;
    this.#watched = watched;
    this.#lastHeardMs = clock.monotonicMs();
    this.#timer = wheel.set(http2Limits.prefaceMaxMs, () => {
      watched.destroy(new ConnectionError(ErrorCode.settingsTimeout, 'no HTTP/2 preface in time'));
    });
  }

  /** The client has begun as it should: from now on silence counts. */
  begun(): void {
    this.#wheel.cancel(this.#timer);
    this.#timer = this.#wheel.set(http2Limits.silenceMs, this.#checkLater);
  }

  heard(): void {
    this.#lastHeardMs = this.#clock.monotonicMs();
  }

  /** The socket takes no more: it has a while to take something. */
  stalled(): void {
    this.#watchStall(this.#watched.pendingBytes);
  }

  flowing(): void {
    if (this.#stallTimer !== undefined) this.#wheel.cancel(this.#stallTimer);
  }

  stop(): void {
    this.#wheel.cancel(this.#timer);
    this.flowing();
  }

  #watchStall(pendingBytes: number): void {
    this.#stallTimer = this.#wheel.set(http2Limits.stalledMaxMs, () => {
      const stillBytes = this.#watched.pendingBytes;
      if (stillBytes < pendingBytes) return this.#watchStall(stillBytes);
      const text = `the client has taken nothing for ${http2Limits.stalledMaxMs} ms`;
      this.#watched.destroy(new ConnectionError(ErrorCode.enhanceYourCalm, text));
    });
  }

  #check(): void {
    const { silenceMs } = http2Limits;
    const silentMs = this.#clock.monotonicMs() - this.#lastHeardMs;
    let nextMs: number = silenceMs;
    // Who is not read from cannot be heard; the other watch has an eye on it.
    if (this.#watched.isReading) {
      if (silentMs >= 2 * silenceMs) {
        const text = 'the client does not answer a PING';
        return this.#watched.destroy(new ConnectionError(ErrorCode.enhanceYourCalm, text));
      }
      if (silentMs >= silenceMs) this.#watched.ask();
      else nextMs = silenceMs - silentMs;
    }
    this.#timer = this.#wheel.set(nextMs, this.#checkLater);
  }
}
