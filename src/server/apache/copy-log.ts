/**
 * Reads the log of Apache's broker from end to end, shows every record, and copies its segments beside. The
 * source is only read. A copy that was cut short goes on where it stopped: a segment has its name only once it
 * is whole and on the disk.
 *
 * The log ends at the first record of its newest segment that is not whole, as Apache's recovery has it: what
 * is behind may be left over from before an earlier cut, and is no part of the log (facts/store.md §16.4).
 * Damage in older segments is passed over; what is behind it counts.
 */
import type { Files, OpenFile } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { getInt32 } from '../../protocol/message/bytes.ts';
import {
  RecordCheck,
  RecordField,
  RecordLayout,
  recordSizeMin,
  StoredRecord,
} from '../../protocol/message/record.ts';
import { segmentName } from '../store/log/segment.ts';
import { type LogHole, SegmentWalk } from '../store/log/segment-walk.ts';

const copySizeBytes = 1 << 20;

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface LogCopyOptions {
  readonly files: Files;
  /** Store folders, each with its `commitlog`. */
  readonly from: string;
  readonly to: string;
  record(record: StoredRecord): void;
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

export interface CopiedLog {
  readonly beginOffset: number;
  readonly endOffset: number;
  readonly segmentSizeBytes: number;
  readonly recordCount: number;
  readonly holes: readonly LogHole[];
}

/** @throws RmqError STORE_CORRUPT, DISK_FULL, INTERRUPTED */
export async function copyLog(options: LogCopyOptions): Promise<CopiedLog> {
  const source = await segmentsOf(options.files, `${options.from}/commitlog`);
  const target = `${options.to}/commitlog`;
  await options.files.makeFolder(target);
  await forgetDoubtful(options.files, target, source.bases);
  await checkSpace(options, source, target);
  return await new LogCopy(options, source, target).run();
}

interface Segments {
  readonly bases: readonly number[];
  readonly sizeBytes: number;
}

/** Files in order; all have one size, or Apache's broker would not start. */
async function segmentsOf(files: Files, folder: string): Promise<Segments> {
  const names = (await files.list(folder)).filter((name) => /^\d{20}$/.test(name)).sort();
  const bases: number[] = [];
  let sizeBytes = 0;
  for (const name of names) {
    const stat = await files.stat(`${folder}/${name}`);
    // Just being made when the broker died; facts/store.md §0.5.
    if (stat.sizeBytes === 0 && name === names.at(-1)) continue;
    if (sizeBytes !== 0 && stat.sizeBytes !== sizeBytes) {
      const text = `${folder}/${name} has ${stat.sizeBytes} bytes, the segment before ${sizeBytes}`;
      throw new RmqError('STORE_CORRUPT', text, {
        hint: 'the file was cut or comes from elsewhere; all segments have one size',
      });
    }
    sizeBytes = stat.sizeBytes;
    bases.push(Number(name));
  }
  return { bases, sizeBytes };
}

/** What an earlier try copied last may have grown since, and what is not in the source has no place. */
async function forgetDoubtful(
  files: Files,
  target: string,
  bases: readonly number[],
): Promise<void> {
  const known = new Set(bases.map(segmentName));
  const names = await files.list(target);
  const last = names.filter((name) => known.has(name)).at(-1);
  for (const name of names) {
    if (name === last || !known.has(name)) await files.remove(`${target}/${name}`);
  }
}

async function checkSpace(
  { files }: LogCopyOptions,
  { bases, sizeBytes }: Segments,
  target: string,
): Promise<void> {
  const missing = bases.length - (await files.list(target)).length;
  const freeBytes = await files.freeBytes(target);
  if (missing * sizeBytes <= freeBytes) return;
  const text = `the copy of the log takes ${missing * sizeBytes} bytes, ${freeBytes} are free`;
  throw new RmqError('DISK_FULL', text, { hint: 'name a data folder on a disk with more space' });
}

class LogCopy {
  readonly #options: LogCopyOptions;
  readonly #source: Segments;
  readonly #target: string;
  readonly #holes: LogHole[] = [];
  #recordCount = 0;

  constructor(options: LogCopyOptions, source: Segments, target: string) {
    this.#options = options;
    this.#source = source;
    this.#target = target;
  }

  async run(): Promise<CopiedLog> {
    const { bases, sizeBytes } = this.#source;
    const lastBase = await this.#lastBase();
    let endOffset = bases[0] ?? 0;
    for (const [index, base] of bases.entries()) {
      if (lastBase === undefined || base > lastBase) break;
      endOffset = await this.#segment(base, base === lastBase);
      this.#options.progress({
        doneBytes: (index + 1) * sizeBytes,
        totalBytes: bases.length * sizeBytes,
      });
    }
    return {
      beginOffset: bases[0] ?? 0,
      endOffset,
      segmentSizeBytes: sizeBytes,
      recordCount: this.#recordCount,
      holes: this.#holes,
    };
  }

  /** Segments behind it were made ahead. */
  async #lastBase(): Promise<number | undefined> {
    for (const base of this.#source.bases.toReversed()) {
      const file = await this.#open(base);
      try {
        if (await beginsWithRecord(file, base, this.#source.sizeBytes)) return base;
      } finally {
        await file.close();
      }
    }
    return undefined;
  }

  #open(base: number): Promise<OpenFile> {
    const path = `${this.#options.from}/commitlog/${segmentName(base)}`;
    return this.#options.files.open(path, { create: false, isReadOnly: true });
  }

  async #segment(base: number, isLast: boolean): Promise<number> {
    const file = await this.#open(base);
    try {
      const endOffset = await this.#walk(file, base, isLast);
      await this.#copy(file, base, isLast ? endOffset - base : this.#source.sizeBytes);
      return endOffset;
    } finally {
      await file.close();
    }
  }

  /** Shows the records; answers where they end. */
  async #walk(file: OpenFile, base: number, isLast: boolean): Promise<number> {
    let cut: number | undefined;
    const walk = new SegmentWalk({
      read: (target, at, size, offset) => file.read(target, at, size, offset - base),
      endOffset: base + this.#source.sizeBytes,
      visitor: {
        record: (bytes, at, layout) => {
          if (cut !== undefined) return;
          this.#recordCount++;
          this.#options.record(new StoredRecord(bytes, at, layout));
        },
        hole: (hole) => {
          if (isLast) cut ??= hole.beginOffset;
          else this.#holes.push(hole);
        },
        progress: () => this.#check(),
      },
    });
    const end = await walk.run(base);
    if (!isLast && !end.isClosed) {
      const problem = end.problem ?? 'records are missing';
      const endOffset = base + this.#source.sizeBytes;
      if (end.offset < endOffset) {
        this.#holes.push({ beginOffset: end.offset, endOffset, problem });
      }
    }
    return cut ?? end.offset;
  }

  /** Copies the first bytes of a segment; what is behind them reads as zeros. */
  async #copy(source: OpenFile, base: number, sizeBytes: number): Promise<void> {
    const { files } = this.#options;
    const path = `${this.#target}/${segmentName(base)}`;
    if ((await files.list(this.#target)).includes(segmentName(base))) return;
    const file = await files.open(`${path}.part`, { create: true });
    try {
      const bytes = Buffer.allocUnsafe(copySizeBytes);
      for (let at = 0; at < sizeBytes; at += copySizeBytes) {
        this.#check();
        const got = await source.read(bytes, 0, Math.min(copySizeBytes, sizeBytes - at), at);
        await file.write(bytes.subarray(0, got), at);
      }
      await file.truncate(sizeBytes);
      await file.truncate(this.#source.sizeBytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    await files.rename(`${path}.part`, path);
    await files.syncFolder(this.#target);
  }

  #check(): void {
    if (!this.#options.signal.aborted) return;
    throw new RmqError('INTERRUPTED', 'the import was stopped', {
      hint: 'say the same again to go on; nothing was changed',
    });
  }
}

async function beginsWithRecord(file: OpenFile, base: number, fileSize: number): Promise<boolean> {
  const head = Buffer.alloc(recordSizeMin);
  if ((await file.read(head, 0, head.length, 0)) < head.length) return false;
  const size = getInt32(head, 0);
  if (size < recordSizeMin || size > fileSize) return false;
  if (RecordField.physicalOffset(head, 0) !== base) return false;
  const bytes = Buffer.alloc(size);
  const got = await file.read(bytes, 0, size, 0);
  return new RecordLayout().read(bytes, 0, got, RecordCheck.checksums) === 'record';
}
