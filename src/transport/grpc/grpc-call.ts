/**
 * One call on our own HTTP/2: messages out of the body, the method of the table, the answer with its
 * status in the trailers. Has no promise and no timer of its own.
 */
import type { HostPort } from '../../platform/network.ts';
import type { TimerWheel, WheelTimer } from '../../util/timer-wheel.ts';
import type { Http2Connection } from '../http2/connection.ts';
import { HeaderKind } from '../http2/header-field.ts';
import { HeaderList, type OutgoingHeader } from '../http2/hpack-encoder.ts';
import type { RequestHead } from '../http2/request-head.ts';
import type { Http2Stream, StreamHandler } from '../http2/stream.ts';
import type { Call, InStream, Method, OutStream } from './call.ts';
import {
  acceptedEncodings,
  compressAnswer,
  type Decompressor,
  type Encoding,
  encodingOf,
} from './compression.ts';
import {
  type AssemblyBudget,
  MessageReader,
  type MessageSink,
  messagePrefixSizeBytes,
} from './message-reader.ts';
import { GrpcError, GrpcStatus, percentEncode } from './status.ts';
import { timeoutMs } from './timeout.ts';

/** What all calls of a server share. */
export interface CallContext {
  readonly wheel: TimerWheel;
  readonly nowMs: () => number;
  readonly budget: AssemblyBudget;
  readonly decompressor: Decompressor;
  readonly messageSizeMaxBytes: number;
  /** A method threw, which it must not. */
  readonly onFault: (method: string, error: unknown) => void;
}

const repeats = (name: string, value: string): OutgoingHeader => ({ name, value, use: 'repeats' });
const once = (name: string, value: string): OutgoingHeader => ({ name, value, use: 'once' });

const headHeaders = [repeats(':status', '200'), repeats('content-type', 'application/grpc')];
const heads: Readonly<Record<Encoding, HeaderList>> = {
  identity: new HeaderList(headHeaders, true),
  gzip: new HeaderList([...headHeaders, repeats('grpc-encoding', 'gzip')], true),
  deflate: new HeaderList([...headHeaders, repeats('grpc-encoding', 'deflate')], true),
};
const okTrailers = new HeaderList([repeats('grpc-status', '0')], true);
/** The prefix of a message while it is being written; a stream copies it. */
const prefix = Buffer.alloc(messagePrefixSizeBytes);
const nothing = Buffer.alloc(0);
/** A message that comes in parts comes at least this fast. */
const paceMs = 30_000;
const paceBytes = 64 * 1024;
/** Longer deadlines are none: clients ask for centuries. */
const timerMaxMs = 2 ** 31 - 1;

export class GrpcCall implements Call, OutStream, StreamHandler, MessageSink {
  readonly #context: CallContext;
  readonly #connection: Http2Connection;
  readonly #stream: Http2Stream;
  readonly #head: RequestHead;
  readonly #method: Method;
  readonly #deadlineMs: number;
  readonly #timer: WheelTimer | undefined;
  readonly #encoding: Encoding | undefined;
  #reader: MessageReader | undefined = undefined;
  #pace: WheelTimer | undefined = undefined;
  /** The request of a call that takes one message. */
  #request: Buffer | undefined = undefined;
  #input: InStream | undefined = undefined;
  #heldBytes = 0;
  /** Compressed messages that wait for the one being decompressed. */
  #waiting: Buffer[] | undefined = undefined;
  #isDecompressing = false;
  #isEnded = false;
  #isHeadSent = false;
  #answerEncoding: Encoding = 'identity';
  /** Answered, failed or cancelled. */
  #isOver = false;
  #cancelRuns: Array<() => void> | undefined = undefined;
  #drainRun: (() => void) | undefined = undefined;

  constructor(
    context: CallContext,
    connection: Http2Connection,
    stream: Http2Stream,
    options: { readonly head: RequestHead; readonly method: Method },
  ) {
    this.#context = context;
    this.#connection = connection;
    this.#stream = stream;
    this.#head = options.head;
    this.#method = options.method;
    const timeout = options.head.valueOf(HeaderKind.grpcTimeout);
    const leftMs = timeout === undefined ? Infinity : timeoutMs(timeout);
    this.#deadlineMs = leftMs === undefined ? Infinity : context.nowMs() + leftMs;
    this.#timer =
      leftMs === undefined || leftMs > timerMaxMs
        ? undefined
        : context.wheel.set(leftMs, () => this.#expired());
    this.#encoding = encodingOf(options.head.valueOf(HeaderKind.grpcEncoding));
    if (leftMs === undefined) this.fail(GrpcStatus.internal, `malformed grpc-timeout: ${timeout}`);
    else if (this.#encoding === undefined) this.#refuseEncoding();
    else if (this.#method.kind === 'duplex') this.#open(this.#method);
  }

  // Call

  header(name: string): string | undefined {
    return this.#head.value(name);
  }

  remainingMs(): number {
    return this.#deadlineMs === Infinity ? Infinity : this.#deadlineMs - this.#context.nowMs();
  }

  get peer(): HostPort {
    return this.#connection.remote;
  }

  get authority(): string {
    return this.#head.authority;
  }

  onCancel(run: () => void): void {
    // The client may go while a method still looks something up.
    if (this.#isOver) return run();
    (this.#cancelRuns ??= []).push(run);
  }

  // OutStream

  send(message: Uint8Array): boolean {
    if (this.#isOver) return true;
    this.sendHeaders();
    const compressed = compressAnswer(this.#answerEncoding, message);
    const bytes = compressed ?? message;
    prefix[0] = compressed === undefined ? 0 : 1;
    prefix.writeUInt32BE(bytes.length, 1);
    return this.#stream.send(prefix, bytes);
  }

  onDrain(run?: () => void): void {
    // The seam registers with a function, the stream tells without one.
    if (run === undefined) this.#drainRun?.();
    else this.#drainRun = run;
  }

  sendHeaders(): void {
    if (this.#isHeadSent || this.#isOver) return;
    this.#isHeadSent = true;
    this.#stream.respond(heads[this.#answerEncoding], false);
  }

  end(): void {
    if (this.#isOver) return;
    this.sendHeaders();
    this.#finish();
    this.#stream.end(okTrailers);
    this.#leaveInput();
  }

  fail(status: GrpcStatus, text: string): void {
    this.#fail(status, text, []);
  }

  // StreamHandler

  onData(bytes: Buffer): void {
    if (this.#isOver) return;
    try {
      if (this.#reader === undefined && isOneMessage(bytes)) {
        return this.onMessage(bytes.subarray(messagePrefixSizeBytes), false);
      }
      this.#reader ??= new MessageReader({
        budget: this.#context.budget,
        sizeMaxBytes: this.#context.messageSizeMaxBytes,
        sink: this,
      });
      this.#reader.push(bytes);
      if (this.#pace === undefined && !this.#reader.isAtEnd) this.#watchPace(this.#reader);
    } catch (error) {
      this.#broken(error);
    }
  }

  onEnd(): void {
    if (this.#isOver) return;
    if (this.#reader?.isAtEnd === false) {
      return this.fail(GrpcStatus.internal, 'the request ends within a message');
    }
    this.#isEnded = true;
    if (!this.#isDecompressing) this.#ended();
  }

  onAbort(): void {
    if (!this.#isOver) this.#finish();
    this.#cancelled();
  }

  /** Half a message holds memory that all calls share: it has to get on. */
  #watchPace(reader: MessageReader): void {
    const before = reader.receivedBytes;
    this.#pace = this.#context.wheel.set(paceMs, () => {
      this.#pace = undefined;
      if (this.#isOver || reader.isAtEnd) return;
      if (reader.receivedBytes - before >= paceBytes) return this.#watchPace(reader);
      this.fail(GrpcStatus.deadlineExceeded, 'the request came too slowly');
      this.#cancelled();
    });
  }

  // MessageSink

  onMessage(bytes: Buffer, isCompressed: boolean): void {
    if (this.#isOver) return;
    if (!isCompressed && !this.#isDecompressing) return this.#take(bytes);
    if (isCompressed && this.#encoding === 'identity') {
      return this.fail(GrpcStatus.internal, 'a compressed message, but no grpc-encoding');
    }
    // They are taken in order, so an uncompressed one waits, too.
    if (!isCompressed) throw new GrpcError(GrpcStatus.internal, 'compression changes in a stream');
    this.#hold(bytes.length);
    if (this.#isDecompressing) (this.#waiting ??= []).push(bytes);
    else this.#decompress(bytes);
  }

  #decompress(bytes: Buffer): void {
    const encoding = this.#encoding ?? 'identity';
    this.#isDecompressing = true;
    this.#answerInKind(encoding);
    this.#context.decompressor.decompress(encoding, bytes, (message) => {
      this.#isDecompressing = false;
      if (this.#isOver) return;
      this.#hold(-bytes.length);
      if (message instanceof Error) {
        const text = `cannot decompress the request: ${message.message}`;
        return this.fail(GrpcStatus.internal, text);
      }
      try {
        this.#take(message);
      } catch (error) {
        return this.#broken(error);
      }
      if (this.#isOver) return;
      const next = this.#waiting?.shift();
      if (next !== undefined) this.#decompress(next);
      else if (this.#isEnded) this.#ended();
    });
  }

  /** Who compresses gets answers of the same kind. */
  #answerInKind(encoding: Encoding): void {
    if (this.#isHeadSent) return;
    const accepted = this.#head.valueOf(HeaderKind.grpcAcceptEncoding) ?? '';
    if (accepted.split(/\s*,\s*/).includes(encoding)) this.#answerEncoding = encoding;
  }

  #take(message: Buffer): void {
    if (this.#method.kind === 'duplex') {
      this.#input?.onMessage(message);
      return;
    }
    if (this.#request !== undefined) {
      throw new GrpcError(GrpcStatus.internal, 'more than one message in the request');
    }
    this.#request = message;
    this.#hold(message.length);
  }

  #ended(): void {
    if (this.#method.kind === 'duplex') {
      this.#input?.onEnd();
      return;
    }
    const request = this.#request;
    if (request === undefined) return this.fail(GrpcStatus.internal, 'no message in the request');
    this.#request = nothing;
    try {
      if (this.#method.kind === 'unary') {
        this.#method.run(this, request, (message) => {
          this.send(message);
          this.end();
        });
      } else this.#method.run(this, request, this);
    } catch (error) {
      this.#broken(error);
    }
  }

  #open(method: Extract<Method, { kind: 'duplex' }>): void {
    try {
      this.#input = method.run(this, this);
    } catch (error) {
      this.#broken(error);
    }
  }

  /** More, or less, of this call is being worked on. */
  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#connection.hold(bytes);
  }

  #expired(): void {
    if (this.#isOver) return;
    this.fail(GrpcStatus.deadlineExceeded, 'deadline exceeded');
    this.#cancelled();
  }

  #refuseEncoding(): void {
    const text = `grpc-encoding is none of ${acceptedEncodings}`;
    const hint = once('grpc-accept-encoding', acceptedEncodings);
    this.#fail(GrpcStatus.unimplemented, text, [hint]);
  }

  /** What a client did wrong, or a method that threw. */
  #broken(error: unknown): void {
    if (!(error instanceof GrpcError)) this.#context.onFault(this.#method.name, error);
    const isTold = !this.#isOver;
    if (error instanceof GrpcError) this.fail(error.status, error.message);
    else this.fail(GrpcStatus.internal, 'internal error');
    if (isTold) this.#cancelled();
  }

  #fail(status: GrpcStatus, text: string, more: readonly OutgoingHeader[]): void {
    if (this.#isOver) return;
    this.#finish();
    const trailers = statusHeaders(status, text);
    if (this.#isHeadSent) this.#stream.end(new HeaderList(trailers, false));
    else this.#stream.respond(new HeaderList([...headHeaders, ...trailers, ...more], false), true);
    this.#leaveInput();
  }

  /** A stream whose client still speaks hears that nobody listens any more. */
  #leaveInput(): void {
    const input = this.#input;
    this.#input = undefined;
    if (!this.#isEnded) input?.onCancel();
  }

  #finish(): void {
    this.#isOver = true;
    if (this.#timer !== undefined) this.#context.wheel.cancel(this.#timer);
    if (this.#pace !== undefined) this.#context.wheel.cancel(this.#pace);
    this.#reader?.drop();
    this.#hold(-this.#heldBytes);
    this.#request = nothing;
    this.#waiting = undefined;
  }

  #cancelled(): void {
    this.#input?.onCancel();
    const runs = this.#cancelRuns;
    this.#cancelRuns = undefined;
    if (runs !== undefined) for (const run of runs) run();
  }
}

/** The usual call: its one message in one frame, not compressed. */
function isOneMessage(bytes: Buffer): boolean {
  return (
    bytes.length >= messagePrefixSizeBytes &&
    bytes[0] === 0 &&
    bytes.readUInt32BE(1) === bytes.length - messagePrefixSizeBytes
  );
}

function statusHeaders(status: GrpcStatus, text: string): OutgoingHeader[] {
  const code = once('grpc-status', String(status));
  return text === '' ? [code] : [code, once('grpc-message', percentEncode(text))];
}

/** An answer without a call: the headers of a method or path that is not served. */
export function failedHead(status: GrpcStatus, text: string): HeaderList {
  return new HeaderList([...headHeaders, ...statusHeaders(status, text)], false);
}
