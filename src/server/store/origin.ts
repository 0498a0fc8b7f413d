/**
 * What an Apache broker had left undone in a log that was taken over from it: which of its timers still wait
 * and which of its transactions are open. Its records do not say so by themselves (facts/store.md §0.2), so
 * the import finds out once and keeps it beside the log, where it outlives the database.
 *
 * File `<folder>/origin`: a line of JSON, then the physical offsets of the waiting timers and of the open
 * half messages, rising, int64 big-endian each.
 */
import { crc32 } from 'node:zlib';
import type { Files } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { getInt64, putInt64 } from '../../protocol/message/bytes.ts';

const offsetSizeBytes = 8;

export interface OriginContent {
  /** Where the log of the other broker ended; all behind it is ours. */
  readonly endOffset: number;
  /** Of its segments, and of those that follow: its broker opens none of another size. */
  readonly segmentSizeBytes: number;
  readonly timers: readonly number[];
  readonly transactions: readonly number[];
}

interface Header extends Omit<OriginContent, 'timers' | 'transactions'> {
  readonly version: 1;
  readonly timerCount: number;
  readonly transactionCount: number;
  readonly crc32: number;
}

export class Origin {
  readonly endOffset: number;
  readonly segmentSizeBytes: number;
  readonly #timers: Float64Array;
  readonly #transactions: Float64Array;

  constructor(content: OriginContent) {
    this.endOffset = content.endOffset;
    this.segmentSizeBytes = content.segmentSizeBytes;
    this.#timers = Float64Array.from(content.timers).sort();
    this.#transactions = Float64Array.from(content.transactions).sort();
  }

  /** Whether the other broker wrote what begins there. */
  covers(physicalOffset: number): boolean {
    return physicalOffset < this.endOffset;
  }

  /** Whether the timer that its record there opens had not fired and was not recalled. */
  isTimerWaiting(physicalOffset: number): boolean {
    return includes(this.#timers, physicalOffset);
  }

  /** Whether nobody had decided about the half message there. */
  isTransactionOpen(physicalOffset: number): boolean {
    return includes(this.#transactions, physicalOffset);
  }

  encode(): Buffer {
    const offsets = [...this.#timers, ...this.#transactions];
    const tail = Buffer.alloc(offsets.length * offsetSizeBytes);
    let at = 0;
    for (const offset of offsets) at = putInt64(tail, at, offset);
    const header: Header = {
      version: 1,
      endOffset: this.endOffset,
      segmentSizeBytes: this.segmentSizeBytes,
      timerCount: this.#timers.length,
      transactionCount: this.#transactions.length,
      crc32: crc32(tail),
    };
    return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), tail]);
  }

  /** @throws RmqError STORE_CORRUPT */
  static decode(bytes: Buffer, path: string): Origin {
    const lineEnd = bytes.indexOf(0x0a);
    const tail = bytes.subarray(lineEnd + 1);
    const header = headerOf(bytes.subarray(0, Math.max(0, lineEnd)));
    const count = tail.length / offsetSizeBytes;
    const isWhole =
      header !== undefined &&
      header.timerCount + header.transactionCount === count &&
      header.crc32 === crc32(tail);
    if (!isWhole) {
      throw new RmqError('STORE_CORRUPT', `${path} is damaged`, {
        hint: 'it says which delayed messages of the imported store still wait: restore it, or import again',
      });
    }
    const offsets = Array.from({ length: count }, (_, index) =>
      getInt64(tail, index * offsetSizeBytes),
    );
    return new Origin({
      endOffset: header.endOffset,
      segmentSizeBytes: header.segmentSizeBytes,
      timers: offsets.slice(0, header.timerCount),
      transactions: offsets.slice(header.timerCount),
    });
  }
}

function headerOf(line: Buffer): Header | undefined {
  try {
    const header = JSON.parse(line.toString('utf8')) as Partial<Header>; // looked at below
    const isHeader =
      header.version === 1 &&
      Number.isSafeInteger(header.endOffset) &&
      Number.isSafeInteger(header.segmentSizeBytes);
    return isHeader ? (header as Header) : undefined;
  } catch {
    return undefined; // the caller says that the file is damaged
  }
}

/** Binary search. */
function includes(sorted: Float64Array, wanted: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < wanted)
      low = middle + 1; // in range
    else high = middle;
  }
  return sorted[low] === wanted;
}

export function originPath(folder: string): string {
  return `${folder}/origin`;
}

/** What the store in `folder` was taken over with; undefined when it was not. */
export async function readOrigin(files: Files, folder: string): Promise<Origin | undefined> {
  const path = originPath(folder);
  let bytes: Buffer;
  try {
    bytes = await files.readFile(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined; // Node's errors carry a code
    throw error;
  }
  return Origin.decode(bytes, path);
}
