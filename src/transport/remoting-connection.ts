/**
 * A Remoting connection, either end: frames in, one socket write a tick out, answers matched to requests
 * by opaque. Everything is bounded: bytes waiting to be written, requests waiting for an answer. A
 * reader that is too slow stops being read from; one over the limit is closed with a reason.
 */
import type { Clock } from '../platform/clock.ts';
import { formatHostPort } from '../platform/host-port.ts';
import type { Connection, HostPort } from '../platform/network.ts';
import { RmqError } from '../protocol/errors.ts';
import {
  CommandFlag,
  type ExtFields,
  protocolVersion,
  type RemotingCommand,
  SerializeType,
} from '../protocol/remoting/command.ts';
import { encodeFrameHead, FrameDecoder } from '../protocol/remoting/frame.ts';
import type { Reply } from '../util/reply.ts';
import { TimerWheel, type WheelTimer } from '../util/timer-wheel.ts';

export interface RemotingAnswer {
  readonly code: number;
  readonly remark: string | undefined;
  readonly extFields: ExtFields;
  /** Belongs to the receiver. */
  readonly body: Buffer;
}

export interface ConnectionEvents {
  /** A request of the other side; its body is a view, see `RemotingCommand`. */
  onRequest(command: RemotingCommand): void;
  /** Last event, exactly once. */
  onClose(reason: RmqError): void;
}

export interface OutgoingAnswer {
  readonly code: number;
  readonly remark?: string | undefined;
  readonly extFields?: ExtFields | undefined;
  readonly body?: Uint8Array | readonly Uint8Array[] | undefined;
}

interface Pending {
  readonly reply: Reply<RemotingAnswer, RmqError>;
  readonly timer: WheelTimer;
}

/** Bytes that may wait for a slow reader before it is closed. */
const outboundMaxBytes = 64 << 20;
/** From here on nothing more is read from it. */
const outboundPauseBytes = 4 << 20;
const pendingCountMax = 65_536;

const wheels = new WeakMap<Clock, TimerWheel>();

/** One wheel of timeouts for all connections of a clock. */
function wheelOf(clock: Clock): TimerWheel {
  let wheel = wheels.get(clock);
  if (wheel === undefined) {
    wheel = new TimerWheel(clock, { resolutionMs: 10 });
    wheels.set(clock, wheel);
  }
  return wheel;
}

export class RemotingConnection {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  readonly #decoder = new FrameDecoder();
  readonly #pending = new Map<number, Pending>();
  #outbound: Uint8Array[] = [];
  #outboundBytes = 0;
  #isFlushAsked = false;
  #isPaused = false;
  #isClosed = false;
  #closeReason: RmqError | undefined = undefined;
  #nextOpaque = 0;
  /** Answers that came after their request had timed out. */
  lateAnswerCount = 0;
  /** When something was last received, monotonic ms. */
  lastReceivedMs: number;

  constructor(options: {
    readonly connection: Connection;
    readonly clock: Clock;
    readonly events: ConnectionEvents;
  }) {
    this.#connection = options.connection;
    this.#clock = options.clock;
    this.#events = options.events;
    this.lastReceivedMs = this.#clock.monotonicMs();
    this.#connection.setHandler({
      onData: (chunk) => this.#receive(chunk),
      onDrain: () => this.#drained(),
      onClose: (error) => this.#closed(error),
    });
  }

  get remote(): HostPort {
    return this.#connection.remote;
  }

  get local(): HostPort {
    return this.#connection.local;
  }

  /** Bytes that this connection keeps in memory: a frame that is not complete, and what waits to leave. */
  get heldBytes(): number {
    return this.#decoder.heldBytes + this.#outboundBytes + this.#connection.pendingBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  #receive(chunk: Buffer): void {
    this.lastReceivedMs = this.#clock.monotonicMs();
    this.#decoder.push(chunk);
    try {
      for (
        let command = this.#decoder.next();
        command !== undefined;
        command = this.#decoder.next()
      ) {
        if ((command.flag & CommandFlag.response) === 0) this.#events.onRequest(command);
        else this.#answered(command);
        if (this.#isClosed) return;
      }
    } catch (error) {
      if (!(error instanceof RmqError)) throw error;
      this.close(error);
    }
  }

  #answered(command: RemotingCommand): void {
    const pending = this.#pending.get(command.opaque);
    if (pending === undefined) {
      this.lateAnswerCount++;
      return;
    }
    this.#pending.delete(command.opaque);
    wheelOf(this.#clock).cancel(pending.timer);
    const { code, remark, extFields } = command;
    pending.reply({ code, remark, extFields, body: Buffer.from(command.body) });
  }

  /** Sends a request; `reply` gets the answer, TIMEOUT, BUSY or CONNECTION_LOST. */
  request(
    code: number,
    extFields: ExtFields,
    body: Uint8Array | undefined,
    timeoutMs: number,
    reply: Reply<RemotingAnswer, RmqError>,
  ): void {
    if (this.#isClosed) return reply(this.#lost());
    if (this.#pending.size >= pendingCountMax) {
      return reply(new RmqError('BUSY', `${pendingCountMax} requests wait for ${this.#name}`));
    }
    const opaque = this.#nextOpaque;
    this.#nextOpaque = (opaque + 1) & 0x7fffffff;
    const timer = wheelOf(this.#clock).set(timeoutMs, () => {
      this.#pending.delete(opaque);
      const text = `${this.#name} did not answer request ${code} in ${timeoutMs} ms`;
      reply(new RmqError('TIMEOUT', text));
    });
    this.#pending.set(opaque, { reply, timer });
    this.#send({ code, extFields, flag: 0, opaque, remark: undefined }, body);
  }

  oneway(code: number, extFields: ExtFields, body: Uint8Array | undefined): void {
    const opaque = this.#nextOpaque;
    this.#nextOpaque = (opaque + 1) & 0x7fffffff;
    this.#send({ code, extFields, flag: CommandFlag.oneway, opaque, remark: undefined }, body);
  }

  answer(opaque: number, parts: OutgoingAnswer): void {
    const { code, remark, body } = parts;
    const extFields = parts.extFields ?? {};
    this.#send({ code, extFields, flag: CommandFlag.response, opaque, remark }, body);
  }

  #send(
    head: {
      readonly code: number;
      readonly extFields: ExtFields;
      readonly flag: number;
      readonly opaque: number;
      readonly remark: string | undefined;
    },
    body: Uint8Array | readonly Uint8Array[] | undefined,
  ): void {
    if (this.#isClosed) return;
    const parts = body === undefined ? [] : body instanceof Uint8Array ? [body] : body;
    let size = 0;
    for (const part of parts) size += part.length;
    this.#queue(
      encodeFrameHead(
        {
          code: head.code,
          extFields: head.extFields,
          flag: head.flag,
          opaque: head.opaque,
          remark: head.remark,
          language: 'NODE_JS',
          version: protocolVersion,
          serializeType: SerializeType.json,
        },
        size,
      ),
    );
    for (const part of parts) this.#queue(part);
    const waiting = this.#outboundBytes + this.#connection.pendingBytes;
    if (waiting > outboundMaxBytes) {
      this.close(new RmqError('BUSY', `${this.#name} reads too slowly: ${waiting} bytes wait`));
      return;
    }
    if (this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    this.#clock.afterTick(() => this.#flush());
  }

  #queue(bytes: Uint8Array): void {
    this.#outbound.push(bytes);
    this.#outboundBytes += bytes.length;
  }

  #flush(): void {
    this.#isFlushAsked = false;
    if (this.#isClosed || this.#outbound.length === 0) return;
    const parts = this.#outbound;
    const only = parts[0];
    const bytes =
      parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, this.#outboundBytes);
    this.#outbound = [];
    this.#outboundBytes = 0;
    const isTaken = this.#connection.write(bytes);
    if (isTaken || this.#isPaused || this.#connection.pendingBytes < outboundPauseBytes) return;
    this.#isPaused = true;
    this.#connection.pauseReading();
  }

  #drained(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#connection.resumeReading();
  }

  /** Sends what is queued, then closes. */
  end(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#connection.end();
  }

  /** Closes at once; the reason reaches everybody who waits. */
  close(reason: RmqError): void {
    if (this.#isClosed) return;
    this.#closeReason = reason;
    this.#connection.destroy();
    this.#closed(undefined);
  }

  #closed(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outbound = [];
    this.#outboundBytes = 0;
    this.#closeReason ??= this.#lost(error);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const one of pending) {
      wheelOf(this.#clock).cancel(one.timer);
      one.reply(this.#lost(error));
    }
    this.#events.onClose(this.#closeReason);
  }

  #lost(cause?: Error): RmqError {
    const why = cause === undefined ? '' : `: ${cause.message}`;
    return new RmqError('CONNECTION_LOST', `the connection to ${this.#name} closed${why}`, {
      cause,
    });
  }

  get #name(): string {
    return formatHostPort(this.#connection.remote);
  }
}
