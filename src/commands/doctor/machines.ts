/** NameServers, brokers and proxies: do they answer where they say they are, is there room, do clocks and versions agree. */
import { runtimeInfo } from '../../client/broker-client.ts';
import { formatHostPort, parseHostPort } from '../../platform/host-port.ts';
import type { ClusterMember } from '../../protocol/remoting/bodies/cluster-members.ts';
import { entriesOf } from '../../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../protocol/remoting/bodies/lenient-json.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import { dial } from '../shared/connect.ts';
import type { Context } from '../shared/context.ts';
import type { Finding } from './finding.ts';

/** Shares of the disk at which Apache's brokers begin to delete, and refuse; facts/broker.md §19. */
const diskWarning = 0.75;
const diskCritical = 0.9;
/** Runtime information is in whole seconds, and the answer took its time. */
const skewMaxMs = 5_000;

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export async function nameserverFindings(context: Context): Promise<readonly Finding[]> {
  const admin = await context.connect();
  const seen = await Promise.all(
    context.namesrv.addresses.map(async (asked) => {
      const subject = formatHostPort(asked);
      try {
        const answer = await admin.call(subject, RequestCode.GET_BROKER_CLUSTER_INFO, {});
        const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
        const names = entriesOf(json['brokerAddrTable']).map(([name]) => name);
        return { subject, brokers: names.sort().join(', '), error: undefined };
      } catch (thrown) {
        return { subject, brokers: '', error: messageOf(thrown) };
      }
    }),
  );
  const [first] = seen.filter(({ error }) => error === undefined);
  return seen.flatMap(({ subject, brokers, error }): Finding[] => {
    if (error !== undefined) {
      const advice = 'start it, or take it out of --namesrv and of the brokers and clients';
      return [{ severity: 'critical', check: 'nameserver', subject, problem: error, advice }];
    }
    if (brokers === first?.brokers) return [];
    return [
      {
        severity: 'critical',
        check: 'nameserver',
        subject,
        problem: `it knows ${brokers || 'no broker'}, ${first?.subject ?? ''} knows ${first?.brokers || 'none'}`,
        advice: 'give every broker the addresses of all NameServers (--namesrv)',
      },
    ];
  });
}

export async function brokerFindings(context: Context): Promise<readonly Finding[]> {
  const admin = await context.connect();
  const brokers = (await admin.members()).filter(({ role }) => role === 'broker');
  if (brokers.length === 0) {
    const advice = 'start one: rmq start --role broker --namesrv HOST:PORT';
    return [
      {
        severity: 'critical',
        check: 'broker',
        subject: 'cluster',
        problem: 'there is no broker',
        advice,
      },
    ];
  }
  const findings: Finding[] = [];
  for (const name of new Set(brokers.map((one) => one.name))) {
    if (brokers.some((one) => one.name === name && one.brokerId === 0)) continue;
    findings.push({
      severity: 'critical',
      check: 'broker',
      subject: name,
      problem: 'only replicas are there: its queues take no messages',
      advice: 'start its master',
    });
  }
  const infos = await Promise.all(brokers.map((one) => infoOf(context, one)));
  findings.push(...infos.flatMap((one) => one.findings));
  return [...findings, ...versionFindings(infos)];
}

interface BrokerInfo {
  readonly subject: string;
  readonly version: string | undefined;
  readonly findings: readonly Finding[];
}

async function infoOf(
  context: Context,
  { name, brokerId, address }: ClusterMember,
): Promise<BrokerInfo> {
  const admin = await context.connect();
  const subject = brokerId === 0 ? name : `${name}:${brokerId}`;
  try {
    const info = await runtimeInfo(admin, address);
    const findings = [...diskFindings(subject, info), ...clockFindings(context, subject, info)];
    return { subject, version: info['brokerVersionDesc'], findings };
  } catch (thrown) {
    const finding: Finding = {
      severity: 'critical',
      check: 'broker',
      subject,
      problem: `clients are sent to ${address}, which does not answer from here: ${messageOf(thrown)}`,
      advice: 'let it name an address that clients reach (--advertise), or open the way to it',
    };
    return { subject, version: undefined, findings: [finding] };
  }
}

function diskFindings(subject: string, info: Readonly<Record<string, string>>): Finding[] {
  const refusing = info['refusing'];
  if (refusing !== undefined) {
    const advice = 'make room or mend its disk, then start it again';
    const problem = `it refuses messages: ${refusing}`;
    return [{ severity: 'critical', check: 'disk', subject, problem, advice }];
  }
  const ratio = Number(info['commitLogDiskRatio'] ?? 0);
  if (!(ratio >= diskWarning)) return [];
  return [
    {
      severity: ratio >= diskCritical ? 'critical' : 'warning',
      check: 'disk',
      subject,
      problem: `its disk is ${Math.round(ratio * 100)} % full`,
      advice: 'make room, or keep messages for a shorter time (--retention)',
    },
  ];
}

/** What the broker's clock says: when it was started and how long ago that is. */
function clockFindings(
  context: Context,
  subject: string,
  info: Readonly<Record<string, string>>,
): Finding[] {
  const bootMs = Number(info['bootTimestamp'] ?? Number.NaN);
  const parts = /(\d+) days, (\d+) hours, (\d+) minutes, (\d+) seconds/.exec(info['runtime'] ?? '');
  if (!(bootMs > 0) || parts === null) return [];
  const [days, hours, minutes, seconds] = parts.slice(1).map(Number);
  const runtimeSeconds =
    (((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0);
  const skewMs = bootMs + runtimeSeconds * 1_000 - context.clock.nowMs();
  if (Math.abs(skewMs) <= skewMaxMs) return [];
  const direction = skewMs > 0 ? 'ahead of' : 'behind';
  return [
    {
      severity: 'warning',
      check: 'clock',
      subject,
      problem: `its clock is ${Math.round(Math.abs(skewMs) / 1_000)} s ${direction} this machine's`,
      advice: 'set both by NTP: delays, retention and times of messages follow the clock',
    },
  ];
}

function versionFindings(infos: readonly BrokerInfo[]): Finding[] {
  const versions = Map.groupBy(
    infos.filter(({ version }) => version !== undefined),
    ({ version }) => version,
  );
  if (versions.size < 2) return [];
  const list = [...versions].map(
    ([version, some]) => `${version ?? ''}: ${some.map(({ subject }) => subject).join(', ')}`,
  );
  return [
    {
      severity: 'info',
      check: 'version',
      subject: 'cluster',
      problem: `brokers speak as different versions (${list.join('; ')})`,
      advice: 'fine during an upgrade; finish it',
    },
  ];
}

export async function proxyFindings(context: Context): Promise<readonly Finding[]> {
  const admin = await context.connect();
  const proxies = (await admin.members()).filter(({ role }) => role === 'proxy');
  const found = await Promise.all(
    proxies.map(async ({ name, address }): Promise<Finding[]> => {
      const target = parseHostPort(address);
      if (target === undefined) return [];
      try {
        await dial(target, context.timeoutMs);
        return [];
      } catch (thrown) {
        const problem = `clients are sent to ${address}, which does not answer from here: ${messageOf(thrown)}`;
        const advice =
          'let it name an address that clients reach (--advertise), or open the way to it';
        return [{ severity: 'critical', check: 'proxy', subject: name, problem, advice }];
      }
    }),
  );
  return found.flat();
}
