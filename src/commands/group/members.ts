/** `rmq group members` */
import { type GroupMember, getGroup, groupConnections } from '../../client/group-client.ts';
import type { ProxyConsumer } from '../../client/proxy-client.ts';
import type { Command } from '../shared/command.ts';
import { consumersOfProxies } from '../shared/proxies.ts';
import { versionText } from '../shared/versions.ts';
import { groupArgument, unknownGroup } from './group-row.ts';

interface Options {
  readonly group: string;
}

interface MemberRow {
  readonly clientId: string;
  readonly address: string;
  readonly language: string;
  /** Such as `5.4.0`: of the protocol, or of the client library over gRPC. */
  readonly version: string;
  /** Brokers to which it is connected; none over gRPC. */
  readonly brokerNames: readonly string[];
  /** Proxies to which it is connected; none over Remoting. */
  readonly proxyNames: readonly string[];
}

export const groupMembers: Command<Options, MemberRow> = {
  summary: 'List who consumes with a group now',
  impact: 'read',
  isRemote: true,
  arguments: [groupArgument],
  flags: [],
  columns: [
    { title: 'CLIENT', value: (row) => row.clientId, style: () => 'name' },
    { title: 'ADDRESS', value: (row) => row.address },
    { title: 'LANGUAGE', value: (row) => row.language },
    { title: 'VERSION', value: (row) => row.version },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
    { title: 'PROXIES', value: (row) => row.proxyNames.join(',') },
  ],
  examples: [
    ['rmq group members billing', 'clients of the group with their addresses'],
    ['rmq group members billing --output name', 'the client ids alone'],
  ],
  async run(context, { group }) {
    const admin = await context.connect();
    const { members } = await groupConnections(admin, group);
    const overGrpc = (await consumersOfProxies(context, admin, [group])).get(group) ?? [];
    const isEmpty = members.length === 0 && overGrpc.length === 0;
    if (isEmpty && (await getGroup(admin, group)) === undefined) {
      throw await unknownGroup(admin, group);
    }
    return [
      ...[...Map.groupBy(members, ({ clientId }) => clientId).values()].map(memberRow),
      ...[...Map.groupBy(overGrpc, ({ clientId }) => clientId).values()].map(grpcRow),
    ].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  },
};

/** One client, as each broker sees it. */
function memberRow(seen: readonly GroupMember[]): MemberRow {
  const { clientId, address, language, version } = seen[0] as GroupMember; // groups are not empty
  const brokerNames = seen.map(({ brokerName }) => brokerName).sort();
  return {
    clientId,
    address,
    language,
    version: versionText(version),
    brokerNames,
    proxyNames: [],
  };
}

/** One client, as each proxy sees it. */
function grpcRow(seen: readonly ProxyConsumer[]): MemberRow {
  const { clientId, host, language, version } = seen[0] as ProxyConsumer; // groups are not empty
  const proxyNames = seen.map(({ proxyName }) => proxyName).sort();
  return { clientId, address: host, language, version, brokerNames: [], proxyNames };
}
