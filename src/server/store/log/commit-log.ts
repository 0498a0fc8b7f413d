/**
 * The commit log: append-only segments, group commit. Drafts are encoded into memory at once; at the
 * end of the tick one write takes everything that arrived, then one sync (flush `sync`), then the
 * answers, in append order. While a write or sync is under way the next batch gathers.
 *
 * Guarantee: `written` is called only for bytes that are kept as `flush` asks. A failed write or sync
 * is final: nothing more is accepted. A segment is synced before the next one is written to, so a
 * valid record in a later segment proves the earlier ones whole.
 */
import type { Clock, Timer } from '../../../platform/clock.ts';
import type { Files } from '../../../platform/files.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { MessageDraft } from '../../../protocol/message/message.ts';
import {
  blankSizeBytes,
  encodeBlank,
  encodeRecord,
  RecordPlacement,
  recordSizeBytes,
} from '../../../protocol/message/record.ts';
import { assert } from '../../../util/assert.ts';
import type { LogStoreOptions, StoreTuning } from '../options.ts';
import { ForeignChecksums } from './foreign-checksums.ts';
import { Segment } from './segment.ts';
import { type Chunk, LogTail } from './tail.ts';

/** Writes up to this size, for so few, may be done by the event loop itself. */
const writeNowMaxBytes = 64 << 10;
const writeNowWaiterMax = 24;
/** One that takes longer says that the disk does not keep up. */
const writeNowLongestMs = 3;
const slowDiskMs = 10_000;

/** Something that waits for the log to be kept up to `endOffset`. */
export interface LogWaiter {
  readonly endOffset: number;
  /** `undefined`: kept. */
  done(error: RmqError | undefined): void;
}

export class CommitLog {
  readonly folder: string;
  readonly segments: Segment[] = [];
  readonly tail: LogTail;
  /** Undefined: all records are ours. */
  readonly foreign: ForeignChecksums | undefined;
  /** Where the next record goes. */
  #endOffset = 0;
  /** Everything below is kept. */
  #keptOffset = 0;
  /** Everything below is on the disk itself, whatever `flush` says. */
  #syncedOffset = 0;
  #waiters: LogWaiter[] = [];
  #isFlushing = false;
  #isFlushAsked = false;
  #failure: RmqError | undefined = undefined;
  /** Until then writes are not waited for; monotonic ms. */
  #slowUntilMs = 0;
  #syncTimer: Timer | undefined = undefined;
  #syncing: Promise<void> = Promise.resolve();
  #hasSyncFailed = false;
  readonly #unsynced = new Set<Segment>();
  readonly #options: LogStoreOptions;
  readonly #tuning: StoreTuning;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #placement: RecordPlacement;
  /** Called before the waiters when everything not yet kept has been forgotten. */
  readonly #rewound: () => void;

  constructor(options: LogStoreOptions, tuning: StoreTuning, rewound: () => void) {
    this.#rewound = rewound;
    this.#options = options;
    this.#tuning = tuning;
    this.#files = options.files;
    this.#clock = options.clock;
    this.folder = `${options.folder}/commitlog`;
    const { files, folder, origin } = options;
    this.foreign =
      origin === undefined ? undefined : new ForeignChecksums(files, folder, origin.endOffset);
    this.tail = new LogTail(tuning.tailCacheBytes);
    this.#placement = new RecordPlacement(options.storeHost, true);
  }

  get endOffset(): number {
    return this.#endOffset;
  }

  get keptOffset(): number {
    return this.#keptOffset;
  }

  get syncedOffset(): number {
    return this.#syncedOffset;
  }

  get beginOffset(): number {
    return this.segments[0]?.baseOffset ?? this.#endOffset;
  }

  get failure(): RmqError | undefined {
    return this.#failure;
  }

  /** A segment object for a file that exists or will. */
  makeSegment(baseOffset: number, sizeBytes: number): Segment {
    return new Segment({
      files: this.#files,
      folder: this.folder,
      baseOffset,
      sizeBytes,
      stepMinBytes: this.#tuning.allocateStepMinBytes,
      stepMaxBytes: this.#tuning.allocateStepMaxBytes,
      isSynced: this.#options.flush === 'sync',
    });
  }

  /** Recovery has found the end and synced what is before it; appending begins there. */
  begin(endOffset: number): void {
    this.#endOffset = endOffset;
    this.#keptOffset = endOffset;
    this.#syncedOffset = endOffset;
  }

  /** The store time of records encoded from now on. */
  set storeTimestampMs(value: number) {
    this.#placement.storeTimestampMs = value;
  }

  recordSize(draft: MessageDraft, topic: Uint8Array): number {
    return recordSizeBytes(draft, topic.length, this.#placement);
  }

  /** The largest total of one append. */
  get appendSizeMax(): number {
    return this.#options.segmentSizeBytes - blankSizeBytes;
  }

  /** Makes the next `size` bytes lie in one segment. */
  reserve(size: number): void {
    let segment = this.segments[this.segments.length - 1];
    if (segment === undefined || this.#endOffset >= segment.endOffset) {
      segment = this.makeSegment(this.#endOffset, this.#options.segmentSizeBytes);
      this.segments.push(segment);
    }
    const rest = segment.endOffset - this.#endOffset;
    if (size + blankSizeBytes <= rest) return;
    const chunk = this.tail.chunkFor(segment, this.#endOffset, blankSizeBytes);
    encodeBlank(chunk.buffer, chunk.size, rest);
    chunk.size += blankSizeBytes;
    this.#endOffset = segment.endOffset;
    this.segments.push(this.makeSegment(this.#endOffset, this.#options.segmentSizeBytes));
  }

  /** Encodes one record at the end; `reserve` has made room. Returns its physical offset. */
  encode(draft: MessageDraft, topic: Uint8Array, queueOffset: number, size: number): number {
    const segment = this.segments[this.segments.length - 1] as Segment; // `reserve` made one
    const offset = this.#endOffset;
    const chunk = this.tail.chunkFor(segment, offset, size);
    this.#placement.queueOffset = queueOffset;
    this.#placement.physicalOffset = offset;
    const written = encodeRecord(chunk.buffer, chunk.size, draft, topic, this.#placement);
    assert(written === size, 'a record has the size that was computed');
    chunk.size += size;
    segment.lastStoreTimestampMs = this.#placement.storeTimestampMs;
    this.#endOffset = offset + size;
    return offset;
  }

  /** Answers `waiter` once everything up to its end is kept. Waiters come in offset order. */
  wait(waiter: LogWaiter): void {
    this.#waiters.push(waiter);
    this.#askFlush();
  }

  #askFlush(): void {
    if (this.#isFlushAsked || this.#isFlushing) return;
    this.#isFlushAsked = true;
    this.#clock.afterTick(() => {
      this.#isFlushAsked = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    while (this.#waiters.length > 0) {
      const endOffset = this.#endOffset;
      // A sync beside it may have failed: who came meanwhile is told, too.
      const failure = this.#failure ?? (await this.#writeUpTo(endOffset));
      if (failure === undefined) this.#kept(endOffset);
      else this.#refused(failure);
    }
    this.#isFlushing = false;
  }

  /** Writes (and syncs) what has been encoded up to `endOffset`; the error when it could not. */
  async #writeUpTo(endOffset: number): Promise<RmqError | undefined> {
    const chunks = this.tail.unwritten();
    const spaceError = await this.#allocateFor(chunks, endOffset);
    if (spaceError !== undefined) return spaceError;
    try {
      if (await this.#writeOneSynced(chunks, endOffset)) return undefined;
      let previous: Segment | undefined;
      for (const chunk of chunks) {
        if (chunk.beginOffset >= endOffset) break;
        if (previous !== undefined && previous !== chunk.segment) await this.#syncSegment(previous);
        previous = chunk.segment;
        const begin = chunk.writtenSize;
        const end = Math.min(chunk.size, endOffset - chunk.beginOffset);
        const bytes = chunk.buffer.subarray(begin, end);
        if (!this.#writeNow(chunk.segment, bytes, chunk.beginOffset + begin)) {
          await chunk.segment.write(bytes, chunk.beginOffset + begin);
        }
        chunk.writtenSize = end;
        this.#unsynced.add(chunk.segment);
      }
      if (this.#options.flush === 'sync') await this.#syncAll(endOffset);
      else this.#syncLater();
      return undefined;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /**
   * Small writes of flush `async` are copies into the system's memory, and done here. Where many wait, more gather
   * while another thread writes, which spares more than it costs. When one took long, the disk does not keep up
   * and the system makes writers wait: for some time others do the waiting.
   */
  #writeNow(segment: Segment, bytes: Uint8Array, physicalOffset: number): boolean {
    if (this.#options.flush === 'sync' || bytes.length > writeNowMaxBytes) return false;
    if (this.#waiters.length > writeNowWaiterMax) return false;
    const beganMs = this.#clock.monotonicMs();
    if (beganMs < this.#slowUntilMs || !segment.writeNow(bytes, physicalOffset)) return false;
    const endedMs = this.#clock.monotonicMs();
    if (endedMs - beganMs > writeNowLongestMs) this.#slowUntilMs = endedMs + slowDiskMs;
    return true;
  }

  /** The usual case of flush `sync`: all that is new lies in one chunk, and nothing else waits for a sync. */
  async #writeOneSynced(chunks: readonly Chunk[], endOffset: number): Promise<boolean> {
    const [chunk] = chunks;
    if (this.#options.flush !== 'sync' || this.#unsynced.size > 0 || chunk === undefined)
      return false;
    const begin = chunk.writtenSize;
    const end = Math.min(chunk.size, endOffset - chunk.beginOffset);
    if (chunk.beginOffset + end < endOffset) return false;
    await chunk.segment.writeSynced(chunk.buffer.subarray(begin, end), chunk.beginOffset + begin);
    chunk.writtenSize = end;
    this.#syncedOffset = endOffset;
    return true;
  }

  /** Makes room before any record's byte is written, so that a full disk costs nothing. */
  async #allocateFor(chunks: readonly Chunk[], endOffset: number): Promise<RmqError | undefined> {
    try {
      for (const chunk of chunks) {
        if (chunk.beginOffset >= endOffset) break;
        await chunk.segment.open();
        const end = Math.min(chunk.beginOffset + chunk.size, endOffset);
        await chunk.segment.allocate(end - chunk.segment.baseOffset);
      }
      return undefined;
    } catch (error) {
      if (!isNoSpace(error)) return this.#fail(error);
      return new RmqError('DISK_FULL', `no space left on the disk that holds ${this.folder}`, {
        hint: 'free some space; the broker accepts messages again by itself',
        cause: error,
      });
    }
  }

  #syncSegment(segment: Segment): Promise<void> {
    return this.#inTurn(() => this.#datasync(segment));
  }

  async #datasync(segment: Segment): Promise<void> {
    // First, as more may be written to it meanwhile.
    this.#unsynced.delete(segment);
    try {
      await segment.datasync();
    } catch (error) {
      this.#hasSyncFailed = true;
      throw this.#fail(error);
    }
  }

  /**
   * Syncs one after the other: what the one before takes is not on the disk until that has ended well. After a
   * write that failed what has been kept is synced all the same.
   */
  #inTurn(sync: () => Promise<void>): Promise<void> {
    const next = this.#syncing.then(() => {
      if (this.#hasSyncFailed && this.#failure !== undefined) throw this.#failure;
      return sync();
    });
    this.#syncing = next.catch(() => undefined); // `next` itself tells its caller
    return next;
  }

  /** Syncs everything written, which reaches up to `endOffset`. */
  #syncAll(endOffset: number): Promise<void> {
    return this.#inTurn(async () => {
      for (const segment of [...this.#unsynced]) await this.#datasync(segment);
      this.#syncedOffset = Math.max(this.#syncedOffset, endOffset);
    });
  }

  /** Resolves when everything encoded so far has been kept or refused. */
  #answered(): Promise<void> {
    return new Promise((resolve) => {
      this.wait({ endOffset: this.#endOffset, done: () => resolve() });
    });
  }

  /** The same, and what is kept is on the disk. */
  async settled(): Promise<void> {
    await this.#answered();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#options.flush !== 'async') return;
    try {
      await this.#syncAll(this.#keptOffset);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #syncLater(): void {
    if (this.#syncTimer !== undefined) return;
    this.#syncTimer = this.#clock.setTimer(this.#tuning.asyncSyncIntervalMs, () => {
      this.#syncTimer = undefined;
      this.#syncAll(this.#keptOffset).catch((error: unknown) => this.#fail(error));
    });
  }

  #kept(endOffset: number): void {
    this.#keptOffset = endOffset;
    const segment = this.segments[this.segments.length - 1];
    segment?.allocateAhead(endOffset - segment.baseOffset, () => {
      // Only space was asked for; `#allocateFor` meets the same error where it matters.
    });
    let count = 0;
    while (count < this.#waiters.length) {
      if ((this.#waiters[count] as LogWaiter).endOffset > endOffset) break;
      count++;
    }
    const kept = this.#waiters;
    this.#waiters = count === kept.length ? [] : kept.slice(count);
    for (let index = 0; index < count; index++) (kept[index] as LogWaiter).done(undefined);
  }

  /** Nothing behind the kept offset has been acknowledged: forget it, and say so to all who wait. */
  #refused(error: RmqError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    if (this.#failure === undefined) {
      this.#endOffset = this.#keptOffset;
      this.tail.rewind(this.#keptOffset);
      while (this.segments.length > 0) {
        const last = this.segments[this.segments.length - 1] as Segment; // length > 0
        if (last.baseOffset < this.#keptOffset || last.baseOffset === 0) break;
        this.segments.pop();
        last.close().catch(() => undefined); // An empty file; recovery takes it as it is.
      }
    }
    this.#rewound();
    for (const waiter of waiters) waiter.done(error);
  }

  #fail(cause: unknown): RmqError {
    if (cause === this.#failure && this.#failure !== undefined) return this.#failure;
    const text = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new RmqError('STORE_FAILED', `the commit log cannot be written: ${text}`, {
      hint: 'messages acknowledged so far are kept; mend the disk and restart the broker',
      cause,
    });
    this.#options.logger.error('commit log failed, no more messages are accepted', {
      reason: text,
    });
    return this.#failure;
  }

  /** Removes a segment's file, durably; an earlier try may have got half way. */
  async removeFile(segment: Segment): Promise<void> {
    try {
      await this.#files.remove(segment.path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    await this.foreign?.remove(segment.baseOffset);
    await this.#files.syncFolder(this.folder);
  }

  /** Answers all who wait, syncs what is kept, closes the files. Nothing is appended any more. */
  async close(): Promise<void> {
    if (this.#waiters.length > 0) await this.#answered();
    if (this.#syncTimer !== undefined) this.#clock.clearTimer(this.#syncTimer);
    this.#syncTimer = undefined;
    const synced = this.#syncAll(this.#keptOffset);
    // After a failure, which has been told, as much as can be.
    await (this.#failure === undefined ? synced : synced.catch(() => undefined));
    for (const segment of this.segments) await segment.close();
  }
}

function isNoSpace(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code; // Node's errors carry a code
}
