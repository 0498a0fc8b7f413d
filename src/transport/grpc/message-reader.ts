/**
 * Cuts a request's body into gRPC's messages: a byte that says whether it is compressed, uint32 length,
 * message. A message that lies in one piece is handed out as a view; one that comes in parts is put together in
 * memory that grows with what has really come, within a budget that all calls share.
 */
import { GrpcError, GrpcStatus } from './status.ts';

export const messagePrefixSizeBytes = 5;

/** Bytes of messages being put together, of all calls of a server. */
export class AssemblyBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** @throws GrpcError RESOURCE_EXHAUSTED, and takes nothing. */
  take(bytes: number): void {
    if (this.#usedBytes + bytes > this.#maxBytes) {
      const text = 'too many large requests at a time, try again';
      throw new GrpcError(GrpcStatus.resourceExhausted, text);
    }
    this.#usedBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** Who takes the messages. */
export interface MessageSink {
  onMessage(bytes: Buffer, isCompressed: boolean): void;
}

const nothing = Buffer.alloc(0);
/** What a message that comes in parts is given first; grown fourfold while it comes. */
const firstSizeBytes = 64 * 1024;

export class MessageReader {
  readonly #budget: AssemblyBudget;
  readonly #sizeMaxBytes: number;
  readonly #sink: MessageSink;
  /** Bytes that have come in all. */
  receivedBytes = 0;
  #prefix: Buffer = nothing;
  /** Length of the message at hand; -1: between messages. */
  #size = -1;
  #isCompressed = false;
  #memory: Buffer = nothing;
  #filled = 0;

  constructor(options: {
    readonly budget: AssemblyBudget;
    /** Larger messages are refused. */
    readonly sizeMaxBytes: number;
    readonly sink: MessageSink;
  }) {
    this.#budget = options.budget;
    this.#sizeMaxBytes = options.sizeMaxBytes;
    this.#sink = options.sink;
  }

  /** True between messages: a request may end here. */
  get isAtEnd(): boolean {
    return this.#size < 0 && this.#prefix.length === 0;
  }

  /** @throws GrpcError on a message that is too large or malformed; nothing is to be read after that. */
  push(chunk: Buffer): void {
    let at = 0;
    this.receivedBytes += chunk.length;
    while (at < chunk.length) {
      if (this.#size < 0) {
        at = this.#readPrefix(chunk, at);
        if (this.#size < 0) return;
      }
      const size = this.#size;
      if (this.#filled === 0 && chunk.length - at >= size) {
        this.#size = -1;
        this.#sink.onMessage(chunk.subarray(at, at + size), this.#isCompressed);
        at += size;
      } else at = this.#fill(chunk, at);
    }
  }

  /** Gives back what a message that will not be completed holds. */
  drop(): void {
    this.#budget.giveBack(this.#memory.length);
    this.#memory = nothing;
    this.#filled = 0;
  }

  #readPrefix(chunk: Buffer, at: number): number {
    let prefix = chunk;
    let begin = at;
    let next = at + messagePrefixSizeBytes;
    if (this.#prefix.length > 0 || chunk.length < next) {
      next -= this.#prefix.length;
      prefix = Buffer.concat([this.#prefix, chunk.subarray(at, next)]);
      begin = 0;
      if (prefix.length < messagePrefixSizeBytes) {
        this.#prefix = prefix;
        return chunk.length;
      }
      this.#prefix = nothing;
    }
    const flag = prefix[begin] as number; // there are five bytes
    if (flag > 1) throw new GrpcError(GrpcStatus.internal, `message flag ${flag}`);
    const size = prefix.readUInt32BE(begin + 1);
    if (size > this.#sizeMaxBytes) {
      const text = `a message of ${size} bytes is larger than ${this.#sizeMaxBytes}`;
      throw new GrpcError(GrpcStatus.resourceExhausted, text);
    }
    this.#isCompressed = flag === 1;
    this.#size = size;
    if (size === 0 && next === chunk.length) {
      this.#size = -1;
      this.#sink.onMessage(nothing, this.#isCompressed);
    }
    return next;
  }

  #fill(chunk: Buffer, at: number): number {
    const taken = Math.min(chunk.length - at, this.#size - this.#filled);
    if (this.#memory.length < this.#filled + taken) this.#grow(this.#filled + taken);
    chunk.copy(this.#memory, this.#filled, at, at + taken);
    this.#filled += taken;
    if (this.#filled === this.#size) {
      const message = this.#memory.subarray(0, this.#size);
      this.#size = -1;
      this.drop();
      this.#sink.onMessage(message, this.#isCompressed);
    }
    return at + taken;
  }

  #grow(needed: number): void {
    const size = Math.min(this.#size, Math.max(firstSizeBytes, needed * 4));
    this.#budget.take(size - this.#memory.length);
    const grown = Buffer.allocUnsafe(size);
    this.#memory.copy(grown, 0, 0, this.#filled);
    this.#memory = grown;
  }
}
