/** Reads LevelDB's integers, all little-endian, and its length-prefixed slices. */

/** The bytes are not what they should be. */
export class Malformed extends Error {
  override name = 'Malformed';
}

export class ByteReader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    if (this.at >= this.end) throw new Malformed('the bytes end early');
    return this.bytes[this.at++] as number; // at < end
  }

  /** Seven bits a byte, the lowest first; up to 2^53. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 56; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new Malformed('a number is too long');
  }

  slice(): Buffer {
    return this.take(this.varint());
  }

  take(size: number): Buffer {
    if (size > this.end - this.at) throw new Malformed('the bytes end early');
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  uint32(): number {
    return this.take(4).readUInt32LE();
  }

  /** Up to 2^53. */
  uint64(): number {
    const bytes = this.take(8);
    return bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 2 ** 32;
  }
}
