/** Clients as commands name and show them. */
import type { AdminClient } from '../../client/admin-client.ts';
import { type ConnectedClient, connectedClients } from '../../client/consumers-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { nearest } from '../../util/nearest.ts';
import { versionText } from '../shared/versions.ts';

export interface ClientRow {
  readonly clientId: string;
  readonly address: string;
  readonly language: string;
  /** Such as `5.4.0`, of the protocol that the client speaks. */
  readonly version: string;
  readonly consumerGroups: readonly string[];
  readonly producerGroups: readonly string[];
  readonly brokerNames: readonly string[];
}

/** Everybody, by client id, with what each broker knows of them put together. */
export async function clientRows(admin: AdminClient): Promise<ClientRow[]> {
  const seen = Map.groupBy(await connectedClients(admin), ({ clientId }) => clientId);
  return [...seen.values()].map(clientRow).sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
}

function clientRow(seen: readonly ConnectedClient[]): ClientRow {
  const { clientId, address, language, version } = seen[0] as ConnectedClient; // groups are not empty
  const groups = (role: ConnectedClient['role']): string[] =>
    unique(seen.filter((one) => one.role === role).map(({ group }) => group));
  return {
    clientId,
    address,
    language,
    version: versionText(version),
    consumerGroups: groups('consumer'),
    producerGroups: groups('producer'),
    brokerNames: unique(seen.map(({ brokerName }) => brokerName)),
  };
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

/** @throws RmqError CLIENT_NOT_FOUND */
export async function findClient(admin: AdminClient, id: string): Promise<ClientRow> {
  const rows = await clientRows(admin);
  const found = rows.find(({ clientId, address }) => clientId === id || address === id);
  if (found !== undefined) return found;
  const meant = nearest(
    id,
    rows.map(({ clientId }) => clientId),
  );
  throw new RmqError('CLIENT_NOT_FOUND', `no client ${id} is connected`, {
    hint:
      meant === undefined
        ? 'see who is: rmq client list; clients of proxies over gRPC are not in it'
        : `did you mean ${meant}?`,
  });
}

/** Address of a broker that the client is connected to. */
export async function brokerAddressOf(admin: AdminClient, row: ClientRow): Promise<string> {
  const master = (await admin.masters()).find(({ brokerName }) =>
    row.brokerNames.includes(brokerName),
  );
  if (master !== undefined) return master.address;
  throw new RmqError('BROKER_NOT_FOUND', `no broker of client ${row.clientId} is there now`);
}
