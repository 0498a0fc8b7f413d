/**
 * Protocol Buffers on the level of bytes: what the generated codecs (`generated/messages.ts`, made by
 * `scripts/generate-grpc.mjs`) are built from. Own code, because the hot calls want bodies as views,
 * 64-bit fields as numbers and nothing to load at start.
 *
 * Timestamps and durations are Unix or plain milliseconds, with fractions.
 */
import { RmqError } from '../errors.ts';

const emptyBytes: Buffer = Buffer.alloc(0);
const twoPow32 = 2 ** 32;

/** The buffer as such, or a view of it. */
function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads one message. `bytes` fields are views into the buffer. Every length is checked against the
 * enclosing message before anything is made of it.
 * @throws RmqError BAD_REQUEST on malformed bytes.
 */
export class Reader {
  at: number;
  readonly end: number;
  readonly #buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.at = 0;
    this.end = bytes.byteLength;
    this.#buffer = asBuffer(bytes);
  }

  /** The next field's number and wire type. */
  tag(): number {
    return this.#low32();
  }

  /** int32, enum: the low 32 bits, signed. */
  int32(): number {
    return this.#low32() | 0;
  }

  bool(): boolean {
    return this.#low32() !== 0;
  }

  /** int64 as a number; exact up to 2^53. */
  int64(): number {
    const buffer = this.#buffer;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) this.fail('varint cut short');
      const byte = buffer[this.at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= (bits & 0x0f) << 28;
        high = bits >> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) return (high | 0) * twoPow32 + (low >>> 0);
    }
    return this.fail('varint too long');
  }

  float(): number {
    if (this.end - this.at < 4) this.fail('float cut short');
    const value = this.#buffer.readFloatLE(this.at);
    this.at += 4;
    return value;
  }

  double(): number {
    if (this.end - this.at < 8) this.fail('double cut short');
    const value = this.#buffer.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  /** Reads a length; the position where the delimited field ends. */
  limit(): number {
    const size = this.#low32();
    if (size > this.end - this.at) this.fail('length beyond the end');
    return this.at + size;
  }

  string(): string {
    const end = this.limit();
    const text = this.#buffer.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  bytes(): Buffer {
    const end = this.limit();
    if (end === this.at) return emptyBytes;
    const view = this.#buffer.subarray(this.at, end);
    this.at = end;
    return view;
  }

  /** An entry of a map<string, string>. */
  stringEntry(target: Map<string, string>): void {
    const end = this.limit();
    let key = '';
    let value = '';
    while (this.at < end) {
      const tag = this.tag();
      if (tag === 10) key = this.string();
      else if (tag === 18) value = this.string();
      else this.skip(tag);
    }
    this.close(end);
    target.set(key, value);
  }

  /** An entry of a map of messages; `read` reads one with its length. */
  entry<T>(target: Map<string, T>, empty: () => T, read: () => T): void {
    const end = this.limit();
    let key = '';
    let value: T | undefined;
    while (this.at < end) {
      const tag = this.tag();
      if (tag === 10) key = this.string();
      else if (tag === 18) value = read();
      else this.skip(tag);
    }
    this.close(end);
    target.set(key, value ?? empty());
  }

  /** google.protobuf.Timestamp or Duration. */
  milliseconds(): number {
    const end = this.limit();
    let seconds = 0;
    let nanos = 0;
    while (this.at < end) {
      const tag = this.tag();
      if (tag === 8) seconds = this.int64();
      else if (tag === 16) nanos = this.int32();
      else this.skip(tag);
    }
    this.close(end);
    return seconds * 1000 + nanos / 1e6;
  }

  /** A repeated int32 or enum in its packed form. */
  packedInt32(target: number[]): void {
    const end = this.limit();
    while (this.at < end) target.push(this.int32());
    this.close(end);
  }

  /** Passes over a field that this version does not know. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.int64();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.at = this.limit();
    else if (wireType === 5) this.#advance(4);
    else this.fail(`wire type ${wireType}`);
  }

  /** Checks that a delimited field ended where it said. */
  close(end: number): void {
    if (this.at !== end) this.fail('field beyond its message');
  }

  fail(what: string): never {
    throw new RmqError('BAD_REQUEST', `malformed protobuf at byte ${this.at}: ${what}`);
  }

  #advance(size: number): void {
    if (size > this.end - this.at) this.fail('field cut short');
    this.at += size;
  }

  /** The low 32 bits of a varint, unsigned. */
  #low32(): number {
    const buffer = this.#buffer;
    if (this.at < this.end) {
      const byte = buffer[this.at] as number;
      if (byte < 0x80) {
        this.at++;
        return byte;
      }
    }
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) this.fail('varint cut short');
      const byte = buffer[this.at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return this.fail('varint too long');
  }
}

const initialSizeBytes = 16 * 1024;
const keptSizeBytes = 1024 * 1024;

/**
 * Writes one message from its last byte to its first, so that the length of a nested message is known
 * when it is written: callers put the value first, then the tag, and the fields from the highest number
 * down. One scratch buffer serves all; `take` copies the result out.
 */
export class Writer {
  #buffer: Buffer = Buffer.allocUnsafeSlow(initialSizeBytes);
  #at: number = initialSizeBytes;

  /** What has been written, as a buffer of the caller's own; the writer is empty again. */
  take(): Buffer {
    const result = Buffer.allocUnsafe(this.#buffer.length - this.#at);
    this.#buffer.copy(result, 0, this.#at);
    this.reset();
    return result;
  }

  /** Forgets what has been written. */
  reset(): void {
    if (this.#buffer.length > keptSizeBytes) {
      this.#buffer = Buffer.allocUnsafeSlow(initialSizeBytes);
    }
    this.#at = this.#buffer.length;
  }

  /** Bytes written so far: before a nested message, to be given to `message`. */
  mark(): number {
    return this.#buffer.length - this.#at;
  }

  /** Length and tag of the nested message written since `mark`. */
  message(tag: number, mark: number): void {
    this.varint(this.#buffer.length - this.#at - mark);
    this.varint(tag);
  }

  int32(tag: number, value: number): void {
    if (value >= 0) this.varint(value);
    else this.#signed64(value);
    this.varint(tag);
  }

  /** A whole number of at most 53 bits. */
  int64(tag: number, value: number): void {
    if (value >= 0) this.#unsigned53(value);
    else this.#signed64(value);
    this.varint(tag);
  }

  bool(tag: number, value: boolean): void {
    this.varint(value ? 1 : 0);
    this.varint(tag);
  }

  float(tag: number, value: number): void {
    this.#reserve(4);
    this.#at -= 4;
    this.#buffer.writeFloatLE(value, this.#at);
    this.varint(tag);
  }

  double(tag: number, value: number): void {
    this.#reserve(8);
    this.#at -= 8;
    this.#buffer.writeDoubleLE(value, this.#at);
    this.varint(tag);
  }

  string(tag: number, value: string): void {
    const size = Buffer.byteLength(value, 'utf8');
    this.#reserve(size);
    this.#at -= size;
    // As many bytes as characters: ASCII, which latin1 copies without looking.
    this.#buffer.write(value, this.#at, size, size === value.length ? 'latin1' : 'utf8');
    this.varint(size);
    this.varint(tag);
  }

  bytes(tag: number, value: Uint8Array): void {
    const size = value.byteLength;
    this.#reserve(size);
    this.#at -= size;
    this.#buffer.set(value, this.#at);
    this.varint(size);
    this.varint(tag);
  }

  stringEntries(tag: number, entries: ReadonlyMap<string, string>): void {
    for (const [key, value] of entries) {
      const mark = this.mark();
      this.string(18, value);
      this.string(10, key);
      this.message(tag, mark);
    }
  }

  entries<T>(tag: number, entries: ReadonlyMap<string, T>, write: (value: T) => void): void {
    for (const [key, value] of entries) {
      const mark = this.mark();
      const inner = this.mark();
      write(value);
      this.message(18, inner);
      this.string(10, key);
      this.message(tag, mark);
    }
  }

  /** google.protobuf.Timestamp: nanoseconds count up from the second. */
  timestamp(tag: number, milliseconds: number): void {
    this.#secondsAndNanos(tag, milliseconds, Math.floor(milliseconds / 1000));
  }

  /** google.protobuf.Duration: seconds and nanoseconds have one sign. */
  duration(tag: number, milliseconds: number): void {
    this.#secondsAndNanos(tag, milliseconds, Math.trunc(milliseconds / 1000));
  }

  packedInt32(tag: number, values: readonly number[]): void {
    const mark = this.mark();
    for (let index = values.length - 1; index >= 0; index--) {
      const value = values[index] as number;
      if (value >= 0) this.varint(value);
      else this.#signed64(value);
    }
    this.message(tag, mark);
  }

  /** An unsigned number of at most 32 bits. */
  varint(value: number): void {
    this.#reserve(5);
    const buffer = this.#buffer;
    if (value < 0x80) {
      buffer[--this.#at] = value;
      return;
    }
    const size = value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
    let at = this.#at - size;
    this.#at = at;
    let rest = value >>> 0;
    while (rest >= 0x80) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at] = rest;
  }

  #secondsAndNanos(tag: number, milliseconds: number, seconds: number): void {
    const nanos = Math.round((milliseconds - seconds * 1000) * 1e6);
    const mark = this.mark();
    if (nanos !== 0) this.int32(16, nanos);
    if (seconds !== 0) this.int64(8, seconds);
    this.message(tag, mark);
  }

  #unsigned53(value: number): void {
    if (value < twoPow32) {
      this.varint(value);
      return;
    }
    let size = 5;
    for (let bound = 2 ** 35; value >= bound; bound *= 128) size++;
    this.#reserve(size);
    let at = this.#at - size;
    this.#at = at;
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[at] = rest;
  }

  /** Negative numbers take ten bytes: two's complement of 64 bits. */
  #signed64(value: number): void {
    this.#reserve(10);
    this.#at -= 10;
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let index = 0; index < 9; index++) {
      this.#buffer[this.#at + index] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#at + 9] = Number(rest);
  }

  #reserve(size: number): void {
    if (this.#at >= size) return;
    const used = this.#buffer.length - this.#at;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, used + size + 1024));
    this.#buffer.copy(grown, grown.length - used, this.#at);
    this.#buffer = grown;
    this.#at = grown.length - used;
  }
}

/** The writer that all encoders share: encoding is never interrupted. */
export const sharedWriter: Writer = new Writer();
