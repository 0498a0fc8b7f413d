/** Which addresses a client gets: the proxies that live, each client beginning with another one. */
import { expect, test } from 'vitest';
import type { Endpoints } from '../../../../src/protocol/grpc/generated/messages.ts';
import type { ClusterView, ProxyAddress } from '../../../../src/server/proxy/cluster-view.ts';
import { allQueuesId, spreadOver } from '../../../../src/server/proxy/grpc/endpoints.ts';
import { Advertised } from '../../../../src/server/shared/advertise.ts';
import type { Call } from '../../../../src/transport/grpc/call.ts';

function proxy(host: string, port = 8081, advertise = ''): ProxyAddress {
  const table = Advertised.parse(advertise, port) ?? Advertised.none;
  return { name: host, grpc: { host, port }, advertise: table };
}

function callOf(clientId: string, authority: string, peer = '10.0.0.50', language = ''): Call {
  const headers: Record<string, string> = {
    'x-mq-client-id': clientId,
    'x-mq-language': language,
  };
  return {
    header: (name) => headers[name],
    authority,
    peer: { host: peer, port: 1 },
  } as Call; // what spreadOver looks at
}

function asked(...addresses: [string, number][]): Endpoints {
  return { scheme: 1, addresses: addresses.map(([host, port]) => ({ host, port })) } as Endpoints;
}

/** The addresses of the first `count` queues. */
function answers(
  all: readonly ProxyAddress[],
  self: ProxyAddress,
  call: Call,
  endpoints: Endpoints | undefined,
  { count = all.length, knowsOthers = all.length > 1 } = {},
): string[] {
  const cluster = {
    liveProxies: () => all,
    knowsOtherProxies: () => knowsOthers,
  } as ClusterView; // what spreadOver looks at
  const spread = spreadOver(cluster, self, call, endpoints);
  return Array.from({ length: count }, (_, turn) =>
    (spread(turn).addresses ?? []).map(({ host, port }) => `${host}:${port}`).join(','),
  );
}

const a = proxy('10.0.0.1');
const b = proxy('10.0.0.2');
const c = proxy('10.0.0.3');

test('one proxy is named by the address that the client used', () => {
  const call = callOf('x', '10.0.0.1:8081');
  expect(answers([a], a, call, asked(['mq.example.com', 80]))).toEqual(['mq.example.com:80']);
  expect(answers([a], a, callOf('x', '[::1]:8081', '::1'), undefined)).toEqual(['::1:8081']);
});

test('clients begin with different proxies, and each gets the same answer again', () => {
  const firsts = new Map<string, number>();
  for (let index = 0; index < 300; index++) {
    const call = callOf(`host@1@${index}@abc`, '10.0.0.1:8081');
    const seen = answers([a, b, c], a, call, asked(['10.0.0.1', 8081]));
    expect(seen.toSorted()).toEqual(['10.0.0.1:8081', '10.0.0.2:8081', '10.0.0.3:8081']);
    expect(answers([a, b, c], b, call, asked(['10.0.0.2', 8081]))).toEqual(seen);
    firsts.set(String(seen[0]), (firsts.get(String(seen[0])) ?? 0) + 1);
  }
  expect([...firsts.values()].every((count) => count > 60)).toBe(true);
});

test('a client that another proxy sent here is told ours, not the one it was configured with', () => {
  const call = callOf('x', '10.0.0.2:8081');
  const configured = asked(['10.0.0.1', 8081]);
  expect(answers([a, b], b, call, configured).toSorted()).toEqual([
    '10.0.0.1:8081',
    '10.0.0.2:8081',
  ]);
  expect(answers([b], b, call, configured, { knowsOthers: true })).toEqual(['10.0.0.2:8081']);
});

test('what is advertised wins, by the network of the client, for every proxy', () => {
  const rules = (own: string): string => `10.0.0.0/8=${own};203.0.113.9:18081`;
  const self = proxy('203.0.113.9', 18_081, rules('10.0.0.1'));
  const other = proxy('203.0.113.8', 18_081, '10.0.0.0/8=10.0.0.2;203.0.113.8:18081');
  const inside = answers([self, other], self, callOf('x', 'any:1'), asked(['any', 1]));
  expect(inside.toSorted()).toEqual(['10.0.0.1:18081', '10.0.0.2:18081']);
  const outer = callOf('x', 'any:1', '198.51.100.7');
  expect(answers([self, other], self, outer, asked(['any', 1])).toSorted()).toEqual([
    '203.0.113.8:18081',
    '203.0.113.9:18081',
  ]);
});

test('of several addresses ours is found, whatever the client says its authority is', () => {
  const several = asked(['10.0.0.1', 8081], ['10.0.0.2', 8081]);
  expect(answers([b], b, callOf('x', '10.0.0.1:8081'), several)).toEqual(['10.0.0.2:8081']);
  const ports = asked(['lb', 1], ['lb', 8081]);
  expect(answers([b], b, callOf('x', 'lb:1'), ports)).toEqual(['lb:8081']);
  const unknown = asked(['192.0.2.1', 1], ['192.0.2.2', 1]);
  expect(answers([b], b, callOf('x', ''), unknown)).toEqual(['192.0.2.1:1,192.0.2.2:1']);
});

test('a proxy that listens on loopback is told to neighbours only', () => {
  const local = proxy('127.0.0.1', 9_000);
  const call = callOf('x', '10.0.0.1:8081');
  expect(answers([a, local], a, call, asked(['10.0.0.1', 8081]), { count: 2 })).toEqual([
    '10.0.0.1:8081',
    '10.0.0.1:8081',
  ]);
  const near = callOf('x', '10.0.0.1:8081', '127.0.0.1');
  expect(answers([a, local], a, near, asked(['10.0.0.1', 8081]))).toContain('127.0.0.1:9000');
});

test('to the Node client all queues of a broker have another id at another proxy', () => {
  const node = callOf('x', '', undefined, 'HTTP');
  const at = (host: string) => ({ scheme: 1, addresses: [{ host, port: 8081 }] });
  const ids = [1, 2, 3, 1].map((last) => allQueuesId(node, at(`10.0.0.${last}`)));
  expect(new Set(ids).size).toBe(3);
  expect(ids[3]).toBe(ids[0]);
  expect(ids.every((id) => id < 0 && id >= -(2 ** 31))).toBe(true);
  expect(allQueuesId(callOf('x', '', undefined, 'JAVA'), at('10.0.0.1'))).toBe(-1);
});

test('without any address the request is refused', () => {
  expect(() => answers([a], a, callOf('x', ''), undefined)).toThrow('names no endpoints');
});
