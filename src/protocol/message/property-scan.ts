/**
 * One pass over a message's properties for what is asked of every message that comes in: its id, keys and tag,
 * and whether it is plain. A pass a question would cost more than all else that is done to a small message.
 */
import { javaHashBehind } from './java-hash.ts';

const pairEnd = 0x02;

const uniqueKeyName = Buffer.from('UNIQ_KEY\u0001');
const keysName = Buffer.from('KEYS\u0001');
const tagsName = Buffer.from('TAGS\u0001');

/**
 * First two characters of names that make a message more than plain: POP_CK, TIMER_…, TRAN_MSG, TRACE_ON, CLUSTER,
 * MSG_REGION, _SYS_MSG_PRIORITY_, DELAY. Others that begin so are looked at the long way, too; no harm done.
 */
const specialStarts: ReadonlySet<number> = new Set(
  ['PO', 'TI', 'TR', 'CL', 'MS', '_S', 'DE'].map(
    (start) => (start.charCodeAt(0) << 8) | start.charCodeAt(1),
  ),
);

/** Where a value lies among the properties; `end` is 0 when there is none. */
export class ValueRange {
  begin = 0;
  end = 0;
}

export class PropertyScan {
  readonly uniqueKey: ValueRange = new ValueRange();
  readonly keys: ValueRange = new ValueRange();
  readonly tags: ValueRange = new ValueRange();
  /** Neither delayed nor transactional nor urgent, and without anything that a broker adds or takes away. */
  isPlain = true;

  /** Reads as `findProperty` does: of duplicates the last counts, and a value has at least a byte. */
  read(bytes: Uint8Array): void {
    this.uniqueKey.end = 0;
    this.keys.end = 0;
    this.tags.end = 0;
    this.isPlain = true;
    const size = bytes.length;
    for (let begin = 0; begin < size; ) {
      let end = begin;
      while (end < size && bytes[end] !== pairEnd) end++;
      const first = bytes[begin] as number; // begin < size
      if (first === 0x55) mark(this.uniqueKey, bytes, begin, end, uniqueKeyName);
      else if (first === 0x4b) mark(this.keys, bytes, begin, end, keysName);
      else if (first === 0x54 && bytes[begin + 1] === 0x41) {
        mark(this.tags, bytes, begin, end, tagsName);
      } else if (specialStarts.has((first << 8) | (bytes[begin + 1] ?? 0))) this.isPlain = false;
      begin = end + 1;
    }
  }
}

function mark(
  range: ValueRange,
  bytes: Uint8Array,
  begin: number,
  end: number,
  name: Uint8Array,
): void {
  const size = name.length;
  if (end - begin <= size) return;
  for (let index = 1; index < size; index++) {
    if (bytes[begin + index] !== name[index]) return;
  }
  range.begin = begin + size;
  range.end = end;
}

let lastBytes: Uint8Array = new Uint8Array(0);
const lastScan = new PropertyScan();

/** The scan of `bytes`, good until the next call with others. Several ask about the same message in turn. */
export function scanOf(bytes: Uint8Array): PropertyScan {
  if (bytes !== lastBytes) {
    lastBytes = bytes;
    lastScan.read(bytes);
  }
  return lastScan;
}

/** Java's hash of the text in a range, behind a text whose hash is known; see `java-hash.ts`. */
export function hashOf(before: number, bytes: Uint8Array, begin: number, end: number): number {
  let hash = before;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] as number; // at < end
    if (byte >= 0x80) return javaHashBehind(before, textOf(bytes, begin, end));
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  return hash;
}

/** The text in a range. */
export function textOf(bytes: Uint8Array, begin: number, end: number): string {
  const view = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.toString('utf8', begin, end);
}
