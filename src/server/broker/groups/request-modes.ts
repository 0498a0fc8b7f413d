/**
 * Whether a group pulls or pops a topic, as an operator said it for 4.x clients (401; facts/remoting.md §6.5). Kept like
 * the rest of the broker's state.
 */
import type { MessageStore, StateBatch, StateSource } from '../../store/message-store.ts';

export type Mode = 'PULL' | 'POP';

/** How a group consumes a topic. */
export interface RequestMode {
  readonly mode: Mode;
  /** Further clients that share a queue; <= 0: all. */
  readonly popShareQueueCount: number;
}

const prefix = 'mode/';

/** Set by 401; by topic and group. */
export class RequestModes implements StateSource {
  readonly #modes = new Map<string, RequestMode>();
  readonly #dirty = new Set<string>();
  readonly #store: MessageStore;

  constructor(store: MessageStore) {
    this.#store = store;
    store.addStateSource(this);
  }

  async load(): Promise<void> {
    for await (const [key, value] of this.#store.loadState(prefix)) {
      const mode = JSON.parse(Buffer.from(value).toString('utf8')) as RequestMode; // our own
      this.#modes.set(key.slice(prefix.length), mode);
    }
  }

  collect(batch: StateBatch): void {
    for (const key of this.#dirty) {
      batch.put(prefix + key, Buffer.from(JSON.stringify(this.#modes.get(key))));
    }
    this.#dirty.clear();
  }

  get(topic: string, group: string): RequestMode | undefined {
    return this.#modes.get(`${topic}@${group}`);
  }

  async set(topic: string, group: string, mode: RequestMode): Promise<void> {
    const key = `${topic}@${group}`;
    this.#modes.set(key, mode);
    this.#dirty.add(key);
    await this.#store.writeStateNow();
  }

  *all(): Iterable<readonly [topic: string, group: string, mode: RequestMode]> {
    for (const [key, mode] of this.#modes) {
      const at = key.indexOf('@'); // no name holds one
      yield [key.slice(0, at), key.slice(at + 1), mode];
    }
  }
}
