/** `Network` on TCP, over node:net. */
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { RmqError } from '../protocol/errors.ts';
import { formatHostPort } from './host-port.ts';
import type { Connection, ConnectionHandler, HostPort, Listener, Network } from './network.ts';

/** A TCP socket, or TLS on one. */
export class NodeConnection implements Connection {
  readonly local: HostPort;
  readonly remote: HostPort;
  readonly #socket: Socket;
  #handler: ConnectionHandler | undefined = undefined;
  #error: Error | undefined = undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.local = { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 };
    this.remote = { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#handler?.onData(chunk));
    socket.on('drain', () => this.#handler?.onDrain());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#handler?.onClose(this.#error));
  }

  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /** Gives the socket up, paused, with `head` to be read again: somebody else goes on with it. */
  release(head: Buffer): Socket {
    this.#handler = undefined;
    this.#socket.pause();
    this.#socket.removeAllListeners('data');
    this.#socket.unshift(head);
    return this.#socket;
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.destroyed ? true : this.#socket.write(chunk);
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** IPv4 addresses of dual-stack listeners come with a prefix. */
function plainHost(host: string | undefined): string {
  return (host ?? '').replace(/^::ffff:/, '');
}

export const nodeNetwork: Network = { listen, connect, ownHosts };

function ownHosts(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  // A link-local address means nothing without the interface's name.
  const outer = all.filter(
    ({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address),
  );
  return outer.toSorted((a, b) => a.family.localeCompare(b.family)).map(({ address }) => address);
}

function listen(address: HostPort, accept: (connection: Connection) => void): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => accept(new NodeConnection(socket)));
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
    server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
      server.removeAllListeners('error');
      server.on('error', () => undefined); // A failed accept (too many files) costs that client only.
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
      resolve({ local: { host: address.host, port }, close: () => closeServer(server) });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Connections that stay are their owners' to end; closing must not wait for them.
    setImmediate(resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, address: HostPort): RmqError {
  const where = formatHostPort(address);
  if (error.code === 'EADDRINUSE') {
    return new RmqError(
      'PORT_IN_USE',
      `cannot listen on ${where}: another process uses that port`,
      {
        hint: 'stop that process, name another port, or take free ones with --ports auto',
        cause: error,
      },
    );
  }
  return new RmqError('ADDRESS_NOT_AVAILABLE', `cannot listen on ${where}: ${error.message}`, {
    hint: 'name an address of this machine with --listen',
    cause: error,
  });
}

function connect(address: HostPort, options: { readonly timeoutMs: number }): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: address.host, port: address.port });
    const fail = (reason: string, cause?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      const text = `cannot connect to ${formatHostPort(address)}: ${reason}`;
      reject(new RmqError('CANNOT_CONNECT', text, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer in ${options.timeoutMs} ms`), options.timeoutMs);
    socket.once('error', (error: NodeJS.ErrnoException) =>
      fail(error.code ?? error.message, error),
    );
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(new NodeConnection(socket));
    });
  });
}
