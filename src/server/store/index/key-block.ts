/**
 * Many entries of the key index in one database row: under load a row a key costs more than all else that a
 * send does. The entries of one batch and one part of the log are dealt out by the first bits of their hash.
 *
 * Key, behind the part's: `p<bits, 2 hex digits>/<first bits of the hash, 4>/<lowest offset of the batch, 14>`.
 * Value: entries of 8 bytes, big-endian, sorted: hash (4) · offset within the part (4).
 */
import { getInt32, putInt32 } from '../../../protocol/message/bytes.ts';
import { hex } from './queue.ts';

/** From this many entries on a batch is packed; below, a row an entry costs little. */
export const packedCountMin = 1_024;
/** All there are: each is a range that a search has to read in every part. */
const bitChoices: readonly number[] = [5, 10];
/** A batch above this many entries is dealt out by more bits. */
const fewBitsCountMax = 32_768;
const entrySizeBytes = 8;

/** An entry: hash as an unsigned 32-bit number, offset from the begin of its part. */
export interface KeyEntry {
  readonly hash: number;
  readonly offset: number;
}

/** Rows of the entries, which it sorts. `lowest`: the lowest physical offset among them. */
export function packKeys(
  partKey: string,
  lowest: number,
  entries: KeyEntry[],
  put: (key: string, value: Uint8Array) => void,
): void {
  entries.sort((a, b) => a.hash - b.hash || a.offset - b.offset);
  const bits = bitChoices[entries.length > fewBitsCountMax ? 1 : 0] as number; // there are two
  for (let begin = 0; begin < entries.length; ) {
    const bucket = (entries[begin] as KeyEntry).hash >>> (32 - bits); // begin < length
    let end = begin + 1;
    while (end < entries.length && (entries[end] as KeyEntry).hash >>> (32 - bits) === bucket)
      end++;
    put(`${rowStart(partKey, bits, bucket)}${hex(lowest, 14)}`, encode(entries, begin, end));
    begin = end;
  }
}

function encode(entries: readonly KeyEntry[], begin: number, end: number): Buffer {
  const out = Buffer.allocUnsafe((end - begin) * entrySizeBytes);
  let at = 0;
  for (let index = begin; index < end; index++) {
    const { hash, offset } = entries[index] as KeyEntry; // index < end
    at = putInt32(out, putInt32(out, at, hash), offset);
  }
  return out;
}

/** Starts of the keys of all rows of a part that may hold the hash. */
export function packedRowStarts(partKey: string, hash: number): string[] {
  return bitChoices.map((bits) => rowStart(partKey, bits, hash >>> (32 - bits)));
}

function rowStart(partKey: string, bits: number, bucket: number): string {
  return `${partKey}p${hex(bits, 2)}/${hex(bucket, 4)}/`;
}

/** Offsets within the part of the entries with that hash. */
export function packedOffsets(value: Uint8Array, hash: number): number[] {
  let low = 0;
  let high = Math.floor(value.length / entrySizeBytes);
  const count = high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (getInt32(value, middle * entrySizeBytes) >>> 0 < hash) low = middle + 1;
    else high = middle;
  }
  const offsets: number[] = [];
  for (let at = low; at < count; at++) {
    if (getInt32(value, at * entrySizeBytes) >>> 0 !== hash) break;
    offsets.push(getInt32(value, at * entrySizeBytes + 4));
  }
  return offsets;
}
