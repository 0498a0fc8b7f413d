/**
 * Byte streams as a port. In production they are TCP sockets (`node-network.ts`), in the simulator
 * queues that drop, delay and cut. No protocol lives here.
 */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What the owner of a connection wants to hear. Handlers must not throw. */
export interface ConnectionHandler {
  /** `chunk` belongs to the receiver. */
  onData(chunk: Buffer): void;
  /** What was refused by `write` has left; reading may go on. */
  onDrain(): void;
  /** Last event, exactly once; `error` when the connection broke. */
  onClose(error: Error | undefined): void;
}

export interface Connection {
  readonly local: HostPort;
  readonly remote: HostPort;
  /** Set once, synchronously in the accept or connect callback, before any event. */
  setHandler(handler: ConnectionHandler): void;
  /** Queues bytes, which belong to the connection until written. False: wait for `onDrain`. */
  write(chunk: Uint8Array): boolean;
  /** Bytes queued and not yet taken by the operating system. */
  readonly pendingBytes: number;
  pauseReading(): void;
  resumeReading(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface Listener {
  readonly local: HostPort;
  /** Stops accepting; existing connections stay. */
  close(): Promise<void>;
}

export interface Network {
  /** Port 0 takes a free one. @throws RmqError PORT_IN_USE or ADDRESS_NOT_AVAILABLE. */
  listen(address: HostPort, accept: (connection: Connection) => void): Promise<Listener>;
  /** @throws RmqError CANNOT_CONNECT after `timeoutMs` or when refused. */
  connect(address: HostPort, options: { readonly timeoutMs: number }): Promise<Connection>;
  /** Addresses by which other machines may reach this one, IPv4 first; none without a network. */
  ownHosts(): readonly string[];
}
