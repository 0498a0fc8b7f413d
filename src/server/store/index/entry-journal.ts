/**
 * New index entries of all queues in one row a batch, until a block of their queue is full. Without it a batch
 * would write the newest block of each queue again, for one entry mostly where queues are many.
 *
 * A row `j/<batch>` is one run after the other: number of the queue (4) · count (4) · first queue offset (8) ·
 * entries as in a block (16 each). A row goes when blocks have all of it; the oldest goes first, so that what is
 * left of a queue has no gaps.
 */
import { getInt32, getInt64, putInt32, putInt64 } from '../../../protocol/message/bytes.ts';
import type { DatabaseOperation } from './database.ts';
import { entryAt, entrySizeBytes, hex, type IndexedEntry, type IndexedQueue } from './queue.ts';

const runHeadSizeBytes = 16;

export const journalRange = { gte: 'j/', lt: 'j0' } as const;

/** Consecutive entries of a queue, as a row has them. */
export interface JournalRun {
  readonly queueNumber: number;
  readonly entries: readonly IndexedEntry[];
}

/** Entries of a queue below `end` are in a row. */
interface Place {
  readonly queue: IndexedQueue;
  readonly end: number;
}

interface Row {
  readonly key: string;
  /** Those that may not be in blocks yet. */
  readonly places: Place[];
  readonly entryCount: number;
}

export class EntryJournal {
  readonly #rows: Row[] = [];
  #entryCount = 0;
  readonly #entryCountMax: number;
  readonly #rowCountMax: number;

  constructor(entryCountMax: number, rowCountMax: number) {
    this.#entryCountMax = entryCountMax;
    this.#rowCountMax = rowCountMax;
  }

  /** How many of the oldest rows are to go with the next batch, so that the bounds hold. */
  get excessCount(): number {
    let count = 0;
    let entryCount = this.#entryCount;
    while (entryCount > this.#entryCountMax || this.#rows.length - count > this.#rowCountMax) {
      entryCount -= this.#rows[count++]?.entryCount ?? 0;
    }
    return count;
  }

  get rowCount(): number {
    return this.#rows.length;
  }

  /** Queues whose blocks do not have all that is in the `count` oldest rows. */
  *pending(count: number): Generator<IndexedQueue> {
    for (const { places } of this.#rows.slice(0, count)) {
      for (const { queue, end } of places) {
        if (!queue.isDropped && queue.persisted < Math.min(end, queue.max)) yield queue;
      }
    }
  }

  /** Deletes the `count` oldest rows, and those behind them that blocks have; `persisted` tells up to where. */
  drop(
    count: number,
    persisted: (queue: IndexedQueue) => number,
    operations: DatabaseOperation[],
  ): void {
    let dropped = 0;
    for (const row of this.#rows) {
      if (dropped >= count && !isStored(row, persisted)) break;
      operations.push({ type: 'del', key: row.key });
      this.#entryCount -= row.entryCount;
      dropped++;
    }
    this.#rows.splice(0, dropped);
  }

  /** Puts a row with the entries of each queue from an offset on. */
  add(key: string, runs: ReadonlyMap<IndexedQueue, number>, operations: DatabaseOperation[]): void {
    if (runs.size === 0) return;
    const places: Place[] = [];
    let entryCount = 0;
    for (const [queue, from] of runs) {
      places.push({ queue, end: queue.max });
      entryCount += queue.max - from;
    }
    const out = Buffer.alloc(runs.size * runHeadSizeBytes + entryCount * entrySizeBytes);
    let at = 0;
    for (const [queue, from] of runs) {
      at = putInt32(out, putInt32(out, at, queue.number), queue.max - from);
      at = queue.encodeEntries(out, putInt64(out, at, from), from, queue.max);
    }
    operations.push({ type: 'put', key, value: out });
    this.#keep({ key, places, entryCount });
  }

  /** A row that the database has. */
  restore(key: string, places: Place[], entryCount: number): void {
    this.#keep({ key, places, entryCount });
  }

  #keep(row: Row): void {
    this.#rows.push(row);
    this.#entryCount += row.entryCount;
  }

  clear(): void {
    this.#rows.length = 0;
    this.#entryCount = 0;
  }
}

/** Forgets on the way what is, so that a row is not looked through again and again. */
function isStored({ places }: Row, persisted: (queue: IndexedQueue) => number): boolean {
  for (let last = places.pop(); last !== undefined; last = places.pop()) {
    const { queue, end } = last;
    if (queue.isDropped || persisted(queue) >= end) continue;
    places.push(last);
    return false;
  }
  return true;
}

export function journalKey(batch: number): string {
  return `j/${hex(batch, 12)}`;
}

export function decodeJournalRow(row: Uint8Array): JournalRun[] {
  const runs: JournalRun[] = [];
  for (let at = 0; at + runHeadSizeBytes <= row.length; ) {
    const queueNumber = getInt32(row, at);
    const count = getInt32(row, at + 4);
    const first = getInt64(row, at + 8);
    at += runHeadSizeBytes;
    const entries: IndexedEntry[] = [];
    for (let index = 0; index < count && at + entrySizeBytes <= row.length; index++) {
      entries.push(entryAt(row, at, first + index));
      at += entrySizeBytes;
    }
    runs.push({ queueNumber, entries });
  }
  return runs;
}
