/**
 * Entries that are to go from the database with the next batch, since newer messages have replaced theirs
 * (`compaction.ts`). Blocks that hold them are read before the batch is collected.
 */
import type { DatabaseOperation } from './database.ts';
import { blockEntryCount, type IndexedQueue, withoutEntries } from './queue.ts';

/** A stored block. */
export interface BlockPlace {
  readonly queue: IndexedQueue;
  readonly block: number;
}

export class ReplacedEntries {
  readonly #offsets = new Map<IndexedQueue, Set<number>>();
  /** Full blocks by their number; undefined: there is none any more. */
  readonly #blocks = new Map<IndexedQueue, Map<number, Uint8Array | undefined>>();

  add(queue: IndexedQueue, offsets: readonly number[]): void {
    const known = this.#offsets.get(queue) ?? new Set();
    for (const offset of offsets) known.add(offset);
    this.#offsets.set(queue, known);
  }

  has(queue: IndexedQueue): boolean {
    return this.#offsets.has(queue);
  }

  forget(queue: IndexedQueue): void {
    this.#offsets.delete(queue);
    this.#blocks.delete(queue);
  }

  clear(): void {
    this.#offsets.clear();
    this.#blocks.clear();
  }

  /** Full blocks that lose entries and are to be read. */
  unread(): readonly BlockPlace[] {
    const places: BlockPlace[] = [];
    for (const [queue, offsets] of this.#offsets) {
      const known = this.#blocks.get(queue);
      const fullEnd = Math.floor(queue.persisted / blockEntryCount);
      for (const block of new Set([...offsets].map((one) => Math.floor(one / blockEntryCount)))) {
        if (block < fullEnd && known?.has(block) !== true) places.push({ queue, block });
      }
    }
    return places;
  }

  read({ queue, block }: BlockPlace, bytes: Uint8Array | undefined): void {
    const known = this.#blocks.get(queue) ?? new Map<number, Uint8Array | undefined>();
    this.#blocks.set(queue, known.set(block, bytes));
  }

  /** Puts full blocks as they are from now on. */
  collect(queue: IndexedQueue, operations: DatabaseOperation[]): void {
    const offsets = this.#offsets.get(queue);
    if (offsets === undefined) return;
    for (const [block, bytes] of this.#blocks.get(queue) ?? []) {
      if (bytes === undefined) continue;
      const value = withoutEntries(bytes, block, offsets);
      operations.push({ type: 'put', key: queue.blockKey(block), value });
    }
  }

  /** A stored block that gets more entries, as it is from now on. */
  partOf(queue: IndexedQueue, block: number, bytes: Uint8Array | undefined): typeof bytes {
    const offsets = this.#offsets.get(queue);
    return offsets === undefined || bytes === undefined
      ? bytes
      : withoutEntries(bytes, block, offsets);
  }

  /** Queues that lose entries. */
  queues(): IndexedQueue[] {
    return [...this.#offsets.keys()];
  }
}
