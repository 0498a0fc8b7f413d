/**
 * `MessageStore` on a commit log and a database (design.md, "The store"). This file has the append path
 * and the life cycle; reading is in `reader.ts`, deleting in `retention.ts`.
 */
import type { Timer } from '../../platform/clock.ts';
import type { FolderLock } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { javaHashCode } from '../../protocol/message/java-hash.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
  StoredMessage,
} from '../../protocol/message/message.ts';
import { findProperty, propertiesSizeMax } from '../../protocol/message/properties.ts';
import { isQueued } from '../../protocol/message/sys-flag.ts';
import { assert } from '../../util/assert.ts';
import type { Reply } from '../../util/reply.ts';
import { KeyIndex } from './index/key-index.ts';
import { IndexedEntry, type IndexedQueue } from './index/queue.ts';
import { QueueIndex } from './index/queue-index.ts';
import { CommitLog } from './log/commit-log.ts';
import { openSegments, scanLog } from './log/recovery.ts';
import type {
  Appended,
  DerivedState,
  KeyQuery,
  MessageStore,
  QueueEntry,
  RecoveryReport,
  StateRange,
  StateRows,
  StateSource,
  StoredQueue,
  StoreStatus,
} from './message-store.ts';
import {
  defaultTuning,
  type LogStoreOptions,
  maxBodyBytesDefault,
  type StoreTuning,
} from './options.ts';
import { LogReader } from './reader.ts';
import { Retention } from './retention.ts';

type AppendReply = Reply<readonly Appended[], RmqError>;

export class LogStore implements MessageStore {
  readonly #options: LogStoreOptions;
  readonly #tuning: StoreTuning;
  readonly #log: CommitLog;
  readonly #index: QueueIndex;
  readonly #reader: LogReader;
  readonly #retention: Retention;
  readonly #visible: ((queue: StoredQueue) => void)[] = [];
  #touched: IndexedQueue[] = [];
  readonly #derived: DerivedState[] = [];
  readonly #keys: KeyIndex;
  readonly #pendingQueues = new Set<IndexedQueue>();
  #freeBytes = Number.POSITIVE_INFINITY;
  #isDiskFull = false;
  #isStopping = false;
  #spaceTimer: Timer | undefined = undefined;
  #lock: FolderLock | undefined = undefined;
  #stopped: Promise<void> | undefined = undefined;

  constructor(options: LogStoreOptions) {
    this.#options = options;
    this.#tuning = { ...defaultTuning, ...options.tuning };
    this.#log = new CommitLog(options, this.#tuning, () => this.#forgetPending());
    this.#index = new QueueIndex({
      database: options.openDatabase(),
      clock: options.clock,
      logger: options.logger,
      tuning: this.#tuning,
      syncedOffset: () => this.#log.syncedOffset,
    });
    this.#reader = new LogReader(this.#log, this.#index, options.logger);
    const log = this.#log;
    this.#keys = new KeyIndex({
      readState: (range, maxCount, use) => this.readState(range, maxCount, use),
      readAt: (offset) => this.readAt(offset),
      get beginOffset() {
        return log.beginOffset;
      },
      get keptOffset() {
        return log.keptOffset;
      },
    });
    this.addDerivedState(this.#keys);
    this.#retention = new Retention(options, this.#tuning, {
      log: this.#log,
      index: this.#index,
      derived: this.#derived,
    });
  }

  async start(): Promise<RecoveryReport> {
    const { files, folder, clock, logger } = this.#options;
    const beganMs = clock.monotonicMs();
    await files.makeFolder(folder);
    this.#lock = await files.lockFolder(folder);
    try {
      await this.#index.open(files, this.#options.databaseFolder, this.#options.openDatabase);
      await openSegments(this.#log, files, this.#options.segmentSizeBytes);
      const report = await this.#recover();
      await this.#checkSpace();
      this.#retention.start();
      return { ...report, durationMs: clock.monotonicMs() - beganMs };
    } catch (error) {
      await this.#release();
      logger.error('the store cannot be opened', { folder, reason: String(error) });
      throw error;
    }
  }

  async #recover(): Promise<Omit<RecoveryReport, 'durationMs'>> {
    const log = this.#log;
    const isKnown = await this.#index.load();
    await this.#restoreDerived();
    const firstOffset = log.segments[0]?.baseOffset ?? 0;
    const lastSegment = log.segments[log.segments.length - 1];
    let from = Math.max(this.#index.dispatchedOffset, firstOffset);
    const isAhead = lastSegment === undefined ? from > 0 : from > lastSegment.endOffset;
    if (isKnown && isAhead) {
      // The log was lost or replaced under the index: the log is the truth.
      await this.#index.clear();
      for (const state of this.#derived) state.clear();
      from = firstOffset;
    }
    const dispatchedBefore = this.#index.dispatchedOffset;
    let count = 0;
    if (lastSegment !== undefined && from > firstOffset) {
      // After a power cut the index may be ahead of the log: walk the segment that holds the end.
      from = await this.#startOfScan(from);
    }
    // Derived states and the dispatched offset are of one instant again only when the scan is past it.
    if (from < dispatchedBefore) this.#index.hold();
    const scan = await scanLog(log, from, this.#options.logger, (record) => {
      if (this.#redispatch(record)) count++;
      // A scan may begin before what has been dispatched; derived states see a record once.
      if (record.physicalOffset >= dispatchedBefore) this.#derive(record, record);
      this.#index.dispatched(record);
      if (this.#index.dispatchedOffset >= dispatchedBefore) this.#index.release();
    });
    await this.#settle(scan.endOffset);
    log.begin(scan.endOffset);
    if (dispatchedBefore > scan.endOffset) {
      await this.#reader.cutEntries(scan.endOffset);
      await this.#deriveAgain(firstOffset);
    }
    this.#index.release();
    if (scan.endOffset !== this.#index.dispatchedOffset) this.#index.dispatchedTo(scan.endOffset);
    for (const queue of this.#touched) queue.isTouched = false;
    this.#touched = [];
    await this.#index.write({ sync: true });
    return {
      redispatchedMessages: count,
      truncatedBytes: scan.truncatedBytes,
      minPhysicalOffset: log.beginOffset as PhysicalOffset, // offsets of the log
      maxPhysicalOffset: scan.endOffset as PhysicalOffset,
      rebuilt: !isKnown && firstOffset !== scan.endOffset,
    };
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
    await last.rewrite(from, endOffset);
  }

  async #restoreDerived(): Promise<void> {
    for (const state of this.#derived) {
      for await (const [key, value] of this.#index.loadState(state.prefix)) {
        if (!state.restore(key, value)) break;
      }
    }
  }

  #derive(message: MessageDraft, place: Appended): void {
    for (const state of this.#derived) state.dispatched(message, place);
  }

  /** The log lost records that had been dispatched: what followed from them is void. */
  async #deriveAgain(firstOffset: number): Promise<void> {
    if (this.#derived.length === 0) return;
    for (const state of this.#derived) {
      state.clear();
      await this.#index.clearState(state.prefix);
    }
    const { logger } = this.#options;
    await scanLog(this.#log, firstOffset, logger, (record) => this.#derive(record, record));
  }

  /**
   * Where to check from: the dispatched offset when the last dispatched record ends there, else the begin of
   * the segment, because the log lost its unsynced end while the database kept its own.
   */
  async #startOfScan(dispatched: number): Promise<number> {
    const lastEnd = await this.#reader.recordEnd(this.#index.lastRecordOffset);
    // Asynchronous flush: the last record may be whole where an earlier one is not, since nothing behind the
    // last sync has an order on the disk. Earlier segments were synced before this one began.
    if (lastEnd === dispatched && this.#options.flush === 'sync') return dispatched;
    const segment = this.#log.segments.find((one) => dispatched <= one.endOffset);
    return segment?.baseOffset ?? dispatched;
  }

  #redispatch(record: StoredMessage): boolean {
    if (!isQueued(record.sysFlag)) return false;
    const queue = this.#index.queue(record.topic, record.queueId);
    if (record.queueOffset < queue.max) return false;
    // Retention or a dropped topic took what was before.
    if (record.queueOffset > queue.max) queue.startAt(record.queueOffset);
    this.#publish(queue, record.queueOffset, record.physicalOffset, record.storeSizeBytes, record);
    return true;
  }

  append(drafts: readonly MessageDraft[], reply: AppendReply): void {
    const refusing = this.#refusing();
    if (refusing !== undefined) return reply(refusing);
    const sizes: number[] = [];
    const queues: IndexedQueue[] = [];
    let total = 0;
    for (const draft of drafts) {
      const problem = this.#problemOf(draft);
      if (problem !== undefined) return reply(problem);
      const queue = this.#index.queue(draft.topic, draft.queueId);
      const size = this.#log.recordSize(draft, queue.topicBytes);
      queues.push(queue);
      sizes.push(size);
      total += size;
    }
    if (total > this.#log.appendSizeMax) {
      const text = `${total} bytes in one append, at most ${this.#log.appendSizeMax} fit a segment`;
      return reply(new RmqError('MESSAGE_TOO_LARGE', text));
    }
    this.#encode({ drafts, queues, sizes, total, reply });
  }

  #encode(work: {
    readonly drafts: readonly MessageDraft[];
    readonly queues: readonly IndexedQueue[];
    readonly sizes: readonly number[];
    readonly total: number;
    readonly reply: AppendReply;
  }): void {
    const { drafts, queues, sizes, reply } = work;
    const nowMs = this.#options.clock.nowMs();
    this.#log.storeTimestampMs = nowMs;
    this.#log.reserve(work.total);
    const appended: Appended[] = [];
    for (let index = 0; index < drafts.length; index++) {
      const queue = queues[index] as IndexedQueue; // one a draft
      const size = sizes[index] as number;
      const draft = drafts[index] as MessageDraft;
      const queueOffset = isQueued(draft.sysFlag) ? queue.assigned++ : 0;
      const physicalOffset = this.#log.encode(draft, queue.topicBytes, queueOffset, size);
      this.#pendingQueues.add(queue);
      appended.push({
        queueOffset: queueOffset as QueueOffset, // counted by this queue
        physicalOffset: physicalOffset as PhysicalOffset,
        storeTimestampMs: nowMs,
        storeSizeBytes: size,
      });
    }
    this.#log.wait({
      endOffset: this.#log.endOffset,
      done: (error) => {
        if (error !== undefined) return reply(error);
        for (let index = 0; index < appended.length; index++) {
          const one = appended[index] as Appended; // index < length
          const draft = drafts[index] as MessageDraft;
          const queue = queues[index] as IndexedQueue;
          this.#derive(draft, one);
          if (!isQueued(draft.sysFlag)) continue;
          this.#publish(queue, one.queueOffset, one.physicalOffset, one.storeSizeBytes, draft);
        }
        this.#index.dispatched(appended[appended.length - 1]);
        reply(appended);
        this.#announceLater();
      },
    });
  }

  #publish(
    queue: IndexedQueue,
    queueOffset: number,
    physicalOffset: number,
    size: number,
    message: MessageDraft,
  ): void {
    const tag = findProperty(message.properties, 'TAGS');
    const tagsCode = tag === undefined || tag === '' ? 0 : javaHashCode(tag);
    queue.publish(new IndexedEntry(queueOffset, physicalOffset, size, tagsCode));
    this.#index.markDirty(queue);
    if (queue.isTouched) return;
    queue.isTouched = true;
    this.#touched.push(queue);
  }

  #announceLater(): void {
    if (this.#touched.length === 0 || this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    queueMicrotask(() => {
      this.#isAnnouncing = false;
      const touched = this.#touched;
      this.#touched = [];
      for (const queue of touched) queue.isTouched = false;
      for (const queue of touched) for (const listener of this.#visible) listener(queue);
    });
  }
  #isAnnouncing = false;

  /** The log has forgotten what was not kept: queue offsets go back with it. */
  #forgetPending(): void {
    for (const queue of this.#pendingQueues) queue.assigned = queue.max;
    this.#pendingQueues.clear();
  }

  #problemOf(draft: MessageDraft): RmqError | undefined {
    const bodyMax = this.#options.maxBodyBytes ?? maxBodyBytesDefault;
    if (draft.body.length > bodyMax) {
      const text = `the body is too large: ${draft.body.length} bytes, at most ${bodyMax} are allowed`;
      return new RmqError('MESSAGE_TOO_LARGE', text);
    }
    if (draft.properties.length > propertiesSizeMax) {
      const text = `the properties have ${draft.properties.length} bytes, at most ${propertiesSizeMax} are allowed`;
      return new RmqError('PROPERTIES_TOO_LARGE', text);
    }
    return undefined;
  }

  #refusing(): RmqError | undefined {
    if (this.#isStopping) return new RmqError('SHUTTING_DOWN', 'the broker is stopping');
    const failure = this.#log.failure ?? this.#index.failure;
    if (failure !== undefined) return failure;
    if (!this.#isDiskFull) return undefined;
    const { folder, minFreeBytes } = this.#options;
    return new RmqError(
      'DISK_FULL',
      `${this.#freeBytes} bytes are free on the disk of ${folder}, ${minFreeBytes} are needed`,
      { hint: 'free some space; messages are accepted again by themselves' },
    );
  }

  async #checkSpace(): Promise<void> {
    const { files, folder, minFreeBytes, logger, clock } = this.#options;
    try {
      this.#freeBytes = await files.freeBytes(folder);
      const isFull = this.#freeBytes < minFreeBytes;
      if (isFull !== this.#isDiskFull) {
        const fields = { freeBytes: this.#freeBytes, minFreeBytes };
        if (isFull) logger.warn('too little disk space, messages are refused', fields);
        else logger.info('disk space is back, messages are accepted', fields);
      }
      this.#isDiskFull = isFull;
      this.#retention.foundFree(this.#freeBytes);
    } catch (error) {
      logger.warn('cannot tell how much disk space is free', { reason: String(error) });
    }
    if (this.#isStopping) return;
    const { spaceCheckWhileFullMs, spaceCheckIntervalMs } = this.#tuning;
    const delayMs = this.#isDiskFull ? spaceCheckWhileFullMs : spaceCheckIntervalMs;
    this.#spaceTimer = clock.setTimer(delayMs, () => void this.#checkSpace());
  }

  queue(topic: string, queueId: number): StoredQueue {
    return this.#index.queue(topic, queueId);
  }

  queues(): Iterable<StoredQueue> {
    return this.#index.all();
  }

  dropTopic(topic: string): void {
    this.#index.drop(topic);
  }

  readEntries(
    queue: StoredQueue,
    from: QueueOffset,
    maxCount: number,
    reply: Reply<readonly QueueEntry[], RmqError>,
  ): void {
    this.#reader.readEntries(queue as IndexedQueue, from, maxCount, reply); // queues are ours
  }

  readMessages(
    entries: readonly QueueEntry[],
    reply: Reply<readonly (StoredMessage | undefined)[], RmqError>,
  ): void {
    this.#reader.readMessages(entries, reply);
  }

  readAt(offset: PhysicalOffset): Promise<StoredMessage | undefined> {
    return this.#reader.readAt(offset);
  }

  offsetByTime(queue: StoredQueue, timestampMs: number): Promise<QueueOffset> {
    return this.#reader.offsetByTime(queue as IndexedQueue, timestampMs);
  }

  findByKey(query: KeyQuery): Promise<readonly StoredMessage[]> {
    return this.#keys.find(query);
  }

  onVisible(listener: (queue: StoredQueue) => void): void {
    this.#visible.push(listener);
  }

  loadState(prefix: string): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#index.loadState(prefix);
  }

  readState(range: StateRange, maxCount: number, use: (rows: StateRows) => void): Promise<void> {
    return this.#index.readState(range, maxCount, use);
  }

  addStateSource(source: StateSource): void {
    this.#index.addSource(source);
  }

  addDerivedState(state: DerivedState): void {
    assert(this.#lock === undefined, 'derived states are added before the store starts');
    this.#derived.push(state);
    this.#index.addSource(state);
  }

  requestStateWrite(): void {
    this.#index.request();
  }

  writeStateNow(): Promise<void> {
    return this.#index.write({ sync: true });
  }

  get retentionMs(): number {
    return this.#retention.retentionMs;
  }

  /** From the next round on, until the store stops. */
  set retentionMs(durationMs: number) {
    this.#retention.retentionMs = durationMs;
  }

  retainTopics(retentionOf: (topic: string) => number | undefined): void {
    this.#retention.topicRetentionMs = retentionOf;
  }

  /** Deletes now what is too old. */
  deleteExpired(): Promise<void> {
    return this.#retention.runSoon();
  }

  status(): StoreStatus {
    const first = this.#log.segments[0];
    return {
      minPhysicalOffset: this.#log.beginOffset as PhysicalOffset, // offsets of the log
      maxPhysicalOffset: this.#log.keptOffset as PhysicalOffset,
      storeSizeBytes: this.#log.keptOffset - this.#log.beginOffset,
      freeBytes: this.#freeBytes,
      earliestStoreTimestampMs: first?.lastStoreTimestampMs ?? 0,
      refusing: this.#refusing(),
    };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#spaceTimer !== undefined) this.#options.clock.clearTimer(this.#spaceTimer);
    await this.#retention.stop();
    try {
      await this.#log.close();
      await this.#index.close();
    } finally {
      await this.#release();
    }
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }
}
