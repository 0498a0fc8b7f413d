/**
 * Where the half messages lie whose send or check went through this proxy, so that the decision finds
 * its broker at once. Only a short cut: what is not known here is looked for by its id.
 */
import type { HalfMessage } from '../broker/api.ts';

const countMax = 100_000;

export interface SentTransaction extends HalfMessage {
  readonly brokerName: string;
}

export class SentTransactions {
  readonly #byId = new Map<string, SentTransaction>();

  add(topic: string, transactionId: string, sent: SentTransaction): void {
    const id = idOf(topic, transactionId);
    this.#byId.delete(id);
    this.#byId.set(id, sent);
    if (this.#byId.size <= countMax) return;
    const oldest = this.#byId.keys().next();
    if (oldest.done !== true) this.#byId.delete(oldest.value);
  }

  get(topic: string, transactionId: string): SentTransaction | undefined {
    return this.#byId.get(idOf(topic, transactionId));
  }

  delete(topic: string, transactionId: string): void {
    this.#byId.delete(idOf(topic, transactionId));
  }
}

function idOf(topic: string, transactionId: string): string {
  return `${topic}\n${transactionId}`;
}
