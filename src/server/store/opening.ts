/**
 * Opening a store: brings log, index and the states that follow from the log to one instant. The log is the
 * truth; what the index has beyond it goes, what it lacks is dispatched, and what neither has any more is
 * reported as a hole. Queue offsets never run back: those of lost records stay empty, consumers pass over.
 */
import type { PhysicalOffset, QueueOffset, StoredMessage } from '../../protocol/message/message.ts';
import type { StoredRecord } from '../../protocol/message/record.ts';
import { isQueued } from '../../protocol/message/sys-flag.ts';
import { readCleanStop, removeCleanStop } from './clean-stop.ts';
import type { IndexedQueue } from './index/queue.ts';
import { indexRecord, type QueueIndex, queueIdMax } from './index/queue-index.ts';
import { isStandIn, lightQueuesOf, messageAt, partCount } from './inner-batch.ts';
import type { CommitLog } from './log/commit-log.ts';
import { type Scan, scanLog } from './log/recovery.ts';
import { type SegmentList, segmentsKey } from './log/segment-list.ts';
import type { LogHole } from './log/segment-walk.ts';
import type { DerivedState, RecoveryReport } from './message-store.ts';
import type { LogStoreOptions } from './options.ts';
import type { LogReader } from './reader.ts';

export interface OpeningParts {
  readonly log: CommitLog;
  readonly index: QueueIndex;
  readonly reader: LogReader;
  readonly derived: readonly DerivedState[];
  readonly segments: SegmentList;
  /** Moves the queues' minima to where the log begins. */
  readonly moveMinima: () => Promise<number>;
  readonly options: LogStoreOptions;
}

/** Queue offsets that a log of ours can leave out; more can only come from elsewhere. */
const missingEntryCountMax = 1 << 24;

export class Opening {
  readonly #log: CommitLog;
  readonly #index: QueueIndex;
  readonly #reader: LogReader;
  readonly #derived: readonly DerivedState[];
  readonly #segments: SegmentList;
  readonly #moveMinima: () => Promise<number>;
  readonly #options: LogStoreOptions;
  /** The log had been dispatched up to here. */
  #dispatchedBefore = 0;
  #redispatchedCount = 0;
  #missingCount = 0;
  #hasNote = false;

  constructor(parts: OpeningParts) {
    this.#log = parts.log;
    this.#index = parts.index;
    this.#reader = parts.reader;
    this.#derived = parts.derived;
    this.#segments = parts.segments;
    this.#moveMinima = parts.moveMinima;
    this.#options = parts.options;
  }

  /** The log's segments are open, and so is the database. */
  async run(): Promise<Omit<RecoveryReport, 'durationMs'>> {
    const index = this.#index;
    const isKnown = await index.load();
    await this.#readNote();
    let report = await this.#runOrUndefined(isKnown);
    if (report === undefined || index.isDamaged) {
      // Rows of the index turned out to be damaged on the way: the log has what they should say.
      this.#redispatchedCount = 0;
      this.#missingCount = 0;
      report = await this.#run(false);
    }
    const { files, folder } = this.#options;
    if (this.#hasNote) await removeCleanStop(files, folder);
    return report;
  }

  async #runOrUndefined(isKnown: boolean): Promise<Omit<RecoveryReport, 'durationMs'> | undefined> {
    try {
      return await this.#run(isKnown);
    } catch (error) {
      if (this.#index.isDamaged) return undefined;
      throw error;
    }
  }

  /** What the last process left when it stopped in order. */
  async #readNote(): Promise<void> {
    const index = this.#index;
    const { files, folder, logger } = this.#options;
    const note = await readCleanStop(files, folder);
    if (note === undefined) return;
    if (note === 'damaged') {
      index.problems.push('the note of the last stop is damaged');
    } else {
      index.wasKept(note.endOffset);
      const lost = note.batchCount - index.batchCount;
      if (lost > 0) index.problems.push(`the newest ${lost} batches of the index are lost`);
    }
    for (const problem of index.problems) logger.error('the index is damaged', { problem });
    this.#hasNote = true;
  }

  async #run(isKnown: boolean): Promise<Omit<RecoveryReport, 'durationMs'>> {
    const log = this.#log;
    const index = this.#index;
    const firstOffset = log.segments[0]?.baseOffset ?? 0;
    const logEnd = log.segments[log.segments.length - 1]?.endOffset ?? 0;
    // The log lost its newest segments, or all, under the index: what is left of it is indexed anew.
    const isAhead = isKnown && index.dispatchedOffset > logEnd;
    const maxima = isAhead ? index.maxima() : [];
    const { keptOffset } = index;
    if (isKnown && !isAhead) await this.#restoreDerived();
    else await this.#clearIndex();
    this.#dispatchedBefore = index.dispatchedOffset;
    let fromOffset = Math.max(index.dispatchedOffset, firstOffset);
    if (fromOffset > firstOffset) fromOffset = await this.#startOfScan(fromOffset);
    const scan = await this.#scan(fromOffset, keptOffset);
    await this.#settle(scan.endOffset);
    for (const { topic, queueId, max } of maxima) {
      this.#passOver(index.queue(topic, queueId), max, scan.endOffset);
    }
    if (this.#dispatchedBefore > scan.endOffset) await this.#reader.cutEntries(scan.endOffset);
    if (this.#hasLostDispatched(scan, keptOffset)) {
      await this.#deriveAgain(firstOffset, scan.endOffset);
    }
    // Not before: until then batches by time leave what was known to be on the disk, from which all of this follows.
    log.begin(scan.endOffset);
    index.release();
    if (scan.endOffset !== index.dispatchedOffset) index.dispatchedTo(scan.endOffset);
    const missing = (await this.#missingSegments()).filter(
      ({ beginOffset }) =>
        !scan.holes.some((one) => one.beginOffset <= beginOffset && beginOffset < one.endOffset),
    );
    const holes = [...missing, ...scan.holes];
    if (!index.isDamaged) index.settled();
    await index.write({ sync: true });
    this.#tell(holes);
    return {
      redispatchedMessages: this.#redispatchedCount,
      truncatedBytes: scan.truncatedBytes,
      holes,
      missingMessages: this.#missingCount,
      problems: [...index.problems, ...(log.foreign?.problems ?? [])],
      minPhysicalOffset: log.beginOffset as PhysicalOffset, // offsets of the log
      maxPhysicalOffset: scan.endOffset as PhysicalOffset,
      rebuilt: (!isKnown || isAhead) && firstOffset !== scan.endOffset,
    };
  }

  async #restoreDerived(): Promise<void> {
    for (const state of this.#derived) {
      for await (const [key, value] of this.#index.loadState(state.prefix)) {
        if (!state.restore(key, value)) break;
      }
    }
  }

  /** What follows from the log goes; what the log cannot give back (topics, groups, offsets) stays. */
  async #clearIndex(): Promise<void> {
    await this.#index.clear();
    for (const state of this.#derived) {
      state.clear();
      await this.#index.clearState(state.prefix);
    }
  }

  /**
   * Where to check from: the dispatched offset when the last dispatched record ends there, else the begin of
   * the segment, because the log lost its unsynced end while the database kept its own.
   */
  async #startOfScan(dispatched: number): Promise<number> {
    const lastEnd = await this.#reader.recordEnd(this.#index.lastRecordOffset);
    // The last record may be whole where an earlier one is not, since nothing behind the last sync has an order on
    // the disk. Earlier segments were synced before this one began.
    if (lastEnd === dispatched && this.#index.syncedOffset >= dispatched) return dispatched;
    const segment = this.#log.segments.find((one) => dispatched <= one.endOffset);
    return segment?.baseOffset ?? dispatched;
  }

  async #scan(fromOffset: number, keptOffset: number): Promise<Scan> {
    const index = this.#index;
    const dispatchedBefore = this.#dispatchedBefore;
    const { logger, progress } = this.#options;
    // Derived states and the dispatched offset are of one instant again only when the scan is past it.
    if (fromOffset < dispatchedBefore) index.hold();
    return await scanLog(this.#log, { fromOffset, keptOffset, logger, progress }, (record) => {
      if (this.#redispatch(record)) this.#redispatchedCount++;
      // A scan may begin before what has been dispatched; derived states see a record once.
      if (record.physicalOffset >= dispatchedBefore) this.#derive(record);
      index.dispatched(record);
      if (index.dispatchedOffset >= dispatchedBefore) index.release();
    });
  }

  /** Segments that were there when the database was last written, and are gone. */
  async #missingSegments(): Promise<LogHole[]> {
    for await (const [key, value] of this.#index.loadState(segmentsKey)) {
      if (key === segmentsKey) this.#segments.restore(value);
    }
    const bases = this.#log.segments.map((segment) => segment.baseOffset);
    const holes: LogHole[] = [];
    for (const beginOffset of this.#segments.missing()) {
      const endOffset = bases.find((base) => base > beginOffset);
      if (endOffset === undefined) continue; // the scan knows of the log's end
      const last = holes[holes.length - 1];
      const problem = 'a segment is missing';
      if (last?.endOffset === endOffset) continue;
      // Retention takes messages from the index before it deletes their files.
      const isFront = endOffset === bases[0];
      if (isFront && (await this.#moveMinima()) === 0) continue;
      holes.push({ beginOffset, endOffset, problem });
    }
    return holes;
  }

  #derive(record: StoredRecord): void {
    for (const state of this.#derived) state.dispatched(record, record);
  }

  #redispatch(record: StoredMessage): boolean {
    if (!isQueued(record.sysFlag)) return false;
    const isForeign = this.#options.origin?.covers(record.physicalOffset) === true;
    // The offset that it stands for is as empty as before.
    if (isForeign && isStandIn(record)) return false;
    if (isForeign && !this.#isPossible(record)) return false;
    const queue = this.#index.queue(record.topic, record.queueId);
    if (!this.#goTo(queue, record.queueOffset, record.physicalOffset)) return false;
    if (isForeign) this.#indexForeign(record);
    else indexRecord(this.#index, queue, record, record);
    return true;
  }

  /** Apache's records have no checksum over all of them: their heads may say anything. */
  #isPossible({ topic, queueId, queueOffset, physicalOffset }: StoredMessage): boolean {
    const isQueue = queueId >= 0 && queueId < queueIdMax;
    if (isQueue && Number.isSafeInteger(queueOffset) && queueOffset >= 0) return true;
    const { logger } = this.#options;
    logger.error('a record names no possible queue, it is left out', {
      topic,
      queueId,
      physicalOffset,
    });
    return false;
  }

  /** Makes `offset` the queue's next; false when the index has it already. */
  #goTo(queue: IndexedQueue, offset: number, physicalOffset: number): boolean {
    if (offset < queue.max) {
      if (physicalOffset < this.#dispatchedBefore) return false;
      // Its topic was deleted and made again.
      queue.startAt(offset);
    }
    if (queue.max > 0) this.#passOver(queue, offset, physicalOffset);
    // Retention took what was before.
    else if (offset > 0) queue.startAt(offset);
    return true;
  }

  /** A record of Apache's broker may have several places. */
  #indexForeign(record: StoredMessage): void {
    const { physicalOffset, storeSizeBytes } = record;
    const queue = this.#index.queue(record.topic, record.queueId);
    for (let index = 0; index < partCount(record); index++) {
      const queueOffset = (record.queueOffset + index) as QueueOffset; // as its part has it
      const part = messageAt(record, queueOffset);
      indexRecord(this.#index, queue, part, { queueOffset, physicalOffset, storeSizeBytes });
    }
    for (const { topic, queueOffset } of lightQueuesOf(record)) {
      const light = this.#index.queue(topic, 0);
      if (!this.#goTo(light, queueOffset, physicalOffset)) continue;
      indexRecord(this.#index, light, record, { queueOffset, physicalOffset, storeSizeBytes });
    }
  }

  /** Leaves queue offsets empty whose records are lost. */
  #passOver(queue: IndexedQueue, until: number, physicalOffset: number): void {
    const count = until - queue.max;
    if (count <= 0) return;
    this.#missingCount += count;
    if (count > missingEntryCountMax || queue.max === 0) queue.startAt(until);
    else queue.skipTo(until, physicalOffset);
    this.#index.markDirty(queue);
  }

  /**
   * What the last process wrote and did not sync, or failed to sync, may be in the page cache alone. It
   * becomes visible now, so it must survive a power cut first. Segments before the one with the last
   * record were synced before that one was written to. (Both rules were found by the simulator.)
   */
  async #settle(endOffset: number): Promise<void> {
    const last = this.#log.segments.findLast((segment) => segment.baseOffset < endOffset);
    if (last === undefined) return;
    const from = Math.max(last.baseOffset, Math.min(this.#index.syncedOffset, endOffset));
    await last.rewrite(from, Math.min(endOffset, last.endOffset));
  }

  /** Whether a crash took records, never synced, that had been dispatched. */
  #hasLostDispatched({ endOffset, holes }: Scan, keptOffset: number): boolean {
    const before = this.#dispatchedBefore;
    if (before > endOffset) return true;
    return holes.some((hole) => hole.beginOffset < before && hole.endOffset > keptOffset);
  }

  /** The log lost records that had been dispatched: what followed from them is void. */
  async #deriveAgain(firstOffset: number, endOffset: number): Promise<void> {
    if (this.#derived.length === 0) return;
    for (const state of this.#derived) {
      state.clear();
      await this.#index.clearState(state.prefix);
    }
    const { logger } = this.#options;
    await scanLog(this.#log, { fromOffset: firstOffset, keptOffset: endOffset, logger }, (record) =>
      this.#derive(record),
    );
  }

  #tell(holes: readonly LogHole[]): void {
    for (const hole of holes) this.#options.logger.error('the commit log is damaged', { ...hole });
    if (this.#missingCount === 0) return;
    this.#options.logger.error('messages are missing, consumers pass over them', {
      messages: this.#missingCount,
    });
  }
}
