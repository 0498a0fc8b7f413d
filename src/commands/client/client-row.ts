/** Clients as commands name and show them. */
import type { AdminClient } from '../../client/admin-client.ts';
import { type ConnectedClient, connectedClients } from '../../client/consumers-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { isSystemGroup } from '../../protocol/message/names.ts';
import { nearest } from '../../util/nearest.ts';
import type { Context } from '../shared/context.ts';
import { consumersOfProxies } from '../shared/proxies.ts';
import { versionText } from '../shared/versions.ts';

export interface ClientRow {
  readonly clientId: string;
  readonly address: string;
  readonly language: string;
  /** Such as `5.4.0`, of the protocol that the client speaks. */
  readonly version: string;
  readonly consumerGroups: readonly string[];
  readonly producerGroups: readonly string[];
  /** None over gRPC. */
  readonly brokerNames: readonly string[];
  /** None over Remoting. */
  readonly proxyNames: readonly string[];
}

/** Everybody, by client id, with what each broker knows of them put together. */
export async function clientRows(context: Context, admin: AdminClient): Promise<ClientRow[]> {
  const seen = Map.groupBy(await connectedClients(admin), ({ clientId }) => clientId);
  const rows = [...[...seen.values()].map(clientRow), ...(await grpcRows(context, admin))];
  return rows.sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
}

/** Consumers; which producers a proxy has it does not tell. */
async function grpcRows(context: Context, admin: AdminClient): Promise<ClientRow[]> {
  const groups = [...(await admin.listGroups()).keys()].filter((group) => !isSystemGroup(group));
  const found = await consumersOfProxies(context, admin, groups);
  const all = [...found].flatMap(([group, consumers]) =>
    consumers.map((consumer) => ({ ...consumer, group })),
  );
  return [...Map.groupBy(all, ({ clientId }) => clientId)].map(([clientId, seen]) => ({
    clientId,
    address: seen[0]?.host ?? '',
    language: seen[0]?.language ?? '',
    version: seen[0]?.version ?? '',
    consumerGroups: unique(seen.map(({ group }) => group)),
    producerGroups: [],
    brokerNames: [],
    proxyNames: unique(seen.map(({ proxyName }) => proxyName)),
  }));
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
    proxyNames: [],
  };
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

/** @throws RmqError CLIENT_NOT_FOUND */
export async function findClient(
  context: Context,
  admin: AdminClient,
  id: string,
): Promise<ClientRow> {
  const rows = await clientRows(context, admin);
  const found = rows.find(({ clientId, address }) => clientId === id || address === id);
  if (found !== undefined) return found;
  const meant = nearest(
    id,
    rows.map(({ clientId }) => clientId),
  );
  throw new RmqError('CLIENT_NOT_FOUND', `no client ${id} is connected`, {
    hint: meant === undefined ? 'see who is: rmq client list' : `did you mean ${meant}?`,
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
