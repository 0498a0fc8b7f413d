/** What commands ask proxies of ours, by the Admin service that they serve; facts/grpc-v2.md 1.4. */
import { parseHostPort } from '../platform/host-port.ts';
import type { HostPort } from '../platform/network.ts';
import { RmqError } from '../protocol/errors.ts';
import {
  decodeGetProxyRuntimeStatsResponse,
  decodeListConsumerConnectionResponse,
  decodePrintThreadStackTraceResponse,
  decodeVerifyMessageResponse,
  encodeGetProxyRuntimeStatsRequest,
  encodeListConsumerConnectionRequest,
  encodePrintThreadStackTraceRequest,
  encodeVerifyMessageRequest,
} from '../protocol/grpc/generated/messages.ts';
import type { AdminClient } from './admin-client.ts';

/** Makes one unary call; `path` is `/package.Service/Method`. */
export type UnaryCall = (address: HostPort, path: string, message: Uint8Array) => Promise<Buffer>;

export interface ProxyPlace {
  readonly proxyName: string;
  readonly address: string;
}

/** A consumer over gRPC. */
export interface ProxyConsumer extends ProxyPlace {
  readonly clientId: string;
  /** Its host as the proxy sees it, without a port. */
  readonly host: string;
  readonly language: string;
  /** Of the client library. */
  readonly version: string;
}

const okCode = 20_000;

/** The proxies that report; none with Apache's NameServer. */
export async function proxiesOf(admin: AdminClient): Promise<readonly ProxyPlace[]> {
  const members = (await admin.nameserver.members()) ?? [];
  return members.flatMap(({ role, name, address }) =>
    role === 'proxy' ? [{ proxyName: name, address }] : [],
  );
}

/** Who consumes with the group through this proxy. @throws RmqError CANNOT_CONNECT … */
export async function proxyConsumers(
  unary: UnaryCall,
  proxy: ProxyPlace,
  group: string,
): Promise<readonly ProxyConsumer[]> {
  const message = encodeListConsumerConnectionRequest({ group: { name: group } });
  const bytes = await ask(unary, proxy, 'ListConsumerConnection', message);
  const { status, clientInfo } = decodeListConsumerConnectionResponse(bytes);
  check(proxy, status);
  return clientInfo.map(({ clientId, egressIp, language, version }) => ({
    ...proxy,
    clientId,
    host: egressIp,
    language,
    version,
  }));
}

/** @throws RmqError CLIENT_NOT_FOUND when it is not connected there or does not answer. */
export async function proxyStack(
  unary: UnaryCall,
  proxy: ProxyPlace,
  client: { readonly group: string; readonly clientId: string },
): Promise<string> {
  const { group, clientId } = client;
  const message = encodePrintThreadStackTraceRequest({ clientId, group: { name: group } });
  const bytes = await ask(unary, proxy, 'PrintThreadStackTrace', message);
  const { status, threadStackTrace } = decodePrintThreadStackTraceResponse(bytes);
  check(proxy, status);
  return threadStackTrace ?? '';
}

/** Has a consumer run its listener on a message. @returns undefined when it succeeded, else what it said. */
export async function proxyVerify(
  unary: UnaryCall,
  proxy: ProxyPlace,
  asked: {
    readonly group: string;
    readonly clientId: string;
    readonly topic: string;
    readonly messageId: string;
  },
): Promise<string | undefined> {
  const { group, clientId, topic, messageId } = asked;
  const message = encodeVerifyMessageRequest({
    clientId,
    group: { name: group },
    topic: { name: topic },
    messageId,
  });
  const bytes = await ask(unary, proxy, 'VerifyMessage', message);
  const { status } = decodeVerifyMessageResponse(bytes);
  if (status === undefined || status.code === okCode) return undefined;
  return `${status.code}: ${status.message}`;
}

export interface ProxyStats {
  readonly version: string;
  /** Messages a second. */
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  /** Clients with a telemetry stream. */
  readonly connectionCount: number;
  readonly producerCount: number;
  readonly consumerCount: number;
}

export async function proxyStats(unary: UnaryCall, proxy: ProxyPlace): Promise<ProxyStats> {
  const message = encodeGetProxyRuntimeStatsRequest({});
  const bytes = await ask(unary, proxy, 'GetProxyRuntimeStats', message);
  const answer = decodeGetProxyRuntimeStatsResponse(bytes);
  check(proxy, answer.status);
  return {
    version: answer.version,
    inPerSecond: answer.inTps,
    outPerSecond: answer.outTps,
    connectionCount: Number(answer.connections),
    producerCount: Number(answer.producers),
    consumerCount: Number(answer.consumers),
  };
}

function ask(
  unary: UnaryCall,
  { address }: ProxyPlace,
  method: string,
  message: Uint8Array,
): Promise<Buffer> {
  const target = parseHostPort(address);
  if (target === undefined) {
    return Promise.reject(new RmqError('CANNOT_CONNECT', `${address} is not HOST:PORT`));
  }
  return unary(target, `/apache.rocketmq.v2.Admin/${method}`, message);
}

function check(
  { proxyName }: ProxyPlace,
  status: { readonly code: number; readonly message: string } | undefined,
): void {
  if (status === undefined || status.code === okCode) return;
  const text = `proxy ${proxyName} answers ${status.code}: ${status.message}`;
  throw new RmqError('CLIENT_NOT_FOUND', text);
}
