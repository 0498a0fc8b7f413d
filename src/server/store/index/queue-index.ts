/**
 * All queues of a store and the database they live in. A batch holds the new index entries, the state
 * that the sources collect, and the offset up to which the log has been dispatched: one atomic write.
 *
 * Keys: `m/dispatched` (dispatched offset, last record, synced offset) · `q/<number>` a queue's row (JSON) · `e/<number>/<block>` entries (`queue.ts`)
 * · `s/…` state of the broker.
 */
import type { Clock, Timer } from '../../../platform/clock.ts';
import type { Files } from '../../../platform/files.ts';
import { RmqError } from '../../../protocol/errors.ts';
import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { assert } from '../../../util/assert.ts';
import type { Logger } from '../../shared/logger.ts';
import type { StateRange, StateRows, StateSource } from '../message-store.ts';
import type { StoreTuning } from '../options.ts';
import type { Database, DatabaseFactory, DatabaseOperation } from './database.ts';
import { keyRangeEnd } from './database.ts';
import { blockEntryCount, decodeBlock, IndexedEntry, IndexedQueue } from './queue.ts';

const dispatchedKey = 'm/dispatched';
/** Queue ids of a topic lie close together: they index a list. */
const queueIdMax = 65_536;
const statePrefix = 's/';
/** Entries of one queue that stay in memory once they are in the database. */
const recentKeepCount = 1_024;

interface QueueRow {
  readonly topic: string;
  readonly queueId: number;
  readonly min: number;
  readonly max: number;
}

export class QueueIndex {
  readonly #queues = new Map<string, IndexedQueue[]>();
  readonly #dirty = new Set<IndexedQueue>();
  readonly #sources: StateSource[] = [];
  #dropped: string[] = [];
  #database: Database;
  #nextNumber = 1;
  /** The log is dispatched up to here, as far as memory goes. */
  dispatchedOffset = 0;
  /** The log was on the disk itself up to here when the last batch was written. */
  syncedOffset = 0;
  /** Where the last dispatched record begins; proves on opening that the log has it. */
  lastRecordOffset = -1;
  #timer: Timer | undefined = undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: RmqError | undefined = undefined;
  #isHeld = false;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tuning: StoreTuning;
  readonly #logSyncedOffset: () => number;

  constructor(options: {
    readonly database: Database;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly tuning: StoreTuning;
    /** Up to where the log is on the disk itself. */
    readonly syncedOffset: () => number;
  }) {
    this.#logSyncedOffset = options.syncedOffset;
    this.#database = options.database;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#tuning = options.tuning;
  }

  get failure(): RmqError | undefined {
    return this.#failure;
  }

  /** Opens the database; one that cannot be read is moved aside, the log rebuilds it. */
  async open(files: Files, folder: string | undefined, again: DatabaseFactory): Promise<void> {
    try {
      await this.#database.open();
    } catch (error) {
      if (folder === undefined) throw error;
      const aside = `${folder}.unreadable-${this.#clock.nowMs()}`;
      this.#logger.warn('the index cannot be read, it is built again', {
        reason: String(error),
        movedTo: aside,
      });
      await files.rename(folder, aside);
      this.#database = again();
      await this.#database.open();
    }
  }

  /** Loads the queues' rows. False: the database is new, everything has to be dispatched again. */
  async load(): Promise<boolean> {
    const dispatched = await this.#database.get(dispatchedKey);
    if (dispatched === undefined) return false;
    [this.dispatchedOffset = 0, this.lastRecordOffset = -1, this.syncedOffset = 0] = text(
      dispatched,
    )
      .split(' ')
      .map(Number);
    for await (const [key, value] of this.#database.iterator({ gte: 'q/', lt: 'q0' })) {
      const row = JSON.parse(text(value)) as QueueRow; // written by `#rowOf`
      const queue = new IndexedQueue(row.topic, row.queueId, Number.parseInt(key.slice(2), 16));
      queue.restore(row.min, row.max);
      this.#add(queue);
      this.#nextNumber = Math.max(this.#nextNumber, queue.number + 1);
    }
    return true;
  }

  /** Forgets the queues: they do not fit the log, which rebuilds them. State is not touched. */
  async clear(): Promise<void> {
    // The position first: if this is cut short, it is done again.
    await this.#database.batch([{ type: 'del', key: dispatchedKey }], { sync: false });
    await this.#database.clear({ gte: 'e/', lt: 'e0' });
    await this.#database.clear({ gte: 'q/', lt: 'q0' });
    this.#queues.clear();
    this.#dirty.clear();
    this.#nextNumber = 1;
    this.dispatchedOffset = 0;
    this.syncedOffset = 0;
    this.lastRecordOffset = -1;
  }

  /** How far the queues go that have had messages. */
  maxima(): { readonly topic: string; readonly queueId: number; readonly max: number }[] {
    return [...this.all()].map(({ topic, queueId, max }) => ({ topic, queueId, max }));
  }

  queue(topic: string, queueId: number): IndexedQueue {
    assert(queueId >= 0 && queueId < queueIdMax, 'a queue has an id that a topic can have');
    const known = this.#queues.get(topic)?.[queueId];
    if (known !== undefined) return known;
    const queue = new IndexedQueue(topic, queueId, this.#nextNumber++);
    this.#add(queue);
    return queue;
  }

  #add(queue: IndexedQueue): void {
    let list = this.#queues.get(queue.topic);
    if (list === undefined) {
      list = [];
      this.#queues.set(queue.topic, list);
    }
    list[queue.queueId] = queue;
  }

  *all(): Iterable<IndexedQueue> {
    for (const list of this.#queues.values()) {
      for (const queue of list) if (queue !== undefined && queue.max > 0) yield queue;
    }
  }

  drop(topic: string): void {
    for (const queue of this.#queues.get(topic) ?? []) {
      if (queue === undefined) continue;
      this.#dirty.delete(queue);
      this.#dropped.push(queue.rowKey);
      void this.#database.clear(queue.blockKeys).catch((error: unknown) => this.#fail(error));
    }
    this.#queues.delete(topic);
    this.request();
  }

  /** A record has been dispatched. Records come in the order of the log. */
  dispatched(
    record: { readonly physicalOffset: number; readonly storeSizeBytes: number } | undefined,
  ): void {
    if (record === undefined) return;
    this.lastRecordOffset = record.physicalOffset;
    this.dispatchedOffset = record.physicalOffset + record.storeSizeBytes;
  }

  /** The log ends elsewhere than the last dispatched record: it was cut, or begins anew. */
  dispatchedTo(endOffset: number): void {
    this.lastRecordOffset = -1;
    this.dispatchedOffset = endOffset;
  }

  markDirty(queue: IndexedQueue): void {
    this.#dirty.add(queue);
    this.request();
  }

  addSource(source: StateSource): void {
    this.#sources.push(source);
  }

  /** A state source has something new. */
  requestState(): void {
    this.request();
  }

  /**
   * No batches by time until `release`: what memory knows does not fit the dispatched offset, as while
   * recovery looks again at records that have been dispatched before.
   */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  request(): void {
    if (this.#timer !== undefined || this.#failure !== undefined || this.#isHeld) return;
    this.#timer = this.#clock.setTimer(this.#tuning.batchIntervalMs, () => {
      this.#timer = undefined;
      this.write({ sync: false }).catch(() => undefined); // `failure` says it, sends are refused
    });
  }

  /** Writes a batch after the one under way. @throws RmqError STORE_FAILED */
  write(options: { readonly sync: boolean }): Promise<void> {
    const next = this.#writing.then(() => this.#writeBatch(options.sync));
    this.#writing = next.catch(() => undefined); // `next` itself tells its caller
    return next;
  }

  async #writeBatch(sync: boolean): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const stored = await this.#readParts();
      // From here to the batch nothing is awaited: entries, state and dispatched offset are of one instant.
      const operations: DatabaseOperation[] = [];
      const ends = this.#collectQueues(operations, stored);
      this.#collectState(operations);
      await this.#database.batch(operations, { sync });
      for (const [queue, end] of ends) {
        queue.persisted = Math.min(end, queue.max);
        queue.trim(recentKeepCount);
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Blocks that are in the database in part and get more entries, until none is left unread. */
  async #readParts(): Promise<Map<IndexedQueue, Uint8Array>> {
    const stored = new Map<IndexedQueue, Uint8Array>();
    const isMissing = (queue: IndexedQueue): boolean =>
      queue.persisted % blockEntryCount !== 0 && !stored.has(queue);
    for (;;) {
      const missing = [...this.#dirty].filter(isMissing);
      if (missing.length === 0) return stored;
      for (const queue of missing) {
        const block = Math.floor(queue.persisted / blockEntryCount);
        const bytes = await this.#database.get(queue.blockKey(block));
        stored.set(queue, bytes ?? Buffer.alloc(0));
      }
    }
  }

  #collectQueues(
    operations: DatabaseOperation[],
    stored: ReadonlyMap<IndexedQueue, Uint8Array>,
  ): Map<IndexedQueue, number> {
    const ends = new Map<IndexedQueue, number>();
    for (const queue of this.#dirty) {
      const firstBlock = Math.floor(queue.persisted / blockEntryCount);
      for (let block = firstBlock; block * blockEntryCount < queue.max; block++) {
        const part = block === firstBlock ? stored.get(queue) : undefined;
        const value = queue.encodeBlock(block, part);
        operations.push({ type: 'put', key: queue.blockKey(block), value });
      }
      operations.push({ type: 'put', key: queue.rowKey, value: rowOf(queue) });
      ends.set(queue, queue.max);
    }
    this.#dirty.clear();
    this.syncedOffset = Math.min(this.dispatchedOffset, this.#logSyncedOffset());
    const position = `${this.dispatchedOffset} ${this.lastRecordOffset} ${this.syncedOffset}`;
    const dispatched = Buffer.from(position);
    operations.push({ type: 'put', key: dispatchedKey, value: dispatched });
    for (const key of this.#dropped) operations.push({ type: 'del', key });
    this.#dropped = [];
    return ends;
  }

  #collectState(operations: DatabaseOperation[]): void {
    const batch = {
      put: (key: string, value: Uint8Array): void => {
        operations.push({ type: 'put', key: statePrefix + key, value });
      },
      delete: (key: string): void => {
        operations.push({ type: 'del', key: statePrefix + key });
      },
    };
    for (const source of this.#sources) source.collect(batch);
  }

  #fail(cause: unknown): RmqError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (this.#failure === undefined) {
      this.#failure = new RmqError('STORE_FAILED', `the index cannot be written: ${reason}`, {
        hint: 'messages acknowledged so far are kept; mend the disk and restart the broker',
        cause,
      });
      this.#logger.error('index failed, no more messages are accepted', { reason });
    }
    return this.#failure;
  }

  /** A stored block of entries. */
  async readBlock(
    queue: IndexedQueue,
    from: number,
    maxCount: number,
  ): Promise<readonly IndexedEntry[]> {
    const block = Math.floor(from / blockEntryCount);
    const stored = await this.#database.get(queue.blockKey(block));
    if (stored === undefined) return [];
    return decodeBlock(stored, block, from, maxCount, Math.min(queue.persisted, queue.max));
  }

  /** The queue began at `oldMin` and begins later now: deletes blocks that lie wholly in between. */
  async dropBlocks(queue: IndexedQueue, oldMin: number): Promise<void> {
    const first = Math.floor(oldMin / blockEntryCount);
    const kept = Math.floor(queue.min / blockEntryCount);
    if (kept <= first) return;
    await this.#database.clear({ gte: queue.blockKey(first), lt: queue.blockKey(kept) });
  }

  async *loadState(prefix: string): AsyncIterable<readonly [string, Uint8Array]> {
    const gte = statePrefix + prefix;
    for await (const [key, value] of this.#database.iterator({ gte, lt: gte + keyRangeEnd })) {
      yield [key.slice(statePrefix.length), value];
    }
  }

  /** See `MessageStore.readState`: in the row of the batches, so that none is under way. */
  readState(range: StateRange, maxCount: number, use: (rows: StateRows) => void): Promise<void> {
    const next = this.#writing.then(async () => {
      // What had been collected for the failed batch is nowhere.
      if (this.#failure !== undefined) throw this.#failure;
      const rows: (readonly [string, Uint8Array])[] = [];
      const gte = statePrefix + range.from;
      const lt = statePrefix + range.until;
      for await (const [key, value] of this.#database.iterator({ gte, lt })) {
        rows.push([key.slice(statePrefix.length), value]);
        if (rows.length >= maxCount) break;
      }
      use(rows);
    });
    this.#writing = next.catch(() => undefined); // `next` itself tells its caller
    return next;
  }

  /** Deletes the state under a prefix. */
  clearState(prefix: string): Promise<void> {
    return this.clearRange({ from: prefix, until: prefix + keyRangeEnd });
  }

  async clearRange({ from, until }: StateRange): Promise<void> {
    await this.#database.clear({ gte: statePrefix + from, lt: statePrefix + until });
  }

  /** Writes what is left, durably, and closes the database. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    try {
      // In the row of the batches, so that no read sees the database without what has been collected.
      if (this.#failure === undefined) await this.write({ sync: true });
    } finally {
      await this.#database.close();
    }
  }
}

/** Makes a record visible in its queue. */
export function indexRecord(
  index: QueueIndex,
  queue: IndexedQueue,
  { properties }: { readonly properties: Uint8Array },
  place: {
    readonly queueOffset: number;
    readonly physicalOffset: number;
    readonly storeSizeBytes: number;
  },
): void {
  const tag = findProperty(properties, PropertyName.tags);
  const tagsCode = tag === undefined || tag === '' ? 0 : javaHashCode(tag);
  const { queueOffset, physicalOffset, storeSizeBytes } = place;
  queue.publish(new IndexedEntry(queueOffset, physicalOffset, storeSizeBytes, tagsCode));
  index.markDirty(queue);
}

function rowOf(queue: IndexedQueue): Buffer {
  const row: QueueRow = {
    topic: queue.topic,
    queueId: queue.queueId,
    min: queue.min,
    max: queue.max,
  };
  return Buffer.from(JSON.stringify(row));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
