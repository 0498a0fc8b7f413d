/**
 * Blocks of index entries that were read from the database, for consumers that catch up: they read a queue from
 * front to back, and a read of the database costs more than all else of a pull. Only blocks that are full,
 * which change only when a queue is compacted, and are dropped from here then.
 */
import type { IndexedQueue } from './queue.ts';

/** Blocks that are read at once: with 64 entries of 16 bytes 16 KiB. */
export const blocksAhead = 16;
/** Queues read last whose blocks are kept. */
const queueCountMax = 128;

interface Run {
  /** Number of the first block. */
  readonly first: number;
  readonly blocks: readonly Uint8Array[];
}

export class BlockCache {
  /** The queue used last comes last. */
  readonly #runs = new Map<IndexedQueue, Run>();

  get(queue: IndexedQueue, block: number): Uint8Array | undefined {
    const run = this.#runs.get(queue);
    return run?.blocks[block - run.first];
  }

  /** Goes up with every `delete`: who read blocks meanwhile has read what may be no more. */
  deletionCount = 0;

  /** Consecutive blocks, in place of those that the queue had. */
  set(queue: IndexedQueue, first: number, blocks: readonly Uint8Array[]): void {
    this.#runs.delete(queue);
    this.#runs.set(queue, { first, blocks });
    if (this.#runs.size <= queueCountMax) return;
    const oldest = this.#runs.keys().next();
    if (oldest.done !== true) this.#runs.delete(oldest.value);
  }

  delete(queue: IndexedQueue): void {
    this.deletionCount++;
    this.#runs.delete(queue);
  }

  clear(): void {
    this.deletionCount++;
    this.#runs.clear();
  }
}
