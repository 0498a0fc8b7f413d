/**
 * Finds out what a record was before one bit of it flipped, or before its first eight bytes (size and magic code)
 * were lost: a CRC says which single bit makes it fit again. What is answered passes every check; damage of another
 * kind looks like that once in 2^31 divided by the record's bits.
 */
import { crc32 } from 'node:zlib';
import {
  RecordCheck,
  RecordField,
  RecordLayout,
  recordMagics,
  recordSizeMin,
} from '../../../protocol/message/record.ts';

const checksumSizeBytes = 20;
const checksumName = Buffer.from('__CRC32#\u0001', 'latin1');

/** The record that stood in `damaged`, which is all of it, at `physicalOffset`; undefined: nobody can tell. */
export function mendRecord(damaged: Buffer, physicalOffset: number): Buffer | undefined {
  const size = damaged.length;
  if (size < recordSizeMin + checksumSizeBytes) return undefined;
  for (const magic of recordMagics) {
    const copy = Buffer.from(damaged);
    copy.writeInt32BE(size, 0);
    copy.writeInt32BE(magic, 4);
    if (isRecord(copy, physicalOffset)) return copy;
    const flipped = withoutFlippedBit(copy, physicalOffset);
    if (flipped !== undefined) return flipped;
    const trailer = withTrailer(copy);
    // Not more than one bit of it may have been wrong.
    if (differingBits(trailer, copy) === 1 && isRecord(trailer, physicalOffset)) return trailer;
  }
  return undefined;
}

function isRecord(bytes: Buffer, physicalOffset: number): boolean {
  const layout = new RecordLayout();
  const kind = layout.read(bytes, 0, bytes.length, RecordCheck.checksums);
  return (
    kind === 'record' &&
    layout.hasChecksum &&
    layout.size === bytes.length &&
    RecordField.physicalOffset(bytes, 0) === physicalOffset
  );
}

/** Turns the one bit back that the checksum over the whole record names. */
function withoutFlippedBit(bytes: Buffer, physicalOffset: number): Buffer | undefined {
  const end = bytes.length - checksumSizeBytes;
  const stored = storedChecksum(bytes);
  if (stored === undefined) return undefined;
  const wanted = (crc32(bytes.subarray(0, end)) ^ stored) & 0x7fffffff;
  // What a flipped bit does to the sum, for each bit of a byte, from the last byte to the first.
  const effects = Array.from({ length: 8 }, (_, bit) => table[1 << bit] as number); // a byte
  for (let at = end - 1; at >= 0; at--) {
    for (let bit = 0; bit < 8; bit++) {
      const effect = effects[bit] as number; // eight
      if ((effect & 0x7fffffff) === wanted) {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] as number) ^ (1 << bit); // at < end
        if (isRecord(copy, physicalOffset)) return copy;
      }
      effects[bit] = (effect >>> 8) ^ (table[effect & 0xff] as number);
    }
  }
  return undefined;
}

function storedChecksum(bytes: Buffer): number | undefined {
  const begin = bytes.length - checksumSizeBytes;
  if (bytes.indexOf(checksumName, begin) !== begin || bytes[bytes.length - 1] !== 2)
    return undefined;
  let value = 0;
  for (let index = 18; index >= 9; index--) {
    const digit = (bytes[begin + index] as number) - 0x30; // in the checksum
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** With the checksum that the rest asks for. */
function withTrailer(bytes: Buffer): Buffer {
  const begin = bytes.length - checksumSizeBytes;
  let rest = crc32(bytes.subarray(0, begin)) & 0x7fffffff;
  const copy = Buffer.from(bytes);
  copy.set(checksumName, begin);
  for (let index = 9; index < 19; index++) {
    copy[begin + index] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  copy[begin + 19] = 2;
  return copy;
}

function differingBits(a: Buffer, b: Buffer): number {
  let count = 0;
  for (let at = a.length - checksumSizeBytes; at < a.length; at++) {
    for (let rest = (a[at] as number) ^ (b[at] as number); rest > 0; rest &= rest - 1) count++;
  }
  return count;
}

const table = makeTable();

/** CRC-32 (IEEE), a byte at a time. */
function makeTable(): Int32Array {
  const all = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
    all[byte] = crc;
  }
  return all;
}
