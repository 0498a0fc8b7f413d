/**
 * Requests that wait (long polls), by connection, so that they end with it. One `onClose` a connection,
 * not one a request: connections live for days.
 */
import type { RemotingSession } from '../../remoting/handler.ts';
import type { Cancel } from '../api.ts';

export class ParkedRequests {
  readonly #sessions = new WeakMap<RemotingSession, Set<Cancel>>();

  /** Calls `cancel` when the connection closes, unless `forget` came first. */
  add(session: RemotingSession, cancel: Cancel): void {
    let parked = this.#sessions.get(session);
    if (parked === undefined) {
      const made = new Set<Cancel>();
      parked = made;
      this.#sessions.set(session, made);
      session.onClose(() => {
        this.#sessions.delete(session);
        for (const run of made) run();
      });
    }
    parked.add(cancel);
  }

  forget(session: RemotingSession, cancel: Cancel): void {
    this.#sessions.get(session)?.delete(cancel);
  }
}
