/** `rmq proxy list` and `rmq proxy show` */
import type { AdminClient } from '../../client/admin-client.ts';
import { type ProxyPlace, type ProxyStats, proxyStats } from '../../client/proxy-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { ClusterMember } from '../../protocol/remoting/bodies/cluster-members.ts';
import { nearest } from '../../util/nearest.ts';
import type { Column, Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { withProxies } from '../shared/proxies.ts';
import { ago, isoTime } from '../shared/times.ts';

interface ProxyRow {
  readonly name: string;
  readonly clusterName: string;
  /** Where gRPC clients are sent. */
  readonly address: string;
  /** Addresses for clients of other networks, by network. */
  readonly advertise: Readonly<Record<string, string>>;
  readonly lastHeartbeat: string | undefined;
  /** Silence after which it is dropped. */
  readonly windowMs: number;
}

const columns: readonly Column<ProxyRow>[] = [
  { title: 'NAME', value: (row) => row.name, style: () => 'name' },
  { title: 'ADDRESS', value: (row) => row.address },
  { title: 'CLUSTER', value: (row) => row.clusterName },
  {
    title: 'HEARTBEAT',
    value: ({ lastHeartbeat }, context) =>
      lastHeartbeat === undefined
        ? undefined
        : ago(Date.parse(lastHeartbeat), context.clock.nowMs()),
  },
  {
    title: 'ADVERTISES',
    value: ({ advertise }) =>
      Object.entries(advertise)
        .map(([network, address]) => `${network}=${address}`)
        .join(' '),
  },
];

export const proxyList: Command<object, ProxyRow> = {
  summary: 'List the proxies with their last heartbeat',
  impact: 'read',
  isRemote: true,
  flags: [],
  columns,
  examples: [
    ['rmq proxy list', 'every proxy that is registered'],
    ['rmq proxy list --output json', 'the same for a program'],
  ],
  run: (context) => proxies(context),
};

interface ProxyDetails extends ProxyRow {
  /** From this machine. */
  readonly isReachable: boolean;
  readonly answerMs: number | undefined;
  readonly stats: ProxyStats | undefined;
  readonly error: string | undefined;
}

export const proxyShow: Command<{ readonly proxy: string }, ProxyDetails> = {
  summary: 'Show one proxy: whether it answers from here, its clients and rates',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'proxy', description: 'name or address of the proxy', isRequired: true }],
  flags: [],
  columns: [
    ...columns,
    {
      title: 'REACHED',
      value: ({ isReachable, answerMs, error }) =>
        isReachable ? `yes, in ${(answerMs ?? 0).toFixed(1)} ms` : `no: ${error ?? ''}`,
      style: (row) => (row.isReachable ? 'good' : 'bad'),
    },
    { title: 'VERSION', value: ({ stats }) => stats?.version },
    {
      title: 'CLIENTS',
      value: ({ stats }) =>
        stats === undefined
          ? undefined
          : `${stats.producerCount} producers, ${stats.consumerCount} consumers`,
    },
    {
      title: 'RATES',
      value: ({ stats }) =>
        stats === undefined
          ? undefined
          : `${stats.inPerSecond.toFixed(1)}/s in, ${stats.outPerSecond.toFixed(1)}/s out`,
    },
  ],
  examples: [
    ['rmq proxy show proxy-a', 'by its name'],
    ['rmq proxy show 10.0.0.1:8081 --output json', 'by its address, for a program'],
  ],
  async run(context, { proxy }) {
    const all = await proxies(context);
    const found = all.find(({ name, address }) => name === proxy || address === proxy);
    if (found === undefined) {
      const names = all.map(({ name }) => name);
      const meant = nearest(proxy, names);
      throw new RmqError('CLIENT_NOT_FOUND', `no proxy ${proxy} is registered`, {
        hint: meant === undefined ? `there is: ${names.join(', ')}` : `did you mean ${meant}?`,
      });
    }
    const admin = await context.connect();
    const place = { proxyName: found.name, address: found.address };
    return { ...found, ...(await reach(context, admin, place)) };
  },
};

/** @throws RmqError NOT_SUPPORTED before Apache's NameServer, with which proxies do not register. */
async function proxies(context: Context): Promise<ProxyRow[]> {
  const admin = await context.connect();
  const members = await admin.nameserver.members();
  if (members === undefined) {
    throw new RmqError('NOT_SUPPORTED', "Apache's NameServer does not know of proxies");
  }
  return members.filter(({ role }) => role === 'proxy').map(proxyRow);
}

function proxyRow(member: ClusterMember): ProxyRow {
  const { name, clusterName, address, advertise, lastHeartbeatMs, windowMs } = member;
  const entries = advertise.split(';').flatMap((entry): [string, string][] => {
    const equals = entry.indexOf('=');
    return equals < 0 ? [] : [[entry.slice(0, equals), entry.slice(equals + 1)]];
  });
  return {
    name,
    clusterName,
    address,
    advertise: Object.fromEntries(entries),
    lastHeartbeat: isoTime(lastHeartbeatMs),
    windowMs,
  };
}

/** Whether it answers when it is asked from this machine, and what it says of itself. */
export function reach(
  context: Context,
  admin: AdminClient,
  place: ProxyPlace,
): Promise<Pick<ProxyDetails, 'isReachable' | 'answerMs' | 'stats' | 'error'>> {
  return withProxies(context, admin, async (_proxies, unary) => {
    const startMs = context.clock.monotonicMs();
    try {
      const stats = await proxyStats(unary, place);
      const answerMs = context.clock.monotonicMs() - startMs;
      return { isReachable: true, answerMs, stats, error: undefined };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown.message : String(thrown);
      return { isReachable: false, answerMs: undefined, stats: undefined, error };
    }
  });
}
