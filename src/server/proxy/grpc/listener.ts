/**
 * The gRPC port: one TCP listener for plaintext and TLS. The first byte decides: 0x16 opens a TLS
 * record, 'P' the HTTP/2 preface; facts/grpc-v2.md 14.1. node:net is used directly because grpc-js
 * wants Node's own sockets.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../../platform/clock.ts';
import type { HostPort } from '../../../platform/network.ts';
import type { TlsMaterial } from '../../../platform/tls.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { TransportLog } from '../../../transport/grpc/transport.ts';
import type { GrpcServer } from './server.ts';

const tlsHandshakeByte = 0x16;
/** A connection that has not said its first byte by then is closed. */
const firstByteTimeoutMs = 30_000;

type Inject = (socket: Socket) => void;

export class GrpcListener {
  readonly #server: GrpcServer;
  readonly #listener: Server;
  readonly #clock: Clock;
  readonly #log: TransportLog;
  readonly #loadCertificate: () => Promise<TlsMaterial>;
  readonly #sockets = new Set<Socket>();
  readonly #plaintext: Inject;
  #tls: Promise<Inject> | undefined = undefined;
  #whenEmpty: (() => void) | undefined = undefined;

  constructor(options: {
    readonly server: GrpcServer;
    readonly clock: Clock;
    readonly log: TransportLog;
    /** Called once, when the first TLS client comes. */
    readonly loadCertificate: () => Promise<TlsMaterial>;
  }) {
    this.#server = options.server;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#loadCertificate = options.loadCertificate;
    const injector = options.server.plaintext();
    this.#plaintext = (socket) => injector.injectConnection(socket);
    const socketOptions = { allowHalfOpen: true, noDelay: true };
    this.#listener = createServer(socketOptions, (socket) => this.#accept(socket));
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** @throws RmqError PORT_IN_USE or ADDRESS_NOT_AVAILABLE. */
  listen(address: HostPort): Promise<HostPort> {
    return new Promise((resolve, reject) => {
      const refuse = (error: NodeJS.ErrnoException): void => reject(listenError(error, address));
      this.#listener.once('error', refuse);
      this.#listener.listen(address.port, address.host, () => {
        this.#listener.off('error', refuse);
        this.#listener.on('error', (error) =>
          this.#log.warn('cannot accept a connection', { reason: error.message }),
        );
        const local = this.#listener.address();
        const port = typeof local === 'object' && local !== null ? local.port : address.port;
        resolve({ host: address.host, port });
      });
    });
  }

  /** Takes no new connections. */
  closePort(): void {
    if (this.#listener.listening) this.#listener.close();
  }

  /** Resolves when every connection has ended, at the latest after `deadlineMs`. */
  async drained(deadlineMs: number): Promise<void> {
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(deadlineMs, resolve);
      this.#whenEmpty = () => {
        this.#clock.clearTimer(timer);
        resolve();
      };
    });
  }

  /** Cuts what is left. */
  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#whenEmpty?.();
    });
    // A peer that resets its connection is not our problem; 'close' follows.
    socket.on('error', () => {});
    const timer = this.#clock.setTimer(firstByteTimeoutMs, () => socket.destroy());
    const decide = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        if (!socket.readableEnded && !socket.destroyed) socket.once('readable', decide);
        return;
      }
      this.#clock.clearTimer(timer);
      socket.off('end', end);
      socket.unshift(chunk);
      if (chunk[0] === tlsHandshakeByte) this.#injectTls(socket);
      else this.#plaintext(socket);
    };
    const end = (): void => {
      this.#clock.clearTimer(timer);
      socket.destroy();
    };
    socket.once('readable', decide);
    socket.once('end', end);
    socket.once('close', () => this.#clock.clearTimer(timer));
  }

  #injectTls(socket: Socket): void {
    this.#tls ??= this.#makeTls();
    this.#tls.then(
      (inject) => {
        if (socket.destroyed) return;
        // TLS has no half-open connections: a peer that is gone must not leave its socket behind.
        socket.allowHalfOpen = false;
        inject(socket);
      },
      (error: unknown) => {
        this.#tls = undefined; // The next client tries again.
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.error('cannot serve TLS', { reason });
        socket.destroy();
      },
    );
  }

  async #makeTls(): Promise<Inject> {
    const injector = this.#server.tls(await this.#loadCertificate());
    return (socket) => injector.injectConnection(socket);
  }
}

function listenError(error: NodeJS.ErrnoException, address: HostPort): RmqError {
  const where = `${address.host}:${address.port}`;
  if (error.code === 'EADDRINUSE') {
    return new RmqError('PORT_IN_USE', `port ${where} is in use`, {
      cause: error,
      hint: 'stop the process that holds it, or choose another port with --grpc-port',
    });
  }
  const text = `cannot listen on ${where}: ${error.message}`;
  return new RmqError('ADDRESS_NOT_AVAILABLE', text, { cause: error });
}
