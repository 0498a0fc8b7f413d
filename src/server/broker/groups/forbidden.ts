/** Topics that a group may not consume, set by an administrator (353); facts/broker.md §1.5. */
import type { MessageStore, StateBatch, StateSource } from '../../store/message-store.ts';

const prefix = 'forbidden/';

export class Forbidden implements StateSource {
  readonly #store: MessageStore;
  /** Keys `group@topic`; no name holds an `@`. */
  readonly #keys = new Set<string>();
  readonly #dirty = new Set<string>();

  constructor(store: MessageStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for await (const [key] of this.#store.loadState(prefix)) {
      this.#keys.add(key.slice(prefix.length));
    }
  }

  collect(batch: StateBatch): void {
    for (const key of this.#dirty) {
      if (this.#keys.has(key)) batch.put(prefix + key, Buffer.from('1'));
      else batch.delete(prefix + key);
    }
    this.#dirty.clear();
  }

  has(group: string, topic: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(`${group}@${topic}`);
  }

  all(): readonly { readonly group: string; readonly topic: string }[] {
    return [...this.#keys].map((key) => {
      const [group = '', topic = ''] = key.split('@');
      return { group, topic };
    });
  }

  /** Resolves once it survives a power cut. */
  async set(group: string, topic: string, isForbidden: boolean): Promise<void> {
    const key = `${group}@${topic}`;
    if (this.#keys.has(key) === isForbidden) return;
    if (isForbidden) this.#keys.add(key);
    else this.#keys.delete(key);
    this.#dirty.add(key);
    await this.#store.writeStateNow();
  }
}
