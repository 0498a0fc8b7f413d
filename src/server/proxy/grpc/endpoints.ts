/**
 * Where a client is sent: always one address, the only form that every official client can use
 * (facts/grpc-v2.md 5.2), unless it came with several and nothing tells which of them is us. This proxy is
 * named by what it advertises to the client's network, else by the address that the client used; with
 * several proxies the queues are spread over all of them. What a client asks for is the address that it was
 * configured with, also when another proxy has sent it here.
 */
import { isIP } from 'node:net';
import { formatHostPort, parseHostPort } from '../../../platform/host-port.ts';
import type { HostPort } from '../../../platform/network.ts';
import {
  type Address,
  AddressScheme,
  Code,
  type Endpoints,
  type EndpointsInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { Call } from '../../../transport/grpc/call.ts';
import type { ClusterView, ProxyAddress } from '../cluster-view.ts';
import { StatusError } from './status.ts';

/** What the Node client says of its language. */
const nodeLanguage = 'HTTP';

/** Answers with the endpoints of the proxy for the `turn`-th of the client's queues. */
export type Spread = (turn: number) => EndpointsInit;

/**
 * Deals out the live proxies in turn. Each client begins with another one, since some use the first
 * queue of a broker only (facts/grpc-v2.md 10.2); the same client gets the same answer as long as the
 * same proxies live, so that its routes do not flap.
 * @throws StatusError ILLEGAL_ACCESS_POINT
 */
export function spreadOver(
  cluster: ClusterView,
  self: ProxyAddress,
  call: Call,
  asked: Endpoints | undefined,
): Spread {
  const own = ownEndpoints(cluster, self, call, asked);
  const isNear = isLoopback(call.peer.host);
  const all: EndpointsInit[] = [];
  for (const proxy of cluster.liveProxies()) {
    if (formatHostPort(proxy.grpc) === formatHostPort(self.grpc)) all.push(own);
    else {
      const address = proxy.advertise?.addressFor(call.peer.host) ?? proxy.grpc;
      // A proxy that listens on loopback is no use to a client elsewhere.
      if (isNear || !isLoopback(address.host)) all.push(endpointsOf(address));
    }
  }
  if (all.length <= 1) return () => own;
  const start = hashOf(call.header('x-mq-client-id') ?? call.peer.host);
  return (turn) => all[(start + turn) % all.length] as EndpointsInit; // never empty
}

/**
 * The queue id of an assignment that stands for all queues of its broker: below 0, and nobody looks at it
 * but the Node client. That one tells assignments apart by broker and id alone, and would ask a proxy that
 * is gone for ever if another one came with the same id.
 */
export function allQueuesId(call: Call, { addresses = [] }: EndpointsInit): number {
  if (call.header('x-mq-language') !== nodeLanguage) return -1;
  const names = addresses.map(({ host = '', port = 0 }) => formatHostPort({ host, port }));
  return -1 - (hashOf(names.join()) >>> 1);
}

function endpointsOf({ host, port }: HostPort): EndpointsInit {
  const version = isIP(host);
  const { IPv4, IPv6, DOMAIN_NAME } = AddressScheme;
  const scheme = version === 4 ? IPv4 : version === 6 ? IPv6 : DOMAIN_NAME;
  return { scheme, addresses: [{ host, port }] };
}

function ownEndpoints(
  cluster: ClusterView,
  self: ProxyAddress,
  call: Call,
  asked: Endpoints | undefined,
): EndpointsInit {
  const advertised = self.advertise?.addressFor(call.peer.host);
  if (advertised !== undefined) return endpointsOf(advertised);
  const addresses = (asked?.addresses ?? []).filter(({ host }) => host !== '');
  const authority = parseHostPort(call.authority);
  if (cluster.knowsOtherProxies() && isSame(authority, self.grpc)) return endpointsOf(self.grpc);
  const [first] = addresses;
  if (first === undefined) {
    if (authority !== undefined) return endpointsOf(authority);
    throw new StatusError(Code.ILLEGAL_ACCESS_POINT, 'the request names no endpoints');
  }
  if (addresses.length === 1) return endpointsOf(first);
  const ours = amongSeveral(addresses, self, authority);
  if (ours !== undefined) return endpointsOf(ours);
  // Several names are refused by most clients, several IP addresses by none of those that send them.
  const areIps = addresses.every(({ host }) => isIP(host) !== 0);
  return areIps && asked !== undefined ? asked : endpointsOf(first);
}

/**
 * Which of several addresses is this proxy. Some clients say the first as authority whichever they have
 * connected to, so that it counts last.
 */
function amongSeveral(
  addresses: readonly Address[],
  { grpc }: ProxyAddress,
  authority: HostPort | undefined,
): HostPort | undefined {
  const byPort = addresses.filter(({ port }) => port === grpc.port);
  const exact = byPort.find((address) => isSame(address, grpc));
  if (exact !== undefined) return exact;
  if (byPort.length === 1) return byPort[0];
  const said = addresses.findIndex((address) => isSame(authority, address));
  return said > 0 ? addresses[said] : undefined;
}

function isSame(one: HostPort | undefined, other: HostPort): boolean {
  return one?.host === other.host && one.port === other.port;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** FNV-1a, mixed: neighbouring client ids differ in the last character only. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
