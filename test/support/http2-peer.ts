/** A client of our HTTP/2 that lives in memory: what it says goes in as bytes, what it hears comes out as frames. */
import type { Connection, ConnectionHandler } from '../../src/platform/network.ts';
import { Http2Connection } from '../../src/transport/http2/connection.ts';
import { Flag, FrameType } from '../../src/transport/http2/frames.ts';
import { HpackDecoder } from '../../src/transport/http2/hpack-decoder.ts';
import { HeaderList, HpackEncoder } from '../../src/transport/http2/hpack-encoder.ts';
import type { RequestHead } from '../../src/transport/http2/request-head.ts';
import type { Http2Stream, StreamHandler } from '../../src/transport/http2/stream.ts';
import { TimerWheel } from '../../src/util/timer-wheel.ts';
import { FrameCutter, frame, greeting, type RawFrame } from './http2-frames.ts';
import { ManualClock, settle } from './manual-clock.ts';

/** The socket in between. `isBlocked`: it takes nothing, and what is written waits in it. */
class PipeEnd implements Connection {
  readonly local = { host: '127.0.0.1', port: 1 };
  readonly remote = { host: '127.0.0.1', port: 2 };
  handler: ConnectionHandler | undefined = undefined;
  written: Buffer[] = [];
  writeCount = 0;
  pendingBytes = 0;
  isBlocked = false;
  isPaused = false;
  isClosed = false;

  setHandler(handler: ConnectionHandler): void {
    this.handler = handler;
  }

  write(chunk: Uint8Array): boolean {
    if (this.isClosed) return true;
    this.writeCount += 1;
    this.written.push(Buffer.from(chunk)); // The memory is the sender's.
    if (this.isBlocked) this.pendingBytes += chunk.length;
    return !this.isBlocked;
  }

  pauseReading(): void {
    this.isPaused = true;
  }

  resumeReading(): void {
    this.isPaused = false;
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handler?.onClose(undefined);
  }
}

/** A request as the server's handler saw it. */
export class SeenRequest implements StreamHandler {
  readonly stream: Http2Stream;
  readonly head: RequestHead;
  body = '';
  isEnded = false;
  isAborted = false;
  drainCount = 0;
  readonly #onEnd: (request: SeenRequest) => void;

  constructor(stream: Http2Stream, head: RequestHead, onEnd: (request: SeenRequest) => void) {
    this.stream = stream;
    this.head = head;
    this.#onEnd = onEnd;
  }

  onData(bytes: Buffer): void {
    this.body += bytes.toString('latin1');
  }

  onEnd(): void {
    this.isEnded = true;
    this.#onEnd(this);
  }

  onDrain(): void {
    this.drainCount += 1;
  }

  onAbort(): void {
    this.isAborted = true;
  }
}

export const answerHead = new HeaderList([{ name: ':status', value: '200', use: 'repeats' }], true);
export const answerTrailers = new HeaderList(
  [{ name: 'grpc-status', value: '0', use: 'repeats' }],
  true,
);

/** Our server with one client. Requests are kept and, unless told otherwise, answered with their body. */
export class Http2Peer {
  readonly clock = new ManualClock();
  readonly pipe = new PipeEnd();
  readonly http2: Http2Connection;
  readonly requests: SeenRequest[] = [];
  readonly encoder = new HpackEncoder();
  readonly decoder = new HpackDecoder(4096);
  closeReason: Error | undefined = undefined;
  isClosed = false;
  readonly #cutter = new FrameCutter();

  constructor(
    options: {
      readonly onEnd?: (request: SeenRequest) => void;
      /** Takes requests instead; they are not kept then. */
      readonly onRequest?: (
        peer: Http2Peer,
        stream: Http2Stream,
        head: RequestHead,
      ) => StreamHandler;
    } = {},
  ) {
    const onEnd = options.onEnd ?? echo;
    this.http2 = new Http2Connection({
      connection: this.pipe,
      clock: this.clock,
      wheel: new TimerWheel(this.clock, { resolutionMs: 10 }),
      events: {
        onRequest: (stream, head) => {
          if (options.onRequest !== undefined) return options.onRequest(this, stream, head);
          const request = new SeenRequest(stream, head, onEnd);
          this.requests.push(request);
          return request;
        },
        onClose: (reason) => {
          this.isClosed = true;
          this.closeReason = reason;
        },
      },
    });
  }

  /** Bytes of the client, as they come out of its socket. */
  say(...bytes: readonly Buffer[]): void {
    this.pipe.handler?.onData(Buffer.concat(bytes));
  }

  greet(...settings: ReadonlyArray<readonly [number, number]>): void {
    this.say(greeting(...settings));
  }

  /** HEADERS of a POST. */
  headers(
    streamId: number,
    options: { readonly isLast?: boolean; readonly more?: Readonly<Record<string, string>> } = {},
  ): Buffer {
    const fields = { ':method': 'POST', ':scheme': 'http', ':path': '/a/b', ...options.more };
    const list = Object.entries(fields).map(([name, value]) => ({
      name,
      value,
      use: 'repeats' as const,
    }));
    const block = Buffer.from(this.encoder.block(new HeaderList(list, false)));
    const flags = Flag.endHeaders | (options.isLast === true ? Flag.endStream : 0);
    return frame(FrameType.headers, flags, streamId, block);
  }

  /** All frames that have come since the last call; waits for the end of the tick. */
  async heard(): Promise<RawFrame[]> {
    await settle(2);
    const frames: RawFrame[] = [];
    for (const bytes of this.pipe.written.splice(0)) {
      this.#cutter.push(bytes, (one) => frames.push({ ...one, payload: Buffer.from(one.payload) }));
    }
    return frames;
  }

  /** The code of the last GOAWAY heard; undefined when there was none. */
  async goaway(): Promise<number | undefined> {
    const frames = (await this.heard()).filter((one) => one.type === FrameType.goaway);
    return frames.at(-1)?.payload.readUInt32BE(4);
  }
}

function echo({ stream, body }: SeenRequest): void {
  stream.respond(answerHead, false);
  stream.send(Buffer.alloc(0), Buffer.from(body, 'latin1'));
  stream.end(answerTrailers);
}
