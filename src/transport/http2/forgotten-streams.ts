/** Streams that we ended first; what the client still sends on them is not its fault. Bounded, oldest out. */
import { http2Limits } from './limits.ts';

export class ForgottenStreams {
  readonly #ids = new Set<number>();

  add(streamId: number): void {
    this.#ids.add(streamId);
    if (this.#ids.size <= http2Limits.forgottenStreamCountMax) return;
    const [oldest] = this.#ids;
    if (oldest !== undefined) this.#ids.delete(oldest);
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId);
  }

  delete(streamId: number): void {
    this.#ids.delete(streamId);
  }
}
