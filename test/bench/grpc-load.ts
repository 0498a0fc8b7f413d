/**
 * A light gRPC load: unary calls on one connection, so many at a time, with the headers that the Java
 * client sends. It counts answers and leaves their headers undecoded, so that the server is what is measured.
 */
import { connect, type Socket } from 'node:net';
import { Flag, FrameType, frameHeadSizeBytes, Setting } from '../../src/transport/http2/frames.ts';
import {
  HeaderList,
  HpackEncoder,
  type OutgoingHeader,
} from '../../src/transport/http2/hpack-encoder.ts';
import {
  FrameCutter,
  frame,
  greeting,
  messageFrame,
  type RawFrame,
  windowUpdateFrame,
} from '../support/http2-frames.ts';

const windowMax = 2 ** 31 - 1;

/** What repeats is in the table, what changes with each call is not: as the Java client's netty does it. */
function headersOf(path: string, authority: string, sequence: number): OutgoingHeader[] {
  const repeats = (name: string, value: string): OutgoingHeader => ({
    name,
    value,
    use: 'repeats',
  });
  const once = (name: string, value: string): OutgoingHeader => ({ name, value, use: 'once' });
  return [
    repeats(':authority', authority),
    repeats(':path', path),
    repeats(':method', 'POST'),
    repeats(':scheme', 'http'),
    repeats('content-type', 'application/grpc'),
    repeats('te', 'trailers'),
    repeats('user-agent', 'grpc-java-netty/1.50.0'),
    repeats('x-mq-language', 'JAVA'),
    repeats('x-mq-protocol', 'v2'),
    repeats('x-mq-client-version', '5.2.1'),
    once('x-mq-date-time', `20261123T13${String(sequence % 10_000).padStart(4, '0')}Z`),
    once('x-mq-request-id', `7b5e2f0a-96d1-4c2b-9a35-${String(sequence).padStart(12, '0')}`),
    repeats('x-mq-client-id', 'bench@4242@0@abcdefghij'),
    repeats('grpc-accept-encoding', 'gzip'),
    once('grpc-timeout', `${2_990_000 + (sequence % 9_999)}u`),
  ];
}

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly message: (sequence: number) => Uint8Array;
  readonly inFlight: number;
  /** Called for each answer in place of the next call of this connection. */
  readonly next?: () => void;
}

/** One connection under load, from `start` until `stop`. */
export class GrpcLoad {
  /** Calls that were answered. */
  doneCount = 0;
  /** Calls that were answered without a message: failed. */
  failedCount = 0;
  readonly #options: LoadOptions;
  readonly #socket: Socket;
  readonly #encoder = new HpackEncoder();
  readonly #cutter = new FrameCutter();
  readonly #answered = new Set<number>();
  #streamId = 1;
  #sequence = 0;
  #window = 65_535;
  #waiting = 0;
  #out: Buffer[] = [];
  #isRunning = false;
  #whenIdle: (() => void) | undefined = undefined;
  #underWay = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#socket.on('error', () => {});
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.write(greeting([Setting.initialWindowSize, windowMax]));
    this.#socket.write(windowUpdateFrame(0, windowMax - 65_535));
  }

  start(): void {
    this.#isRunning = true;
    for (let i = 0; i < this.#options.inFlight; i += 1) this.#call();
    this.#flush();
  }

  /** One call more, beside those that repeat themselves. */
  callOnce(): void {
    this.#call();
    this.#flush();
  }

  /** Resolves when the last answer has come. */
  stop(): Promise<void> {
    this.#isRunning = false;
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #call(): void {
    const { path, host, port, message } = this.#options;
    const sequence = this.#sequence++;
    const data = messageFrame(this.#streamId, message(sequence));
    const size = data.length - frameHeadSizeBytes; // heads are not under flow control
    if (this.#window < size) {
      this.#waiting += 1;
      return;
    }
    this.#window -= size;
    this.#underWay += 1;
    const list = new HeaderList(headersOf(path, `${host}:${port}`, sequence), false);
    const block = this.#encoder.block(list);
    this.#out.push(frame(FrameType.headers, Flag.endHeaders, this.#streamId, block), data);
    this.#streamId += 2;
  }

  #read(chunk: Buffer): void {
    this.#cutter.push(chunk, (one) => this.#take(one));
    this.#flush();
  }

  #take({ type, flags, streamId, payload }: RawFrame): void {
    if (type === FrameType.settings && (flags & Flag.ack) === 0) {
      this.#out.push(frame(FrameType.settings, Flag.ack, 0));
    } else if (type === FrameType.ping && (flags & Flag.ack) === 0) {
      this.#out.push(frame(FrameType.ping, Flag.ack, 0, payload));
    } else if (type === FrameType.windowUpdate && streamId === 0) {
      this.#window += payload.readUInt32BE(0);
      for (let left = this.#waiting; left > 0; left -= 1) {
        this.#waiting -= 1;
        this.#call();
      }
    } else if (type === FrameType.data) this.#answered.add(streamId);
    else if (type === FrameType.headers && (flags & Flag.endStream) !== 0) this.#done(streamId);
    else if (type === FrameType.rstStream) this.#done(streamId);
  }

  #done(streamId: number): void {
    this.#underWay -= 1;
    this.doneCount += 1;
    if (!this.#answered.delete(streamId)) this.failedCount += 1;
    if (!this.#isRunning) {
      if (this.#underWay === 0) this.#whenIdle?.();
    } else if (this.#options.next !== undefined) this.#options.next();
    else this.#call();
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    this.#socket.write(Buffer.concat(this.#out));
    this.#out = [];
  }
}
