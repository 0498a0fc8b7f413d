/**
 * Which address a route names. A lone proxy names the address by which the client reached it; several
 * share the queues, each queue with exactly one address, because the Node and C# clients manage no
 * more. Answers are stable: Java and Go compare them by value (facts/grpc-v2.md 5.2, 14.11).
 */
import type { HostPort } from '../../../platform/network.ts';
import { AddressScheme, type EndpointsInit } from '../../../protocol/grpc/generated/messages.ts';
import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import type { ClusterView, ProxyAddress } from '../cluster-view.ts';
import type { Call } from './call.ts';

export interface EndpointOptions {
  readonly cluster: ClusterView;
  /** How the NameServers know this proxy. */
  readonly proxyName: string | undefined;
  /** Told to every client, whatever it used; undefined: what it used. */
  readonly advertise: HostPort | undefined;
}

/** The endpoints of one answer, queue by queue. */
export interface EndpointRotation {
  next(): EndpointsInit;
}

export class Endpoints {
  readonly #options: EndpointOptions;
  #own: HostPort = { host: '127.0.0.1', port: 0 };

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** Sets the address that this proxy listens on, once it is known. */
  setOwn(own: HostPort): void {
    this.#own = own;
  }

  /** Deals the live proxies out to the queues of a route; `key` decides who comes first. */
  rotation(call: Call, requested: EndpointsInit | undefined, key: string): EndpointRotation {
    const used = this.#used(call, requested);
    const proxies = this.#options.cluster.liveProxies();
    if (proxies.length <= 1) return { next: () => used };
    const all = proxies.map((proxy) => (this.#isOwn(proxy) ? used : endpointsOf(proxy.grpc)));
    let index = (javaHashCode(key) >>> 0) % all.length;
    return {
      next: () => {
        const endpoints = all[index] ?? used;
        index = (index + 1) % all.length;
        return endpoints;
      },
    };
  }

  #isOwn(proxy: ProxyAddress): boolean {
    if (proxy.name === this.#options.proxyName) return true;
    const own = this.#options.advertise ?? this.#own;
    return proxy.grpc.port === own.port && proxy.grpc.host === own.host;
  }

  /** The address by which the client reached us. */
  #used(call: Call, requested: EndpointsInit | undefined): EndpointsInit {
    const { advertise } = this.#options;
    if (advertise !== undefined) return endpointsOf(advertise);
    const addresses = requested?.addresses ?? [];
    const only = addresses[0];
    if (addresses.length === 1 && only?.host !== undefined && only.host !== '' && only.port) {
      // Echoed as it came, scheme included: clients compare it with what they were configured with.
      if (requested?.scheme) return { scheme: requested.scheme, addresses };
      return { scheme: AddressScheme.DOMAIN_NAME, addresses };
    }
    return endpointsOf(parseAuthority(call.authority) ?? this.#own);
  }
}

/** One address as endpoints, its scheme by its look. */
export function endpointsOf(address: HostPort): EndpointsInit {
  const { host, port } = address;
  const scheme = host.includes(':')
    ? AddressScheme.IPv6
    : /^\d+(\.\d+){3}$/.test(host)
      ? AddressScheme.IPv4
      : AddressScheme.DOMAIN_NAME;
  return { scheme, addresses: [{ host, port }] };
}

function parseAuthority(authority: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]+)):(\d{1,5})$/.exec(authority);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}
