/** The admin client over this machine's network. */
import { AdminClient } from '../../client/admin-client.ts';
import { NameServerClient } from '../../client/nameserver-client.ts';
import { RemotingClient } from '../../client/remoting-client.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import type { HostPort } from '../../platform/network.ts';
import { nodeClock } from '../../platform/node-clock.ts';
import { nodeNetwork } from '../../platform/node-network.ts';

/** Connects when the first request is made. */
export function connectAdmin(options: {
  readonly namesrv: readonly HostPort[];
  readonly timeoutMs: number;
}): { readonly admin: AdminClient; readonly close: () => Promise<void> } {
  const { timeoutMs } = options;
  const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  const addresses = options.namesrv.map(formatHostPort);
  const nameserver = new NameServerClient({ client, addresses, timeoutMs });
  const admin = new AdminClient({ client, nameserver, timeoutMs });
  return { admin, close: () => client.close() };
}

/** Makes a connection and gives it up. @throws RmqError CANNOT_CONNECT */
export async function dial(address: HostPort, timeoutMs: number): Promise<void> {
  const connection = await nodeNetwork.connect(address, { timeoutMs });
  connection.setHandler({ onData: () => {}, onDrain: () => {}, onClose: () => {} });
  connection.destroy();
}
