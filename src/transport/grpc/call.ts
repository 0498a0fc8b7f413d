/**
 * The seam between the gRPC service and whatever carries it: message bytes in, message bytes out, a
 * callback to answer. Two transports fill it, `server.ts` beside it and grpc-js; nothing above may know.
 */
import type { HostPort } from '../../platform/network.ts';
import type { GrpcStatus } from './status.ts';

/** One call of a client, whatever its shape. */
export interface Call {
  /** A request header by its lower-case name; of several values the first. */
  header(name: string): string | undefined;
  /** Milliseconds until the client's deadline; Infinity without one. */
  remainingMs(): number;
  readonly peer: HostPort;
  /** `:authority`: the host and port that the client believes to be talking to; may be empty. */
  readonly authority: string;
  /**
   * `run` is called at most once, when the client gives up before it can have got the whole answer; on
   * grpc-js only while the answer has no end.
   */
  onCancel(run: () => void): void;
}

/** The answering side of a stream. After `end` or `fail` everything is ignored. */
export interface OutStream {
  /** Queues a message. False: more should wait for `onDrain`. */
  send(message: Uint8Array): boolean;
  /** `run` is called each time that queued messages have left after a refusal. */
  onDrain(run: () => void): void;
  /** Sends the response headers now instead of with the first message. */
  sendHeaders(): void;
  /** Completes the stream with gRPC status OK. */
  end(): void;
  /** Completes the stream with a gRPC status of its own: broken commands, never for payload errors. */
  fail(status: GrpcStatus, text: string): void;
}

/** The receiving side of a stream: what the service wants to hear. */
export interface InStream {
  onMessage(message: Buffer): void;
  /** The client has said everything. */
  onEnd(): void;
  /** The stream broke or was cancelled. Last event; not after `onEnd` and an ended answer. */
  onCancel(): void;
}

export interface UnaryMethod {
  readonly kind: 'unary';
  readonly name: string;
  /** `reply` is called exactly once, maybe before `run` returns. */
  run(call: Call, message: Buffer, reply: (message: Uint8Array) => void): void;
}

export interface ServerStreamMethod {
  readonly kind: 'server-stream';
  readonly name: string;
  run(call: Call, message: Buffer, out: OutStream): void;
}

export interface DuplexMethod {
  readonly kind: 'duplex';
  readonly name: string;
  run(call: Call, out: OutStream): InStream;
}

export type Method = UnaryMethod | ServerStreamMethod | DuplexMethod;

/** A service as a transport serves it. What is not in the table answers UNIMPLEMENTED. */
export interface Service {
  /** Full name, such as `apache.rocketmq.v2.MessagingService`. */
  readonly name: string;
  readonly methods: readonly Method[];
}
