/**
 * Deletes old segments, whole ones, oldest first, never the last. Runs beside everything else: a send
 * never waits for it. A crash in between costs nothing: files go first, the index follows.
 */
import type { Timer } from '../../platform/clock.ts';
import type { PhysicalOffset } from '../../protocol/message/message.ts';
import type { QueueIndex } from './index/queue-index.ts';
import type { CommitLog } from './log/commit-log.ts';
import type { Segment } from './log/segment.ts';
import type { DerivedState } from './message-store.ts';
import type { LogStoreOptions, StoreTuning } from './options.ts';
import { LogReader } from './reader.ts';

export class Retention {
  readonly #options: LogStoreOptions;
  readonly #tuning: StoreTuning;
  readonly #log: CommitLog;
  readonly #index: QueueIndex;
  readonly #reader: LogReader;
  readonly #derived: readonly DerivedState[];
  #timer: Timer | undefined = undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Messages older than this may be deleted. */
  retentionMs: number;

  constructor(
    options: LogStoreOptions,
    tuning: StoreTuning,
    parts: {
      readonly log: CommitLog;
      readonly index: QueueIndex;
      readonly derived: readonly DerivedState[];
    },
  ) {
    this.#options = options;
    this.retentionMs = options.retentionMs;
    this.#tuning = tuning;
    this.#log = parts.log;
    this.#index = parts.index;
    this.#derived = parts.derived;
    this.#reader = new LogReader(parts.log, parts.index, options.logger);
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#tuning.retentionIntervalMs, () => {
      void this.runSoon()
        .catch((error: unknown) =>
          this.#options.logger.warn('old messages cannot be deleted', { reason: String(error) }),
        )
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

  /** One round. */
  async run(): Promise<void> {
    const { clock, logger } = this.#options;
    const oldestMs = clock.nowMs() - this.retentionMs;
    let deletedCount = 0;
    while (this.#log.segments.length > 1 && !this.#isStopped) {
      const segment = this.#log.segments[0] as Segment; // length > 1
      if (segment.lastStoreTimestampMs >= oldestMs) break;
      if (segment.endOffset > this.#log.keptOffset) break;
      if (!(await this.#isDeletable(segment.endOffset as PhysicalOffset))) break; // of the log
      if (this.#isStopped) break;
      this.#log.segments.shift();
      await segment.close();
      await this.#log.removeFile(segment);
      deletedCount++;
    }
    if (deletedCount === 0) return;
    await this.#moveMinima();
    for (const state of this.#derived) {
      const range = state.outdated?.();
      if (range !== undefined) await this.#index.clearRange(range);
    }
    logger.info('deleted old messages', { segments: deletedCount, from: this.#log.beginOffset });
  }

  /** Whether nobody needs records below `offset` any more, such as messages that wait for their time. */
  async #isDeletable(offset: PhysicalOffset): Promise<boolean> {
    for (const state of this.#derived) {
      if ((await state.isDeletable?.(offset)) === false) return false;
    }
    return true;
  }

  async #moveMinima(): Promise<void> {
    const begin = this.#log.beginOffset as PhysicalOffset; // an offset of the log
    for (const queue of [...this.#index.all()]) {
      const min = await this.#reader.firstOffsetFrom(queue, begin);
      if (min === queue.min) continue;
      queue.min = Math.min(min, queue.max);
      this.#index.markDirty(queue);
      await this.#index.dropBelow(queue);
    }
  }
}
