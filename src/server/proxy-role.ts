/** A proxy: its view of the cluster, its gRPC port and its registration, as one to start and stop. */
import { RemotingClient } from '../client/remoting-client.ts';
import { formatHostPort } from '../platform/host-port.ts';
import type { HostPort } from '../platform/network.ts';
import type { BrokerApi } from './broker/api.ts';
import { advertisedAddress, type ServerPorts } from './ports.ts';
import { NameServerCluster } from './proxy/cluster.ts';
import type { ProxyAddress } from './proxy/cluster-view.ts';
import { GrpcProxy } from './proxy/grpc-proxy.ts';
import type { ServerSettings } from './shared/settings.ts';

export interface ProxyRole {
  readonly name: string;
  readonly endpoint: HostPort;
  stop(): Promise<void>;
}

/**
 * Listens, then registers: the port must be known before others are told of it.
 * @throws RmqError PORT_IN_USE, ADDRESS_NOT_AVAILABLE
 */
export async function startProxyRole(options: {
  readonly settings: ServerSettings;
  readonly ports: ServerPorts;
  readonly namesrv: readonly string[];
  /** The broker of this process, called directly. */
  readonly localBroker: BrokerApi | undefined;
}): Promise<ProxyRole> {
  const { settings, ports, namesrv, localBroker } = options;
  const { clock, network, random, files } = ports;
  const logger = ports.logger.named('proxy');
  const client = new RemotingClient({ network, clock });
  // Filled in as soon as the port is open; nobody is told before.
  const self: { name: string; grpc: HostPort } = {
    name: '',
    grpc: { host: settings.listenHost, port: settings.grpcPort },
  };
  const cluster = new NameServerCluster({
    namesrv,
    client,
    clock,
    logger,
    clusterName: settings.clusterName,
    self: self satisfies ProxyAddress,
    localBrokers: new Map(localBroker === undefined ? [] : [[localBroker.brokerName, localBroker]]),
    registerIntervalMs: settings.registerIntervalMs,
    registrationWindowMs: settings.registrationWindowMs,
  });
  const proxy = new GrpcProxy({
    cluster,
    clock,
    random,
    logger,
    files,
    dataDir: settings.dataDir,
    tls: settings.tls,
    self,
  });
  const endpoint = await proxy.start({ host: settings.listenHost, port: settings.grpcPort });
  self.grpc = advertisedAddress(settings.advertise, endpoint);
  self.name = settings.proxyName ?? formatHostPort(self.grpc);
  await cluster.start();
  const stop = async (): Promise<void> => {
    // Out of the list first, so that clients go elsewhere while calls under way are answered.
    await cluster.stop();
    await proxy.stop();
    await client.close();
  };
  return { name: 'proxy', endpoint, stop };
}
