/**
 * LZ4 frames back to what they hold, as Java producers write them; the frame format 1.6.1 and the block
 * format of the lz4 project. Checksums are not verified: a record has its own.
 */
import { RmqError } from '../errors.ts';

const frameMagic = 0x184d2204;
const minMatchBytes = 4;

const Flag = {
  contentSize: 0x08,
  contentChecksum: 0x04,
  blockChecksum: 0x10,
  dictionaryId: 0x01,
} as const;
const uncompressedBit = 0x8000_0000;

/** @throws RmqError MESSAGE_ILLEGAL when it is no LZ4 frame or holds more than `maxBytes`. */
export function decompressLz4(source: Uint8Array, maxBytes: number): Buffer {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  let at = headerEnd(bytes);
  const flags = bytes[4] ?? 0;
  const out = new Output(maxBytes);
  for (;;) {
    if (at + 4 > bytes.length) throw broken('ends early');
    const size = bytes.readUInt32LE(at);
    at += 4;
    if (size === 0) return out.take();
    const length = (size & ~uncompressedBit) >>> 0;
    const end = at + length;
    if (end > bytes.length) throw broken('ends in a block');
    if ((size & uncompressedBit) !== 0) out.copy(bytes, at, end);
    else decodeBlock(bytes, at, end, out);
    at = (flags & Flag.blockChecksum) === 0 ? end : end + 4;
  }
}

function headerEnd(bytes: Buffer): number {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== frameMagic) throw broken('has another magic');
  const flags = bytes[4] as number; // seven bytes or more
  if (flags >> 6 !== 1) throw broken('has another version');
  if ((flags & Flag.dictionaryId) !== 0) throw broken('needs a dictionary');
  return 7 + ((flags & Flag.contentSize) === 0 ? 0 : 8);
}

function decodeBlock(bytes: Buffer, begin: number, end: number, out: Output): void {
  let at = begin;
  /** Fifteen means that more follows, 255 by 255. */
  const lengthOf = (nibble: number): number => {
    let length = nibble;
    if (nibble !== 15) return length;
    for (;;) {
      if (at >= end) throw broken('ends in a length');
      const more = bytes[at++] as number; // before `end`
      length += more;
      if (more !== 255) return length;
    }
  };
  while (at < end) {
    const token = bytes[at++] as number; // before `end`
    const literals = lengthOf(token >> 4);
    if (at + literals > end) throw broken('ends in literals');
    out.copy(bytes, at, at + literals);
    at += literals;
    if (at === end) return;
    if (at + 2 > end) throw broken('ends in an offset');
    const offset = bytes.readUInt16LE(at);
    at += 2;
    out.repeat(offset, lengthOf(token & 15) + minMatchBytes);
  }
}

/** Grows as needed, up to a limit. */
class Output {
  readonly #maxBytes: number;
  #bytes = Buffer.allocUnsafe(4_096);
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  copy(source: Buffer, begin: number, end: number): void {
    this.#reserve(end - begin);
    source.copy(this.#bytes, this.#size, begin, end);
    this.#size += end - begin;
  }

  /** Again what is `offset` bytes back; the two may overlap. */
  repeat(offset: number, length: number): void {
    if (offset === 0 || offset > this.#size) throw broken('points before its begin');
    this.#reserve(length);
    const from = this.#size - offset;
    for (let index = 0; index < length; index++) {
      this.#bytes[this.#size + index] = this.#bytes[from + index] as number; // before what is written
    }
    this.#size += length;
  }

  #reserve(count: number): void {
    const wanted = this.#size + count;
    if (wanted > this.#maxBytes) throw broken(`holds more than ${this.#maxBytes} bytes`);
    if (wanted <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(
      Math.min(this.#maxBytes, Math.max(wanted, this.#bytes.length * 2)),
    );
    this.#bytes.copy(grown, 0, 0, this.#size);
    this.#bytes = grown;
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }
}

function broken(what: string): RmqError {
  return new RmqError('MESSAGE_ILLEGAL', `the LZ4 frame ${what}`);
}
