/**
 * The proxy's gRPC side: service, port, clients and renewals as one thing to start and stop. It keeps
 * no state that it cannot lose: kill it, and clients go on through another proxy.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Files } from '../../platform/files.ts';
import type { HostPort, Network } from '../../platform/network.ts';
import type { Random } from '../../platform/random.ts';
import type { Tls } from '../../platform/tls.ts';
import { version } from '../../platform/version.ts';
import type { Service } from '../../transport/grpc/call.ts';
import type { GrpcTransport } from '../../transport/grpc/transport.ts';
import type { Logger } from '../shared/logger.ts';
import { ClientCommands } from './client-commands.ts';
import type { ClusterView, ProxyAddress } from './cluster-view.ts';
import { adminService } from './grpc/admin/admin-service.ts';
import { loadCertificate } from './grpc/certificate.ts';
import { ParkedPolls } from './grpc/parked-polls.ts';
import { messagingService } from './grpc/service.ts';
import { pushGroupSettings } from './grpc/telemetry.ts';
import { makeTransport, type TransportKind } from './grpc/transports.ts';
import { LiteClients } from './lite-clients.ts';
import type { Producers } from './producers.ts';
import { Rates } from './rates.ts';
import { Receipts } from './receipts.ts';
import type { SentTransactions } from './sent-transactions.ts';
import { ClientRegistry } from './settings.ts';
import type { Siblings } from './siblings.ts';

const drainMs = 3_000;

export interface GrpcProxyOptions {
  readonly cluster: ClusterView;
  readonly producers: Producers;
  readonly transactions: SentTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: Files | undefined;
  readonly network: Network;
  readonly tlsPort: Tls;
  readonly transport: TransportKind;
  /** Where the self-signed certificate is kept; undefined: nowhere. */
  readonly dataDir: string | undefined;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Delivery times further ahead are refused. */
  readonly delayMaxMs: number;
  /** The other workers of this proxy, when it has some. */
  readonly siblings?: Siblings | undefined;
  /** This proxy among `cluster.liveProxies()`. */
  readonly self: ProxyAddress;
}

export class GrpcProxy {
  readonly #clients: ClientRegistry;
  readonly #receipts: Receipts;
  readonly #parked: ParkedPolls = new ParkedPolls();
  readonly #options: GrpcProxyOptions;
  readonly #services: readonly Service[];
  readonly #commands: ClientCommands;
  #transport: GrpcTransport | undefined = undefined;
  #stopping: Promise<void> | undefined = undefined;

  constructor(options: GrpcProxyOptions) {
    const { cluster, clock, logger } = options;
    this.#options = options;
    this.#receipts = new Receipts({ cluster, clock, logger });
    this.#clients = new ClientRegistry({
      clock,
      gone: (client) => {
        this.#receipts.giveBackClient(client.clientId);
        options.producers.remove(client);
        lite.gone(client);
      },
    });
    const lite = new LiteClients({ cluster, clients: this.#clients });
    this.#commands = new ClientCommands({ clients: this.#clients, clock });
    const context = {
      ...options,
      clients: this.#clients,
      receipts: this.#receipts,
      parked: this.#parked,
      lite,
      commands: this.#commands,
      rates: new Rates(clock),
      version,
    };
    this.#services = [messagingService(context), adminService(context, options.siblings)];
    cluster.onGroupChanged((group) => pushGroupSettings(context, group));
  }

  get clientCount(): number {
    return this.#clients.count;
  }

  /** @throws RmqError PORT_IN_USE, ADDRESS_NOT_AVAILABLE */
  async start(address: HostPort): Promise<HostPort> {
    const { clock, random, logger, files, dataDir, network, tlsPort, tls } = this.#options;
    this.#transport = await makeTransport(this.#options.transport, {
      services: this.#services,
      clock,
      network,
      tls: tlsPort,
      log: logger,
      loadCertificate: () => loadCertificate({ files, dataDir, configured: tls, clock, random }),
    });
    const local = await this.#transport.listen(address);
    this.#clients.start();
    this.#receipts.start();
    return local;
  }

  /** Takes nothing new, tells clients to reconnect, ends streams and polls, gives back what is held, then closes. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#transport?.closePort();
    this.#clients.stop();
    this.#receipts.stop();
    this.#parked.close();
    this.#commands.stop();
    await this.#receipts.giveBackAll();
    // Behind one address for several proxies, clients come back to another one (facts/grpc-v2.md §4).
    const reconnect = {
      reconnectEndpointsCommand: { nonce: this.#options.random.bytes(8).toString('hex') },
    };
    for (const { sink } of this.#clients.all()) {
      sink?.send(reconnect);
      sink?.end();
    }
    await this.#transport?.drain(drainMs);
    this.#transport?.close();
  }
}
