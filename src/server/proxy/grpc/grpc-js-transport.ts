/** The transport on grpc-js: the reference that our own is held against. */
import type { HostPort } from '../../../platform/network.ts';
import type { GrpcTransport, TransportOptions } from '../../../transport/grpc/transport.ts';
import { GrpcListener } from './listener.ts';
import { GrpcServer } from './server.ts';

export class GrpcJsTransport implements GrpcTransport {
  readonly #server: GrpcServer;
  readonly #listener: GrpcListener;

  constructor(options: TransportOptions) {
    const { services, clock, log, loadCertificate } = options;
    this.#server = new GrpcServer({ services, clock });
    this.#listener = new GrpcListener({ server: this.#server, clock, log, loadCertificate });
  }

  get connectionCount(): number {
    return this.#listener.connectionCount;
  }

  listen(address: HostPort): Promise<HostPort> {
    return this.#listener.listen(address);
  }

  closePort(): void {
    this.#listener.closePort();
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#server.drain(deadlineMs);
    await this.#listener.drained(deadlineMs);
  }

  close(): void {
    this.#server.close();
    this.#listener.destroyConnections();
  }
}
