/**
 * A light gRPC client: one HTTP/2 connection without TLS, messages as bytes in and out, one socket write a tick. For
 * load: it costs less than the server does. It keeps to flow control and the peer's limits; it does not
 * reconnect, compress or resolve names.
 */

import type { Clock } from '../platform/clock.ts';
import { formatHostPort } from '../platform/host-port.ts';
import type { Connection, HostPort, Network } from '../platform/network.ts';
import { RmqError } from '../protocol/errors.ts';
import { FrameReader } from '../transport/http2/frame-reader.ts';
import {
  clientPreface,
  Flag,
  FrameType,
  frameHeadSizeBytes,
  frameSizeDefaultBytes,
  Setting,
  windowDefaultBytes,
  windowMaxBytes,
  writeFrameHead,
  writeUint32,
} from '../transport/http2/frames.ts';
import { HeaderBlock } from '../transport/http2/header-block.ts';
import { HpackDecoder } from '../transport/http2/hpack-decoder.ts';
import { HeaderList, HpackEncoder } from '../transport/http2/hpack-encoder.ts';
import { ErrorCode } from '../transport/http2/http2-error.ts';
import { connectTimeoutMs } from './remoting-client.ts';

/** What a call ends with. `messages`: views into what was received, which nobody else uses. */
export interface GrpcAnswer {
  /** grpc-status; 0 OK. */
  readonly status: number;
  /** grpc-message, as sent. */
  readonly detail: string;
  readonly messages: readonly Buffer[];
}

type Reply = (answer: GrpcAnswer | RmqError) => void;

class Call {
  readonly path: string;
  readonly reply: Reply;
  readonly messages: Buffer[] = [];
  /** What the flow control has not let out yet. */
  rest: Buffer;
  readonly isLast: boolean;
  window: number;
  /** Bytes of a message that is not complete. */
  parts: Buffer = empty;
  status = 2; // UNKNOWN, for an answer without a status
  detail = '';

  constructor(
    path: string,
    reply: Reply,
    message: Buffer,
    options: { isLast: boolean; window: number },
  ) {
    this.path = path;
    this.reply = reply;
    this.rest = message;
    this.isLast = options.isLast;
    this.window = options.window;
  }
}

const empty: Buffer = Buffer.alloc(0);
const prefixSizeBytes = 5;
const headerTableSizeBytes = 4096;
const headerListMaxBytes = 64 << 10;
const streamIdMax = 2 ** 31 - 1;

export class GrpcConnection {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #authority: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #headers = new Map<string, HeaderList>();
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder(headerTableSizeBytes);
  readonly #block = new HeaderBlock();
  readonly #reader: FrameReader;
  readonly #calls = new Map<number, Call>();
  /** Calls with bytes that wait for a window, oldest first. */
  readonly #waiting = new Set<number>();
  #nextStreamId = 1;
  #window = windowDefaultBytes;
  #streamWindow = windowDefaultBytes;
  #frameSizeMax = frameSizeDefaultBytes;
  /** Bytes received since the peer was last given more room. */
  #received = 0;
  #out: Buffer[] = [];
  #isFlushAsked = false;
  #closed: RmqError | undefined = undefined;

  /** @throws RmqError CANNOT_CONNECT */
  static async open(
    address: HostPort,
    options: {
      readonly network: Network;
      readonly clock: Clock;
      /** Headers of every call. */
      readonly metadata: Readonly<Record<string, string>>;
    },
  ): Promise<GrpcConnection> {
    const timeoutMs = connectTimeoutMs;
    const connection = await options.network.connect(address, { timeoutMs });
    return new GrpcConnection(connection, formatHostPort(address), options);
  }

  private constructor(
    connection: Connection,
    authority: string,
    options: { readonly clock: Clock; readonly metadata: Readonly<Record<string, string>> },
  ) {
    this.#connection = connection;
    this.#clock = options.clock;
    this.#authority = authority;
    this.#metadata = options.metadata;
    const sink = {
      onFrameHead: (): void => {},
      onDataPart: (chunk: Buffer, begin: number, end: number, isLast: boolean): void =>
        this.#data(chunk.subarray(begin, end), isLast),
      onFrame: (chunk: Buffer, begin: number, end: number): void => this.#frame(chunk, begin, end),
    };
    this.#reader = new FrameReader(sink, { isServer: false });
    connection.setHandler({
      onData: (chunk) => this.#receive(chunk),
      onDrain: () => {},
      onClose: (error) => this.#lost(error?.message ?? 'the server closed it'),
    });
    this.#out.push(
      clientPreface,
      settingsFrame(),
      windowUpdate(windowMaxBytes - windowDefaultBytes),
    );
    this.#flushLater();
  }

  /** Calls a method with one message. `reply` comes once, with the answer or CONNECTION_LOST. */
  call(path: string, message: Uint8Array, reply: Reply): void {
    this.#start(path, message, { isLast: true }, reply);
  }

  /** The same for a stream that stays open from our side until the connection closes. */
  openStream(path: string, message: Uint8Array, reply: Reply): void {
    this.#start(path, message, { isLast: false }, reply);
  }

  /** Ends the calls of a method that are under way; each is answered INTERRUPTED. */
  cancel(path: string): void {
    for (const [streamId, call] of [...this.#calls]) {
      if (call.path !== path) continue;
      const frame = Buffer.allocUnsafe(frameHeadSizeBytes + 4);
      const at = writeFrameHead(frame, 0, 4, FrameType.rstStream, 0, streamId);
      writeUint32(frame, at, ErrorCode.cancel);
      this.#out.push(frame);
      this.#calls.delete(streamId);
      this.#waiting.delete(streamId);
      call.reply(new RmqError('INTERRUPTED', `${path} was cancelled`));
    }
    this.#flushLater();
  }

  /** Closes at once; calls under way are answered CONNECTION_LOST. */
  close(): void {
    this.#lost('it was closed');
    this.#connection.destroy();
  }

  #start(path: string, message: Uint8Array, { isLast }: { isLast: boolean }, reply: Reply): void {
    if (this.#closed !== undefined) return reply(this.#closed);
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    if (streamId > streamIdMax)
      return reply(new RmqError('BUSY', 'the connection has no streams left'));
    const block = this.#encoder.block(this.#headersOf(path));
    const head = Buffer.allocUnsafe(frameHeadSizeBytes + block.length);
    writeFrameHead(head, 0, block.length, FrameType.headers, Flag.endHeaders, streamId);
    head.set(block, frameHeadSizeBytes);
    this.#out.push(head);
    const bytes = Buffer.allocUnsafe(prefixSizeBytes + message.length);
    bytes[0] = 0;
    writeUint32(bytes, 1, message.length);
    bytes.set(message, prefixSizeBytes);
    const call = new Call(path, reply, bytes, { isLast, window: this.#streamWindow });
    this.#calls.set(streamId, call);
    this.#push(streamId, call);
    this.#flushLater();
  }

  #headersOf(path: string): HeaderList {
    let list = this.#headers.get(path);
    if (list !== undefined) return list;
    const all = {
      ':method': 'POST',
      ':scheme': 'http',
      ':authority': this.#authority,
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...this.#metadata,
    };
    const headers = Object.entries(all).map(([name, value]) => ({
      name,
      value,
      use: 'repeats' as const,
    }));
    list = new HeaderList(headers, true);
    this.#headers.set(path, list);
    return list;
  }

  /** Sends what the windows allow. */
  #push(streamId: number, call: Call): void {
    while (call.rest.length > 0) {
      const size = Math.min(call.rest.length, this.#window, call.window, this.#frameSizeMax);
      if (size <= 0) {
        this.#waiting.add(streamId);
        return;
      }
      const isEnd = call.isLast && size === call.rest.length;
      const head = Buffer.allocUnsafe(frameHeadSizeBytes);
      writeFrameHead(head, 0, size, FrameType.data, isEnd ? Flag.endStream : 0, streamId);
      this.#out.push(head, call.rest.subarray(0, size));
      call.rest = call.rest.subarray(size);
      call.window -= size;
      this.#window -= size;
    }
    this.#waiting.delete(streamId);
  }

  #pushWaiting(): void {
    for (const streamId of [...this.#waiting]) {
      const call = this.#calls.get(streamId);
      if (call === undefined) this.#waiting.delete(streamId);
      else this.#push(streamId, call);
    }
    this.#flushLater();
  }

  #flushLater(): void {
    if (this.#isFlushAsked || this.#out.length === 0) return;
    this.#isFlushAsked = true;
    this.#clock.afterTick(() => {
      this.#isFlushAsked = false;
      const out = this.#out;
      this.#out = [];
      if (this.#closed === undefined && out.length > 0) this.#connection.write(Buffer.concat(out));
    });
  }

  #receive(chunk: Buffer): void {
    this.#received += chunk.length;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
      this.#connection.destroy();
      return;
    }
    if (this.#received < 1 << 28) return;
    this.#out.push(windowUpdate(this.#received));
    this.#received = 0;
    this.#flushLater();
  }

  #data(part: Buffer, isLast: boolean): void {
    const { streamId, flags } = this.#reader;
    const call = this.#calls.get(streamId);
    if (call === undefined) return;
    let bytes = call.parts.length === 0 ? part : Buffer.concat([call.parts, part]);
    while (bytes.length >= prefixSizeBytes) {
      const end = prefixSizeBytes + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      call.messages.push(bytes.subarray(prefixSizeBytes, end));
      bytes = bytes.subarray(end);
    }
    call.parts = bytes;
    if (isLast && (flags & Flag.endStream) !== 0) this.#answered(streamId, call);
  }

  #frame(chunk: Buffer, begin: number, end: number): void {
    const { type, flags, streamId } = this.#reader;
    const block = this.#block;
    if (type === FrameType.headers) block.start(streamId, flags, chunk, begin, end);
    else if (type === FrameType.continuation) block.append(flags, chunk, begin, end);
    else return this.#control(chunk, begin, end);
    if (!block.isComplete) return;
    const fields =
      this.#decoder.decode(block.bytes, block.begin, block.end, headerListMaxBytes) ?? [];
    const call = this.#calls.get(block.streamId);
    if (call !== undefined) {
      for (const { name, value } of fields) {
        if (name === 'grpc-status') call.status = Number(value);
        else if (name === 'grpc-message') call.detail = value;
      }
      if (block.isEndStream) this.#answered(block.streamId, call);
    }
    block.clear();
  }

  #control(chunk: Buffer, begin: number, end: number): void {
    const { type, flags, streamId } = this.#reader;
    if (type === FrameType.settings && (flags & Flag.ack) === 0) this.#settings(chunk, begin, end);
    else if (type === FrameType.ping && (flags & Flag.ack) === 0) {
      const pong = Buffer.allocUnsafe(frameHeadSizeBytes + 8);
      writeFrameHead(pong, 0, 8, FrameType.ping, Flag.ack, 0);
      chunk.copy(pong, frameHeadSizeBytes, begin, end);
      this.#out.push(pong);
      this.#flushLater();
    } else if (type === FrameType.windowUpdate) {
      const more = chunk.readUInt32BE(begin) & windowMaxBytes;
      const call = this.#calls.get(streamId);
      if (streamId === 0) this.#window += more;
      else if (call !== undefined) call.window += more;
      if (this.#waiting.size > 0) this.#pushWaiting();
    } else if (type === FrameType.rstStream) {
      const call = this.#calls.get(streamId);
      if (call === undefined) return;
      call.detail = `the server reset the stream with ${chunk.readUInt32BE(begin)}`;
      this.#answered(streamId, call);
    } else if (type === FrameType.goaway) this.#lost('the server sent GOAWAY');
  }

  #settings(chunk: Buffer, begin: number, end: number): void {
    for (let at = begin; at + 6 <= end; at += 6) {
      const value = chunk.readUInt32BE(at + 2);
      switch (chunk.readUInt16BE(at)) {
        case Setting.initialWindowSize:
          for (const call of this.#calls.values()) call.window += value - this.#streamWindow;
          this.#streamWindow = value;
          break;
        case Setting.maxFrameSize:
          this.#frameSizeMax = value;
          break;
        case Setting.headerTableSize:
          this.#encoder.resize(value);
          break;
        default: // Says nothing to a client that opens few streams.
      }
    }
    const ack = Buffer.allocUnsafe(frameHeadSizeBytes);
    writeFrameHead(ack, 0, 0, FrameType.settings, Flag.ack, 0);
    this.#out.push(ack);
    this.#pushWaiting();
  }

  #answered(streamId: number, call: Call): void {
    this.#calls.delete(streamId);
    this.#waiting.delete(streamId);
    const { status, detail, messages } = call;
    call.reply({ status, detail, messages });
  }

  #lost(why: string): void {
    if (this.#closed !== undefined) return;
    const lost = new RmqError('CONNECTION_LOST', `the connection to ${this.#authority}: ${why}`);
    this.#closed = lost;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.reply(lost);
  }
}

/** Streams may send us as much as they like: whoever asks for messages wants them. */
function settingsFrame(): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadSizeBytes + 12);
  let at = writeFrameHead(frame, 0, 12, FrameType.settings, 0, 0);
  at = frame.writeUInt16BE(Setting.enablePush, at);
  at = frame.writeUInt32BE(0, at);
  at = frame.writeUInt16BE(Setting.initialWindowSize, at);
  frame.writeUInt32BE(windowMaxBytes, at);
  return frame;
}

/** Of the connection. */
function windowUpdate(sizeBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadSizeBytes + 4);
  writeUint32(frame, writeFrameHead(frame, 0, 4, FrameType.windowUpdate, 0, 0), sizeBytes);
  return frame;
}
