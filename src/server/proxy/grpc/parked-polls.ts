/** The receives that wait for a message, so that a proxy that stops can end them in order. */
import type { Cancel } from '../../broker/api.ts';

export class ParkedPolls {
  readonly #cancels = new Set<Cancel>();
  #isClosed = false;

  /** Notes a wait. Once closed, waits end as they begin. */
  add(cancel: Cancel): void {
    if (this.#isClosed) cancel();
    else this.#cancels.add(cancel);
  }

  delete(cancel: Cancel): void {
    this.#cancels.delete(cancel);
  }

  /** Ends all waits: their clients are told that there is no message. */
  close(): void {
    this.#isClosed = true;
    for (const cancel of [...this.#cancels]) cancel();
    this.#cancels.clear();
  }
}
