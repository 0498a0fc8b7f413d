/**
 * One request and its answer. Answers are headers, then data, then trailers that end the stream; what
 * the client's windows do not let through waits here.
 */
import type { HeaderList } from './hpack-encoder.ts';
import type { ErrorCode } from './http2-error.ts';
import { http2Limits } from './limits.ts';

/** Who works on a request. */
export interface StreamHandler {
  /** Part of the body: a view that stays good. */
  onData(bytes: Buffer): void;
  /** The request is complete. */
  onEnd(): void;
  /** What waited after `send` had said so has left. */
  onDrain(): void;
  /** The client or the connection is gone, or broke a rule, before the answer was complete. Last event. */
  onAbort(): void;
}

/** What a stream needs of its connection. */
export interface StreamOwner {
  writeHeaders(stream: Http2Stream, headers: HeaderList, isLast: boolean): void;
  writeData(stream: Http2Stream, head: Uint8Array, body: Uint8Array): void;
  writeTrailers(stream: Http2Stream, headers: HeaderList): void;
  resetStream(stream: Http2Stream, code: ErrorCode): void;
}

export class Http2Stream {
  readonly id: number;
  handler: StreamHandler | undefined = undefined;
  /** Bytes that the client still takes; below zero when it made its window smaller. */
  sendWindowBytes: number;
  /** Bytes taken since its window was last made larger. */
  consumedBytes = 0;
  readonly contentLength: number;
  /** What its headers hold. */
  readonly headersSizeBytes: number;
  bodySizeBytes = 0;
  /** The client has said everything; we have. */
  isRemoteEnded = false;
  isLocalEnded = false;
  /** Nothing more can be sent or received. */
  isClosed = false;
  /** Parts that wait, oldest first; the first without its first `queueAt` bytes. */
  queue: Uint8Array[] = [];
  queueAt = 0;
  queuedBytes = 0;
  /** They go out when the queue is empty. */
  waitingTrailers: HeaderList | undefined = undefined;
  isDrainAsked = false;
  readonly #owner: StreamOwner;

  constructor(
    id: number,
    owner: StreamOwner,
    options: {
      readonly sendWindowBytes: number;
      readonly contentLength: number;
      readonly headersSizeBytes: number;
    },
  ) {
    this.id = id;
    this.#owner = owner;
    this.sendWindowBytes = options.sendWindowBytes;
    this.contentLength = options.contentLength;
    this.headersSizeBytes = options.headersSizeBytes;
  }

  /** True once nothing more of ours is taken. */
  get isAnswered(): boolean {
    return this.isClosed || this.isLocalEnded || this.waitingTrailers !== undefined;
  }

  /** The answer's headers. */
  respond(headers: HeaderList, isLast: boolean): void {
    if (!this.isAnswered) this.#owner.writeHeaders(this, headers, isLast);
  }

  /**
   * Data: `head`, which is copied, then `body`, which belongs to the stream from now on. False: the
   * client reads slowly, wait for `onDrain`.
   */
  send(head: Uint8Array, body: Uint8Array): boolean {
    if (this.isAnswered) return true;
    this.#owner.writeData(this, head, body);
    if (this.queuedBytes < http2Limits.streamQueueBytes) return true;
    this.isDrainAsked = true;
    return false;
  }

  /** Ends the answer. */
  end(trailers: HeaderList): void {
    if (!this.isAnswered) this.#owner.writeTrailers(this, trailers);
  }

  /** Gives the stream up; the handler hears `onAbort`. */
  reset(code: ErrorCode): void {
    if (!this.isClosed) this.#owner.resetStream(this, code);
  }
}
