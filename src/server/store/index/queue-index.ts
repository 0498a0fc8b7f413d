/**
 * All queues of a store and the database they live in. A batch holds the new index entries, the state
 * that the sources collect, and the offset up to which the log has been dispatched: one atomic write.
 *
 * Keys: `m/dispatched` (dispatched offset, last record, synced offset, batches so far) · `m/kept` (while the index
 * is built again: up to where the log was on the disk) · `m/damaged` (to be built again at the next start) · `q/<number>` a queue's row (JSON) · `e/<number>/<block>` entries (`queue.ts`)
 * · `j/<batch>` entries that are in no block yet (`entry-journal.ts`) · `s/…` state of the broker.
 */
import type { Clock, Timer } from '../../../platform/clock.ts';
import type { Files } from '../../../platform/files.ts';
import { RmqError } from '../../../protocol/errors.ts';
import { hashOf, scanOf } from '../../../protocol/message/property-scan.ts';
import { assert } from '../../../util/assert.ts';
import type { Logger } from '../../shared/logger.ts';
import type { StateRange, StateRows, StateSource } from '../message-store.ts';
import type { StoreTuning } from '../options.ts';
import { BlockCache, blocksAhead } from './block-cache.ts';
import { CheckedDatabase, withChecksum, withoutChecksum } from './checked-database.ts';
import type { DatabaseFactory, DatabaseOperation, DatabaseRange } from './database.ts';
import { keyRangeEnd } from './database.ts';
import { journalRange } from './entry-journal.ts';
import { openDatabase } from './open-database.ts';
import { PatientDatabase } from './patient-database.ts';
import { blockEntryCount, decodeBlock, IndexedEntry, IndexedQueue } from './queue.ts';
import { type QueueRow, QueueWriter } from './queue-writer.ts';

const dispatchedKey = 'm/dispatched';
const keptKey = 'm/kept';
export const damagedKey = 'm/damaged';
/** Queue ids of a topic lie close together: they index a list. */
export const queueIdMax = 65_536;
const statePrefix = 's/';

export class QueueIndex {
  readonly #queues = new Map<string, IndexedQueue[]>();
  readonly #blocks = new BlockCache();
  readonly #writer: QueueWriter;
  readonly #sources: StateSource[] = [];
  #dropped: string[] = [];
  /** They go behind the batch that deletes the rows of their queues. */
  #droppedBlocks: DatabaseRange[] = [];
  #opened: CheckedDatabase | undefined = undefined;
  #patient: PatientDatabase | undefined = undefined;
  /** Rows of the index, not of the broker's own state, were found to be damaged. */
  isDamaged = false;
  /** What was found to be wrong when the database was opened and since, a sentence each. */
  readonly problems: string[] = [];
  /** Batches written in the life of this database. */
  batchCount = 0;
  /** From a database that was damaged, or whose index is being built again: see `syncedOffset`. */
  #keptBefore = 0;
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
  readonly #freeBytes: () => Promise<number>;

  constructor(options: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly tuning: StoreTuning;
    /** Up to where the log is on the disk itself. */
    readonly syncedOffset: () => number;
    /** Of the disk that holds the database. */
    readonly freeBytes: () => Promise<number>;
  }) {
    this.#logSyncedOffset = options.syncedOffset;
    this.#freeBytes = options.freeBytes;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#tuning = options.tuning;
    this.#writer = new QueueWriter(options.tuning, this.#blocks, (queue, offset) =>
      this.misses(queue, offset),
    );
  }

  get failure(): RmqError | undefined {
    return this.#failure;
  }

  /** DISK_FULL while batches wait for space. */
  get full(): RmqError | undefined {
    return this.#patient?.full;
  }

  get #database(): CheckedDatabase {
    assert(this.#opened !== undefined, 'the index is open');
    return this.#opened;
  }

  /** Opens the database. One that is damaged is moved aside, and its state taken over as far as it is whole. */
  async open(files: Files, folder: string | undefined, open: DatabaseFactory): Promise<void> {
    const { database, problems, salvaged } = await openDatabase({
      files,
      folder,
      open,
      takeOver: (rows) => this.#takeOver(rows),
      nowMs: this.#clock.nowMs(),
      logger: this.#logger,
    });
    this.problems.push(...problems);
    this.#patient = new PatientDatabase(database, {
      openAgain: open,
      freeBytes: this.#freeBytes,
      clock: this.#clock,
      logger: this.#logger,
    });
    this.#opened = new CheckedDatabase(this.#patient, (key) => this.#damaged(key));
    if (salvaged !== undefined) this.batchCount = positionOf(salvaged).batches;
  }

  /** State that the log cannot give back, and how much of the log there was. */
  *#takeOver(rows: ReadonlyMap<string, Buffer>): Generator<readonly [string, Buffer]> {
    for (const [key, value] of rows) {
      if (key.startsWith(statePrefix) && !this.#isDerived(key)) yield [key, value];
    }
    const { kept } = positionOf(rows);
    yield [keptKey, withChecksum(keptKey, Buffer.from(String(kept)))];
  }

  #damaged(key: string): void {
    const problem = `row ${key} is missing or does not match its checksum`;
    if (this.problems.includes(problem)) return;
    this.problems.push(problem);
    this.#logger.error('a row of the index is damaged', { key });
    // Only the broker itself could say what stood in a row of its own state.
    if (key.startsWith(statePrefix) && !this.#isDerived(key)) this.#dropped.push(key);
    else this.isDamaged = true;
    if (!this.#isHeld) this.request();
  }

  /** An entry that should be there is not: the next start builds the index again. */
  misses(queue: IndexedQueue, offset: number): void {
    this.#damaged(queue.blockKey(Math.floor(offset / blockEntryCount)));
  }

  #isDerived(key: string): boolean {
    return this.derivedPrefixes.some((prefix) => key.startsWith(statePrefix + prefix));
  }

  /** Prefixes of state that the log can give back. */
  readonly derivedPrefixes: string[] = [];

  /** Up to where the log is known to have been on the disk, whatever has happened to the index since. */
  get keptOffset(): number {
    return Math.max(this.#keptBefore, Math.min(this.syncedOffset, this.dispatchedOffset));
  }

  /** A note from elsewhere that the log was on the disk up to there. */
  wasKept(offset: number): void {
    this.#keptBefore = Math.max(this.#keptBefore, offset);
  }

  /** Loads the queues' rows. False: they are not there or not whole, everything has to be dispatched again. */
  async load(): Promise<boolean> {
    try {
      const kept = await this.#database.get(keptKey);
      if (kept !== undefined) this.wasKept(Number(text(kept)));
      if ((await this.#database.get(damagedKey)) !== undefined) this.isDamaged = true;
      const dispatched = await this.#database.get(dispatchedKey);
      if (dispatched === undefined) return false;
      const position = text(dispatched).split(' ').map(Number);
      [this.dispatchedOffset = 0, this.lastRecordOffset = -1, this.syncedOffset = 0] = position;
      this.batchCount = position[3] ?? 0;
    } catch (error) {
      if (this.isDamaged) return false;
      throw error;
    }
    const numbered = new Map<number, IndexedQueue>();
    for await (const [key, value] of this.#database.iterator({ gte: 'q/', lt: 'q0' })) {
      const row = JSON.parse(text(value)) as QueueRow; // written by `QueueWriter`
      const number = Number.parseInt(key.slice(2), 16);
      const sibling = this.#queues.get(row.topic)?.find((one) => one !== undefined);
      const queue = new IndexedQueue(sibling?.topic ?? row.topic, row.queueId, number, sibling);
      queue.restore(row.min, row.max);
      this.#add(queue);
      numbered.set(queue.number, queue);
      this.#nextNumber = Math.max(this.#nextNumber, queue.number + 1);
    }
    await this.#loadJournal(numbered);
    return !this.isDamaged;
  }

  async #loadJournal(queues: ReadonlyMap<number, IndexedQueue>): Promise<void> {
    const rows = new Map<string, Uint8Array>();
    for await (const [key, value] of this.#database.iterator(journalRange)) rows.set(key, value);
    const { badKey, numberMax } = this.#writer.restore(rows, queues);
    if (badKey !== undefined) this.#damaged(badKey);
    // Numbers of queues that are gone may stand in there still.
    this.#nextNumber = Math.max(this.#nextNumber, numberMax + 1);
  }

  /** Forgets the queues: they do not fit the log, which rebuilds them. State is not touched. */
  async clear(): Promise<void> {
    // A batch in between would leave rows of queues that are none any more.
    this.hold();
    await this.#writing;
    // The position first: if this is cut short, it is done again.
    const kept = Buffer.from(String(this.keptOffset));
    await this.#database.batch(
      [
        { type: 'put', key: keptKey, value: kept },
        { type: 'del', key: dispatchedKey },
        { type: 'del', key: damagedKey },
      ],
      { sync: false },
    );
    this.wasKept(this.keptOffset);
    await this.#database.clear({ gte: 'e/', lt: 'e0' });
    await this.#database.clear(journalRange);
    await this.#database.clear({ gte: 'q/', lt: 'q0' });
    this.#queues.clear();
    this.#blocks.clear();
    this.#writer.clear();
    this.#nextNumber = 1;
    this.dispatchedOffset = 0;
    this.syncedOffset = 0;
    this.lastRecordOffset = -1;
    this.isDamaged = false;
    this.#failure = undefined;
  }

  /** Log and index are one again: what was known of the log before is not needed any more. */
  settled(): void {
    this.#dropped.push(keptKey);
    this.#keptBefore = 0;
  }

  /** How far the queues go that have had messages. */
  maxima(): { readonly topic: string; readonly queueId: number; readonly max: number }[] {
    return [...this.all()].map(({ topic, queueId, max }) => ({ topic, queueId, max }));
  }

  queue(topic: string, queueId: number): IndexedQueue {
    assert(queueId >= 0 && queueId < queueIdMax, 'a queue has an id that a topic can have');
    const siblings = this.#queues.get(topic);
    const known = siblings?.[queueId];
    if (known !== undefined) return known;
    const sibling = siblings?.find((one) => one !== undefined);
    const queue = new IndexedQueue(topic, queueId, this.#nextNumber++, sibling);
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
      queue.isDropped = true;
      this.#writer.forget(queue);
      this.#blocks.delete(queue);
      this.#dropped.push(queue.rowKey);
      this.#droppedBlocks.push(queue.blockKeys);
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
    if (queue.isDropped) return;
    this.#writer.markDirty(queue);
    this.request();
  }

  /** Newer messages have replaced those at these offsets: there is nothing there any more. */
  dropEntries(queue: IndexedQueue, offsets: readonly number[]): void {
    if (offsets.length === 0 || queue.isDropped) return;
    this.#writer.dropEntries(queue, offsets);
    this.markDirty(queue);
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
    this.#cancelTimer();
  }

  #cancelTimer(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
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
      while (this.#writer.isUnread) await this.#writer.readParts(this.#database);
      // From here to the batch nothing is awaited: entries, state and dispatched offset are of one instant.
      const operations: DatabaseOperation[] = [];
      this.batchCount++;
      const written = this.#writer.collect(this.batchCount, operations);
      this.#collectPosition(operations);
      this.#collectState(operations);
      const blocks = this.#droppedBlocks;
      this.#droppedBlocks = [];
      await this.#database.batch(operations, { sync });
      written();
      for (const range of blocks) await this.#database.clear(range);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #collectPosition(operations: DatabaseOperation[]): void {
    // While the log is being recovered it does not know.
    const syncedOffset = Math.max(this.syncedOffset, this.#logSyncedOffset());
    this.syncedOffset = Math.min(this.dispatchedOffset, syncedOffset);
    const position = `${this.dispatchedOffset} ${this.lastRecordOffset} ${this.syncedOffset} ${this.batchCount}`;
    if (this.isDamaged) {
      operations.push({ type: 'put', key: damagedKey, value: Buffer.from('1') });
    }
    const dispatched = Buffer.from(position);
    operations.push({ type: 'put', key: dispatchedKey, value: dispatched });
    for (const key of this.#dropped) operations.push({ type: 'del', key });
    this.#dropped = [];
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

  /** The queue has been cut: its blocks get other entries. */
  forgetBlocks(queue: IndexedQueue): void {
    this.#blocks.delete(queue);
  }

  /** Entries of a stored block that has been read ahead. */
  cached(queue: IndexedQueue, from: number, maxCount: number): readonly IndexedEntry[] | undefined {
    const block = Math.floor(from / blockEntryCount);
    const stored = this.#blocks.get(queue, block);
    return stored && decodeBlock(stored, block, from, maxCount, queue.max);
  }

  /** A stored block of entries; for who wants many, the blocks behind it are read, too. */
  async readBlock(
    queue: IndexedQueue,
    from: number,
    maxCount: number,
  ): Promise<readonly IndexedEntry[]> {
    const block = Math.floor(from / blockEntryCount);
    // Blocks up to here are full.
    const fullEnd = Math.floor(Math.min(queue.persisted, queue.max) / blockEntryCount);
    const count = Math.min(blocksAhead, fullEnd - block);
    if (count > 1 && maxCount > 1)
      return await this.#readAhead(queue, block, count, from, maxCount);
    const stored = await this.#database.get(queue.blockKey(block));
    if (stored === undefined) return [];
    return decodeBlock(stored, block, from, maxCount, Math.min(queue.persisted, queue.max));
  }

  async #readAhead(
    queue: IndexedQueue,
    first: number,
    count: number,
    from: number,
    maxCount: number,
  ): Promise<readonly IndexedEntry[]> {
    const keys = Array.from({ length: count }, (_, index) => queue.blockKey(first + index));
    const { deletionCount } = this.#blocks;
    const blocks = await this.#database.getFirst(keys);
    const [stored] = blocks;
    if (stored === undefined) return [];
    if (this.#blocks.deletionCount === deletionCount) this.#blocks.set(queue, first, blocks);
    return decodeBlock(stored, first, from, maxCount, Math.min(queue.persisted, queue.max));
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

  /** What waits for space on a full disk is rejected from now on: the store stops. */
  giveUp(): void {
    this.#patient?.giveUp();
  }

  /** Closes the database without another write: the store could not be opened. */
  async abandon(): Promise<void> {
    this.#cancelTimer();
    this.giveUp();
    await this.#writing;
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.close();
  }

  /** Writes what is left, durably, and closes the database. */
  async close(): Promise<void> {
    if (this.#opened === undefined) return;
    this.#cancelTimer();
    this.giveUp();
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
  const { tags } = scanOf(properties);
  const tagsCode = tags.end === 0 ? 0 : hashOf(0, properties, tags.begin, tags.end);
  const { queueOffset, physicalOffset, storeSizeBytes } = place;
  queue.publish(new IndexedEntry(queueOffset, physicalOffset, storeSizeBytes, tagsCode));
  index.markDirty(queue);
}

/** Of rows as they are stored. */
function positionOf(rows: ReadonlyMap<string, Buffer>): {
  readonly kept: number;
  readonly batches: number;
} {
  const stored = rows.get(dispatchedKey);
  const value = stored === undefined ? undefined : withoutChecksum(dispatchedKey, stored);
  const [dispatched = 0, , synced = 0, batches = 0] =
    value === undefined ? [] : text(value).split(' ').map(Number);
  return { kept: Math.min(dispatched, synced), batches };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
