/**
 * LevelDB's log format, that of its write-ahead log and of its manifest: blocks of 32 KiB with records in
 * fragments, each `crc (4) · length (2) · type (1) · bytes`, the masked CRC-32C over type and bytes. A block's
 * last bytes are zeros when no header fits.
 *
 * A fragment whose checksum fails is handed out all the same, marked as damaged, if its length leads somewhere;
 * whoever reads it has checksums of its own.
 */
import { crc32c, unmasked } from './crc32c.ts';

const blockSizeBytes = 32_768;
const headerSizeBytes = 7;
const sectorSizeBytes = 512;
const FragmentType = { full: 1, first: 2, middle: 3, last: 4 } as const;

export interface LogRecord {
  readonly bytes: Buffer;
  /** False: a checksum of it failed, or parts are missing. */
  readonly isWhole: boolean;
}

export interface LogContent {
  readonly records: readonly LogRecord[];
  /** Where something is wrong that a crash does not leave; -1: nowhere. */
  readonly damagedAt: number;
}

/** Reads a whole file. What a crash tears off its end is no damage. */
export function readLogFile(file: Buffer): LogContent {
  return new LogFileReader(file).read();
}

class LogFileReader {
  readonly #file: Buffer;
  readonly #records: LogRecord[] = [];
  #damagedAt = -1;
  #parts: Buffer[] = [];
  #isWhole = true;

  constructor(file: Buffer) {
    this.#file = file;
  }

  read(): LogContent {
    let at = 0;
    while (at < this.#file.length) {
      const blockEnd = Math.min(
        this.#file.length,
        (Math.floor(at / blockSizeBytes) + 1) * blockSizeBytes,
      );
      if (blockEnd - at < headerSizeBytes) {
        if (this.#file.subarray(at, blockEnd).some((byte) => byte !== 0)) this.#damaged(at);
        at = blockEnd;
        continue;
      }
      if (this.#isZero(at, this.#file.length)) break;
      const end = this.#fragmentEnd(at, blockEnd);
      if (end !== undefined && this.#isValid(at, end)) {
        this.#fragment(at, end, true);
        at = end;
        continue;
      }
      if (this.#isTorn(at)) break;
      this.#damaged(at);
      at = this.#passOver(at, end, blockEnd);
    }
    if (this.#parts.length > 0) this.#parts = []; // a record that a crash cut short
    return { records: this.#records, damagedAt: this.#damagedAt };
  }

  #damaged(at: number): void {
    if (this.#damagedAt < 0) this.#damagedAt = at;
  }

  #fragmentEnd(at: number, blockEnd: number): number | undefined {
    const end = at + headerSizeBytes + this.#file.readUInt16LE(at + 4);
    return end > blockEnd ? undefined : end;
  }

  #isValid(at: number, end: number): boolean {
    const type = this.#file[at + 6] as number; // a header is there
    if (type < FragmentType.full || type > FragmentType.last) return false;
    return crc32c(this.#file, at + 6, end) === unmasked(this.#file.readUInt32LE(at));
  }

  /** What is left when the machine stopped in the middle of the newest record. */
  #isTorn(at: number): boolean {
    for (let next = at + 1; next + headerSizeBytes <= this.#file.length; next++) {
      const blockEnd = (Math.floor(next / blockSizeBytes) + 1) * blockSizeBytes;
      if (next + headerSizeBytes > blockEnd) continue;
      const end = this.#fragmentEnd(next, Math.min(blockEnd, this.#file.length));
      if (end !== undefined && end > next + headerSizeBytes && this.#isValid(next, end))
        return false;
    }
    const declared = at + headerSizeBytes + this.#file.readUInt16LE(at + 4);
    if (declared > this.#file.length) {
      // What is there may be all of it, and only its length is wrong.
      const sum = crc32c(this.#file, at + 6, this.#file.length);
      return sum !== unmasked(this.#file.readUInt32LE(at));
    }
    for (let sector = Math.ceil(at / sectorSizeBytes); ; sector++) {
      const begin = sector * sectorSizeBytes;
      if (begin + sectorSizeBytes > this.#file.length) break;
      if (this.#isZero(begin, begin + sectorSizeBytes)) return true;
    }
    return this.#file[this.#file.length - 1] === 0;
  }

  #isZero(begin: number, end: number): boolean {
    for (let at = begin; at < end; at++) if (this.#file[at] !== 0) return false;
    return true;
  }

  /** Where to go on behind a fragment that is damaged. */
  #passOver(at: number, end: number | undefined, blockEnd: number): number {
    const leadsOn = (to: number): boolean => {
      if (blockEnd - to < headerSizeBytes || this.#isZero(to, blockEnd)) return true;
      const next = this.#fragmentEnd(to, blockEnd);
      return next !== undefined && this.#isValid(to, next);
    };
    if (end !== undefined && leadsOn(end)) {
      this.#fragment(at, end, false);
      return end;
    }
    this.#parts = [];
    this.#isWhole = true;
    for (let next = at + 1; next + headerSizeBytes <= blockEnd; next++) {
      const nextEnd = this.#fragmentEnd(next, blockEnd);
      if (nextEnd === undefined || !this.#isValid(next, nextEnd)) continue;
      // Its length is what is damaged: its bytes end where the next fragment begins.
      this.#fragment(at, next, false);
      return next;
    }
    this.#fragment(at, blockEnd, false);
    return blockEnd;
  }

  #fragment(at: number, end: number, isValid: boolean): void {
    const type = this.#file[at + 6];
    const bytes = this.#file.subarray(at + headerSizeBytes, end);
    const isBegin = type === FragmentType.full || type === FragmentType.first;
    if (isBegin) {
      this.#parts = [];
      this.#isWhole = true;
    } else if (this.#parts.length === 0) {
      this.#isWhole = false; // its begin is lost
    }
    this.#parts.push(bytes);
    this.#isWhole &&= isValid;
    if (type === FragmentType.first || type === FragmentType.middle) return;
    const [only] = this.#parts;
    const whole =
      this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
    this.#records.push({ bytes: whole, isWhole: this.#isWhole });
    this.#parts = [];
    this.#isWhole = true;
  }
}
