/**
 * Where a client is sent: always one address, the only form that every official client can use
 * (facts/grpc-v2.md 5.2). With one proxy it is the address by which the client reached us; with
 * several, queues are spread over all of them.
 */
import { isIP } from 'node:net';
import { parseHostPort } from '../../../platform/host-port.ts';
import type { HostPort } from '../../../platform/network.ts';
import {
  AddressScheme,
  Code,
  type Endpoints,
  type EndpointsInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { Call } from './call.ts';
import { StatusError } from './status.ts';

export function endpointsOf({ host, port }: HostPort): EndpointsInit {
  const version = isIP(host);
  const { IPv4, IPv6, DOMAIN_NAME } = AddressScheme;
  const scheme = version === 4 ? IPv4 : version === 6 ? IPv6 : DOMAIN_NAME;
  return { scheme, addresses: [{ host, port }] };
}

/** The address by which this client reached us. @throws StatusError ILLEGAL_ACCESS_POINT */
export function reachedBy(call: Call, asked: Endpoints | undefined): HostPort {
  const only = asked?.addresses.length === 1 ? asked.addresses[0] : undefined;
  if (only !== undefined && only.host !== '') return { host: only.host, port: only.port };
  const authority = parseHostPort(call.authority);
  if (authority !== undefined) return authority;
  const first = asked?.addresses[0];
  if (first !== undefined) return { host: first.host, port: first.port };
  throw new StatusError(Code.ILLEGAL_ACCESS_POINT, 'the request names no endpoints');
}

/**
 * Addresses to spread a client's queues over: of every live proxy, this one under the address that the
 * client uses. `self` is this proxy's name.
 */
export function proxyEndpoints(
  cluster: ClusterView,
  self: string,
  reached: HostPort,
): readonly EndpointsInit[] {
  const proxies = cluster.liveProxies();
  if (proxies.length <= 1) return [endpointsOf(reached)];
  return proxies.map((proxy) => endpointsOf(proxy.name === self ? reached : proxy.grpc));
}
