/** A NameServer over sockets: what brokers, clients and administrators ask it for. */
import { crc32 } from 'node:zlib';
import { expect, onTestFinished, test, vi } from 'vitest';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import { RequestCode, requestKinds } from '../../../../src/protocol/remoting/codes.ts';
import type { ExtFields } from '../../../../src/protocol/remoting/command.ts';
import { NameServer } from '../../../../src/server/nameserver/nameserver.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import type { RemotingAnswer } from '../../../../src/transport/remoting-connection.ts';
import { newClient } from '../../../support/remote-cluster.ts';

type Ask = (code: number, extFields?: ExtFields, body?: unknown) => Promise<RemotingAnswer>;

function make(files: MemoryFiles): NameServer {
  return new NameServer({
    network: nodeNetwork,
    clock: nodeClock,
    logger: silentLogger,
    files,
    folder: '/namesrv',
  });
}

async function start(files = new MemoryFiles()): Promise<{
  readonly ask: Ask;
  readonly port: number;
  another(): Ask;
  stop(): Promise<void>;
}> {
  const nameserver = make(files);
  const { port } = await nameserver.start({ host: '127.0.0.1', port: 0 });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= nameserver.stop());
  onTestFinished(stop);
  const another = (): Ask => {
    const client = newClient();
    onTestFinished(() => client.close());
    return (code, extFields = {}, body) => {
      const bytes =
        body === undefined
          ? undefined
          : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
      return client.invoke(`127.0.0.1:${port}`, code, extFields, bytes, { timeoutMs: 3_000 });
    };
  };
  return { ask: another(), port, another, stop };
}

function register(
  ask: Ask,
  options: {
    readonly name?: string;
    readonly id?: number;
    readonly port?: number;
    readonly topics?: readonly string[];
    readonly counter?: number;
    readonly stateVersion?: number;
    readonly more?: ExtFields;
  } = {},
): Promise<RemotingAnswer> {
  const { name = 'broker-a', id = 0, port = 10_911, topics = ['orders', 'bills'], more } = options;
  const { counter = 1, stateVersion = 0 } = options;
  const topicConfigTable = Object.fromEntries(
    topics.map((topicName) => [
      topicName,
      { topicName, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicSysFlag: 1 },
    ]),
  );
  const body = JSON.stringify({
    topicConfigSerializeWrapper: {
      dataVersion: { counter, stateVersion, timestamp: 7 },
      topicConfigTable,
    },
    filterServerList: [],
  });
  const extFields = {
    brokerName: name,
    brokerAddr: `127.0.0.1:${port}`,
    clusterName: 'cluster',
    haServerAddr: `127.0.0.1:${port + 1}`,
    brokerId: String(id),
    bodyCrc32: String(crc32(body) & 0x7fffffff),
    ...more,
  };
  return ask(RequestCode.REGISTER_BROKER, extFields, body);
}

const text = (answer: RemotingAnswer): string => answer.body.toString();

test('the table of codes says exactly what a NameServer serves', async () => {
  const { ask } = await start();
  for (const [name, { code, served, roles }] of Object.entries(requestKinds)) {
    const answer = await ask(code);
    const isServed = answer.code !== 3;
    expect(isServed, name).toBe((served as string).includes('N'));
    // Those that are not say why, by name.
    if (!isServed) expect(answer.remark, name).toContain(`: ${name}: `);
    else expect(roles === '' || code > 700_000 || (roles as string).includes('N'), name).toBe(true);
  }
});

test('routes in both dialects, and no route', async () => {
  const { ask } = await start();
  await register(ask);
  const route = { topic: 'orders' };
  const queues =
    '"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":4,"topicSysFlag":1,"writeQueueNums":4}]}';
  const quoted = await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, route);
  expect(text(quoted)).toBe(
    `{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"broker-a","cluster":"cluster","enableActingMaster":false}],"filterServerTable":{},${queues}`,
  );
  const missing = await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'nothing' });
  expect(missing.code).toBe(17);
  expect(missing.remark).toMatch(/^No topic route info in name server for the topic: nothing\n/);
  const info = await ask(RequestCode.GET_BROKER_CLUSTER_INFO);
  expect(text(info)).toContain('"brokerAddrs":{0:"127.0.0.1:10911"}');
  const list = await ask(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER);
  expect(JSON.parse(text(list))).toEqual({ topicList: ['orders', 'bills'] });
  for (const [code, cluster, topicList] of [
    [RequestCode.GET_TOPICS_BY_CLUSTER, 'cluster', ['orders', 'bills']],
    [RequestCode.GET_TOPICS_BY_CLUSTER, 'other', []],
    [RequestCode.GET_UNIT_TOPIC_LIST, '', ['orders', 'bills']],
    [RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST, '', []],
    [RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, '', []],
  ] as const) {
    expect(JSON.parse(text(await ask(code, { cluster })))).toEqual({ topicList });
  }
  const system = await ask(RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS);
  expect(JSON.parse(text(system))).toEqual({
    brokerAddr: '127.0.0.1:10911',
    topicList: ['cluster', 'broker-a'],
  });
  const member = await ask(RequestCode.GET_BROKER_MEMBER_GROUP, {
    clusterName: 'cluster',
    brokerName: 'broker-a',
  });
  expect(text(member)).toContain('"brokerAddrs":{0:"127.0.0.1:10911"}');
});

test('write permissions are taken and given back, topics are added and taken away', async () => {
  const { ask } = await start();
  await register(ask);
  const perm = async (): Promise<unknown> =>
    JSON.parse(text(await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })))
      .queueDatas[0].perm;
  const broker = { brokerName: 'broker-a' };
  const wiped = await ask(RequestCode.WIPE_WRITE_PERM_OF_BROKER, broker);
  expect(wiped.extFields).toEqual({ wipeTopicCount: '2' });
  expect(await perm()).toBe(4);
  await register(ask); // nothing new: the wipe holds
  expect(await perm()).toBe(4);
  const added = await ask(RequestCode.ADD_WRITE_PERM_OF_BROKER, broker);
  expect(added.extFields).toEqual({ addTopicCount: '2' });
  expect(await perm()).toBe(6);
  const queueDatas = [{ brokerName: 'broker-a', readQueueNums: 1, writeQueueNums: 1, perm: 6 }];
  await ask(RequestCode.REGISTER_TOPIC_IN_NAMESRV, { topic: 'extra' }, { queueDatas });
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'extra' })).code).toBe(0);
  await ask(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: 'extra', clusterName: 'other' });
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'extra' })).code).toBe(0);
  await ask(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: 'extra' });
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'extra' })).code).toBe(17);
});

test('registrations: data versions, broken bodies, unknown changes, slaves, leaving', async () => {
  const { ask, another } = await start();
  const slave = another();
  const alone = await register(ask, { topics: ['orders'] });
  expect(alone).toMatchObject({ code: 1, remark: 'register broker failed' });
  const broken = await register(ask, { more: { bodyCrc32: '1' } });
  expect(broken).toMatchObject({ code: 1, remark: 'crc32 not match' });
  expect((await register(ask)).code).toBe(0);
  const named = { clusterName: 'cluster', brokerName: 'broker-a', brokerAddr: '127.0.0.1:10911' };
  const version = { counter: 1, stateVersion: 0, timestamp: 7 };
  const same = await ask(RequestCode.QUERY_DATA_VERSION, named, version);
  expect(same.extFields).toEqual({ changed: 'false' });
  expect(JSON.parse(text(same))).toEqual(version);
  const newer = await ask(RequestCode.QUERY_DATA_VERSION, named, { ...version, counter: 2 });
  expect(newer.extFields).toEqual({ changed: 'true' });
  expect((await ask(RequestCode.BROKER_HEARTBEAT, named)).code).toBe(0);
  // A slave learns where its master is; its topics do not count while there is one.
  const acting = { more: { enableActingMaster: 'true' } };
  const told = await register(slave, { id: 1, port: 10_921, topics: ['slaves', 'x'], ...acting });
  expect(told.extFields).toEqual({
    haServerAddr: '127.0.0.1:10912',
    masterAddr: '127.0.0.1:10911',
  });
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'slaves' })).code).toBe(17);
  // The same id elsewhere, with an older state: the one that is there stays.
  await register(ask, { stateVersion: 5, counter: 2, ...acting });
  await register(slave, { port: 10_931, counter: 3, ...acting });
  const info = text(await ask(RequestCode.GET_BROKER_CLUSTER_INFO));
  expect(info).toContain('{0:"127.0.0.1:10911",1:"127.0.0.1:10921"}');
  await ask(RequestCode.UNREGISTER_BROKER, { ...named, brokerId: '0' });
  // Without a master the slave's registration counts, and nobody may write.
  await register(slave, { id: 1, port: 10_921, topics: ['slaves', 'x'], counter: 2, ...acting });
  await ask(RequestCode.UPDATE_NAMESRV_CONFIG, {}, 'supportActingMaster=true\n');
  const route = text(await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'slaves' }));
  expect(JSON.parse(route)).toMatchObject({
    brokerDatas: [{ brokerAddrs: { 0: '127.0.0.1:10921' } }],
    queueDatas: [{ perm: 4 }],
  });
});

test('a broker leaves with its connection', async () => {
  const { ask, port } = await start();
  const broker = newClient();
  await register((code, extFields = {}, body) =>
    broker.invoke(`127.0.0.1:${port}`, code, extFields, Buffer.from(String(body)), {
      timeoutMs: 3_000,
    }),
  );
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).code).toBe(0);
  await broker.close();
  await vi.waitFor(async () =>
    expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).code).toBe(17),
  );
});

test('key-value configurations and settings survive a restart', async () => {
  const files = new MemoryFiles();
  const first = await start(files);
  const entry = { namespace: 'ORDER_TOPIC_CONFIG', key: 'orders' };
  await first.ask(RequestCode.PUT_KV_CONFIG, { ...entry, value: 'broker-a:4' });
  expect((await first.ask(RequestCode.PUT_KV_CONFIG, { key: 'x', value: 'y' })).code).toBe(1);
  const changed = await first.ask(
    RequestCode.UPDATE_NAMESRV_CONFIG,
    {},
    'orderMessageEnable=true\nwaitSecondsForService=44\n',
  );
  expect(changed.code).toBe(0);
  const refused = await first.ask(RequestCode.UPDATE_NAMESRV_CONFIG, {}, 'listenPort=1\n');
  expect(refused.code).toBe(1);
  expect(refused.remark).toMatch(
    /^listenPort cannot change while the NameServer runs; these can: /,
  );
  await first.stop();

  const { ask, port } = await start(files);
  const shown = text(await ask(RequestCode.GET_NAMESRV_CONFIG));
  expect(shown).toMatch(new RegExp(`^listenPort=${port}$`, 'm'));
  expect(shown).toMatch(/^waitSecondsForService=44$/m);
  expect((await ask(RequestCode.GET_KV_CONFIG, entry)).extFields).toEqual({ value: 'broker-a:4' });
  const list = await ask(RequestCode.GET_KVLIST_BY_NAMESPACE, entry);
  expect(JSON.parse(text(list))).toEqual({ table: { orders: 'broker-a:4' } });
  const registered = await register(ask);
  expect(JSON.parse(text(registered))).toEqual({ table: { orders: 'broker-a:4' } });
  const route = async (): Promise<unknown> =>
    JSON.parse(text(await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })))
      .orderTopicConf;
  expect(await route()).toBe('broker-a:4');
  await ask(RequestCode.DELETE_KV_CONFIG, entry);
  expect(await route()).toBeUndefined();
  expect(await ask(RequestCode.GET_KV_CONFIG, entry)).toMatchObject({
    code: 22,
    remark: 'No config item, Namespace: ORDER_TOPIC_CONFIG Key: orders',
  });
  await ask(
    RequestCode.UPDATE_NAMESRV_CONFIG,
    {},
    'enableAllTopicList=false\nneedWaitForService=true',
  );
  const closed = await ask(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER);
  expect(closed).toMatchObject({ code: 1, remark: 'disable' });
  const early = await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' });
  expect(early).toMatchObject({ code: 1, remark: 'name server not ready' });
});

test('proxies report beside brokers, and both are listed', async () => {
  const { ask } = await start();
  await register(ask);
  const proxy = { clusterName: 'cluster', proxyName: 'proxy-a', grpcAddr: '127.0.0.1:8081' };
  expect((await ask(RequestCode.RMQ_REGISTER_PROXY, proxy)).code).toBe(0);
  const names = async (): Promise<unknown> =>
    (
      JSON.parse(text(await ask(RequestCode.RMQ_CLUSTER_MEMBERS))).members as { name: string }[]
    ).map(({ name }) => name);
  expect(await names()).toEqual(['broker-a', 'proxy-a']);
  await ask(RequestCode.RMQ_UNREGISTER_PROXY, proxy);
  expect(await names()).toEqual(['broker-a']);
});

test('a registration that repeats the last one keeps the broker alive, and brings back what was taken away', async () => {
  const { ask } = await start();
  await register(ask);
  await register(ask);
  const members = await ask(RequestCode.RMQ_CLUSTER_MEMBERS);
  expect(members.body.toString()).toContain('broker-a');
  await ask(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: 'orders' });
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).code).toBe(17);
  await register(ask);
  expect((await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'orders' })).code).toBe(0);
  await register(ask, { topics: ['bills'], counter: 2, more: { isComplete: 'true' } });
  await register(ask, { topics: ['bills', 'orders'], counter: 2, port: 10_912, id: 1 });
  const route = await ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'bills' });
  expect(route.body.toString()).toContain('10912');
});
