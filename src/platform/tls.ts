/** TLS on accepted connections, as a port. Production has Node's (`node-tls.ts`). */
import type { Connection } from './network.ts';

/** PEM. */
export interface TlsMaterial {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** One certificate's server side. */
export interface TlsAcceptor {
  /**
   * Speaks TLS on `connection`, whose first bytes `head` have been read already; the connection is not to be
   * used any more. The result takes writes at once and closes with an error when the handshake fails.
   */
  accept(connection: Connection, head: Buffer): Connection;
}

export interface Tls {
  /** `alpn`: the protocols offered. Rejects when the material is no key or certificate. */
  acceptor(material: TlsMaterial, alpn: readonly string[]): Promise<TlsAcceptor>;
}
