/**
 * Opening the log: which segments there are, and where it ends. One rule (design.md, "The store"):
 * check the records from the dispatched offset on, hand each to `dispatch`, cut the torn tail.
 *
 * What is damaged is reported and passed over, and every record behind it is kept where it is. Only what is
 * behind the last record can be a torn tail, and only if it looks torn and nobody knows it to have been kept.
 */
import type { Files } from '../../../platform/files.ts';
import { type RecordLayout, StoredRecord } from '../../../protocol/message/record.ts';
import type { Logger } from '../../shared/logger.ts';
import type { TellProgress } from '../options.ts';
import type { CommitLog } from './commit-log.ts';
import { ChecksumDraft } from './foreign-checksums.ts';
import type { Segment } from './segment.ts';
import { type LogHole, type ReadLog, type SegmentEnd, SegmentWalk } from './segment-walk.ts';
import { readRest } from './torn-tail.ts';

/** The segments on disk, opened, in order. An empty list for a new store. */
export async function openSegments(
  log: CommitLog,
  files: Files,
  segmentSizeBytes: number,
): Promise<void> {
  await files.makeFolder(log.folder);
  const names = (await files.list(log.folder)).filter((name) => /^\d{20}$/.test(name)).sort();
  for (let index = 0; index < names.length; index++) {
    const baseOffset = Number(names[index]);
    const next = names[index + 1];
    const stat = await files.stat(`${log.folder}/${names[index]}`);
    // An old segment ends where the next one begins; only the newest can still grow.
    const sizeBytes =
      next === undefined ? Math.max(segmentSizeBytes, stat.sizeBytes) : Number(next) - baseOffset;
    const segment = log.makeSegment(baseOffset, sizeBytes);
    segment.lastStoreTimestampMs = stat.modifiedMs;
    await segment.open();
    log.segments.push(segment);
  }
}

export interface Scan {
  /** Where the log ends; what comes next is appended there. */
  readonly endOffset: number;
  readonly truncatedBytes: number;
  /** Parts that hold no record, in order, all before the end. */
  readonly holes: readonly LogHole[];
}

export interface ScanOptions {
  /** Where a record begins, or a hole ends. */
  readonly fromOffset: number;
  /** Up to here the log is known to have been on the disk: whatever is missing below is damage. */
  readonly keptOffset: number;
  readonly logger: Logger;
  readonly progress?: TellProgress | undefined;
}

/** Walks the records to the end of the log and cuts what is torn behind them. */
export function scanLog(
  log: CommitLog,
  options: ScanOptions,
  dispatch: (record: StoredRecord) => void,
): Promise<Scan> {
  return new LogScan(log, options, dispatch).run();
}

class LogScan {
  readonly #log: CommitLog;
  readonly #options: ScanOptions;
  readonly #dispatch: (record: StoredRecord) => void;
  readonly #holes: LogHole[] = [];
  /** Behind the last record, or behind the last closed segment. */
  #at: number;
  /** The segment that ends there, and how its walk ended. */
  #last: { readonly segment: Segment; readonly end: SegmentEnd } | undefined = undefined;

  constructor(log: CommitLog, options: ScanOptions, dispatch: (record: StoredRecord) => void) {
    this.#log = log;
    this.#options = options;
    this.#dispatch = dispatch;
    this.#at = options.fromOffset;
  }

  async run(): Promise<Scan> {
    const { fromOffset, keptOffset } = this.#options;
    for (const segment of this.#log.segments) {
      if (segment.endOffset > fromOffset) await this.#walk(segment);
    }
    if (this.#last !== undefined) return await this.#end(this.#last);
    const endOffset = Math.max(this.#at, keptOffset);
    this.#hole(endOffset, 'records are missing');
    return { endOffset, truncatedBytes: 0, holes: this.#holes };
  }

  async #walk(segment: Segment): Promise<void> {
    const begin = Math.max(this.#options.fromOffset, segment.baseOffset);
    const { baseOffset } = segment;
    const { foreign } = this.#log;
    const table = await foreign?.table(baseOffset);
    const isForeign = (offset: number): boolean => offset < (foreign?.endOffset ?? 0);
    // Only a whole reading of the segment has all of its records.
    const draft = begin === baseOffset && table === undefined ? new ChecksumDraft() : undefined;
    let count = 0;
    const walk = new SegmentWalk({
      isGenuine: (bytes, offset) => {
        if (!isForeign(offset)) return false;
        return table?.matches(offset - baseOffset, bytes) ?? true;
      },
      read: (target, at, size, offset) => segment.read(target, at, size, offset),
      endOffset: segment.endOffset,
      visitor: {
        record: (bytes: Buffer, at: number, layout: RecordLayout) => {
          if (count++ === 0) this.#leave(begin);
          const record = new StoredRecord(bytes, at, layout);
          if (!layout.hasChecksum) {
            const place = record.physicalOffset - baseOffset;
            draft?.add(place, bytes.subarray(at, at + layout.size));
          }
          segment.lastStoreTimestampMs = record.storeTimestampMs;
          this.#dispatch(record);
        },
        hole: (hole) => {
          if (count === 0) this.#leave(begin);
          this.#holes.push(hole);
        },
        progress: (offset) => this.#progress(offset),
      },
    });
    const end = await walk.run(begin);
    if (draft !== undefined && isForeign(baseOffset)) await foreign?.keep(baseOffset, draft);
    if (count === 0 && this.#last?.end.isClosed === false && !end.isClosed) {
      // Made ahead, behind the end of the log.
      if ((await readRest(restOf(segment), begin)).endOffset === begin) return;
    }
    if (count === 0) this.#leave(begin);
    this.#last = { segment, end };
    this.#at = end.offset;
  }

  #progress(offset: number): void {
    const { fromOffset, progress } = this.#options;
    const last = this.#log.segments[this.#log.segments.length - 1];
    const totalBytes = (last?.endOffset ?? offset) - fromOffset;
    progress?.({ doneBytes: offset - fromOffset, totalBytes });
  }

  /** The log goes on in a later segment: what is left of the one before is no tail. */
  #leave(begin: number): void {
    if (this.#last !== undefined) this.#hole(begin, this.#last.end.problem);
  }

  #hole(endOffset: number, problem: string | undefined): void {
    if (endOffset <= this.#at) return;
    const beginOffset = this.#at;
    this.#holes.push({ beginOffset, endOffset, problem: problem ?? 'records are missing' });
    this.#at = endOffset;
  }

  /** Behind the last record: nothing, what is known to be lost, damage, or a torn tail. */
  async #end(last: { readonly segment: Segment; readonly end: SegmentEnd }): Promise<Scan> {
    const { keptOffset, logger } = this.#options;
    const { segment, end } = last;
    const from = Math.max(end.offset, Math.min(keptOffset, segment.endOffset));
    const rest = end.isClosed ? undefined : await readRest(restOf(segment), from);
    const cutOffset = rest === undefined || rest.looksTorn ? from : rest.endOffset;
    const endOffset = Math.max(cutOffset, keptOffset);
    this.#hole(endOffset, end.problem);
    await this.#removeBehind(endOffset);
    let truncatedBytes = 0;
    if (rest !== undefined && rest.endOffset > cutOffset) {
      truncatedBytes = await segment.cut(cutOffset);
      const { problem } = end;
      logger.warn('cut the torn tail of the commit log', { endOffset, truncatedBytes, problem });
    }
    return { endOffset, truncatedBytes, holes: this.#holes };
  }

  /**
   * Segments that were made ahead hold nothing. The last goes first: were one in the middle missing after a crash, the one
   * before would count as twice as long.
   */
  async #removeBehind(endOffset: number): Promise<void> {
    const { segments } = this.#log;
    const first = segments.findIndex((segment) => segment.baseOffset > endOffset);
    if (first < 0) return;
    for (const later of segments.splice(first).toReversed()) {
      await later.close();
      await this.#log.removeFile(later);
    }
  }
}

function restOf(segment: Segment): Parameters<typeof readRest>[0] {
  const { baseOffset, endOffset } = segment;
  const read: ReadLog = (target, at, size, offset) => segment.read(target, at, size, offset);
  return { read, baseOffset, endOffset };
}
