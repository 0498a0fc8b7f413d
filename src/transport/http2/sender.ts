/**
 * The sending half of a connection: frames into the outbound buffer, one write a tick, the client's flow
 * control, and its table of headers. What may not go yet waits in its stream; streams that could go take turns,
 * a frame each.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Connection } from '../../platform/network.ts';
import {
  Flag,
  FrameType,
  frameHeadSizeBytes,
  frameSizeDefaultBytes,
  windowDefaultBytes,
  windowMaxBytes,
  writeFrameHead,
  writeUint32,
} from './frames.ts';
import { type HeaderList, HpackEncoder } from './hpack-encoder.ts';
import type { ErrorCode } from './http2-error.ts';
import { http2Limits } from './limits.ts';
import { Outbound } from './outbound.ts';
import type { Http2Stream } from './stream.ts';

/** What the other half wants to hear. */
export interface SenderEvents {
  /** The end of the stream has been written. */
  onStreamSent(stream: Http2Stream): void;
  /** `isCongested` changed. */
  onCongestion(): void;
  /** Too many answers wait for the client. */
  onOverflow(): void;
}

export class Sender {
  readonly encoder = new HpackEncoder();
  /** The client's SETTINGS_INITIAL_WINDOW_SIZE. */
  initialWindowBytes: number = windowDefaultBytes;
  /** The client's SETTINGS_MAX_FRAME_SIZE. */
  frameSizeMaxBytes: number = frameSizeDefaultBytes;
  /** The socket takes no more at the moment. */
  isCongested = false;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #events: SenderEvents;
  readonly #outbound: Outbound;
  /** Streams that have data and a window of their own. */
  readonly #ready = new Set<Http2Stream>();
  #windowBytes: number = windowDefaultBytes;
  #queuedBytes = 0;
  #isFlushAsked = false;
  #isBatching = false;
  #isStopped = false;
  readonly #flushLater = (): void => {
    this.#isFlushAsked = false;
    this.#flush();
  };

  constructor(options: {
    readonly connection: Connection;
    readonly clock: Clock;
    readonly events: SenderEvents;
  }) {
    this.#connection = options.connection;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#outbound = new Outbound(options.connection);
  }

  /** Until `endBatch` nothing is written: what one chunk of the client asks for is answered in one go. */
  beginBatch(): void {
    this.#isBatching = true;
  }

  endBatch(): void {
    this.#isBatching = false;
    this.#flush();
  }

  /** Drops everything. */
  stop(): void {
    this.#isStopped = true;
    this.#ready.clear();
    this.#outbound.forget();
  }

  /** Writes what may go now. */
  flush(): void {
    this.#flush();
  }

  /** A frame whose payload is at most a few numbers. */
  control(type: number, flags: number, streamId: number, ...words: readonly number[]): void {
    if (this.#isStopped) return;
    const size = words.length * 4;
    this.#outbound.reserve(frameHeadSizeBytes + size);
    const { buffer } = this.#outbound;
    let at = writeFrameHead(buffer, this.#outbound.at, size, type, flags, streamId);
    for (const word of words) at = writeUint32(buffer, at, word);
    this.#outbound.at = at;
    this.#touch();
  }

  /** SETTINGS with pairs of identifier and value. */
  settings(pairs: ReadonlyArray<readonly [id: number, value: number]>): void {
    const size = pairs.length * 6;
    this.#outbound.reserve(frameHeadSizeBytes + size);
    const { buffer } = this.#outbound;
    let at = writeFrameHead(buffer, this.#outbound.at, size, FrameType.settings, 0, 0);
    for (const [id, value] of pairs) {
      buffer[at] = id >>> 8;
      buffer[at + 1] = id;
      at = writeUint32(buffer, at + 2, value);
    }
    this.#outbound.at = at;
    this.#touch();
  }

  windowUpdate(streamId: number, bytes: number): void {
    this.control(FrameType.windowUpdate, 0, streamId, bytes);
  }

  resetStream(streamId: number, code: ErrorCode): void {
    this.control(FrameType.rstStream, 0, streamId, code);
  }

  headers(stream: Http2Stream, headers: HeaderList, isLast: boolean): void {
    if (this.#isStopped) return;
    this.#writeBlock(stream.id, this.encoder.block(headers), isLast);
    if (isLast) this.#sent(stream);
  }

  data(stream: Http2Stream, head: Uint8Array, body: Uint8Array): void {
    if (this.#isStopped) return;
    const size = head.length + body.length;
    const mayGo =
      stream.queuedBytes === 0 &&
      size <= this.frameSizeMaxBytes &&
      size <= stream.sendWindowBytes &&
      size <= this.#windowBytes &&
      !this.isCongested &&
      this.#outbound.sizeBytes < http2Limits.socketQueueBytes;
    if (!mayGo) return this.#enqueue(stream, head, body, size);
    this.#beginData(stream, size);
    if (head.length > 0) this.#append(head);
    if (body.length > 0) this.#append(body);
  }

  /** Headers that end the stream, behind all of its data. */
  trailers(stream: Http2Stream, headers: HeaderList): void {
    if (stream.queuedBytes > 0) stream.waitingTrailers = headers;
    else this.headers(stream, headers, true);
  }

  /** The stream is gone: what waited in it is dropped. */
  forget(stream: Http2Stream): void {
    this.#queuedBytes -= stream.queuedBytes;
    stream.queue = [];
    stream.queuedBytes = 0;
    this.#ready.delete(stream);
  }

  /** WINDOW_UPDATE of the connection; false when the window would be too large. */
  enlargeWindow(bytes: number): boolean {
    if (this.#windowBytes + bytes > windowMaxBytes) return false;
    this.#windowBytes += bytes;
    this.#pump();
    return true;
  }

  /** WINDOW_UPDATE of a stream, or a change of all; false when it would be too large. `resume` follows. */
  enlargeStreamWindow(stream: Http2Stream, bytes: number): boolean {
    if (stream.sendWindowBytes + bytes > windowMaxBytes) return false;
    stream.sendWindowBytes += bytes;
    // SETTINGS can make it smaller, even than what has been sent: RFC 9113 §6.9.2.
    if (stream.sendWindowBytes <= 0) this.#ready.delete(stream);
    else if (stream.queuedBytes > 0) this.#ready.add(stream);
    return true;
  }

  /** Sends what larger windows have set free. */
  resume(): void {
    this.#pump();
  }

  /** The socket has taken what it had refused. */
  drained(): void {
    if (!this.isCongested) return;
    this.isCongested = false;
    this.#events.onCongestion();
    this.#pump();
    this.#flush();
  }

  #sent(stream: Http2Stream): void {
    stream.isLocalEnded = true;
    this.#events.onStreamSent(stream);
  }

  #enqueue(stream: Http2Stream, head: Uint8Array, body: Uint8Array, size: number): void {
    if (size === 0) return;
    if (head.length > 0) stream.queue.push(Buffer.from(head));
    if (body.length > 0) stream.queue.push(body);
    stream.queuedBytes += size;
    this.#queuedBytes += size;
    if (this.#queuedBytes > http2Limits.queuedAnswerMaxBytes) return this.#events.onOverflow();
    if (stream.sendWindowBytes <= 0) return;
    this.#ready.add(stream);
    this.#pump();
  }

  /** Lets streams take turns until the connection's window is used up or the buffer is full. */
  #pump(): void {
    while (this.#ready.size > 0 && this.#windowBytes > 0 && !this.isCongested) {
      if (this.#outbound.sizeBytes >= http2Limits.socketQueueBytes) return this.#touch();
      const [stream] = this.#ready;
      if (stream === undefined) return;
      this.#ready.delete(stream);
      this.#writeQueued(stream);
      if (stream.queuedBytes === 0) this.#emptied(stream);
      else if (stream.sendWindowBytes > 0) this.#ready.add(stream);
    }
  }

  /** One frame of what waits. */
  #writeQueued(stream: Http2Stream): void {
    let left = Math.min(
      this.frameSizeMaxBytes,
      stream.sendWindowBytes,
      this.#windowBytes,
      stream.queuedBytes,
    );
    this.#beginData(stream, left);
    stream.queuedBytes -= left;
    this.#queuedBytes -= left;
    let doneCount = 0;
    while (left > 0) {
      const part = stream.queue[doneCount] as Uint8Array; // queuedBytes is their sum
      const end = Math.min(part.length, stream.queueAt + left);
      this.#append(part.subarray(stream.queueAt, end));
      left -= end - stream.queueAt;
      stream.queueAt = end;
      if (end < part.length) break;
      stream.queueAt = 0;
      doneCount += 1;
    }
    stream.queue.splice(0, doneCount);
  }

  #emptied(stream: Http2Stream): void {
    const trailers = stream.waitingTrailers;
    if (trailers !== undefined) {
      stream.waitingTrailers = undefined;
      this.headers(stream, trailers, true);
    } else if (stream.isDrainAsked) {
      stream.isDrainAsked = false;
      stream.handler?.onDrain();
    }
  }

  /** The head of a DATA frame, paid for from both windows, and room for its payload. */
  #beginData(stream: Http2Stream, size: number): void {
    stream.sendWindowBytes -= size;
    this.#windowBytes -= size;
    this.#outbound.reserve(frameHeadSizeBytes + size);
    const { buffer, at } = this.#outbound;
    this.#outbound.at = writeFrameHead(buffer, at, size, FrameType.data, 0, stream.id);
    this.#touch();
  }

  #append(bytes: Uint8Array): void {
    this.#outbound.buffer.set(bytes, this.#outbound.at);
    this.#outbound.at += bytes.length;
  }

  /** HEADERS, and CONTINUATION for what one frame does not hold. */
  #writeBlock(streamId: number, block: Buffer, isLast: boolean): void {
    let begin = 0;
    let type: number = FrameType.headers;
    let flags: number = isLast ? Flag.endStream : 0;
    do {
      const end = Math.min(block.length, begin + this.frameSizeMaxBytes);
      if (end === block.length) flags |= Flag.endHeaders;
      this.#outbound.reserve(frameHeadSizeBytes + end - begin);
      const { buffer, at } = this.#outbound;
      this.#outbound.at = writeFrameHead(buffer, at, end - begin, type, flags, streamId);
      this.#append(begin === 0 && end === block.length ? block : block.subarray(begin, end));
      begin = end;
      type = FrameType.continuation;
      flags = 0;
    } while (begin < block.length);
    this.#touch();
  }

  #touch(): void {
    if (this.#isBatching || this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    this.#clock.afterTick(this.#flushLater);
  }

  #flush(): void {
    while (!this.#isStopped && this.#outbound.sizeBytes > 0) {
      this.#outbound.flush();
      if (this.isCongested) return;
      if (this.#connection.pendingBytes >= http2Limits.socketQueueBytes) {
        this.isCongested = true;
        this.#events.onCongestion();
        return;
      }
      this.#pump();
    }
  }
}
