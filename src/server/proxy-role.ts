/** A proxy: its view of the cluster, its gRPC port and its registration, as one thing to start and stop. */
import { NameServerClient } from '../client/nameserver-client.ts';
import { RemotingClient } from '../client/remoting-client.ts';
import { formatHostPort } from '../platform/host-port.ts';
import type { HostPort } from '../platform/network.ts';
import type { BrokerApi } from './broker/api.ts';
import { advertised, dialAdvertised, type ServerPorts } from './ports.ts';
import { NameServerCluster } from './proxy/cluster.ts';
import { GrpcProxy } from './proxy/grpc-proxy.ts';
import { Producers } from './proxy/producers.ts';
import { RemoteChecks } from './proxy/remote-checks.ts';
import { RemoteLite } from './proxy/remote-lite.ts';
import { RemotingRelay } from './proxy/remoting/relay.ts';
import { SentTransactions } from './proxy/sent-transactions.ts';
import type { Siblings } from './proxy/siblings.ts';
import { RemotingListener } from './remoting/listener.ts';
import { Advertised } from './shared/advertise.ts';
import type { ServerSettings } from './shared/settings.ts';

const routeTimeoutMs = 3_000;

export interface ProxyRole {
  readonly name: string;
  readonly endpoint: HostPort;
  /** The Remoting port, when there is one. */
  readonly remoting: HostPort | undefined;
  stop(): Promise<void>;
}

interface ProxyRoleOptions {
  readonly settings: ServerSettings;
  readonly ports: ServerPorts;
  readonly namesrv: readonly string[];
  /** The broker of this process, called directly. */
  readonly localBroker: BrokerApi | undefined;
  /** The other workers of this proxy; it has been registered for all of them. */
  readonly siblings: Siblings | undefined;
}

/** Listens, then registers and looks at the cluster. What was opened is closed when a step fails. */
export async function startProxyRole(options: ProxyRoleOptions): Promise<ProxyRole> {
  const { settings, ports, namesrv, localBroker, siblings } = options;
  const { clock, random, files, network } = ports;
  const logger = ports.logger.named('proxy');
  const client = new RemotingClient({ network, clock });
  // Name and port are known once the port is open; nobody is told of them before.
  const self = {
    name: '',
    grpc: { host: settings.listenHost, port: settings.grpcPort },
    advertise: Advertised.none,
  };
  const transactions = new SentTransactions();
  const producers = new Producers(transactions);
  const checks = new RemoteChecks({ client, clock, logger });
  producers.changed = (): void => checks.soon();
  const cluster = new NameServerCluster({
    clusterName: settings.clusterName,
    self,
    namesrv,
    client,
    clock,
    logger,
    checker: producers,
    checks,
    lite: new RemoteLite(client),
    localBrokers: new Map(
      localBroker === undefined ? [] : [[localBroker.brokerName, localBroker] as const],
    ),
    isRegistering: siblings === undefined,
    registerIntervalMs: settings.registerIntervalMs,
    registrationWindowMs: settings.registrationWindowMs,
  });
  const shared = { cluster, producers, transactions, clock, random, logger, files, network };
  const proxy = new GrpcProxy({
    ...shared,
    tlsPort: ports.tls,
    dataDir: settings.dataDir,
    tls: settings.tls,
    transport: settings.grpcTransport,
    delayMaxMs: settings.delayMaxMs,
    siblings,
    self,
  });
  const listener = remotingListener(options, client);
  const stop = async (): Promise<void> => {
    // Out of the routes first, so that clients go elsewhere while what is under way is answered.
    await cluster.stop();
    checks.stop();
    await proxy.stop();
    await listener.stop();
    await client.close();
  };
  try {
    const endpoint = await proxy.start(self.grpc);
    const told = advertised(settings.advertise.grpc, endpoint, network);
    self.grpc = told.address;
    self.advertise = told.table;
    void dialAdvertised(told.table, { network, logger });
    const remoting = await listenForRemoting(listener, settings);
    self.name = settings.proxyName ?? formatHostPort(self.grpc);
    await cluster.start();
    return { name: 'proxy', endpoint, remoting, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port for 4.x clients; not open yet. */
function remotingListener(
  { ports, namesrv }: ProxyRoleOptions,
  client: RemotingClient,
): RemotingListener {
  const { network, clock } = ports;
  const logger = ports.logger.named('proxy');
  const nameservers = new NameServerClient({
    client,
    addresses: namesrv,
    timeoutMs: routeTimeoutMs,
  });
  const relay = new RemotingRelay({ network, clock, nameservers });
  return new RemotingListener({ network, clock, logger, handlers: relay.handlers() });
}

async function listenForRemoting(
  listener: RemotingListener,
  { listenHost: host, remotingPort: port }: ServerSettings,
): Promise<HostPort | undefined> {
  return port === undefined ? undefined : await listener.listen({ host, port });
}
