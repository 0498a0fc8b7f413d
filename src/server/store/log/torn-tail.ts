/** What stands behind the last record of a log: nothing, what a crash tore, or what was written whole and is damaged. */
import type { ReadLog } from './segment-walk.ts';

const readSizeBytes = 1 << 20;
const sectorSizeBytes = 512;
/** What a record's last property ends in; facts/store.md §4. */
const recordEndByte = 0x02;

export interface Rest {
  /** Behind the last byte that is not zero; where the reading began when all are. */
  readonly endOffset: number;
  /**
   * Whether it can be what a crash leaves of a write: a part of it did not reach the disk and reads as zeros,
   * a whole sector or the end. Damage to what had been written leaves no such part.
   */
  readonly looksTorn: boolean;
}

/** Looks at everything from an offset to the segment's end. */
export async function readRest(
  segment: { readonly read: ReadLog; readonly baseOffset: number; readonly endOffset: number },
  fromOffset: number,
): Promise<Rest> {
  const bytes = Buffer.alloc(Math.max(0, Math.min(readSizeBytes, segment.endOffset - fromOffset)));
  const zeros = Buffer.alloc(bytes.length);
  let endOffset = fromOffset;
  let lastByte = recordEndByte;
  /** The last sector that had a byte, and whether one before it had none. */
  let sector = Math.floor((fromOffset - segment.baseOffset) / sectorSizeBytes) - 1;
  let hasEmptySector = false;
  for (let begin = fromOffset; begin < segment.endOffset; ) {
    const size = Math.min(bytes.length, segment.endOffset - begin);
    const got = await segment.read(bytes, 0, size, begin);
    if (got === 0) break;
    const isZero = bytes.compare(zeros, 0, got, 0, got) === 0;
    for (let index = isZero ? got : 0; index < got; index++) {
      const byte = bytes[index] as number; // index < got
      if (byte === 0) continue;
      endOffset = begin + index + 1;
      lastByte = byte;
      const here = Math.floor((begin + index - segment.baseOffset) / sectorSizeBytes);
      if (here > sector + 1) hasEmptySector = true;
      sector = here;
    }
    begin += got;
  }
  return { endOffset, looksTorn: hasEmptySector || lastByte !== recordEndByte };
}
