/**
 * Remoting frame, all integers big-endian (facts/remoting.md 1.1):
 *   0  int32  length of what follows
 *   4  uint8  serialization of the header (0 JSON, 1 ROCKETMQ)
 *   5  uint24 header length
 *   8  header, then body to the end
 */
import { RmqError } from '../errors.ts';
import type { RemotingCommand } from './command.ts';
import { type CommandHead, decodeHeader, encodeHeader } from './header.ts';

/** Largest frame, its length field included, as Apache's. */
export const frameSizeMaxBytes = 16_777_216;
/** Java's clients stay far below: 32 KiB of properties and some names. */
const headerSizeMaxBytes = 1 << 20;
const prefixSizeBytes = 8;
/** Smaller pieces of a frame are joined as they come, so that many tiny ones cost no more than a few. */
const pieceSizeBytes = 16_384;

/**
 * Takes chunks, hands out whole frames. Holds at most one frame and one chunk. A frame that lies in one
 * chunk is a view into it; one that spans chunks is joined once, when it is complete.
 */
export class FrameDecoder {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = 4;

  constructor(maxBytes: number = frameSizeMaxBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held for a frame that is not complete. */
  get heldBytes(): number {
    return this.#size;
  }

  /** `chunk` belongs to the decoder. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#size += chunk.length;
    let piece = chunk;
    for (let last = this.#chunks.at(-1); last !== undefined; last = this.#chunks.at(-1)) {
      if (last.length > piece.length || last.length >= pieceSizeBytes) break;
      this.#chunks.pop();
      piece = Buffer.concat([last, piece]);
    }
    this.#chunks.push(piece);
  }

  /**
   * The next whole frame, or undefined. Its body is a view into what was pushed, where nobody writes.
   * @throws RmqError FRAME_TOO_LARGE, BAD_FRAME; the stream cannot be read on then.
   */
  next(): RemotingCommand | undefined {
    if (this.#size < this.#wanted) return undefined;
    const start = this.#joined();
    const length = start.readInt32BE(0);
    if (length > this.#maxBytes - 4) {
      throw new RmqError(
        'FRAME_TOO_LARGE',
        `a frame of ${length} bytes, at most ${this.#maxBytes - 4}`,
      );
    }
    if (length < 4) throw new RmqError('BAD_FRAME', `a frame of ${length} bytes`);
    const total = length + 4;
    if (this.#size >= prefixSizeBytes) checkHeaderSize(start, total);
    if (this.#size < total) {
      this.#wanted = total;
      return undefined;
    }
    this.#wanted = 4;
    this.#size -= total;
    this.#chunks = this.#size === 0 ? [] : [start.subarray(total)];
    return decodeFrame(start.subarray(0, total));
  }

  #joined(): Buffer {
    const first = this.#chunks[0];
    if (this.#chunks.length === 1 && first !== undefined) return first;
    const joined = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [joined];
    return joined;
  }
}

/** As soon as the size is there, so that nobody collects a frame that cannot be read. */
function checkHeaderSize(start: Buffer, total: number): void {
  const size = start.readInt32BE(4) & 0xffffff;
  if (prefixSizeBytes + size > total) {
    throw new RmqError('BAD_FRAME', 'the header is longer than the frame');
  }
  if (size > headerSizeMaxBytes) {
    throw new RmqError(
      'FRAME_TOO_LARGE',
      `a header of ${size} bytes, at most ${headerSizeMaxBytes}`,
    );
  }
}

/** @throws RmqError BAD_FRAME, FRAME_TOO_LARGE */
export function decodeFrame(frame: Buffer): RemotingCommand {
  checkHeaderSize(frame, frame.length);
  const word = frame.readInt32BE(4);
  const headerEnd = prefixSizeBytes + (word & 0xffffff);
  const head = decodeHeader(frame.subarray(prefixSizeBytes, headerEnd), word >>> 24);
  return { ...head, body: frame.subarray(headerEnd) };
}

/** Everything of a frame before the body. */
export function encodeFrameHead(head: CommandHead, bodySize: number): Buffer {
  const out = encodeHeader(head, prefixSizeBytes);
  out.writeInt32BE(out.length - 4 + bodySize, 0);
  out.writeInt32BE((head.serializeType << 24) | (out.length - prefixSizeBytes), 4);
  return out;
}
