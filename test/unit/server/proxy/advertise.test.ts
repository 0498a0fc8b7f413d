/** Advertised addresses from outside: what a client is told on IPv6, behind NAT, and of wrong ones. */
import { networkInterfaces } from 'node:os';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { expect, onTestFinished, test, vi } from 'vitest';
import { RemotingClient } from '../../../../src/client/remoting-client.ts';
import { formatHostPort, parseHostPort } from '../../../../src/platform/host-port.ts';
import type { HostPort } from '../../../../src/platform/network.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import {
  AddressScheme,
  decodeQueryAssignmentResponse,
  decodeQueryRouteResponse,
  encodeQueryAssignmentRequest,
  encodeQueryRouteRequest,
} from '../../../../src/protocol/grpc/generated/messages.ts';
import { RequestCode } from '../../../../src/protocol/remoting/codes.ts';
import { reachable } from '../../../../src/server/ports.ts';
import { loadConfig } from '../../../../src/server/shared/config.ts';
import { nodePorts, startServer } from '../../../../src/server/start.ts';
import { createTopic } from '../../../support/create-topic.ts';

const outerHosts = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ family, internal }) => family === 'IPv4' && !internal)
  .map(({ address }) => address);

type Flags = Readonly<Record<string, string | true>>;

async function startRoles(flags: Flags, log: string[] = []) {
  const config = await loadConfig({
    flags: { ports: 'auto', memory: true, ...flags },
    environment: {},
    readFile: () => Promise.reject(new Error('no file')),
    defaultDataDir: '/nowhere',
  });
  const ports = await nodePorts(config.server, (line) => log.push(line));
  const server = await startServer(config.server, ports);
  onTestFinished(() => server.stop());
  return server;
}

async function start(flags: Flags) {
  const log: string[] = [];
  const { grpc, broker, nameserver } = (await startRoles(flags, log)).endpoints;
  if (grpc === undefined || broker === undefined || nameserver === undefined) {
    return expect.fail('all roles were asked for');
  }
  await createTopic(formatHostPort({ ...broker, host: reachable(broker.host) }), 'orders', 1);
  return { grpc, broker, nameserver, log };
}

function newClient(): RemotingClient {
  const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  onTestFinished(() => client.close());
  return client;
}

/** Asks at `target`, which is also what the client says it was configured with. */
async function told(target: string) {
  const client = new Client(target, credentials.createInsecure());
  onTestFinished(() => client.close());
  const headers = new Metadata();
  headers.set('x-mq-client-id', 'advertise-test');
  const ask = (name: string, request: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const path = `/apache.rocketmq.v2.MessagingService/${name}`;
      const same = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(path, same, same, request, headers, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error ?? new Error('no answer'));
      });
    });
  const { host, port } = parseHostPort(target) ?? expect.fail('not an address');
  const query = {
    topic: { name: 'orders' },
    endpoints: { scheme: 3, addresses: [{ host, port }] },
  };
  const route = decodeQueryRouteResponse(await ask('QueryRoute', encodeQueryRouteRequest(query)));
  const assigned = decodeQueryAssignmentResponse(
    await ask(
      'QueryAssignment',
      encodeQueryAssignmentRequest({ ...query, group: { name: 'readers' } }),
    ),
  );
  const endpoints = route.messageQueues[0]?.broker?.endpoints;
  expect(assigned.assignments[0]?.messageQueue?.broker?.endpoints).toEqual(endpoints);
  return endpoints;
}

/** The route that a NameServer tells 4.x clients, JSON. */
async function routeOf(nameserver: HostPort): Promise<string> {
  const topic = { topic: 'orders', acceptStandardJsonOnly: 'true' };
  const options = { timeoutMs: 3_000 };
  const code = RequestCode.GET_ROUTEINFO_BY_TOPIC;
  const route = await newClient().invoke(
    formatHostPort(nameserver),
    code,
    topic,
    undefined,
    options,
  );
  return route.body.toString();
}

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1');

test.skipIf(!hasIpv6)(
  'on IPv6 loopback a client is told the IPv6 address that it used',
  async () => {
    const { grpc, broker } = await start({ listen: '::1' });
    expect(broker.host).toBe('::1');
    expect(await told(`[::1]:${grpc.port}`)).toEqual({
      scheme: AddressScheme.IPv6,
      addresses: [{ host: '::1', port: grpc.port }],
    });
  },
);

test('--advertise counts for both listeners, each with its own port, and is not what they listen on', async () => {
  const { grpc, broker, nameserver } = await start({ advertise: 'localhost' });
  expect(await told(`127.0.0.1:${grpc.port}`)).toEqual({
    scheme: AddressScheme.DOMAIN_NAME,
    addresses: [{ host: 'localhost', port: grpc.port }],
  });
  expect(await routeOf(nameserver)).toContain(`"localhost:${broker.port}"`);
});

test('listening on all addresses, a server is told by the address that the client used', async () => {
  const { grpc, broker, nameserver } = await start({ listen: '0.0.0.0', insecure: true });
  for (const host of ['127.0.0.1', ...outerHosts]) {
    const { port } = nameserver;
    expect(await routeOf({ host, port })).toContain(`"0":"${host}:${broker.port}"`);
    const endpoints = await told(`${host}:${grpc.port}`);
    expect(endpoints?.addresses).toEqual([{ host, port: grpc.port }]);
  }
});

test.skipIf(outerHosts.length === 0)(
  'a broker apart from the NameServer is known by one that other machines can reach',
  async () => {
    const nameserver = await startRoles({ role: 'nameserver' });
    const port = nameserver.endpoints.nameserver?.port ?? expect.fail('it was asked for');
    const namesrv = `127.0.0.1:${port}`;
    const flags: Flags = { role: 'broker', listen: '0.0.0.0', insecure: true, namesrv };
    const broker = (await startRoles(flags)).endpoints.broker ?? expect.fail('it was asked for');
    await createTopic(`127.0.0.1:${broker.port}`, 'orders', 1);
    // It calls from this machine, so clients are told the address that they used; cluster members are not.
    const client = newClient();
    const options = { timeoutMs: 3_000 };
    const members = await client.invoke(
      namesrv,
      RequestCode.RMQ_CLUSTER_MEMBERS,
      {},
      undefined,
      options,
    );
    const known = outerHosts.map((host) => `"${host}:${broker.port}"`);
    expect(known.filter((address) => members.body.toString().includes(address))).toHaveLength(1);
  },
);

test('4.x clients are told by their network, too', async () => {
  const { broker, nameserver } = await start({
    'advertise-broker': '127.0.0.0/8=127.0.0.9;198.51.100.1:28081',
  });
  expect(await routeOf(nameserver)).toContain(`"0":"127.0.0.9:${broker.port}"`);
  const other = await start({ 'advertise-broker': '192.0.2.0/24=127.0.0.9;198.51.100.1:28081' });
  expect(await routeOf(other.nameserver)).toContain('"0":"198.51.100.1:28081"');
});

test('by the network of the client, and the listener alone', async () => {
  const { grpc } = await start({
    advertise: 'other.example.com',
    'advertise-broker': '127.0.0.1',
    'advertise-grpc': '127.0.0.0/8=127.0.0.9:18081;198.51.100.1:28081',
  });
  const endpoints = await told(`127.0.0.1:${grpc.port}`);
  expect(endpoints?.addresses).toEqual([{ host: '127.0.0.9', port: 18_081 }]);
});

test('an advertised address that nobody answers is said at start', async () => {
  // Port 1 of loopback is refused.
  const { log } = await start({ 'advertise-grpc': '127.0.0.1:1' });
  await vi.waitFor(
    () => expect(log.join('')).toMatch(/advertised address cannot be reached.*127\.0\.0\.1:1/),
    { timeout: 5_000, interval: 10 },
  );
});
