/** The proxy's Remoting port, over sockets, before a broker and a NameServer. */
import { crc32 } from 'node:zlib';
import { expect, onTestFinished, test, vi } from 'vitest';
import { NameServerClient } from '../../../../src/client/nameserver-client.ts';
import { formatHostPort } from '../../../../src/platform/host-port.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import { jsonBody } from '../../../../src/protocol/remoting/bodies/json.ts';
import { RequestCode, requestKinds } from '../../../../src/protocol/remoting/codes.ts';
import { RemotingRelay } from '../../../../src/server/proxy/remoting/relay.ts';
import { RemotingListener } from '../../../../src/server/remoting/listener.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import { clock, newClient } from '../../../support/remote-cluster.ts';
import { type RemotingPeer, startRemotingCluster } from '../../../support/remoting-cluster.ts';

async function startRelay(): Promise<{
  readonly proxy: string;
  readonly broker: string;
  readonly namesrv: string;
  past(): RemotingPeer;
  through(): RemotingPeer;
}> {
  const cluster = await startRemotingCluster();
  const client = newClient();
  const nameservers = new NameServerClient({
    client,
    addresses: [cluster.namesrv],
    timeoutMs: 3_000,
  });
  const relay = new RemotingRelay({ network: nodeNetwork, clock, nameservers });
  const listener = new RemotingListener({
    network: nodeNetwork,
    clock,
    logger: silentLogger,
    handlers: relay.handlers(),
  });
  const local = await listener.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await listener.stop();
    await client.close();
  });
  const proxy = formatHostPort(local);
  const { address: broker, namesrv } = cluster;
  return {
    proxy,
    broker,
    namesrv,
    past: () => cluster.peer(),
    through: () => cluster.peer(proxy),
  };
}

test('routes name the proxy, sends and pulls pass through it', async () => {
  const { proxy, through } = await startRelay();
  const peer = through();
  await peer.send('orders', 'through the proxy');
  await vi.waitFor(async () => {
    const route = await peer.broker(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' });
    expect(route.json).toMatchObject({
      brokerDatas: [{ brokerName: 'broker-a', brokerAddrs: { 0: proxy } }],
      queueDatas: [{ brokerName: 'broker-a', writeQueueNums: 4 }],
    });
  });
  const pull = {
    consumerGroup: 'group',
    topic: 'orders',
    queueId: '0',
    queueOffset: '0',
    maxMsgNums: '1',
    sysFlag: '4',
    subscription: '*',
    bname: 'broker-a',
  };
  const pulled = await peer.broker(RequestCode.PULL_MESSAGE, pull);
  expect(pulled.body.includes('through the proxy')).toBe(true);
  const lost = await peer.broker(RequestCode.PULL_MESSAGE, { ...pull, bname: 'nowhere' });
  expect(lost).toMatchObject({ code: 1, remark: 'no live broker nowhere' });
  const none = await peer.broker(RequestCode.QUERY_MESSAGE, { topic: 'nothing', key: 'k' });
  expect(none.code).toBe(22);
  const unknown = await peer.broker(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'nothing' });
  expect(unknown.code).toBe(17);
  // What a proxy does not serve says so.
  for (const [name, { code, served }] of Object.entries(requestKinds)) {
    if ((served as string).includes('P')) continue;
    expect(await peer.broker(code), name).toMatchObject({ code: 3 });
  }
});

test('brokers know each client behind the proxy, and reach it', async () => {
  const { through } = await startRelay();
  const [first, second] = [through(), through()];
  const notices: string[] = [];
  first.client.onRequest(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, (command) => {
    notices.push(command.extFields['consumerGroup'] ?? '');
    return undefined;
  });
  await first.heartbeat('a', { consumer: 'group', producer: 'askers', topic: 'orders' });
  await second.heartbeat('b', { consumer: 'group', topic: 'orders' });
  await vi.waitFor(() => expect(notices.length).toBeGreaterThanOrEqual(2));
  const asked = { consumerGroup: 'group' };
  const members = await second.broker(RequestCode.GET_CONSUMER_LIST_BY_GROUP, asked);
  expect(members.json).toEqual({ consumerIdList: ['a', 'b'] });
  // A question of the broker goes to the client, and its answer back.
  first.client.onRequest(RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT, () => ({ code: 0 }));
  const properties = 'CORRELATION_ID\u0001c-1\u0002REPLY_TO_CLIENT\u0001a\u0002';
  const reply = { a: 'p', b: 'cluster_REPLY_TOPIC', e: '0', i: properties, n: 'broker-a' };
  const replied = await second.broker(RequestCode.SEND_REPLY_MESSAGE_V2, reply, 'answer');
  expect(replied).toMatchObject({ code: 0 });
  // Locks are those of each client.
  const mqSet = [{ topic: 'orders', brokerName: 'broker-a', queueId: 0 }];
  const lock = async (clientId: string): Promise<unknown> => {
    const body = { consumerGroup: 'group', clientId, mqSet };
    return (await first.broker(RequestCode.LOCK_BATCH_MQ, {}, body)).json['lockOKMQSet'];
  };
  expect(await lock('a')).toEqual(mqSet);
  expect(await lock('b')).toEqual([]);
  const unlock = { consumerGroup: 'group', clientId: 'a', mqSet };
  await first.broker(RequestCode.UNLOCK_BATCH_MQ, {}, unlock);
  expect(await lock('b')).toEqual(mqSet);
  // A client that goes is gone for the brokers as well.
  await second.client.close();
  await vi.waitFor(async () => {
    const left = await first.broker(RequestCode.GET_CONSUMER_LIST_BY_GROUP, asked);
    expect(left.json).toEqual({ consumerIdList: ['a'] });
  });
});

test('a broker that is gone and not forgotten yet does not keep clients from the others', async () => {
  const { through, past, namesrv } = await startRelay();
  await past().send('orders', 'on the other one', { UNIQ_KEY: 'id-1', KEYS: 'k' });
  // Registered, and nobody listens there.
  const ghost = newClient();
  onTestFinished(() => ghost.close());
  const topics = ['orders', 'bills'].map((topicName) => [
    topicName,
    { topicName, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicSysFlag: 0 },
  ]);
  const body = jsonBody({
    topicConfigSerializeWrapper: {
      topicConfigTable: Object.fromEntries(topics),
      dataVersion: { stateVersion: 0, timestamp: 1, counter: 1 },
    },
    filterServerList: [],
  });
  const fields = {
    clusterName: 'cluster',
    brokerName: 'broker-0',
    brokerId: '0',
    brokerAddr: '127.0.0.1:1',
    haServerAddr: '127.0.0.1:2',
    bodyCrc32: String(crc32(body) & 0x7fffffff),
  };
  const code = RequestCode.REGISTER_BROKER;
  const registered = await ghost.invoke(namesrv, code, fields, body, { timeoutMs: 3_000 });
  expect(registered).toMatchObject({ code: 0 });
  const peer = through();
  expect(await peer.heartbeat('a', { consumer: 'group', topic: 'orders' })).toMatchObject({
    code: 0,
  });
  const asked = { consumerGroup: 'group' };
  const members = await peer.broker(RequestCode.GET_CONSUMER_LIST_BY_GROUP, asked);
  expect(members.json).toEqual({ consumerIdList: ['a'] });
  const query = {
    topic: 'orders',
    key: 'k',
    maxNum: '8',
    beginTimestamp: '0',
    endTimestamp: `${Date.now() + 60_000}`,
  };
  const found = await peer.broker(RequestCode.QUERY_MESSAGE, query);
  expect(found.body.includes('on the other one')).toBe(true);
});
