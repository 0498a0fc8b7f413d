/**
 * The gRPC port on our own HTTP/2: one listener for plaintext and TLS. The first byte decides: 0x16 opens a
 * TLS record, 'P' the HTTP/2 preface; facts/grpc-v2.md 14.1.
 */
import type { Clock } from '../../platform/clock.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import type { Connection, HostPort, Listener, Network } from '../../platform/network.ts';
import type { Tls, TlsAcceptor, TlsMaterial } from '../../platform/tls.ts';
import { TimerWheel } from '../../util/timer-wheel.ts';
import { Http2Connection } from '../http2/connection.ts';
import { HeaderKind } from '../http2/header-field.ts';
import { ConnectionError, ErrorCode } from '../http2/http2-error.ts';
import type { RequestHead } from '../http2/request-head.ts';
import type { Http2Stream, StreamHandler } from '../http2/stream.ts';
import type { Method } from './call.ts';
import { Decompressor } from './compression.ts';
import { type CallContext, failedHead, GrpcCall } from './grpc-call.ts';
import { AssemblyBudget } from './message-reader.ts';
import { NotGrpc } from './not-grpc.ts';
import { GrpcStatus } from './status.ts';
import type { GrpcTransport, TransportLog, TransportOptions } from './transport.ts';

const tlsHandshakeByte = 0x16;
/** A connection that has not said its first byte by then is closed. */
const firstByteTimeoutMs = 30_000;
/** Largest message of a client: batches of 4 MiB messages; facts/grpc-v2.md 13. */
const messageSizeMaxBytes = 130 << 20;
/** Messages that are coming in, all clients together. */
const assemblyMaxBytes = 512 << 20;
const connectionCountMax = 20_000;

export class OwnGrpcTransport implements GrpcTransport {
  readonly #clock: Clock;
  readonly #network: Network;
  readonly #tls: Tls;
  readonly #log: TransportLog;
  readonly #loadCertificate: () => Promise<TlsMaterial>;
  readonly #methods = new Map<string, Method>();
  readonly #context: CallContext;
  readonly #wheel: TimerWheel;
  /** All that are open, and how to close them: those that have not said what they speak, too. */
  readonly #connections = new Set<Connection>();
  readonly #http2 = new Set<Http2Connection>();
  #listener: Listener | undefined = undefined;
  #acceptor: Promise<TlsAcceptor> | undefined = undefined;
  #isDraining = false;
  #whenEmpty: (() => void) | undefined = undefined;

  constructor(options: TransportOptions) {
    const { clock, log } = options;
    this.#clock = clock;
    this.#network = options.network;
    this.#tls = options.tls;
    this.#log = log;
    this.#loadCertificate = options.loadCertificate;
    this.#wheel = new TimerWheel(clock, { resolutionMs: 10 });
    for (const service of options.services) {
      for (const method of service.methods) {
        this.#methods.set(`/${service.name}/${method.name}`, method);
      }
    }
    this.#context = {
      wheel: this.#wheel,
      nowMs: () => clock.monotonicMs(),
      budget: new AssemblyBudget(assemblyMaxBytes),
      decompressor: new Decompressor(messageSizeMaxBytes),
      messageSizeMaxBytes,
      onFault: (rpc, error) => {
        const stack = error instanceof Error ? error.stack : String(error);
        log.error('a method failed', { rpc, stack });
      },
    };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async listen(address: HostPort): Promise<HostPort> {
    this.#listener = await this.#network.listen(address, (connection) => this.#accept(connection));
    return this.#listener.local;
  }

  closePort(): void {
    void this.#listener?.close();
    this.#listener = undefined;
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    for (const connection of this.#http2) connection.drain();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(deadlineMs, resolve);
      this.#whenEmpty = () => {
        this.#clock.clearTimer(timer);
        resolve();
      };
    });
  }

  close(): void {
    for (const connection of [...this.#http2]) connection.destroy();
    for (const connection of this.#connections) connection.destroy();
    this.#wheel.clear();
  }

  #accept(connection: Connection): void {
    if (this.#connections.size >= connectionCountMax) {
      this.#log.warn('too many connections, one is refused', { peer: peerName(connection) });
      return connection.destroy();
    }
    this.#connections.add(connection);
    const timer = this.#clock.setTimer(firstByteTimeoutMs, () => connection.destroy());
    connection.setHandler({
      onData: (chunk) => {
        this.#clock.clearTimer(timer);
        if (chunk[0] === tlsHandshakeByte) this.#secure(connection, chunk);
        else this.#serve(connection).receive(chunk);
      },
      onDrain: () => {},
      onClose: () => {
        this.#clock.clearTimer(timer);
        this.#gone(connection);
      },
    });
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  #secure(connection: Connection, head: Buffer): void {
    // What comes while the certificate is being loaded stays in the socket.
    connection.pauseReading();
    this.#acceptor ??= this.#makeAcceptor();
    this.#acceptor.then(
      (acceptor) => {
        if (!this.#connections.delete(connection)) return;
        const secure = acceptor.accept(connection, head);
        this.#connections.add(secure);
        this.#serve(secure);
      },
      (error: unknown) => {
        this.#acceptor = undefined; // The next client tries again.
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.error('cannot serve TLS', { reason });
        connection.destroy();
      },
    );
  }

  async #makeAcceptor(): Promise<TlsAcceptor> {
    return await this.#tls.acceptor(await this.#loadCertificate(), ['h2']);
  }

  #serve(connection: Connection): Http2Connection {
    const http2: Http2Connection = new Http2Connection({
      connection,
      clock: this.#clock,
      wheel: this.#wheel,
      events: {
        onRequest: (stream, head) => this.#request(http2, stream, head),
        onClose: (reason) => {
          this.#http2.delete(http2);
          this.#gone(connection);
          if (reason !== undefined) this.#report(connection, reason);
        },
      },
    });
    this.#http2.add(http2);
    if (this.#isDraining) http2.drain();
    return http2;
  }

  #request(connection: Http2Connection, stream: Http2Stream, head: RequestHead): StreamHandler {
    const type = head.valueOf(HeaderKind.contentType) ?? '';
    if (head.method !== 'POST' || !/^application\/grpc(?:$|[+;])/.test(type)) {
      return new NotGrpc(stream, head.method);
    }
    const method = this.#methods.get(head.path);
    if (method !== undefined) {
      return new GrpcCall(this.#context, connection, stream, { head, method });
    }
    stream.respond(failedHead(GrpcStatus.unimplemented, `unknown method ${head.path}`), true);
    return ignored;
  }

  /** Floods and slow readers are news; a peer that vanishes or speaks something else is not. */
  #report(connection: Connection, reason: Error): void {
    const fields = { peer: peerName(connection), reason: reason.message };
    if (!(reason instanceof ConnectionError)) {
      if ('code' in reason) this.#log.debug('connection lost', fields);
      else this.#log.error('connection failed', { ...fields, stack: reason.stack });
    } else if (reason.code === ErrorCode.enhanceYourCalm) {
      this.#log.warn('connection closed', fields);
    } else this.#log.debug('connection closed', fields);
  }
}

const ignored: StreamHandler = {
  onData: () => {},
  onEnd: () => {},
  onDrain: () => {},
  onAbort: () => {},
};

function peerName(connection: Connection): string {
  return formatHostPort(connection.remote);
}
