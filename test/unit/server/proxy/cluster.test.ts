/** The proxy's view of a cluster, over a real NameServer and real brokers on free ports. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { RmqError } from '../../../../src/protocol/errors.ts';
import type { BrokerApi } from '../../../../src/server/broker/api.ts';
import { NameServerCluster } from '../../../../src/server/proxy/cluster.ts';
import type { TopicRoute } from '../../../../src/server/proxy/cluster-view.ts';
import { Producers } from '../../../../src/server/proxy/producers.ts';
import { RemoteChecks } from '../../../../src/server/proxy/remote-checks.ts';
import { RemoteLite } from '../../../../src/server/proxy/remote-lite.ts';
import { SentTransactions } from '../../../../src/server/proxy/sent-transactions.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import { draft, pop, sendAll } from '../../../contract/broker-api.ts';
import { clock, newClient, startBroker, startNameServer } from '../../../support/remote-cluster.ts';

async function startCluster(
  namesrv: string,
  options: { readonly port?: number; readonly local?: BrokerApi } = {},
): Promise<NameServerCluster> {
  const { port = 8081, local } = options;
  const client = newClient();
  const cluster = new NameServerCluster({
    clusterName: 'cluster',
    self: { name: `proxy-${port}`, grpc: { host: '127.0.0.1', port } },
    namesrv: [namesrv],
    client,
    clock,
    logger: silentLogger,
    checker: new Producers(new SentTransactions()),
    checks: new RemoteChecks({ client, clock, logger: silentLogger }),
    lite: new RemoteLite(client),
    localBrokers: new Map(local === undefined ? [] : [[local.brokerName, local]]),
    isRegistering: true,
    registerIntervalMs: 200,
    registrationWindowMs: 1_000,
  });
  await cluster.start();
  onTestFinished(async () => {
    await cluster.stop();
    await client.close();
  });
  return cluster;
}

function route(cluster: NameServerCluster, topic: string): Promise<TopicRoute | RmqError> {
  return new Promise((resolve) => {
    cluster.route(topic, resolve);
  });
}

async function brokersOf(cluster: NameServerCluster, topic: string): Promise<readonly string[]> {
  const found = await route(cluster, topic);
  return found instanceof RmqError
    ? [found.code]
    : found.queues.map(({ brokerName }) => brokerName);
}

const topicConfig = {
  topic: 'orders',
  readQueueCount: 2,
  writeQueueCount: 2,
  permission: 6,
  filterType: 'SINGLE_TAG',
  systemFlag: 0,
  isOrdered: false,
  attributes: { 'message.type': 'FIFO' },
} as const;

test('a topic is routable soon after it is made, with its type, and can be used', async () => {
  const nameserver = await startNameServer();
  onTestFinished(nameserver.stop);
  const { broker, stop } = await startBroker({ namesrv: [nameserver.address] });
  onTestFinished(stop);
  const cluster = await startCluster(nameserver.address);
  expect(await brokersOf(cluster, 'orders')).toEqual(['TOPIC_NOT_FOUND']);
  await broker.putTopic(topicConfig);
  await vi.waitFor(
    async () => {
      expect(await route(cluster, 'orders')).toEqual({
        topic: 'orders',
        messageType: 'FIFO',
        queues: [{ brokerName: 'broker-a', readQueueCount: 2, writeQueueCount: 2, permission: 6 }],
      });
    },
    { timeout: 1_000, interval: 5 },
  );
  const remote = cluster.broker('broker-a');
  if (remote === undefined) return expect.fail('the broker is not known');
  await sendAll(remote, [draft('orders', 'over the wire')]);
  const { messages } = await pop(remote, { topic: 'orders' });
  expect(messages.map(({ message }) => Buffer.from(message.body).toString())).toEqual([
    'over the wire',
  ]);
  // Gone again: a deletion reaches the NameServer as well.
  await broker.deleteTopic('orders');
  await vi.waitFor(
    async () => expect(await brokersOf(cluster, 'orders')).toEqual(['TOPIC_NOT_FOUND']),
    {
      timeout: 8_000,
    },
  );
});

test('a broker that stops leaves the routes, one that comes joins them', async () => {
  const nameserver = await startNameServer();
  onTestFinished(nameserver.stop);
  const namesrv = [nameserver.address];
  const first = await startBroker({ namesrv });
  onTestFinished(first.stop);
  await first.broker.putTopic(topicConfig);
  const cluster = await startCluster(nameserver.address);
  const second = await startBroker({ brokerName: 'broker-b', namesrv });
  await second.broker.putTopic(topicConfig);
  await vi.waitFor(
    async () => expect(await brokersOf(cluster, 'orders')).toEqual(['broker-a', 'broker-b']),
    { timeout: 8_000 },
  );
  expect(cluster.brokers().map(({ brokerName }) => brokerName)).toEqual(['broker-a', 'broker-b']);
  await second.stop();
  await vi.waitFor(async () => expect(await brokersOf(cluster, 'orders')).toEqual(['broker-a']), {
    timeout: 5_000,
  });
  await vi.waitFor(() => expect(cluster.broker('broker-b')).toBeUndefined(), { timeout: 5_000 });
});

test('a NameServer that was restarted knows all again; meanwhile the last route stays', async () => {
  const nameserver = await startNameServer();
  const { broker, stop } = await startBroker({ namesrv: [nameserver.address] });
  onTestFinished(stop);
  await broker.putTopic(topicConfig);
  const cluster = await startCluster(nameserver.address);
  expect(await brokersOf(cluster, 'orders')).toEqual(['broker-a']);
  await nameserver.stop();
  expect(await brokersOf(cluster, 'orders')).toEqual(['broker-a']);
  const again = await startNameServer(nameserver.port);
  onTestFinished(again.stop);
  const fresh = await startCluster(again.address, { port: 8082 });
  await vi.waitFor(async () => expect(await brokersOf(fresh, 'orders')).toEqual(['broker-a']), {
    timeout: 2_000,
  });
});

test('proxies know each other, and forget who left', async () => {
  const nameserver = await startNameServer();
  onTestFinished(nameserver.stop);
  const first = await startCluster(nameserver.address, { port: 8081 });
  expect(first.knowsOtherProxies()).toBe(false);
  const second = await startCluster(nameserver.address, { port: 8082 });
  const names = (cluster: NameServerCluster): string[] =>
    cluster.liveProxies().map(({ name }) => name);
  await vi.waitFor(() => expect(names(first)).toEqual(['proxy-8081', 'proxy-8082']), {
    timeout: 5_000,
  });
  expect(names(second)).toEqual(['proxy-8081', 'proxy-8082']);
  await second.stop();
  await vi.waitFor(() => expect(names(first)).toEqual(['proxy-8081']), { timeout: 5_000 });
  // Its clients may have been sent by the one that left.
  expect(first.knowsOtherProxies()).toBe(true);
});

test('a broker of this process is called directly', async () => {
  const nameserver = await startNameServer();
  onTestFinished(nameserver.stop);
  const { broker, stop } = await startBroker({ namesrv: [nameserver.address] });
  onTestFinished(stop);
  const cluster = await startCluster(nameserver.address, { local: broker });
  expect(cluster.broker('broker-a')).toBe(broker);
  expect(cluster.brokers()).toEqual([broker]);
  const group = await new Promise((resolve) => {
    cluster.group('readers', resolve);
  });
  expect(group).toMatchObject({ group: 'readers', retryCountMax: 16 });
});
