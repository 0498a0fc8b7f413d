/**
 * Checks the commit log of a store that this process does not own, reading only: every record's length,
 * checksums and offset, and how each segment is closed. Behind a damaged place it looks for the next
 * whole record, so that one flipped bit is told apart from a torn tail. The indexes are not looked at.
 *
 * Beside a running server the newest bytes may be seen half written: they show as a torn tail.
 */
import type { Files, OpenFile } from '../../../platform/files.ts';
import { RmqError } from '../../../protocol/errors.ts';
import { RecordCheck, RecordField, RecordLayout } from '../../../protocol/message/record.ts';

const readSizeBytes = 4 << 20;

/** What one segment file holds. Offsets are physical. */
export interface SegmentFindings {
  readonly segment: string;
  readonly recordCount: number;
  readonly beginOffset: number;
  /** Behind the last whole record or closing blank. */
  readonly endOffset: number;
  /** Places that hold no record and have one behind them, or behind the segment. */
  readonly damagedCount: number;
  /** The first of them; -1 without. */
  readonly damagedOffset: number;
  /** What is wrong there, or that the newest segment ends in a torn record; undefined: nothing. */
  readonly problem: string | undefined;
}

/**
 * One finding a segment of `<folder>/commitlog`, in order.
 * @throws RmqError USAGE when there is no log; rejects with the platform's error when reading fails.
 */
export async function* verifyLog(files: Files, folder: string): AsyncGenerator<SegmentFindings> {
  const log = `${folder}/commitlog`;
  const names = await segmentNames(files, log, folder);
  for (const [index, name] of names.entries()) {
    const file = await files.open(`${log}/${name}`, { create: false });
    try {
      const next = names[index + 1];
      const base = Number(name);
      const walk = new SegmentWalk(
        file,
        { base, next: next === undefined ? undefined : Number(next) },
        await file.sizeBytes(),
      );
      await walk.run();
      yield walk.findings(name);
    } finally {
      await file.close();
    }
  }
}

async function segmentNames(files: Files, log: string, folder: string): Promise<string[]> {
  try {
    return (await files.list(log)).filter((name) => /^\d{20}$/.test(name)).sort();
  } catch (error) {
    throw new RmqError('USAGE', `${folder} holds no store: it has no folder commitlog`, {
      cause: error,
    });
  }
}

class SegmentWalk {
  readonly #file: OpenFile;
  readonly #base: number;
  /** Where the next segment begins. */
  readonly #next: number | undefined;
  /** Of the file; a closed segment's may end behind its closing blank. */
  readonly #size: number;
  readonly #layout = new RecordLayout();
  #bytes: Buffer = Buffer.alloc(readSizeBytes);
  /** File position of the first of `#bytes`, and how many were read. */
  #begin = 0;
  #got = 0;
  #recordCount = 0;
  #end = 0;
  #damagedCount = 0;
  #damagedAt = -1;
  #problem: string | undefined = undefined;
  /** Where what follows stopped to be records, until a whole one is found behind it. */
  #brokenAt = -1;
  #brokenProblem = '';
  #isClosed = false;

  constructor(
    file: OpenFile,
    { base, next }: { readonly base: number; readonly next: number | undefined },
    size: number,
  ) {
    this.#file = file;
    this.#base = base;
    this.#next = next;
    this.#size = size;
  }

  async run(): Promise<void> {
    for (let at = 0; at < this.#size && !this.#isClosed; ) at = await this.#step(at);
  }

  /** Looks at one position; answers the next one to look at. */
  async #step(at: number): Promise<number> {
    const kind = await this.#read(at);
    const size = this.#layout.size;
    if (
      kind === 'record' &&
      RecordField.physicalOffset(this.#bytes, at - this.#begin) === this.#base + at
    ) {
      this.#recordCount++;
      return this.#whole(at + size);
    }
    if (kind === 'blank' && this.#base + at + size === (this.#next ?? this.#base + at + size)) {
      this.#isClosed = true;
      return this.#whole(at + size);
    }
    if (this.#brokenAt < 0) {
      this.#brokenAt = at;
      this.#brokenProblem = kind === 'empty' ? '' : this.#problemOf(kind);
    }
    return this.#nextCandidate(at + 1);
  }

  #problemOf(kind: string): string {
    if (kind === 'bad') return this.#layout.problem;
    if (kind === 'record') return 'a record names another offset';
    return kind === 'blank' ? 'a closing record has the wrong size' : 'a record is cut off';
  }

  #whole(end: number): number {
    if (this.#brokenAt >= 0) this.#damaged(this.#brokenAt, this.#brokenProblem);
    this.#brokenAt = -1;
    this.#end = end;
    return end;
  }

  #damaged(at: number, problem: string): void {
    this.#damagedCount++;
    if (this.#damagedAt >= 0) return;
    this.#damagedAt = at;
    this.#problem = problem === '' ? 'records are missing' : problem;
  }

  async #read(at: number): Promise<ReturnType<RecordLayout['read']>> {
    const look = (): ReturnType<RecordLayout['read']> =>
      this.#layout.read(this.#bytes, at - this.#begin, this.#got, RecordCheck.checksums);
    if (at < this.#begin + this.#got) {
      const kind = look();
      if (kind !== 'partial' || this.#begin + this.#got >= this.#size) return kind;
    }
    await this.#fill(at, readSizeBytes);
    const kind = look();
    if (kind !== 'partial' || at + this.#layout.size > this.#size) return kind;
    await this.#fill(at, Math.max(readSizeBytes, this.#layout.size));
    return look();
  }

  async #fill(at: number, sizeBytes: number): Promise<void> {
    const size = Math.min(sizeBytes, this.#size - at);
    if (this.#bytes.length < size) this.#bytes = Buffer.alloc(size);
    this.#begin = at;
    this.#got = await this.#file.read(this.#bytes, 0, size, at);
  }

  /** The next position that may begin a record: a magic code's first bytes (da a3 20, cb d4) four on. */
  async #nextCandidate(from: number): Promise<number> {
    for (let at = from; at + 8 <= this.#size; ) {
      if (at < this.#begin || at + 8 > this.#begin + this.#got) await this.#fill(at, readSizeBytes);
      if (this.#got < 8) return this.#size;
      const last = this.#begin + this.#got - 8;
      for (; at <= last; at++) {
        const here = at - this.#begin + 4;
        const first = this.#bytes[here];
        if (first === 0xda && this.#bytes[here + 1] === 0xa3) return at;
        if (first === 0xcb && this.#bytes[here + 1] === 0xd4) return at;
      }
    }
    return this.#size;
  }

  findings(segment: string): SegmentFindings {
    if (this.#next !== undefined && !this.#isClosed) {
      this.#damaged(this.#brokenAt < 0 ? this.#end : this.#brokenAt, this.#brokenProblem);
    } else if (this.#brokenAt >= 0 && this.#brokenProblem !== '') {
      this.#problem ??= `torn tail: ${this.#brokenProblem}`;
    }
    return {
      segment,
      recordCount: this.#recordCount,
      beginOffset: this.#base,
      endOffset: this.#base + this.#end,
      damagedCount: this.#damagedCount,
      damagedOffset: this.#damagedAt < 0 ? -1 : this.#base + this.#damagedAt,
      problem: this.#problem,
    };
  }
}
