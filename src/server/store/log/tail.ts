/**
 * The newest part of the log in memory: chunks into which records are encoded, kept until newer ones
 * push them out. What readers get are views into them; a chunk's bytes never change once written.
 */
import type { Segment } from './segment.ts';

/** Consecutive bytes of one segment. */
export class Chunk {
  readonly segment: Segment;
  readonly beginOffset: number;
  readonly buffer: Buffer;
  /** Bytes encoded so far. */
  size = 0;
  /** Of those, bytes that have been written to the file. */
  writtenSize = 0;

  constructor(segment: Segment, beginOffset: number, capacityBytes: number) {
    this.segment = segment;
    this.beginOffset = beginOffset;
    this.buffer = Buffer.allocUnsafeSlow(capacityBytes);
  }

  get endOffset(): number {
    return this.beginOffset + this.size;
  }

  get isWritten(): boolean {
    return this.writtenSize === this.size;
  }
}

const chunkSizeBytes = 256 << 10;

export class LogTail {
  readonly #limitBytes: number;
  readonly #chunks: Chunk[] = [];
  #capacityBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get current(): Chunk | undefined {
    return this.#chunks[this.#chunks.length - 1];
  }

  /** A chunk with room for `size` bytes at `offset` of `segment`. */
  chunkFor(segment: Segment, offset: number, size: number): Chunk {
    const last = this.current;
    if (
      last !== undefined &&
      last.segment === segment &&
      last.endOffset === offset &&
      last.size + size <= last.buffer.length
    ) {
      return last;
    }
    const chunk = new Chunk(segment, offset, Math.max(chunkSizeBytes, size));
    this.#chunks.push(chunk);
    this.#capacityBytes += chunk.buffer.length;
    this.#evict();
    return chunk;
  }

  /** Chunks that hold bytes not yet written, oldest first. */
  unwritten(): Chunk[] {
    let first = this.#chunks.length;
    while (first > 0 && !(this.#chunks[first - 1] as Chunk).isWritten) first--;
    return this.#chunks.slice(first);
  }

  /** Forgets everything from `offset` on: drafts that were refused before any byte was written. */
  rewind(offset: number): void {
    for (let last = this.current; last !== undefined; last = this.current) {
      if (last.endOffset <= offset) return;
      if (last.beginOffset >= offset) {
        this.#chunks.pop();
        this.#capacityBytes -= last.buffer.length;
      } else {
        last.size = offset - last.beginOffset;
        last.writtenSize = Math.min(last.writtenSize, last.size);
        return;
      }
    }
  }

  /** The chunk that holds the byte at `offset`, if it is still here. */
  find(offset: number): Chunk | undefined {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const chunk = this.#chunks[middle] as Chunk; // low <= middle <= high
      if (offset < chunk.beginOffset) high = middle - 1;
      else if (offset >= chunk.endOffset) low = middle + 1;
      else return chunk;
    }
    return undefined;
  }

  #evict(): void {
    while (this.#capacityBytes > this.#limitBytes && this.#chunks.length > 1) {
      const oldest = this.#chunks[0] as Chunk; // there are at least two
      if (!oldest.isWritten) return;
      this.#chunks.shift();
      this.#capacityBytes -= oldest.buffer.length;
    }
  }
}
