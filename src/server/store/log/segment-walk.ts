/**
 * Walks the records of one segment, whoever owns it: recovery, `rmq store verify` and the tools that mend.
 * Behind a place that holds no record it finds the next one, so that damage costs the record it hit and
 * nothing else.
 *
 * A record counts when its lengths fit, its checksums hold and it names its own offset. Where one does not,
 * its size is believed only if a record begins behind it; else the bytes are searched for a magic code. A
 * message may carry whole records in its body, with any offset that its sender likes: what is found is left out
 * when the bytes around it turn out to be one record whose size was hit
 * (docs/decisions/0012-damage-costs-the-record-it-hit.md).
 */
import {
  blankSizeBytes,
  RecordCheck,
  RecordField,
  RecordLayout,
  recordMagicBegin,
  recordMagics,
  recordSizeMin,
} from '../../../protocol/message/record.ts';

const readSizeBytes = 1 << 20;
/** Larger sizes are not believed, so that a flipped bit costs no memory. */
export const recordSizeMax: number = 256 << 20;
/** How far, and at how many places, the end of a record is looked for that may have others inside. */
const aroundSizeMax = 8 << 20;
const aroundCountMax = 64;
const zeros = Buffer.alloc(64 << 10);
const blankMagic = Buffer.from([0xcb, 0xd4, 0x31, 0x94]);

/** Reads at a physical offset; resolves to the bytes read, fewer than `size` only at the end of the file. */
export type ReadLog = (target: Buffer, at: number, size: number, offset: number) => Promise<number>;

/** A part of the log that holds no record. Offsets are physical, the end is not part of it. */
export interface LogHole {
  readonly beginOffset: number;
  readonly endOffset: number;
  readonly problem: string;
}

export interface WalkVisitor {
  /** A whole record at `at` of `bytes`, both valid for the call only. */
  record(bytes: Buffer, at: number, layout: RecordLayout): void;
  /** Behind it comes the next record, or the closing blank. */
  hole(hole: LogHole): void;
  /** Between two reads, with how far the walk is; may wait, to let others go on. */
  progress?(offset: number): Promise<void> | void;
}

/** Whether a record that carries no checksum over all of it is what it was. */
export type IsGenuine = (record: Uint8Array, offset: number) => boolean;

export interface SegmentEnd {
  /** Behind the last whole record, or the segment's end when it is closed. */
  readonly offset: number;
  /** True when the segment's closing blank was found. */
  readonly isClosed: boolean;
  /** Why the walk stopped, when not at zeros or the file's end. */
  readonly problem: string | undefined;
}

type Kind = 'record' | 'blank' | 'empty' | 'bad' | 'end';

export class SegmentWalk {
  readonly #read: ReadLog;
  /** Where the next segment begins; undefined: nobody knows, any closing blank is believed. */
  readonly #endOffset: number | undefined;
  readonly #visitor: WalkVisitor;
  readonly #isGenuine: IsGenuine | undefined;
  readonly #layout = new RecordLayout();
  #problem = '';
  #bytes: Buffer = Buffer.alloc(0);
  /** Physical offset of the first of `#bytes`, and how many of them were read. */
  #begin = 0;
  #got = 0;
  /** The file's end, once a read has met it. */
  #fileEnd = Number.POSITIVE_INFINITY;

  constructor(options: {
    readonly read: ReadLog;
    readonly endOffset: number | undefined;
    readonly visitor: WalkVisitor;
    readonly isGenuine?: IsGenuine | undefined;
  }) {
    this.#read = options.read;
    this.#endOffset = options.endOffset;
    this.#visitor = options.visitor;
    this.#isGenuine = options.isGenuine;
  }

  /** From the begin of a record on. */
  async run(fromOffset: number): Promise<SegmentEnd> {
    let offset = fromOffset;
    for (;;) {
      const kind = await this.#look(offset);
      if (kind === 'record') {
        this.#visitor.record(this.#bytes, offset - this.#begin, this.#layout);
        offset += this.#layout.size;
        continue;
      }
      if (kind === 'blank') {
        return { offset: offset + this.#layout.size, isClosed: true, problem: undefined };
      }
      if (kind === 'end') return { offset, isClosed: false, problem: undefined };
      const problem = kind === 'empty' ? 'records are missing' : this.#problem;
      const next = await this.#nextRecord(offset);
      if (next === undefined) {
        return { offset, isClosed: false, problem: kind === 'empty' ? undefined : problem };
      }
      this.#visitor.hole({ beginOffset: offset, endOffset: next, problem });
      offset = next;
    }
  }

  /** What begins at an offset. After 'record' and 'blank' the layout has its size. */
  async #look(offset: number): Promise<Kind> {
    if ((await this.#load(offset, blankSizeBytes)) <= 0) return 'end';
    const kind = this.#readLayout(offset);
    if (kind !== 'partial') return this.#judge(offset, kind);
    const { size } = this.#layout;
    const room = (this.#endOffset ?? Number.POSITIVE_INFINITY) - offset;
    if (size > Math.min(recordSizeMax, room)) return this.#bad(`size ${size} does not fit`);
    if ((await this.#load(offset, size)) < size) return this.#bad('the file ends in a record');
    const whole = this.#readLayout(offset);
    return whole === 'partial' ? this.#bad('the record ends early') : this.#judge(offset, whole);
  }

  #readLayout(offset: number): ReturnType<RecordLayout['read']> {
    return this.#layout.read(this.#bytes, offset - this.#begin, this.#got, RecordCheck.checksums);
  }

  #judge(offset: number, kind: Exclude<ReturnType<RecordLayout['read']>, 'partial'>): Kind {
    if (kind === 'bad') return this.#bad(this.#layout.problem);
    if (kind === 'blank') {
      const isFitting = offset + this.#layout.size === this.#endOffset;
      if (isFitting || this.#endOffset === undefined) return 'blank';
      return this.#bad('a closing record has the wrong size');
    }
    if (kind === 'record') {
      const named = RecordField.physicalOffset(this.#bytes, offset - this.#begin);
      if (named !== offset) return this.#bad('a record names another offset');
      if (this.#isGenuine !== undefined && !this.#layout.hasChecksum) {
        const at = offset - this.#begin;
        const record = this.#bytes.subarray(at, at + this.#layout.size);
        if (!this.#isGenuine(record, offset)) {
          return this.#bad('the record does not match the checksum kept beside the log');
        }
      }
    }
    return kind;
  }

  #bad(problem: string): 'bad' {
    this.#problem = problem;
    return 'bad';
  }

  /** Where the next record or the closing blank begins behind a place that holds none. */
  async #nextRecord(offset: number): Promise<number | undefined> {
    const { size } = this.#layout;
    const behind = offset + size;
    if (size >= recordSizeMin && behind < (this.#endOffset ?? this.#fileEnd)) {
      if (await this.#isRecord(behind)) return (await this.#endAround(offset, behind)) ?? behind;
      if (await this.#wasRecord(behind)) return behind;
    }
    const next = await this.#findRecord(offset + 1);
    if (next === undefined) return undefined;
    return (await this.#endAround(offset, next)) ?? next;
  }

  /** The first whole record, or the closing blank, from an offset on. */
  async #findRecord(offset: number): Promise<number | undefined> {
    for (let at = offset; ; at++) {
      const next = await this.#nextMagic(at);
      if (next === undefined || (await this.#isRecord(next))) return next;
      at = next;
    }
  }

  /** Whether a whole record, or the closing blank, begins here. */
  async #isRecord(offset: number): Promise<boolean> {
    if ((await this.#load(offset, recordSizeMin)) < blankSizeBytes) return false;
    const at = offset - this.#begin;
    const isBlank = this.#startsWith(blankMagic, at + 4);
    // Before anything is read for a size that may be nonsense.
    if (!isBlank && !this.#namesItself(offset)) return false;
    const kind = await this.#look(offset);
    return kind === 'record' || (kind === 'blank' && this.#endOffset !== undefined);
  }

  /** Whether what is no record looks like one that was. */
  async #wasRecord(offset: number): Promise<boolean> {
    if ((await this.#load(offset, recordSizeMin)) < recordSizeMin) return false;
    const at = offset - this.#begin + 4;
    return this.#startsWith(recordMagicBegin, at) || this.#namesItself(offset);
  }

  #startsWith(bytes: Buffer, at: number): boolean {
    return this.#bytes.compare(bytes, 0, bytes.length, at, at + bytes.length) === 0;
  }

  /**
   * Where the damaged record at `offset` ends, when what was found at `next` lies inside it: from there the
   * records lead to a place that is none, and up to what comes behind it the bytes are one whole
   * record once it has its size and magic code again. Undefined: nothing of that kind.
   */
  async #endAround(offset: number, next: number): Promise<number | undefined> {
    let from = next;
    for (let count = 0; count < aroundCountMax; count++) {
      while (await this.#isRecord(from)) {
        if (from + this.#layout.size === this.#endOffset) return undefined;
        from += this.#layout.size;
      }
      if (from - offset > aroundSizeMax) return undefined;
      const found = await this.#findRecord(from);
      const end = found ?? (await this.#endOfBytes(from));
      if (await this.#isOneRecord(offset, end)) return end;
      if (found === undefined) return undefined;
      from = found;
    }
    return undefined;
  }

  async #isOneRecord(offset: number, end: number): Promise<boolean> {
    const size = end - offset;
    if (size < recordSizeMin || size > aroundSizeMax) return false;
    if ((await this.#load(offset, size)) < size) return false;
    const at = offset - this.#begin;
    const bytes = Buffer.from(this.#bytes.subarray(at, at + size));
    bytes.writeInt32BE(size, 0);
    const layout = new RecordLayout();
    return recordMagics.some((magic) => {
      bytes.writeInt32BE(magic, 4);
      const isRecord = layout.read(bytes, 0, size, RecordCheck.checksums) === 'record';
      return isRecord && layout.hasChecksum;
    });
  }

  /** Behind the last byte from `offset` on that is not zero. */
  async #endOfBytes(offset: number): Promise<number> {
    let end = offset;
    for (let at = offset; ; ) {
      const available = await this.#load(at, blankSizeBytes);
      if (available <= 0) return end;
      const begin = at - this.#begin;
      for (let index = begin + available - 1; index >= begin; index--) {
        if (this.#bytes[index] === 0) continue;
        end = this.#begin + index + 1;
        break;
      }
      at += available;
    }
  }

  #namesItself(offset: number): boolean {
    const at = offset - this.#begin;
    if (at + recordSizeMin > this.#got) return false;
    return RecordField.physicalOffset(this.#bytes, at) === offset;
  }

  /** The first place from `offset` on that has a magic code where a record has it. */
  async #nextMagic(offset: number): Promise<number | undefined> {
    for (let at = offset; ; ) {
      const available = await this.#load(at, blankSizeBytes);
      if (available < blankSizeBytes) return undefined;
      const first = this.#firstMagic(at - this.#begin + 4);
      if (first >= 0) return this.#begin + first - 4;
      at = Math.max(at + 1, this.#begin + this.#got - blankSizeBytes + 1);
    }
  }

  /** Where the first magic code begins in the bytes at hand; -1 when there is none. */
  #firstMagic(from: number): number {
    for (let begin = from; begin < this.#got; ) {
      const end = Math.min(this.#got, begin + zeros.length);
      // What was only made ahead is zeros, and there may be much of it: passed over without a search.
      if (zeros.compare(this.#bytes, begin, end, 0, end - begin) === 0) {
        begin = end;
        continue;
      }
      // A code may begin before the window's end and go on behind it.
      const window = this.#bytes.subarray(0, Math.min(this.#got, end + blankMagic.length));
      const back = Math.max(from, begin - blankMagic.length);
      const record = window.indexOf(recordMagicBegin, back);
      const blank = window.indexOf(blankMagic, back);
      const first = record < 0 ? blank : blank < 0 ? record : Math.min(record, blank);
      if (first >= 0) return first;
      begin = end;
    }
    return -1;
  }

  /** Makes `size` bytes from `offset` on available; how many there are. */
  async #load(offset: number, size: number): Promise<number> {
    const isInside = offset >= this.#begin && offset <= this.#begin + this.#got;
    const available = isInside ? this.#begin + this.#got - offset : 0;
    if (available >= size) return available;
    if (isInside && this.#begin + this.#got >= this.#fileEnd) return available;
    await this.#visitor.progress?.(offset);
    const end = this.#endOffset ?? Number.POSITIVE_INFINITY;
    const wanted = Math.max(0, Math.min(Math.max(size, readSizeBytes), end - offset));
    if (this.#bytes.length < wanted) this.#bytes = Buffer.allocUnsafeSlow(wanted);
    this.#got = await this.#read(this.#bytes, 0, wanted, offset);
    this.#begin = offset;
    if (this.#got < wanted || offset + wanted >= end) this.#fileEnd = offset + this.#got;
    return this.#got;
  }
}
