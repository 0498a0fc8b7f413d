/** A proxy: its view of the cluster, its gRPC port and its registration. */
import type { HostPort } from '../platform/network.ts';
import type { BrokerApi } from './broker/api.ts';
import type { ServerPorts } from './ports.ts';
import type { ServerSettings } from './shared/settings.ts';

export interface ProxyRole {
  readonly name: string;
  readonly endpoint: HostPort;
  stop(): Promise<void>;
}
export async function startProxyRole(_: {
  readonly settings: ServerSettings;
  readonly ports: ServerPorts;
  readonly namesrv: readonly string[];
  readonly localBroker: BrokerApi | undefined;
}): Promise<ProxyRole | undefined> {
  return undefined;
}
