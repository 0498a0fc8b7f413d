/**
 * What a batch writes of the queues: blocks that are full, the entries behind them in one row of the journal
 * (`entry-journal.ts`), rows of queues whose begin or blocks have changed. Blocks that are not full are written when
 * the journal grows too long, or when entries in them go.
 */
import type { StoreTuning } from '../options.ts';
import type { BlockCache } from './block-cache.ts';
import type { CheckedDatabase } from './checked-database.ts';
import type { DatabaseOperation } from './database.ts';
import { decodeJournalRow, EntryJournal, type JournalRun, journalKey } from './entry-journal.ts';
import { blockEntryCount, type IndexedQueue } from './queue.ts';
import { ReplacedEntries } from './replaced-entries.ts';
import { WarmQueues } from './warm-queues.ts';

/** Up to where blocks have a queue's entries after the batch. */
type Due = Map<IndexedQueue, number>;

export interface QueueRow {
  readonly topic: string;
  readonly queueId: number;
  readonly min: number;
  /** Blocks have the entries below; the journal may have more. */
  readonly max: number;
}

export class QueueWriter {
  readonly #dirty = new Set<IndexedQueue>();
  readonly #replaced = new ReplacedEntries();
  readonly #journal: EntryJournal;
  readonly #warm: WarmQueues;
  readonly #blocks: BlockCache;
  /** Partly filled blocks as the database has them, read for the next batch. */
  readonly #stored = new Map<IndexedQueue, Uint8Array>();
  /** Rows of the journal say what is not so any more: all go. */
  #isJournalVoid = false;

  readonly #misses: (queue: IndexedQueue, offset: number) => void;

  /** `misses`: the database does not have an entry that it should have. */
  constructor(
    tuning: StoreTuning,
    blocks: BlockCache,
    misses: (queue: IndexedQueue, offset: number) => void,
  ) {
    this.#misses = misses;
    this.#journal = new EntryJournal(tuning.journalEntryCount, tuning.journalRowCount);
    this.#warm = new WarmQueues(tuning.recentEntryCount);
    this.#blocks = blocks;
  }

  markDirty(queue: IndexedQueue): void {
    this.#dirty.add(queue);
    if (queue.isJournalVoid) this.#isJournalVoid = true;
  }

  /** Entries at these offsets go. */
  dropEntries(queue: IndexedQueue, offsets: readonly number[]): void {
    queue.drop(offsets);
    this.#replaced.add(queue, offsets);
  }

  forget(queue: IndexedQueue): void {
    this.#dirty.delete(queue);
    this.#replaced.forget(queue);
    this.#warm.delete(queue);
  }

  clear(): void {
    this.#dirty.clear();
    this.#replaced.clear();
    this.#warm.clear();
    this.#journal.clear();
    this.#isJournalVoid = false;
  }

  /** Blocks that the next batch changes have to be read first. */
  get isUnread(): boolean {
    return this.#unreadParts().length > 0 || this.#replaced.unread().length > 0;
  }

  #unreadParts(): IndexedQueue[] {
    return [...this.#due().keys()].filter(
      (queue) => queue.persisted % blockEntryCount !== 0 && !this.#stored.has(queue),
    );
  }

  /** Reads them; more may come meanwhile. */
  async readParts(database: CheckedDatabase): Promise<void> {
    for (const queue of this.#unreadParts()) {
      const block = Math.floor(queue.persisted / blockEntryCount);
      const bytes = await database.get(queue.blockKey(block));
      this.#stored.set(queue, bytes ?? Buffer.alloc(0));
    }
    for (const one of this.#replaced.unread()) {
      this.#replaced.read(one, await database.get(one.queue.blockKey(one.block)));
    }
  }

  get #foldCount(): number {
    return this.#isJournalVoid ? this.#journal.rowCount : this.#journal.excessCount;
  }

  #due(): Due {
    const due: Due = new Map();
    for (const queue of this.#dirty) {
      const fullEnd = queue.max - (queue.max % blockEntryCount);
      if (this.#replaced.has(queue)) due.set(queue, queue.max);
      else if (fullEnd > queue.persisted) due.set(queue, fullEnd);
    }
    for (const queue of this.#journal.pending(this.#foldCount)) due.set(queue, queue.max);
    return due;
  }

  /**
   * Everything that is new since the last batch, while nothing `isUnread`. What it answers is to be called once the
   * batch is written.
   */
  collect(batch: number, operations: DatabaseOperation[]): () => void {
    const due = this.#due();
    const replaced = this.#replaced.queues();
    for (const queue of due.keys()) this.#collectBlocks(queue, due, operations);
    const persisted = (queue: IndexedQueue): number => due.get(queue) ?? queue.persisted;
    this.#journal.drop(this.#foldCount, persisted, operations);
    const runs = new Map<IndexedQueue, number>();
    const ends: Due = new Map();
    for (const queue of this.#dirty) {
      const from = Math.max(queue.journaled, persisted(queue));
      if (from < queue.max) runs.set(queue, from);
      ends.set(queue, queue.max);
      queue.isJournalVoid = false;
      this.#collectRow(queue, persisted(queue), operations);
    }
    for (const [queue, end] of due) this.#collectRow(queue, end, operations);
    this.#journal.add(journalKey(batch), runs, operations);
    this.#dirty.clear();
    this.#replaced.clear();
    this.#stored.clear();
    this.#isJournalVoid = false;
    return () => this.#written(due, ends, replaced);
  }

  #collectBlocks(queue: IndexedQueue, due: Due, operations: DatabaseOperation[]): void {
    this.#replaced.collect(queue, operations);
    const end = due.get(queue) ?? 0;
    const stored = Math.floor(queue.persisted / blockEntryCount);
    // Retention may have deleted what is in front of the begin.
    const first = Math.max(stored, Math.floor(queue.min / blockEntryCount));
    for (let block = first; block * blockEntryCount < end; block++) {
      const found = block === stored ? this.#stored.get(queue) : undefined;
      const part = this.#replaced.partOf(queue, block, found);
      const missing = queue.missingFrom(block, part);
      if (missing !== undefined) {
        // Without it the block would say that its messages are lost.
        this.#misses(queue, missing);
        continue;
      }
      const value = queue.encodeBlock(block, part);
      operations.push({ type: 'put', key: queue.blockKey(block), value });
    }
  }

  #collectRow(queue: IndexedQueue, max: number, operations: DatabaseOperation[]): void {
    const { topic, queueId, min } = queue;
    if (queue.rowMin === min && queue.rowMax === max) return;
    queue.rowMin = min;
    queue.rowMax = max;
    const row: QueueRow = { topic, queueId, min, max };
    const value = Buffer.from(JSON.stringify(row));
    operations.push({ type: 'put', key: queue.rowKey, value });
  }

  #written(due: Due, ends: Due, replaced: readonly IndexedQueue[]): void {
    for (const [queue, end] of due) {
      // Recovery has begun the queue elsewhere meanwhile: the batch says nothing of what it has now.
      if (queue.isJournalVoid) continue;
      queue.persisted = Math.min(end, queue.max);
      queue.journaled = Math.max(queue.journaled, queue.persisted);
    }
    for (const [queue, end] of ends) {
      if (queue.isJournalVoid) continue;
      queue.journaled = Math.max(queue.journaled, Math.min(end, queue.max));
      if (!queue.isDropped) this.#warm.written(queue);
    }
    this.#warm.shrink();
    // Read meanwhile, they may have been as they were before.
    for (const queue of replaced) this.#blocks.delete(queue);
  }

  /**
   * Takes over rows of the journal, in their order; `queues` by their numbers, as their own rows have them.
   * Answers the first key that cannot follow what is before it.
   */
  restore(
    rows: ReadonlyMap<string, Uint8Array>,
    queues: ReadonlyMap<number, IndexedQueue>,
  ): { readonly badKey: string | undefined; readonly numberMax: number } {
    let numberMax = 0;
    let badKey: string | undefined;
    for (const [key, value] of rows) {
      const runs = decodeJournalRow(value);
      const places = [];
      for (const run of runs) {
        numberMax = Math.max(numberMax, run.queueNumber);
        const queue = queues.get(run.queueNumber);
        if (queue === undefined) continue; // its topic was deleted
        if (!queue.restoreEntries(run.entries)) badKey ??= key;
        places.push({ queue, end: queue.max });
      }
      this.#journal.restore(key, places, countOf(runs));
    }
    return { badKey, numberMax };
  }
}

function countOf(runs: readonly JournalRun[]): number {
  return runs.reduce((sum, { entries }) => sum + entries.length, 0);
}
