/**
 * Cuts the bytes of a client into frames, however they were split on the way. Nothing is copied but a
 * frame head or a control frame that a chunk's end cuts; what the body of a DATA frame has so far is handed on
 * at once, so that memory held here is at most one control frame.
 */
import { clientPreface, Flag, FrameType, frameHeadSizeBytes } from './frames.ts';
import { ConnectionError, ErrorCode } from './http2-error.ts';

/** Who is told of frames. Any of these may throw a ConnectionError, or stop the reader. */
export interface FrameSink {
  /** A head has come; `type`, `flags`, `streamId` and `size` of the reader say what it is. */
  onFrameHead(): void;
  /** A part of the body of a DATA frame without padding, maybe empty. */
  onDataPart(chunk: Buffer, begin: number, end: number, isLast: boolean): void;
  /** The whole payload of any other frame. Valid until this returns. */
  onFrame(chunk: Buffer, begin: number, end: number): void;
}

const empty = Buffer.alloc(0);

export class FrameReader {
  /** The frame at hand. */
  type = 0;
  flags = 0;
  streamId = 0;
  /** Bytes of its payload. */
  size = 0;
  readonly #sink: FrameSink;
  readonly #head: Buffer = Buffer.alloc(frameHeadSizeBytes);
  #prefaceSize = 0;
  #headSize = 0;
  /** Bytes of the payload that are still to come; -1: between frames. */
  #left = -1;
  /** Part of a control frame's payload. */
  #partial: Buffer = empty;
  #isStopped = false;

  /** `isServer`: what comes begins with a client's preface. */
  constructor(sink: FrameSink, options: { readonly isServer: boolean } = { isServer: true }) {
    this.#sink = sink;
    if (!options.isServer) this.#prefaceSize = clientPreface.length;
  }

  get isPrefaceRead(): boolean {
    return this.#prefaceSize === clientPreface.length;
  }

  /** Nothing is read any more, not even the rest of the chunk at hand. */
  stop(): void {
    this.#isStopped = true;
    this.#partial = empty;
  }

  /** @throws ConnectionError PROTOCOL_ERROR when the client does not begin with the preface. */
  push(chunk: Buffer): void {
    const end = chunk.length;
    let at = this.isPrefaceRead ? 0 : this.#readPreface(chunk);
    while (!this.#isStopped) {
      if (this.#left < 0) {
        const next = this.#readHead(chunk, at);
        if (next < 0) return;
        at = next;
        this.#left = this.size;
        this.#sink.onFrameHead();
        if (this.#isStopped) return;
      }
      if (this.#left > 0 && at >= end) return;
      at = this.#readPayload(chunk, at);
    }
  }

  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    const isLast = end - at === this.#left;
    // Padding says how long it is at the front, but sits at the end: rare, so read as a whole.
    if (this.type === FrameType.data && (this.flags & Flag.padded) === 0) {
      this.#left = isLast ? -1 : this.#left - (end - at);
      this.#sink.onDataPart(chunk, at, end, isLast);
      return end;
    }
    if (isLast && this.#left === this.size) {
      this.#left = -1;
      this.#sink.onFrame(chunk, at, end);
      return end;
    }
    if (this.#left === this.size) this.#partial = Buffer.allocUnsafe(this.size);
    chunk.copy(this.#partial, this.size - this.#left, at, end);
    this.#left -= end - at;
    if (!isLast) return end;
    const payload = this.#partial;
    this.#partial = empty;
    this.#left = -1;
    this.#sink.onFrame(payload, 0, payload.length);
    return end;
  }

  /** The position behind the head; -1 when the chunk ends before. */
  #readHead(chunk: Buffer, at: number): number {
    if (this.#headSize === 0 && chunk.length - at >= frameHeadSizeBytes) {
      this.#takeHead(chunk, at);
      return at + frameHeadSizeBytes;
    }
    const taken = Math.min(frameHeadSizeBytes - this.#headSize, chunk.length - at);
    chunk.copy(this.#head, this.#headSize, at, at + taken);
    this.#headSize += taken;
    if (this.#headSize < frameHeadSizeBytes) return -1;
    this.#headSize = 0;
    this.#takeHead(this.#head, 0);
    return at + taken;
  }

  /** There are nine bytes at `at`. Byte by byte, as Buffer's readers check more than is needed here. */
  #takeHead(bytes: Buffer, at: number): void {
    const byte = (index: number): number => bytes[at + index] as number;
    this.size = (byte(0) << 16) | (byte(1) << 8) | byte(2);
    this.type = byte(3);
    this.flags = byte(4);
    this.streamId = ((byte(5) & 0x7f) << 24) | (byte(6) << 16) | (byte(7) << 8) | byte(8);
  }

  #readPreface(chunk: Buffer): number {
    const size = Math.min(clientPreface.length - this.#prefaceSize, chunk.length);
    const isExpected =
      chunk.compare(clientPreface, this.#prefaceSize, this.#prefaceSize + size, 0, size) === 0;
    if (!isExpected) {
      throw new ConnectionError(ErrorCode.protocolError, 'the client does not speak HTTP/2');
    }
    this.#prefaceSize += size;
    return size;
  }
}
