/**
 * The proxy's gRPC side: service, port, clients and renewals as one thing to start and stop. It keeps
 * no state that it cannot lose: kill it, and clients go on through another proxy.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Files } from '../../platform/files.ts';
import type { HostPort } from '../../platform/network.ts';
import type { Random } from '../../platform/random.ts';
import type { Logger } from '../shared/logger.ts';
import type { ClusterView } from './cluster-view.ts';
import { loadCertificate } from './grpc/certificate.ts';
import { GrpcListener } from './grpc/listener.ts';
import { ParkedPolls } from './grpc/parked-polls.ts';
import { GrpcServer } from './grpc/server.ts';
import { messagingService } from './grpc/service.ts';
import type { Producers } from './producers.ts';
import { Receipts } from './receipts.ts';
import type { SentTransactions } from './sent-transactions.ts';
import { ClientRegistry } from './settings.ts';

const drainMs = 3_000;

export interface GrpcProxyOptions {
  readonly cluster: ClusterView;
  readonly producers: Producers;
  readonly transactions: SentTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: Files | undefined;
  /** Where the self-signed certificate is kept; undefined: nowhere. */
  readonly dataDir: string | undefined;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** This proxy among `cluster.liveProxies()`, by name. */
  readonly self: { readonly name: string };
}

export class GrpcProxy {
  readonly #clients: ClientRegistry;
  readonly #receipts: Receipts;
  readonly #parked: ParkedPolls = new ParkedPolls();
  readonly #server: GrpcServer;
  readonly #listener: GrpcListener;
  #stopping: Promise<void> | undefined = undefined;

  constructor(options: GrpcProxyOptions) {
    const { cluster, clock, random, logger, files, dataDir } = options;
    this.#receipts = new Receipts({ cluster, clock, logger });
    this.#clients = new ClientRegistry({
      clock,
      gone: (client) => {
        this.#receipts.giveBackClient(client.clientId);
        options.producers.remove(client);
      },
    });
    const shared = { clients: this.#clients, receipts: this.#receipts, parked: this.#parked };
    const context = { ...options, ...shared };
    this.#server = new GrpcServer({ services: [messagingService(context)], clock });
    this.#listener = new GrpcListener({
      server: this.#server,
      clock,
      logger,
      loadCertificate: () =>
        loadCertificate({ files, dataDir, configured: options.tls, clock, random }),
    });
  }

  get clientCount(): number {
    return this.#clients.count;
  }

  /** @throws RmqError PORT_IN_USE, ADDRESS_NOT_AVAILABLE */
  async start(address: HostPort): Promise<HostPort> {
    const local = await this.#listener.listen(address);
    this.#clients.start();
    this.#receipts.start();
    return local;
  }

  /** Takes nothing new, ends streams and polls, gives back what is held, then closes. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#listener.closePort();
    this.#clients.stop();
    this.#receipts.stop();
    this.#parked.close();
    await this.#receipts.giveBackAll();
    for (const client of this.#clients.all()) client.sink?.end();
    this.#server.drain(drainMs);
    await this.#listener.drained(drainMs);
    this.#server.close();
    this.#listener.destroyConnections();
  }
}
