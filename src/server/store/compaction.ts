/**
 * Compacted topics: of each queue only the newest message of each key is kept (`cleanup.policy=COMPACTION`).
 * A message that a newer one replaced loses its index entry, so that it is served to nobody; its record goes
 * with its segment. What is still the newest when its segment is to go is appended anew first.
 *
 * No key loses its newest message: an entry goes only after a newer record of the key is on the disk itself,
 * and a segment only after all entries of compacted queues in it went that way. Nothing is kept of the work:
 * one that was cut short is done again, and an index that is built again shows old messages until then.
 */
import type { Clock } from '../../platform/clock.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { MessageDraft, StoredMessage } from '../../protocol/message/message.ts';
import { findProperty, withoutProperties } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { SysFlag } from '../../protocol/message/sys-flag.ts';
import type { Logger } from '../shared/logger.ts';
import type { IndexedQueue } from './index/queue.ts';
import type { QueueIndex } from './index/queue-index.ts';
import type { CommitLog } from './log/commit-log.ts';
import type { QueueEntry } from './message-store.ts';
import type { StoreTuning } from './options.ts';
import type { LogReader } from './reader.ts';

/** Entries that are read at once. */
const readCount = 64;
/** Entries that go with one batch of the database. */
const dropCountMax = 4_096;
/** Messages and bytes of one append of messages that are moved. */
const moveCountMax = 64;
const moveBytesMax = 1 << 20;
/** Messages may arrive while others are moved: how often it is looked again. */
const moveTriesMax = 4;

export interface CompactionParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tuning: StoreTuning;
  readonly log: CommitLog;
  readonly index: QueueIndex;
  readonly reader: LogReader;
  /** Rejects with what refused them. */
  readonly append: (drafts: readonly MessageDraft[]) => Promise<void>;
}

/** How far a queue is compacted. */
interface Progress {
  /** No two messages below have one key. */
  doneUntil: number;
  /** Messages below, when it was looked at last. */
  keptCount: number;
  /** When messages behind were first seen. */
  behindSinceMs: number | undefined;
}

export class Compaction {
  readonly #parts: CompactionParts;
  readonly #progress = new WeakMap<IndexedQueue, Progress>();
  #isStopped = false;
  /** Whether only the newest message of each key is kept of a topic. */
  isCompacted: (topic: string) => boolean = () => false;

  constructor(parts: CompactionParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Looks at all queues, and compacts those of which enough is new. */
  async run(): Promise<void> {
    for (const queue of this.#queues()) {
      if (this.#isStopped) return;
      if (this.#isDue(queue)) await this.#compact(queue);
    }
  }

  #queues(): IndexedQueue[] {
    return [...this.#parts.index.all()].filter((queue) => this.isCompacted(queue.topic));
  }

  #progressOf(queue: IndexedQueue): Progress {
    let progress = this.#progress.get(queue);
    if (progress === undefined) {
      progress = { doneUntil: queue.min, keptCount: 0, behindSinceMs: undefined };
      this.#progress.set(queue, progress);
    }
    return progress;
  }

  #isDue(queue: IndexedQueue): boolean {
    const progress = this.#progressOf(queue);
    const newCount = queue.max - Math.max(progress.doneUntil, queue.min);
    if (newCount <= 0) return false;
    const { clock, tuning } = this.#parts;
    progress.behindSinceMs ??= clock.monotonicMs();
    const isLate = clock.monotonicMs() - progress.behindSinceMs >= tuning.compactionDelayMs;
    return isLate || newCount / (newCount + progress.keptCount) >= tuning.compactionDirtyRatio;
  }

  /** All messages of a queue that are on the disk by now, as many keys at a time as fit memory. */
  async #compact(queue: IndexedQueue): Promise<void> {
    const progress = this.#progressOf(queue);
    const end = queue.max;
    while (!this.#isStopped && progress.doneUntil < end) {
      const from = Math.max(progress.doneUntil, queue.min);
      const newest = new Map<string, number>();
      const until = await this.#newestFrom(queue, from, end, newest);
      if (until === from) break;
      await this.#dropReplaced(queue, until, newest);
      progress.doneUntil = until;
    }
    if (progress.doneUntil >= end) progress.behindSinceMs = undefined;
  }

  /** Notes the newest offset of each key from `from` on; where it ended. */
  async #newestFrom(
    queue: IndexedQueue,
    from: number,
    end: number,
    newest: Map<string, number>,
  ): Promise<number> {
    const { log, tuning } = this.#parts;
    let until = from;
    for await (const [entry, message] of this.#messages(queue, from, end)) {
      // What a power cut can take replaces nothing.
      if (entry.physicalOffset + entry.storeSizeBytes > log.syncedOffset) break;
      const key = message === undefined ? undefined : keyOf(message);
      if (key !== undefined) {
        if (newest.size >= tuning.compactionKeyCount && !newest.has(key)) break;
        newest.set(key, entry.queueOffset);
      }
      until = entry.queueOffset + 1;
    }
    return until;
  }

  /** Takes away the entries below `until` of messages that `newest` replaces. */
  async #dropReplaced(
    queue: IndexedQueue,
    until: number,
    newest: ReadonlyMap<string, number>,
  ): Promise<void> {
    const { index } = this.#parts;
    let replaced: number[] = [];
    let keptCount = 0;
    for await (const [entry, message] of this.#messages(queue, queue.min, until)) {
      if (message === undefined) continue;
      const key = keyOf(message);
      const isReplaced = key !== undefined && (newest.get(key) ?? -1) > entry.queueOffset;
      if (!isReplaced) keptCount++;
      else if (replaced.push(entry.queueOffset) >= dropCountMax) {
        index.dropEntries(queue, replaced);
        await index.write({ sync: false });
        replaced = [];
      }
    }
    index.dropEntries(queue, replaced);
    if (replaced.length > 0) await index.write({ sync: false });
    this.#progressOf(queue).keptCount = keptCount;
  }

  /**
   * Before the log is deleted up to `endOffset`: appends anew what is the newest of its key there. False: that
   * is not to be, as there is no room, or more than `bytesMax` would have to move.
   */
  async clear(endOffset: number, bytesMax: number): Promise<boolean> {
    const queues = this.#queues().filter((one) => one.min < one.max && one.oldest < endOffset);
    let sizeBytes = 0;
    for (const queue of queues) {
      await this.#compact(queue);
      for await (const message of this.#keptBelow(queue, endOffset)) {
        sizeBytes += message.storeSizeBytes;
      }
    }
    if (sizeBytes > bytesMax) {
      const text = 'compacted topics fill the log, nothing more is deleted to save space';
      this.#parts.logger.warn(text, { bytes: sizeBytes });
      return false;
    }
    for (const queue of queues) {
      if (!(await this.#move(queue, endOffset))) return false;
    }
    return true;
  }

  async #move(queue: IndexedQueue, endOffset: number): Promise<boolean> {
    for (let tries = 0; tries < moveTriesMax && !this.#isStopped; tries++) {
      const arrived = new Set<string>();
      queue.watch = ({ properties }) => {
        const key = findProperty(properties, PropertyName.keys);
        if (key !== undefined) arrived.add(key);
      };
      try {
        // What was under way before the watch began is known to the index by then.
        const underWay = queue.assigned;
        await this.#parts.log.settled();
        await this.#compact(queue);
        if (this.#progressOf(queue).doneUntil < Math.min(underWay, queue.max)) return false;
        if (await this.#isMoved(queue, endOffset, arrived)) return true;
      } catch (error) {
        if (error instanceof RmqError && error.code === 'DISK_FULL') return false;
        throw error;
      } finally {
        queue.watch = undefined;
      }
    }
    return false;
  }

  /** True when nothing was left; otherwise what was has been appended, unless a newer one has arrived. */
  async #isMoved(
    queue: IndexedQueue,
    endOffset: number,
    arrived: ReadonlySet<string>,
  ): Promise<boolean> {
    let isFree = true;
    let batch: StoredMessage[] = [];
    let sizeBytes = 0;
    const flush = async (): Promise<void> => {
      // Nothing is awaited between this look and the append.
      const drafts = batch.filter((one) => !arrived.has(keyOf(one) ?? '')).map(copyOf);
      batch = [];
      sizeBytes = 0;
      if (drafts.length > 0) await this.#parts.append(drafts);
    };
    for await (const message of this.#keptBelow(queue, endOffset)) {
      isFree = false;
      sizeBytes += message.storeSizeBytes;
      if (batch.length > 0 && (batch.length >= moveCountMax || sizeBytes > moveBytesMax)) {
        await flush();
        sizeBytes = message.storeSizeBytes;
      }
      batch.push(message);
    }
    await flush();
    return isFree;
  }

  /** Messages that have to outlive the log below `endOffset`; one with an empty body deletes its key. */
  async *#keptBelow(queue: IndexedQueue, endOffset: number): AsyncIterable<StoredMessage> {
    for await (const [entry, message] of this.#messages(queue, queue.min, queue.max)) {
      if (entry.physicalOffset >= endOffset) return;
      if (message === undefined || message.body.length === 0) continue;
      if (keyOf(message) !== undefined) yield message;
    }
  }

  /** Entries of a range, with their messages where there are such, in steps between which others run. */
  async *#messages(
    queue: IndexedQueue,
    from: number,
    until: number,
  ): AsyncIterable<readonly [QueueEntry, StoredMessage | undefined]> {
    const { clock, reader } = this.#parts;
    for (let next = from; next < until && !this.#isStopped; ) {
      const entries = await new Promise<readonly QueueEntry[]>((resolve, reject) => {
        reader.readEntries(queue, next as never, Math.min(readCount, until - next), (result) =>
          result instanceof Error ? reject(result) : resolve(result),
        );
      });
      const last = entries[entries.length - 1];
      if (last === undefined) return;
      const messages = await new Promise<readonly (StoredMessage | undefined)[]>(
        (resolve, reject) => {
          reader.readMessages(entries, (result) =>
            result instanceof Error ? reject(result) : resolve(result),
          );
        },
      );
      for (const [index, entry] of entries.entries()) {
        if (entry.queueOffset < until) yield [entry, messages[index]];
      }
      next = last.queueOffset + 1;
      await new Promise<void>((resolve) => clock.afterTick(resolve));
    }
  }
}

/** All keys of a message together are its key; facts/store.md §13. */
function keyOf({ properties }: StoredMessage): string | undefined {
  const key = findProperty(properties, PropertyName.keys);
  return key === '' ? undefined : key;
}

/** The same message once more; it ends no timer and no transaction, the first one did. */
function copyOf(message: StoredMessage): MessageDraft {
  const { topic, queueId, flag, bornTimestampMs, bornHost, reconsumeTimes, body } = message;
  return {
    topic,
    queueId,
    flag,
    sysFlag: message.sysFlag & ~SysFlag.transactionMask,
    bornTimestampMs,
    bornHost,
    reconsumeTimes,
    preparedTransactionOffset: 0,
    body,
    properties: withoutProperties(message.properties, [PropertyName.timerSource]),
  };
}
