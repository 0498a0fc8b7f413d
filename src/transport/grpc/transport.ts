/** What a proxy needs of a gRPC transport, whichever it is. */
import type { Clock } from '../../platform/clock.ts';
import type { HostPort, Network } from '../../platform/network.ts';
import type { Tls, TlsMaterial } from '../../platform/tls.ts';
import type { Service } from './call.ts';

/** Where a transport reports; a server's log fits. */
export interface TransportLog {
  error(text: string, fields: Readonly<Record<string, string | undefined>>): void;
  warn(text: string, fields: Readonly<Record<string, string | undefined>>): void;
  debug(text: string, fields: Readonly<Record<string, string | undefined>>): void;
}

export interface TransportOptions {
  readonly services: readonly Service[];
  readonly clock: Clock;
  readonly network: Network;
  readonly tls: Tls;
  readonly log: TransportLog;
  /** Called once, when the first TLS client comes. */
  readonly loadCertificate: () => Promise<TlsMaterial>;
}

export interface GrpcTransport {
  /** @throws RmqError PORT_IN_USE or ADDRESS_NOT_AVAILABLE. */
  listen(address: HostPort): Promise<HostPort>;
  readonly connectionCount: number;
  /** Takes no new connections. */
  closePort(): void;
  /**
   * GOAWAY to everybody; calls under way may finish. Resolves when every connection has ended, at the
   * latest after `deadlineMs`.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts what is left. */
  close(): void;
}
