/**
 * The newest entries of queues stay in memory once they are in blocks, for who reads along: so many of a queue,
 * and so many of all together. Queues written to longest ago give theirs up first.
 */
import type { IndexedQueue } from './queue.ts';

const entriesOfQueueMax = 1_024;

export class WarmQueues {
  readonly #entryCountMax: number;
  /** Those that have any, the queue written to last comes last. */
  readonly #queues = new Set<IndexedQueue>();
  #entryCount = 0;

  constructor(entryCountMax: number) {
    this.#entryCountMax = entryCountMax;
  }

  /** Blocks have all entries of the queue below `persisted`. */
  written(queue: IndexedQueue): void {
    queue.trim(Math.min(entriesOfQueueMax, this.#entryCountMax));
    this.#count(queue);
    this.#queues.delete(queue);
    this.#queues.add(queue);
  }

  /** Keeps the bound; after a batch has told of its queues. */
  shrink(): void {
    for (const queue of this.#queues) {
      if (this.#entryCount <= this.#entryCountMax) break;
      this.#queues.delete(queue);
      queue.trim(0);
      this.#count(queue);
    }
  }

  /** Entries that no block has stay in any case, and are bounded elsewhere. */
  #count(queue: IndexedQueue): void {
    const count = queue.warmCount;
    this.#entryCount += count - queue.countedCount;
    queue.countedCount = count;
  }

  delete(queue: IndexedQueue): void {
    this.#entryCount -= queue.countedCount;
    queue.countedCount = 0;
    this.#queues.delete(queue);
  }

  clear(): void {
    this.#entryCount = 0;
    this.#queues.clear();
  }
}
