/**
 * `MessageStore` on a commit log and a database (design.md, "The store"). This file has the append path
 * and the life cycle; reading is in `reader.ts`, deleting in `retention.ts`.
 */
import type { Timer } from '../../platform/clock.ts';
import type { FolderLock } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
  StoredMessage,
} from '../../protocol/message/message.ts';
import { propertiesSizeMax } from '../../protocol/message/properties.ts';
import { checksumRoomBytes } from '../../protocol/message/record.ts';
import { isQueued } from '../../protocol/message/sys-flag.ts';
import { assert } from '../../util/assert.ts';
import type { Reply } from '../../util/reply.ts';
import { writeCleanStop } from './clean-stop.ts';
import { Compaction } from './compaction.ts';
import { KeyIndex } from './index/key-index.ts';
import type { IndexedQueue } from './index/queue.ts';
import { indexRecord, QueueIndex } from './index/queue-index.ts';
import { CommitLog } from './log/commit-log.ts';
import { openSegments } from './log/recovery.ts';
import { SegmentList } from './log/segment-list.ts';
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
import { Opening } from './opening.ts';
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
  readonly #compaction: Compaction;
  readonly #segments: SegmentList;
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
      clock: options.clock,
      logger: options.logger,
      tuning: this.#tuning,
      syncedOffset: () => this.#log.syncedOffset,
      freeBytes: () => options.files.freeBytes(options.folder),
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
    this.#segments = new SegmentList(this.#log.segments);
    this.addStateSource(this.#segments);
    this.#compaction = new Compaction({
      clock: options.clock,
      logger: options.logger,
      tuning: this.#tuning,
      log: this.#log,
      index: this.#index,
      reader: this.#reader,
      append: (drafts) => this.#appendAll(drafts),
    });
    this.#retention = new Retention(options, this.#tuning, {
      compaction: this.#compaction,
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
      const report = await new Opening({
        log: this.#log,
        index: this.#index,
        reader: this.#reader,
        derived: this.#derived,
        segments: this.#segments,
        moveMinima: () => this.#retention.beginWhereLogDoes(),
        options: this.#options,
      }).run();
      await this.#checkSpace();
      this.#retention.start();
      return { ...report, durationMs: clock.monotonicMs() - beganMs };
    } catch (error) {
      await this.#index.abandon();
      await this.#release();
      logger.error('the store cannot be opened', { folder, reason: String(error) });
      throw error;
    }
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

  #appendAll(drafts: readonly MessageDraft[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.append(drafts, (result) => (result instanceof Error ? reject(result) : resolve()));
    });
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
      if (queue.watch !== undefined) queue.watch(draft);
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
          for (const state of this.#derived) state.dispatched(draft, one);
          if (!isQueued(draft.sysFlag)) continue;
          indexRecord(this.#index, queue, draft, one);
          if (queue.isTouched) continue;
          queue.isTouched = true;
          this.#touched.push(queue);
        }
        this.#index.dispatched(appended[appended.length - 1]);
        reply(appended);
        this.#announceLater();
      },
    });
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
    // Every record has room for its checksum, so that damage shows.
    const propertiesMax = propertiesSizeMax - checksumRoomBytes;
    if (draft.properties.length > propertiesMax) {
      const text = `the properties have ${draft.properties.length} bytes, at most ${propertiesMax} are allowed`;
      return new RmqError('PROPERTIES_TOO_LARGE', text);
    }
    return undefined;
  }

  #refusing(): RmqError | undefined {
    if (this.#isStopping) return new RmqError('SHUTTING_DOWN', 'the broker is stopping');
    const failure = this.#log.failure ?? this.#index.failure ?? this.#index.full;
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

  /** An empty queue goes on behind messages that are nowhere any more; durable with the next batch. */
  beginQueueAt(topic: string, queueId: number, offset: number): void {
    const queue = this.#index.queue(topic, queueId);
    assert(queue.max === 0, 'the queue has had no message');
    queue.startAt(offset);
    this.#index.markDirty(queue);
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
    this.#index.derivedPrefixes.push(state.prefix);
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

  compactTopics(isCompacted: (topic: string) => boolean): void {
    this.#compaction.isCompacted = isCompacted;
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
    this.#compaction.stop();
    // Its round may wait for a batch.
    this.#index.giveUp();
    await this.#retention.stop();
    try {
      await this.#log.close();
      await this.#index.close();
      await this.#noteStop();
    } finally {
      await this.#release();
    }
  }

  async #noteStop(): Promise<void> {
    const hasFailed = this.#log.failure !== undefined || this.#index.failure !== undefined;
    if (hasFailed || this.#lock === undefined) return;
    const { files, folder } = this.#options;
    const { batchCount } = this.#index;
    await writeCleanStop(files, folder, { batchCount, endOffset: this.#log.syncedOffset });
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }
}
