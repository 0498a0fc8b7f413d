/** Requests of brokers and proxies: they register, renew, leave; facts/remoting.md 3.2, 3.3. */
import { hash } from 'node:crypto';
import { crc32, inflateSync } from 'node:zlib';
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import { encodeClusterMembers } from '../../../protocol/remoting/bodies/cluster-members.ts';
import { entriesOf, jsonBody, parseJsonObject } from '../../../protocol/remoting/bodies/json.ts';
import {
  type DataVersion,
  numberOr,
  type TopicConfigBody,
  topicConfigFromJson,
} from '../../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  type RegisterBrokerHeader,
  registerBrokerHeader,
  registerProxyHeader,
  unregisterBrokerHeader,
  unregisterProxyHeader,
} from '../../../protocol/remoting/headers/registration.ts';
import type { AnswerParts, RequestHandler } from '../../remoting/handler.ts';
import { Advertised } from '../../shared/advertise.ts';
import type { Logger } from '../../shared/logger.ts';
import { type KvConfig, orderConfigNamespace } from '../kv-config.ts';
import { memberGroupJson } from '../route-json.ts';
import type { BrokerEntry, RouteTable } from '../route-table.ts';
import type { NameServerSettings } from '../settings.ts';

/** Of brokers that name no window, as Apache's: they renew every 30 s. */
const defaultWindowMs = 120_000;
/** Characters kept of what a proxy advertises. */
const advertiseLengthMax = 2_048;
/** A registration of 100,000 topics has about 20 MiB; a compressed one must not become more. */
const bodySizeMax = 64 << 20;

export interface RegistrationParts {
  readonly table: RouteTable;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kv: KvConfig;
  readonly settings: NameServerSettings;
  /** What each broker said last. */
  readonly taken: WeakMap<BrokerEntry, Taken>;
}

interface Taken {
  /** Of the body. */
  readonly digest: string;
  readonly isComplete: boolean;
  /** Of the route table afterwards. */
  readonly tableVersion: number;
}

export function registrationHandlers(parts: RegistrationParts): [number, RequestHandler][] {
  const { table, clock } = parts;
  return [
    [RequestCode.REGISTER_BROKER, (request, answer) => answer(registerBroker(parts, request))],
    [
      RequestCode.UNREGISTER_BROKER,
      (request, answer) => {
        const header = unregisterBrokerHeader.decode(request.extFields);
        table.unregister(header.clusterName, header.brokerAddr);
        answer({});
      },
    ],
    [RequestCode.QUERY_DATA_VERSION, (request, answer) => answer(queryDataVersion(parts, request))],
    [
      RequestCode.BROKER_HEARTBEAT,
      (request, answer) => {
        const { clusterName = '', brokerAddr = '' } = request.extFields;
        const entry = table.entry(clusterName, brokerAddr);
        if (entry !== undefined) entry.lastHeardMs = clock.monotonicMs();
        answer({});
      },
    ],
    [
      RequestCode.GET_BROKER_MEMBER_GROUP,
      (request, answer) => {
        const { clusterName = '', brokerName = '' } = request.extFields;
        const body = memberGroupJson(table.broker(brokerName), clusterName, brokerName);
        answer({ body: Buffer.from(body) });
      },
    ],
    [RequestCode.RMQ_REGISTER_PROXY, (request, answer) => answer(registerProxy(parts, request))],
    [
      RequestCode.RMQ_UNREGISTER_PROXY,
      (request, answer) => {
        const header = unregisterProxyHeader.decode(request.extFields);
        table.unregisterProxy(header.clusterName, header.grpcAddr);
        answer({});
      },
    ],
    [RequestCode.RMQ_CLUSTER_MEMBERS, (_request, answer) => answer({ body: members(parts) })],
  ];
}

type Request = Parameters<RequestHandler>[0];

function registerBroker(parts: RegistrationParts, request: Request): AnswerParts {
  const { table, clock, logger, settings } = parts;
  const header = registerBrokerHeader.decode(request.extFields);
  const { body } = request;
  if (header.bodyCrc !== 0 && (crc32(body) & 0x7fffffff) !== header.bodyCrc) {
    throw new RmqError('BAD_REQUEST', 'crc32 not match');
  }
  const known = table.entry(header.clusterName, header.brokerAddr);
  const digest = hash('sha256', body);
  if (known !== undefined && isRenewal(parts, request, header, known, digest)) {
    known.lastHeardMs = clock.monotonicMs();
    return registered(parts, header);
  }
  const { topics, dataVersion } = readBody(header, body);
  const hasAddress = table.broker(header.brokerName)?.brokerAddrs.has(header.brokerId) === true;
  if (!hasAddress && topics.length === 1 && !header.isComplete) {
    // A change of one topic from a broker that nobody knows: it has to say everything first.
    return { code: ResponseCode.SYSTEM_ERROR, remark: 'register broker failed' };
  }
  const isTaken = table.register(
    {
      clusterName: header.clusterName,
      brokerName: header.brokerName,
      brokerId: header.brokerId,
      address: header.brokerAddr,
      haAddress: header.haServerAddr,
      windowMs: header.heartbeatTimeoutMs ?? defaultWindowMs,
      isActingMasterEnabled: header.isActingMasterEnabled,
      advertised: advertisedOf(header),
      isBesideUs: isBesideUs(header, request),
      mayBePrimeSlave: request.extFields['enableActingMaster'] !== undefined,
      sessionId: request.session.id,
      dataVersion,
      lastHeardMs: clock.monotonicMs(),
    },
    topics,
    header.isComplete || settings.values.deleteTopicWithBrokerRegistration,
  );
  if (!isTaken) {
    const { brokerName: broker, brokerId: id, brokerAddr: address } = header;
    logger.warn('a broker is refused: a newer one has its id', { broker, id, address });
    return {};
  }
  const entry = table.entry(header.clusterName, header.brokerAddr);
  if (entry !== undefined) {
    const { isComplete } = header;
    parts.taken.set(entry, { digest, isComplete, tableVersion: table.version });
  }
  if (known === undefined) {
    const { brokerName: broker, brokerId: id, brokerAddr: address } = header;
    logger.info('broker registered', { broker, id, address });
  }
  return registered(parts, header);
}

/**
 * Whether a registration says what the last one of that broker said, and nothing has changed since. Brokers repeat
 * theirs every few seconds, and reading that of 10,000 topics takes 30 ms.
 */
function isRenewal(
  { table, taken }: RegistrationParts,
  request: Request,
  header: RegisterBrokerHeader,
  known: BrokerEntry,
  digest: string,
): boolean {
  const last = taken.get(known);
  return (
    last?.digest === digest &&
    last.isComplete === header.isComplete &&
    last.tableVersion === table.version &&
    known.sessionId === request.session.id &&
    known.brokerName === header.brokerName &&
    known.brokerId === header.brokerId &&
    known.haAddress === header.haServerAddr &&
    known.isActingMasterEnabled === header.isActingMasterEnabled &&
    known.isBesideUs === isBesideUs(header, request) &&
    known.advertised.toString() === advertisedOf(header).toString() &&
    known.windowMs === (header.heartbeatTimeoutMs ?? defaultWindowMs)
  );
}

function advertisedOf({ advertise }: RegisterBrokerHeader): Advertised {
  return Advertised.parse(advertise, 0) ?? Advertised.none; // ours name all ports
}

/** Whoever calls us by an address of ours is on our machine. */
function isBesideUs(header: RegisterBrokerHeader, { session }: Request): boolean {
  return header.isEverywhere && session.remote.host === session.local.host;
}

function registered(parts: RegistrationParts, header: RegisterBrokerHeader): AnswerParts {
  const { kv, settings } = parts;
  const { returnOrderTopicConfigToBroker } = settings.values;
  const order = returnOrderTopicConfigToBroker ? kv.list(orderConfigNamespace) : undefined;
  const extFields = masterOf(parts, header);
  return order === undefined ? { extFields } : { extFields, body: jsonBody({ table: order }) };
}

/** Slaves are told where their master is. */
function masterOf(parts: RegistrationParts, header: RegisterBrokerHeader): Record<string, string> {
  if (header.brokerId === 0) return {};
  const masterAddr = parts.table.broker(header.brokerName)?.brokerAddrs.get(0);
  const master =
    masterAddr === undefined ? undefined : parts.table.entry(header.clusterName, masterAddr);
  return master === undefined ? {} : { haServerAddr: master.haAddress, masterAddr: master.address };
}

interface RegistrationBody {
  readonly topics: readonly TopicConfigBody[];
  readonly dataVersion: DataVersion;
}

function readBody(header: RegisterBrokerHeader, body: Buffer): RegistrationBody {
  if (header.isCompressed) return readCompressed(body);
  const wrapper = parseJsonObject(body)['topicConfigSerializeWrapper'];
  const fields = Object.fromEntries(entriesOf(wrapper));
  const topics = entriesOf(fields['topicConfigTable']).flatMap(
    ([, value]) => topicConfigFromJson(value) ?? [],
  );
  return { topics, dataVersion: versionFrom(fields['dataVersion']) };
}

function versionFrom(value: unknown): DataVersion {
  const fields = Object.fromEntries(entriesOf(value));
  return {
    counter: numberOr(fields['counter'], 0),
    stateVersion: numberOr(fields['stateVersion'], 0),
    timestamp: numberOr(fields['timestamp'], 0),
  };
}

/**
 * zlib of: int length and DataVersion JSON; int count; per topic int length and
 * `name read write perm FILTERTYPE [attributes JSON]`; the rest is of no use here.
 */
function readCompressed(body: Buffer): RegistrationBody {
  let bytes: Buffer;
  try {
    bytes = inflateSync(body, { maxOutputLength: bodySizeMax });
  } catch (cause) {
    throw new RmqError('BAD_REQUEST', 'the registration cannot be decompressed', { cause });
  }
  let at = 0;
  const int = (): number => {
    if (at + 4 > bytes.length) throw new RmqError('BAD_REQUEST', 'the registration is cut short');
    at += 4;
    return bytes.readInt32BE(at - 4);
  };
  const text = (): string => {
    const size = int();
    if (size < 0 || at + size > bytes.length) {
      throw new RmqError('BAD_REQUEST', 'the registration is cut short');
    }
    at += size;
    return bytes.toString('utf8', at - size, at);
  };
  const dataVersion = versionFrom(parseJsonObject(Buffer.from(text())));
  const topics: TopicConfigBody[] = [];
  for (let count = int(); count > 0; count--) {
    const [topic = '', read, write, permission, filterType] = text().split(' ');
    topics.push({
      topic,
      readQueueCount: Number(read),
      writeQueueCount: Number(write),
      permission: Number(permission),
      filterType: filterType === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
      systemFlag: 0,
      isOrdered: false,
      attributes: {},
    });
  }
  return { topics, dataVersion };
}

function queryDataVersion(parts: RegistrationParts, request: Request): AnswerParts {
  const { clusterName = '', brokerAddr = '' } = request.extFields;
  const entry = parts.table.entry(clusterName, brokerAddr);
  if (entry === undefined) return { extFields: { changed: 'true' } };
  entry.lastHeardMs = parts.clock.monotonicMs();
  const asked = versionFrom(parseJsonObject(request.body));
  const known = entry.dataVersion;
  const isSame =
    asked.counter === known.counter &&
    asked.stateVersion === known.stateVersion &&
    asked.timestamp === known.timestamp;
  return { extFields: { changed: String(!isSame) }, body: jsonBody(known) };
}

function registerProxy(parts: RegistrationParts, request: Request): AnswerParts {
  const header = registerProxyHeader.decode(request.extFields);
  parts.table.registerProxy({
    clusterName: header.clusterName,
    proxyName: header.proxyName,
    grpcAddress: header.grpcAddr,
    // Kept for others to read; ours are never longer.
    advertise: header.advertise.slice(0, advertiseLengthMax),
    windowMs: header.heartbeatTimeoutMs ?? defaultWindowMs,
    sessionId: request.session.id,
    lastHeardMs: parts.clock.monotonicMs(),
  });
  return {};
}

/** Every machine that reports, with the wall-clock time of its last report. */
function members(parts: RegistrationParts): Buffer {
  const { table, clock } = parts;
  const toWallMs = clock.nowMs() - clock.monotonicMs();
  const brokers = [...table.liveBrokers()].map((entry) => ({
    role: 'broker' as const,
    name: entry.brokerName,
    clusterName: entry.clusterName,
    address: entry.address,
    brokerId: entry.brokerId,
    lastHeartbeatMs: Math.round(entry.lastHeardMs + toWallMs),
    windowMs: entry.windowMs,
    advertise: '',
  }));
  const proxies = [...table.liveProxies()].map((entry) => ({
    role: 'proxy' as const,
    name: entry.proxyName,
    clusterName: entry.clusterName,
    address: entry.grpcAddress,
    brokerId: 0,
    lastHeartbeatMs: Math.round(entry.lastHeardMs + toWallMs),
    windowMs: entry.windowMs,
    advertise: entry.advertise,
  }));
  return encodeClusterMembers([...brokers, ...proxies]);
}
