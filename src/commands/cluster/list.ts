/** `rmq cluster list` */
import { formatHostPort } from '../../platform/host-port.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { ago, isoTime } from '../shared/times.ts';

interface MemberRow {
  readonly role: 'nameserver' | 'broker' | 'proxy';
  readonly name: string;
  readonly clusterName: string;
  readonly address: string;
  /** Brokers: 0 is the master. */
  readonly brokerId: number | undefined;
  /** NameServers: whether it answered. The others are in the list as long as they report. */
  readonly isAlive: boolean;
  /** undefined for NameServers, and for brokers of Apache's NameServer, which does not tell. */
  readonly lastHeartbeat: string | undefined;
  readonly lastHeartbeatMs: number | undefined;
}

export const clusterList: Command<object, MemberRow> = {
  summary: 'List every machine of every role, with its last heartbeat',
  impact: 'read',
  isRemote: true,
  flags: [],
  columns: [
    { title: 'ROLE', value: (row) => row.role },
    { title: 'NAME', isName: true, value: (row) => row.name, style: () => 'name' },
    { title: 'ADDRESS', value: (row) => row.address },
    { title: 'CLUSTER', value: (row) => row.clusterName },
    {
      title: 'STATE',
      value: (row) => {
        if (!row.isAlive) return 'no answer';
        if (row.role !== 'broker') return 'up';
        return row.brokerId === 0 ? 'up, master' : `up, replica ${row.brokerId}`;
      },
      style: (row) => (row.isAlive ? 'good' : 'bad'),
    },
    {
      title: 'HEARTBEAT',
      value: (row, context) =>
        row.lastHeartbeatMs === undefined
          ? undefined
          : ago(row.lastHeartbeatMs, context.clock.nowMs()),
    },
  ],
  examples: [
    ['rmq cluster list', 'the machines that 127.0.0.1:9876 knows'],
    ['rmq cluster list --namesrv 10.0.0.1:9876 --output json', 'another cluster, for a program'],
  ],
  async run(context) {
    const admin = await context.connect();
    const members = await admin.members();
    const rows = members.map((member): MemberRow => {
      const isKnown = member.lastHeartbeatMs > 0;
      return {
        role: member.role,
        name: member.name,
        clusterName: member.clusterName,
        address: member.address,
        brokerId: member.role === 'broker' ? member.brokerId : undefined,
        isAlive: true,
        lastHeartbeat: isoTime(member.lastHeartbeatMs),
        lastHeartbeatMs: isKnown ? member.lastHeartbeatMs : undefined,
      };
    });
    return [...(await nameservers(context)), ...rows];
  },
};

/** Those that were asked for, each with whether it answers. */
async function nameservers(context: Context): Promise<MemberRow[]> {
  const admin = await context.connect();
  return Promise.all(
    context.namesrv.addresses.map(async (asked): Promise<MemberRow> => {
      const address = formatHostPort(asked);
      const isAlive = await admin.call(address, RequestCode.GET_BROKER_CLUSTER_INFO, {}).then(
        () => true,
        () => false, // Shown in the row.
      );
      return {
        role: 'nameserver',
        name: address,
        clusterName: '',
        address,
        brokerId: undefined,
        isAlive,
        lastHeartbeat: undefined,
        lastHeartbeatMs: undefined,
      };
    }),
  );
}
