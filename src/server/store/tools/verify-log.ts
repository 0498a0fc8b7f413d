/**
 * Checks the commit log of a store, reading only: every record's length, checksums and offset, how each segment is
 * closed, and that nothing stands behind. One finding a segment.
 *
 * Beside a running server the newest bytes may be seen half written: they show as a torn tail.
 */
import type { Files, OpenFile } from '../../../platform/files.ts';
import { RmqError } from '../../../protocol/errors.ts';
import { StoredRecord } from '../../../protocol/message/record.ts';
import type { ForeignChecksums } from '../log/foreign-checksums.ts';
import { type LogHole, type ReadLog, SegmentWalk } from '../log/segment-walk.ts';
import { readRest } from '../log/torn-tail.ts';
import type { TellProgress } from '../options.ts';

/** What one segment file holds. Offsets are physical. */
export interface SegmentFindings {
  readonly segment: string;
  readonly recordCount: number;
  readonly beginOffset: number;
  /** Behind the last whole record or closing blank. */
  readonly endOffset: number;
  /** Places that hold no record though one was there. */
  readonly damagedCount: number;
  /** The first of them; -1 without. */
  readonly damagedOffset: number;
  /** What is wrong there, or that the newest segment ends in a torn record; undefined: nothing. */
  readonly problem: string | undefined;
}

export interface VerifyLogOptions {
  /** Below this the log is known to have been on the disk: nothing there can be a torn tail. */
  readonly keptOffset?: number;
  readonly record?: (record: StoredRecord) => void;
  readonly hole?: (hole: LogHole) => void;
  readonly progress?: TellProgress;
  /** Of records that another broker wrote; undefined: there are none. */
  readonly foreign?: ForeignChecksums | undefined;
}

/**
 * One finding a segment of `<folder>/commitlog`, in order.
 * @throws RmqError USAGE when there is no log; rejects with the platform's error when reading fails.
 */
export async function* verifyLog(
  files: Files,
  folder: string,
  options: VerifyLogOptions = {},
): AsyncGenerator<SegmentFindings> {
  const log = `${folder}/commitlog`;
  const names = await segmentNames(files, log, folder);
  const sizes: number[] = [];
  for (const name of names) sizes.push((await files.stat(`${log}/${name}`)).sizeBytes);
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  let doneBytes = 0;
  for (const [index, name] of names.entries()) {
    const file = await files.open(`${log}/${name}`, { create: false });
    try {
      const next = names[index + 1];
      const before = doneBytes;
      const check = new SegmentCheck(file, Number(name), {
        next: next === undefined ? undefined : Number(next),
        fileSize: sizes[index] as number, // one a name
        options,
        progress: (position) => options.progress?.({ doneBytes: before + position, totalBytes }),
      });
      yield await check.run(name);
    } finally {
      await file.close();
    }
    doneBytes += sizes[index] as number;
  }
}

/** Names of the log's files, oldest first. @throws RmqError USAGE */
export async function segmentNames(files: Files, log: string, folder: string): Promise<string[]> {
  try {
    return (await files.list(log)).filter((name) => /^\d{20}$/.test(name)).sort();
  } catch (error) {
    throw new RmqError('USAGE', `${folder} holds no store: it has no folder commitlog`, {
      cause: error,
    });
  }
}

class SegmentCheck {
  readonly #file: OpenFile;
  readonly #base: number;
  /** Where the next segment begins. */
  readonly #next: number | undefined;
  readonly #fileSize: number;
  readonly #options: VerifyLogOptions;
  readonly #progress: (position: number) => void;
  #recordCount = 0;
  #damagedCount = 0;
  #damagedOffset = -1;
  #problem: string | undefined = undefined;

  constructor(
    file: OpenFile,
    base: number,
    rest: {
      readonly next: number | undefined;
      readonly fileSize: number;
      readonly options: VerifyLogOptions;
      readonly progress: (position: number) => void;
    },
  ) {
    this.#file = file;
    this.#base = base;
    this.#next = rest.next;
    this.#fileSize = rest.fileSize;
    this.#options = rest.options;
    this.#progress = rest.progress;
  }

  async run(segment: string): Promise<SegmentFindings> {
    const read: ReadLog = (target, at, size, offset) =>
      this.#file.read(target, at, size, offset - this.#base);
    let lastEnd = this.#base;
    const { foreign } = this.#options;
    const table = await foreign?.table(this.#base);
    const isForeign = (offset: number): boolean => offset < (foreign?.endOffset ?? 0);
    const walk = new SegmentWalk({
      read,
      endOffset: this.#next,
      isGenuine: (record, offset) =>
        isForeign(offset) && (table?.matches(offset - this.#base, record) ?? true),
      visitor: {
        record: (bytes, at, layout) => {
          this.#recordCount++;
          const record = new StoredRecord(bytes, at, layout);
          lastEnd = record.physicalOffset + layout.size;
          this.#options.record?.(record);
        },
        hole: (hole) => this.#hole(hole),
        progress: (offset) => this.#progress(offset - this.#base),
      },
    });
    const end = await walk.run(this.#base);
    const fileEnd = this.#base + this.#fileSize;
    const rest = { read, baseOffset: this.#base, endOffset: fileEnd };
    if (end.isClosed) {
      // The closing record names the rest of the segment; what it leaves out is never written.
      const { endOffset } = await readRest(rest, Math.min(fileEnd, lastEnd + 8));
      if (endOffset > lastEnd + 8) this.#damaged(lastEnd + 8, 'bytes behind the closing record');
      const { keptOffset = 0 } = this.#options;
      if (this.#next === undefined && keptOffset > end.offset) {
        const problem = 'the segments behind this one are missing';
        this.#hole({ beginOffset: end.offset, endOffset: keptOffset, problem });
      }
    } else if (this.#next !== undefined) {
      const problem = end.problem ?? 'records are missing';
      this.#hole({ beginOffset: end.offset, endOffset: this.#next, problem });
    } else {
      await this.#tail(end, rest);
    }
    const endOffset = end.isClosed ? end.offset : Math.max(end.offset, lastEnd);
    return {
      segment,
      recordCount: this.#recordCount,
      beginOffset: this.#base,
      endOffset,
      damagedCount: this.#damagedCount,
      damagedOffset: this.#damagedOffset,
      problem: this.#problem,
    };
  }

  /** Behind the last record of the newest segment. */
  async #tail(
    end: { readonly offset: number; readonly problem: string | undefined },
    rest: Parameters<typeof readRest>[0],
  ): Promise<void> {
    const { keptOffset = 0 } = this.#options;
    const { endOffset, looksTorn } = await readRest(rest, end.offset);
    const isKept = end.offset < keptOffset;
    if (!isKept && endOffset === end.offset) return;
    const problem = end.problem ?? 'records are missing';
    if (isKept || !looksTorn) {
      const until = Math.max(endOffset, isKept ? keptOffset : 0);
      this.#hole({ beginOffset: end.offset, endOffset: until, problem });
    } else {
      this.#problem ??= `torn tail: ${problem}`;
    }
  }

  #hole(hole: LogHole): void {
    this.#damaged(hole.beginOffset, hole.problem);
    this.#options.hole?.(hole);
  }

  #damaged(offset: number, problem: string): void {
    this.#damagedCount++;
    if (this.#damagedOffset >= 0) return;
    this.#damagedOffset = offset;
    this.#problem = problem;
  }
}
