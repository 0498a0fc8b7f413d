/**
 * Deletes old messages: by age, by the log's size, and to keep disk space free; of single topics by an age of
 * their own. Segments go as whole files, oldest first, never the last. Runs beside everything else: a send
 * never waits for it.
 *
 * The index goes first, durably, then the files: a crash in between leaves files that the next round deletes,
 * never a queue that begins at a record which is gone.
 */
import type { Timer } from '../../platform/clock.ts';
import type { PhysicalOffset } from '../../protocol/message/message.ts';
import type { Compaction } from './compaction.ts';
import type { IndexedQueue } from './index/queue.ts';
import type { QueueIndex } from './index/queue-index.ts';
import type { CommitLog } from './log/commit-log.ts';
import type { Segment } from './log/segment.ts';
import type { DerivedState } from './message-store.ts';
import type { LogStoreOptions, StoreTuning } from './options.ts';
import { LogReader } from './reader.ts';

/** Queues that a round looks at before it lets others run. */
const queuesPerTick = 512;
/** Between two files that go. */
const removePauseMaxMs = 100;

export class Retention {
  readonly #options: LogStoreOptions;
  readonly #tuning: StoreTuning;
  readonly #log: CommitLog;
  readonly #index: QueueIndex;
  readonly #reader: LogReader;
  readonly #derived: readonly DerivedState[];
  readonly #compaction: Compaction;
  #timer: Timer | undefined = undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** The disk was found to be too full, or the log too large, and the round for it has not begun. */
  #isUrgent = false;
  #freeBytes = Number.POSITIVE_INFINITY;
  /** Messages older than this may be deleted. */
  retentionMs: number;
  /** The same for one topic; undefined: as all others. */
  topicRetentionMs: (topic: string) => number | undefined = () => undefined;

  constructor(
    options: LogStoreOptions,
    tuning: StoreTuning,
    parts: {
      readonly log: CommitLog;
      readonly index: QueueIndex;
      readonly derived: readonly DerivedState[];
      readonly compaction: Compaction;
    },
  ) {
    this.#options = options;
    this.retentionMs = options.retentionMs;
    this.#tuning = tuning;
    this.#log = parts.log;
    this.#index = parts.index;
    this.#derived = parts.derived;
    this.#compaction = parts.compaction;
    this.#reader = new LogReader(parts.log, parts.index, options.logger);
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#tuning.retentionIntervalMs, () => {
      void this.runSoon()
        .catch((error: unknown) => this.#warn(error))
        .then(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    await this.#running;
  }

  /** A round now, behind the one that may be running. */
  runSoon(): Promise<void> {
    const round = this.#running.then(() => (this.#isStopped ? undefined : this.run()));
    this.#running = round.catch(() => undefined); // who asked is told
    return round;
  }

  /** Somebody has looked at the disk: what is over a limit goes at once. */
  foundFree(freeBytes: number): void {
    this.#freeBytes = freeBytes;
    if (this.#isUrgent || this.#isStopped || this.#log.segments.length < 2) return;
    if (this.#bytesTooMany() <= 0) return;
    this.#isUrgent = true;
    this.runSoon().catch((error: unknown) => this.#warn(error));
  }

  #warn(error: unknown): void {
    this.#options.logger.warn('old messages cannot be deleted', { reason: String(error) });
  }

  /** Bytes that must go whatever their age; none when negative. */
  #bytesTooMany(): number {
    const { retentionBytes, retentionFreeBytes } = this.#options;
    const size = this.#log.keptOffset - this.#log.beginOffset;
    const overSize = retentionBytes === undefined ? 0 : size - retentionBytes;
    return Math.max(overSize, (retentionFreeBytes ?? 0) - this.#freeBytes);
  }

  /** One round. */
  async run(): Promise<void> {
    this.#isUrgent = false;
    await this.#expireTopics();
    await this.#compaction.run();
    const endOffset = await this.#deletableEnd();
    const beginOffset = this.#log.beginOffset;
    if (endOffset <= beginOffset || this.#isStopped) return;
    await this.#forgetBelow(endOffset);
    for (const state of this.#derived) {
      const range = state.outdated?.(endOffset);
      if (range !== undefined) await this.#index.clearRange(range);
    }
    await this.#removeFiles(endOffset);
    this.#freeBytes = await this.#options.files.freeBytes(this.#options.folder);
    this.#options.logger.info('deleted old messages', {
      bytes: endOffset - beginOffset,
      from: endOffset,
    });
  }

  /** Up to which offset the log may be deleted now: the end of a segment that is not the last. */
  async #deletableEnd(): Promise<PhysicalOffset> {
    const segments = [...this.#log.segments];
    const oldestMs = this.#options.clock.nowMs() - this.retentionMs;
    let tooManyBytes = this.#bytesTooMany();
    let needed: number | undefined;
    let end = this.#log.beginOffset;
    for (const segment of segments.slice(0, -1)) {
      if (segment.endOffset > this.#log.keptOffset) break;
      const isForced = tooManyBytes > 0;
      if (tooManyBytes <= 0) {
        if (segment.lastStoreTimestampMs >= oldestMs) break;
        if (!(await this.#isBefore(segment, oldestMs))) break;
        needed ??= await this.#neededLonger();
        if (segment.endOffset > needed) break;
      }
      if (!(await this.#isDeletable(segment.endOffset as PhysicalOffset))) break; // of the log
      // To save space what has to move must be less than what goes; else the log would go round and round.
      const movedMax = isForced ? segment.sizeBytes / 2 : Number.POSITIVE_INFINITY;
      if (!(await this.#compaction.clear(segment.endOffset, movedMax))) break;
      tooManyBytes -= segment.sizeBytes;
      end = segment.endOffset;
    }
    return end as PhysicalOffset;
  }

  /** What is known of a segment's time may be that of its file, which is not to be relied on. */
  async #isBefore(segment: Segment, oldestMs: number): Promise<boolean> {
    const next = await this.#reader.readAt(segment.endOffset);
    return next === undefined || next.storeTimestampMs < oldestMs;
  }

  /** Where the oldest message begins of topics that are kept for longer than others. */
  async #neededLonger(): Promise<number> {
    let needed = Number.POSITIVE_INFINITY;
    for (const queue of [...this.#index.all()]) {
      const ownMs = this.#ownMs(queue) ?? 0;
      if (queue.min === queue.max || ownMs <= this.retentionMs) continue;
      const first = await this.#reader.entryOf(queue, queue.min);
      needed = Math.min(needed, first?.physicalOffset ?? 0);
    }
    return needed;
  }

  /** Of compacted topics no message is too old. */
  #ownMs({ topic }: IndexedQueue): number | undefined {
    return this.#compaction.isCompacted(topic) ? undefined : this.topicRetentionMs(topic);
  }

  /** Whether nobody needs records below `offset` any more, such as messages that wait for their time. */
  async #isDeletable(offset: PhysicalOffset): Promise<boolean> {
    for (const state of this.#derived) {
      if ((await state.isDeletable?.(offset)) === false) return false;
    }
    return true;
  }

  /** Topics with a retention time of their own: their queues begin where it does. */
  async #expireTopics(): Promise<void> {
    const moved: Moved[] = [];
    const nowMs = this.#options.clock.nowMs();
    for (const queue of [...this.#index.all()]) {
      const ownMs = this.#ownMs(queue);
      if (ownMs === undefined || queue.min === queue.max) continue;
      const first = await this.#reader.messageOf(queue, queue.min);
      if (first !== undefined && first.storeTimestampMs >= nowMs - ownMs) continue;
      this.#moveMin(queue, await this.#reader.offsetByTime(queue, nowMs - ownMs), moved);
    }
    if (moved.length > 0) await this.#keepMinima(moved);
  }

  /**
   * Files are gone: the queues begin where the log does. Answers how many of them did not, which is none after
   * a round that a crash cut short.
   */
  beginWhereLogDoes(): Promise<number> {
    return this.#forgetBelow(this.#log.beginOffset as PhysicalOffset); // an offset of the log
  }

  /** All queues begin at or behind `endOffset` from now on. */
  async #forgetBelow(endOffset: PhysicalOffset): Promise<number> {
    const moved: Moved[] = [];
    let count = 0;
    for (const queue of [...this.#index.all()]) {
      if (++count % queuesPerTick === 0) await this.#afterTick();
      if (queue.min === queue.max || queue.oldest >= endOffset) continue;
      const found = await this.#reader.firstFrom(queue, endOffset);
      this.#moveMin(queue, found.queueOffset, moved);
      queue.oldest = found.physicalOffset;
    }
    await this.#keepMinima(moved);
    return moved.length;
  }

  #moveMin(queue: IndexedQueue, to: number, moved: Moved[]): void {
    const min = Math.min(to, queue.max);
    if (min <= queue.min) return;
    moved.push({ queue, oldMin: queue.min });
    queue.min = min;
    this.#index.markDirty(queue);
  }

  async #keepMinima(moved: readonly Moved[]): Promise<void> {
    if (moved.length > 0) await this.#index.write({ sync: true });
    for (const { queue, oldMin } of moved) await this.#index.dropBlocks(queue, oldMin);
  }

  /** A file goes first, then its place in the log, so that what could not be removed stays known. */
  async #removeFiles(endOffset: number): Promise<void> {
    for (;;) {
      const segment = this.#log.segments[0] as Segment; // the last one stays
      if (segment.endOffset > endOffset || this.#isStopped) return;
      const { clock } = this.#options;
      const beganMs = clock.monotonicMs();
      await this.#log.removeFile(segment);
      this.#log.segments.shift();
      await segment.close();
      // A file system that frees a large file lets a sync wait: sends get as much time as deleting took.
      const pauseMs = Math.min(removePauseMaxMs, Math.ceil(clock.monotonicMs() - beganMs));
      if (pauseMs > 0) await new Promise<void>((resolve) => clock.setTimer(pauseMs, resolve));
    }
  }

  #afterTick(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.afterTick(resolve));
  }
}

interface Moved {
  readonly queue: IndexedQueue;
  readonly oldMin: number;
}
