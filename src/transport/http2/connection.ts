/**
 * HTTP/2 as a server speaks it (RFC 9113, RFC 7541), over one connection of the Network port. Requests go
 * to the handler that `onRequest` names; what it costs to serve a client is bounded (`limits.ts`,
 * `flood-guard.ts`). Frames of one chunk are handled in one go and answered in one write.
 *
 * Left to others: what a request means (`../grpc`), TLS, push (a gRPC server has none).
 */
import type { Clock } from '../../platform/clock.ts';
import type { Connection, HostPort } from '../../platform/network.ts';
import type { TimerWheel } from '../../util/timer-wheel.ts';
import { FloodGuard } from './flood-guard.ts';
import { ForgottenStreams } from './forgotten-streams.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { Flag, FrameType, Setting, windowDefaultBytes } from './frames.ts';
import { HeaderBlock } from './header-block.ts';
import type { HeaderField } from './header-field.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HeaderList } from './hpack-encoder.ts';
import {
  ConnectionError,
  ErrorCode,
  paddingSize,
  protocolError,
  wrongSize,
} from './http2-error.ts';
import { http2Limits } from './limits.ts';
import { applySettings } from './peer-settings.ts';
import { objectionToTrailers, type RequestHead, requestHead } from './request-head.ts';
import { Sender } from './sender.ts';
import { Http2Stream, type StreamHandler, type StreamOwner } from './stream.ts';
import { Watchdog, type Watched } from './watchdog.ts';

export interface Http2Events {
  /** A request has begun; its body goes to the handler. */
  onRequest(stream: Http2Stream, head: RequestHead): StreamHandler;
  /** Last event, exactly once. `reason`: why it was us who closed, or what broke. */
  onClose(reason: Error | undefined): void;
}

const streamIdMax = 2 ** 31 - 1;
/** What we ask back with a PING: words that tell our questions apart. */
const pingAlive = 1;
const pingDrain = 2;
const headersTooLarge = new HeaderList([{ name: ':status', value: '431', use: 'once' }], true);

export class Http2Connection implements FrameSink, StreamOwner, Watched {
  readonly remote: HostPort;
  /** The client is being listened to. */
  isReading = true;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #events: Http2Events;
  readonly #reader: FrameReader;
  readonly #sender: Sender;
  readonly #decoder = new HpackDecoder(http2Limits.headerTableSizeBytes);
  readonly #guard: FloodGuard;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #forgotten = new ForgottenStreams();
  readonly #watchdog: Watchdog;
  readonly #block = new HeaderBlock();
  #lastStreamId = 0;
  /** The stream of the DATA frame at hand; undefined when its body is of no interest. */
  #dataStream: Http2Stream | undefined = undefined;
  #consumedBytes = 0;
  #heldBytes = 0;
  /** Headers of the streams that there are. */
  #headersBytes = 0;
  #areSettingsRead = false;
  #isDraining = false;
  /** Streams above `#lastStreamId` are not served any more. */
  #isGoawayFinal = false;
  #isClosed = false;
  #reason: Error | undefined = undefined;

  constructor(options: {
    readonly connection: Connection;
    readonly clock: Clock;
    /** Timeouts of all connections. */
    readonly wheel: TimerWheel;
    readonly events: Http2Events;
  }) {
    this.#connection = options.connection;
    this.remote = options.connection.remote;
    this.#clock = options.clock;
    this.#wheel = options.wheel;
    this.#events = options.events;
    this.#guard = new FloodGuard(() => this.#clock.monotonicMs());
    this.#reader = new FrameReader(this);
    this.#sender = new Sender({
      connection: options.connection,
      clock: options.clock,
      events: {
        onStreamSent: (stream) => this.#streamSent(stream),
        onCongestion: () => this.#congestionChanged(),
        onOverflow: () => this.#overflow(),
      },
    });
    this.#watchdog = new Watchdog(options.clock, options.wheel, this);
    this.#connection.setHandler({
      onData: (chunk) => this.receive(chunk),
      onDrain: () => this.#sender.drained(),
      onClose: (error) => this.#closed(error),
    });
    this.#greet();
  }

  /** Calls under way. */
  get streamCount(): number {
    return this.#streams.size;
  }

  #greet(): void {
    this.#sender.settings([
      [Setting.maxConcurrentStreams, http2Limits.concurrentStreamCountMax],
      [Setting.initialWindowSize, http2Limits.streamWindowBytes],
      [Setting.maxHeaderListSize, http2Limits.headerListSizeMaxBytes],
    ]);
    this.#sender.windowUpdate(0, http2Limits.connectionWindowBytes - windowDefaultBytes);
  }

  /** Bytes of the client; the connection's handler calls it, and who has read the first chunk. */
  receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#watchdog.heard();
    this.#sender.beginBatch();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#fail(error);
    }
    this.#sender.endBatch();
  }

  /** So many bytes of requests more, or less, are being worked on; too many, and nothing more is read. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#updateReading();
  }

  /**
   * Says GOAWAY in two steps (RFC 9113 §6.8): first that no more calls should come, and when that must have
   * arrived, which was the last one. Closes when those under way are done.
   */
  drain(): void {
    if (this.#isDraining || this.#isClosed) return;
    this.#isDraining = true;
    this.#sender.control(FrameType.goaway, 0, 0, streamIdMax, ErrorCode.noError);
    this.#sender.control(FrameType.ping, 0, 0, 0, pingDrain);
    this.#wheel.set(1_000, () => this.#finishDraining());
  }

  /** Closes at once. */
  destroy(reason?: Error): void {
    this.#reason ??= reason;
    this.#connection.destroy();
    this.#closed(undefined);
  }

  // Watched

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  ask(): void {
    this.#sender.control(FrameType.ping, 0, 0, 0, pingAlive);
  }

  // FrameSink

  onFrameHead(): void {
    const { type, size, streamId } = this.#reader;
    if (size > http2Limits.frameSizeMaxBytes) {
      throw new ConnectionError(ErrorCode.frameSizeError, `a frame of ${size} bytes`);
    }
    if (this.#block.isOpen) {
      if (type !== FrameType.continuation || streamId !== this.#block.streamId) {
        protocolError('a header block was interrupted');
      }
    } else if (type === FrameType.continuation) protocolError('CONTINUATION without HEADERS');
    if (!this.#areSettingsRead) {
      if (type !== FrameType.settings) protocolError('SETTINGS must come first');
      this.#areSettingsRead = true;
      this.#watchdog.begun();
    }
    if (type === FrameType.data) this.#beginData(streamId, size);
  }

  onDataPart(chunk: Buffer, begin: number, end: number, isLast: boolean): void {
    if (end > begin) this.#takeBody(chunk.subarray(begin, end));
    if (isLast) this.#endData();
  }

  onFrame(chunk: Buffer, begin: number, end: number): void {
    const { type, flags, streamId } = this.#reader;
    switch (type) {
      case FrameType.data: {
        const bodyEnd = end - paddingSize(chunk, begin, end);
        if (bodyEnd > begin + 1) this.#takeBody(chunk.subarray(begin + 1, bodyEnd));
        return this.#endData();
      }
      case FrameType.headers:
        if (streamId === 0) protocolError('HEADERS on stream 0');
        this.#block.start(streamId, flags, chunk, begin, end);
        return this.#blockRead();
      case FrameType.continuation:
        this.#block.append(flags, chunk, begin, end);
        return this.#blockRead();
      case FrameType.priority:
        return this.#priority(chunk, begin, end);
      case FrameType.rstStream:
        return this.#rstStream(end - begin);
      case FrameType.settings:
        return this.#settings(chunk, begin, end);
      case FrameType.ping:
        return this.#ping(chunk, begin, end);
      case FrameType.goaway:
        if (streamId !== 0) protocolError('GOAWAY on a stream');
        if (end - begin < 8) wrongSize('GOAWAY');
        return this.#guard.cheapFrame(1);
      case FrameType.windowUpdate:
        return this.#windowUpdate(chunk, begin, end);
      case FrameType.pushPromise:
        return protocolError('PUSH_PROMISE of a client');
      default:
        // Unknown types are passed over: RFC 9113 §5.5.
        this.#guard.cheapFrame(1);
    }
  }

  // StreamOwner

  writeHeaders(stream: Http2Stream, headers: HeaderList, isLast: boolean): void {
    this.#sender.headers(stream, headers, isLast);
  }

  writeData(stream: Http2Stream, head: Uint8Array, body: Uint8Array): void {
    this.#sender.data(stream, head, body);
  }

  writeTrailers(stream: Http2Stream, headers: HeaderList): void {
    this.#sender.trailers(stream, headers);
  }

  resetStream(stream: Http2Stream, code: ErrorCode): void {
    this.#sender.resetStream(stream.id, code);
    if (!stream.isRemoteEnded) this.#forgotten.add(stream.id);
    this.#closeStream(stream);
    stream.handler?.onAbort();
  }

  // Requests

  #blockRead(): void {
    const block = this.#block;
    if (!block.isComplete) return;
    const { streamId, isEndStream, dependency } = block;
    const listMax = http2Limits.headerListSizeMaxBytes;
    const fields = this.#decoder.decode(block.bytes, block.begin, block.end, listMax);
    block.clear();
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#trailers(stream, fields, isEndStream);
    if ((streamId & 1) === 0) protocolError('a client begins streams of odd numbers');
    if (streamId <= this.#lastStreamId) {
      if (this.#forgotten.has(streamId)) return this.#guard.cheapFrame(1);
      const text = 'HEADERS on a closed stream';
      throw new ConnectionError(ErrorCode.streamClosed, text);
    }
    if (this.#isGoawayFinal) return this.#guard.cheapFrame(1);
    this.#lastStreamId = streamId;
    this.#guard.call();
    this.#open(streamId, fields, isEndStream, dependency === streamId);
  }

  #open(
    streamId: number,
    fields: HeaderField[] | undefined,
    isEndStream: boolean,
    isOwnDependency: boolean,
  ): void {
    const headersSizeBytes = fields === undefined ? 0 : this.#decoder.listSizeBytes;
    if (
      this.#streams.size >= http2Limits.concurrentStreamCountMax ||
      this.#headersBytes + headersSizeBytes > http2Limits.heldHeadersMaxBytes
    ) {
      return this.#refuse(streamId, ErrorCode.refusedStream, isEndStream);
    }
    const head = fields === undefined ? undefined : requestHead(fields);
    if (isOwnDependency || typeof head === 'string') {
      return this.#refuse(streamId, ErrorCode.protocolError, isEndStream);
    }
    const stream = new Http2Stream(streamId, this, {
      sendWindowBytes: this.#sender.initialWindowBytes,
      contentLength: head?.contentLength ?? -1,
      headersSizeBytes,
    });
    this.#headersBytes += headersSizeBytes;
    stream.isRemoteEnded = isEndStream;
    this.#streams.set(streamId, stream);
    if (head === undefined) return stream.respond(headersTooLarge, true);
    if (isEndStream && head.contentLength > 0) return stream.reset(ErrorCode.protocolError);
    stream.handler = this.#events.onRequest(stream, head);
    if (isEndStream && !stream.isClosed) stream.handler.onEnd();
  }

  #trailers(stream: Http2Stream, fields: HeaderField[] | undefined, isEndStream: boolean): void {
    if (stream.isRemoteEnded) return this.#violated(stream, ErrorCode.streamClosed);
    const isFine = isEndStream && fields !== undefined && objectionToTrailers(fields) === undefined;
    if (!isFine) return this.#violated(stream, ErrorCode.protocolError);
    this.#remoteEnded(stream);
  }

  /** Answers the beginning of a stream with a reset. */
  #refuse(streamId: number, code: ErrorCode, isEndStream: boolean): void {
    this.#guard.reset();
    this.#sender.resetStream(streamId, code);
    if (!isEndStream) this.#forgotten.add(streamId);
  }

  /** The client broke a rule on a stream. */
  #violated(stream: Http2Stream, code: ErrorCode): void {
    this.#guard.reset();
    this.resetStream(stream, code);
  }

  #beginData(streamId: number, size: number): void {
    if (streamId === 0) protocolError('DATA on stream 0');
    this.#dataStream = undefined;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#strayData(streamId);
    if (stream.isRemoteEnded) return this.#violated(stream, ErrorCode.streamClosed);
    if (size === 0 && (this.#reader.flags & Flag.endStream) === 0) this.#guard.cheapFrame(1);
    this.#dataStream = stream;
  }

  #strayData(streamId: number): void {
    const isIdle = streamId > this.#lastStreamId && !this.#isGoawayFinal;
    if (isIdle || (streamId & 1) === 0) protocolError('DATA on an idle stream');
    const isExpected = this.#forgotten.has(streamId) || streamId > this.#lastStreamId;
    if (isExpected) return this.#guard.cheapFrame(1);
    this.#guard.reset();
    this.#sender.resetStream(streamId, ErrorCode.streamClosed);
  }

  #takeBody(bytes: Buffer): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    stream.bodySizeBytes += bytes.length;
    stream.handler?.onData(bytes);
    if (stream.isClosed) this.#dataStream = undefined;
  }

  #endData(): void {
    const { size, flags } = this.#reader;
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    // What has come has been taken, so no client can overdraw a window: only giving back needs counting.
    this.#consumedBytes += size;
    if (this.#consumedBytes >= http2Limits.connectionWindowBytes / 2) {
      this.#sender.windowUpdate(0, this.#consumedBytes);
      this.#consumedBytes = 0;
    }
    if (stream === undefined) return;
    if ((flags & Flag.endStream) !== 0) return this.#remoteEnded(stream);
    stream.consumedBytes += size;
    if (stream.consumedBytes >= http2Limits.streamWindowBytes / 2) {
      this.#sender.windowUpdate(stream.id, stream.consumedBytes);
      stream.consumedBytes = 0;
    }
  }

  #remoteEnded(stream: Http2Stream): void {
    const { contentLength, bodySizeBytes } = stream;
    if (contentLength >= 0 && contentLength !== bodySizeBytes) {
      return this.#violated(stream, ErrorCode.protocolError);
    }
    stream.isRemoteEnded = true;
    stream.handler?.onEnd();
  }

  // Other frames

  #priority(chunk: Buffer, begin: number, end: number): void {
    const { streamId } = this.#reader;
    this.#guard.cheapFrame(1);
    if (streamId === 0) protocolError('PRIORITY on stream 0');
    if (end - begin !== 5) wrongSize('PRIORITY');
    // The advice itself is passed over: RFC 9113 §5.3.2.
    if ((chunk.readUInt32BE(begin) & 0x7fffffff) !== streamId) return;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) protocolError('a stream depends on itself');
    this.#violated(stream, ErrorCode.protocolError);
  }

  #rstStream(size: number): void {
    const { streamId } = this.#reader;
    if (size !== 4) wrongSize('RST_STREAM');
    if (this.#isIdle(streamId)) protocolError('RST_STREAM on an idle stream');
    this.#guard.cheapFrame(1);
    this.#forgotten.delete(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#guard.reset();
    this.#closeStream(stream);
    stream.handler?.onAbort();
  }

  #settings(chunk: Buffer, begin: number, end: number): void {
    const { flags, streamId } = this.#reader;
    if (streamId !== 0) protocolError('SETTINGS on a stream');
    if ((flags & Flag.ack) !== 0) {
      if (end > begin) wrongSize('acknowledgement of SETTINGS');
      return this.#guard.cheapFrame(1);
    }
    if ((end - begin) % 6 !== 0) wrongSize('SETTINGS');
    const streamCount = this.#streams.size;
    this.#guard.cheapFrame(10 + Math.floor((end - begin) / 6) * (1 + (streamCount >> 4)));
    // Acknowledged first: what a larger window sets free comes behind, as clients expect.
    this.#sender.control(FrameType.settings, Flag.ack, 0);
    applySettings(chunk.subarray(begin, end), this.#sender, this.#streams);
  }

  #ping(chunk: Buffer, begin: number, end: number): void {
    const { flags, streamId } = this.#reader;
    if (streamId !== 0) protocolError('PING on a stream');
    if (end - begin !== 8) wrongSize('PING');
    this.#guard.cheapFrame(2);
    const high = chunk.readUInt32BE(begin);
    const low = chunk.readUInt32BE(begin + 4);
    if ((flags & Flag.ack) === 0) this.#sender.control(FrameType.ping, Flag.ack, 0, high, low);
    else if (low === pingDrain && this.#isDraining) this.#finishDraining();
  }

  #windowUpdate(chunk: Buffer, begin: number, end: number): void {
    const { streamId } = this.#reader;
    if (end - begin !== 4) wrongSize('WINDOW_UPDATE');
    this.#guard.cheapFrame(1);
    const bytes = chunk.readUInt32BE(begin) & 0x7fffffff;
    if (streamId === 0) {
      if (bytes === 0) protocolError('WINDOW_UPDATE by 0');
      if (this.#sender.enlargeWindow(bytes)) return;
      throw new ConnectionError(ErrorCode.flowControlError, 'a window above 2^31-1');
    }
    if (this.#isIdle(streamId)) protocolError('WINDOW_UPDATE on an idle stream');
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    if (bytes === 0) this.#violated(stream, ErrorCode.protocolError);
    else if (!this.#sender.enlargeStreamWindow(stream, bytes)) {
      this.#violated(stream, ErrorCode.flowControlError);
    } else this.#sender.resume();
  }

  #isIdle(streamId: number): boolean {
    if (streamId === 0 || (streamId & 1) === 0) return true;
    return streamId > this.#lastStreamId && !this.#isGoawayFinal;
  }

  // The life of streams and of the connection

  #streamSent(stream: Http2Stream): void {
    if (!stream.isRemoteEnded) {
      // The answer is complete, the rest of the request is of no use: RFC 9113 §8.1.
      this.#sender.resetStream(stream.id, ErrorCode.noError);
      this.#forgotten.add(stream.id);
    }
    this.#closeStream(stream);
  }

  #closeStream(stream: Http2Stream): void {
    stream.isClosed = true;
    this.#headersBytes -= stream.headersSizeBytes;
    this.#sender.forget(stream);
    this.#streams.delete(stream.id);
    if (this.#isGoawayFinal && this.#streams.size === 0) this.#end();
  }

  #finishDraining(): void {
    if (this.#isGoawayFinal || this.#isClosed) return;
    this.#isGoawayFinal = true;
    this.#sender.control(FrameType.goaway, 0, 0, this.#lastStreamId, ErrorCode.noError);
    if (this.#streams.size === 0) this.#end();
  }

  #fail(error: unknown): void {
    this.#reader.stop();
    this.#reason ??= error instanceof Error ? error : new Error(String(error));
    const code = error instanceof ConnectionError ? error.code : ErrorCode.internalError;
    this.#sender.control(FrameType.goaway, 0, 0, this.#lastStreamId, code);
    this.#end();
  }

  /** Sends what is left, then closes. */
  #end(): void {
    this.#reader.stop();
    this.#sender.flush();
    this.#connection.end();
    // A client that does not read must not keep it open.
    this.#wheel.set(1_000, () => this.#connection.destroy());
  }

  #overflow(): void {
    const text = 'the client does not take its answers: too many bytes wait for it';
    this.destroy(new ConnectionError(ErrorCode.enhanceYourCalm, text));
  }

  #congestionChanged(): void {
    this.#updateReading();
    if (this.#sender.isCongested) this.#watchdog.stalled();
    else this.#watchdog.flowing();
  }

  #updateReading(): void {
    const mayRead = !this.#sender.isCongested && this.#heldBytes <= http2Limits.heldRequestMaxBytes;
    if (mayRead === this.isReading || this.#isClosed) return;
    this.isReading = mayRead;
    if (mayRead) this.#connection.resumeReading();
    else this.#connection.pauseReading();
  }

  #closed(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watchdog.stop();
    this.#reader.stop();
    this.#sender.stop();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) {
      stream.isClosed = true;
      stream.handler?.onAbort();
    }
    this.#events.onClose(this.#reason ?? error);
  }
}
