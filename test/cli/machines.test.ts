/** Brokers, NameServers, proxies and clients, against a real server. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import { rmqHere } from '../support/here.ts';
import { joinGroup } from '../support/remoting-member.ts';

let server: Rmq;
const run = (args: readonly string[]) => rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 1 } } });
});
afterAll(() => server.stop());

test('brokers are listed with their state, and drained and back', async () => {
  const { broker: address } = server.endpoints;
  expect(await json(['broker', 'list'])).toMatchObject([
    {
      brokerName: 'broker-a',
      brokerId: 0,
      address,
      isAlive: true,
      isDrained: false,
      version: '5.4.0',
    },
  ]);
  expect(await json(['broker', 'drain', 'broker-a'])).toEqual({
    brokerName: 'broker-a',
    isDrained: true,
    nameserverCount: 1,
    nameserverCountAll: 1,
  });
  expect(await json(['broker', 'list'])).toMatchObject([{ isDrained: true }]);
  expect((await run(['send', 'orders', 'x'])).code).toBe(4);
  const health = await run(['cluster', 'health', '-o', 'json']);
  expect(health.code).toBe(0);
  expect(health.stdout).toContain('drained');
  expect(await json(['broker', 'undrain', 'broker-a'])).toMatchObject({ isDrained: false });
  expect((await run(['send', 'orders', 'x'])).code).toBe(0);
  const unknown = await run(['broker', 'drain', 'broker-b']);
  expect(unknown.stderr).toContain('did you mean broker-a?');
});

test('a broker shows its measures and settings, and takes another value', async () => {
  const stats = (await json(['broker', 'stats', 'broker-a'])) as { name: string }[];
  expect(stats.map(({ name }) => name)).toContain('putTps');
  expect(await json(['broker', 'configure', 'broker-a', 'fileReservedTime', '48'])).toEqual([
    { brokerName: 'broker-a', brokerId: 0, name: 'fileReservedTime', value: '48' },
  ]);
  expect(await json(['broker', 'config', 'broker-a', 'fileReservedTime'])).toMatchObject([
    { value: '48' },
  ]);
  const refused = await run(['broker', 'configure', 'all', 'listenPort', '1']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('listenPort cannot change');
  const two = await run(['broker', 'configure', 'all', 'fileReservedTime', '1\nlistenPort=1']);
  expect(two.code).toBe(2);
});

test('NameServers show and take settings, and keep a table', async () => {
  const address = server.endpoints.namesrv;
  expect(await json(['nameserver', 'list'])).toMatchObject([
    { address, isAlive: true, brokerCount: 1 },
  ]);
  expect(await json(['nameserver', 'configure', 'orderMessageEnable', 'true'])).toEqual([
    { address, name: 'orderMessageEnable', value: 'true' },
  ]);
  expect(await json(['nameserver', 'config', 'orderMessageEnable'])).toMatchObject([
    { value: 'true' },
  ]);
  await json(['nameserver', 'kv-set', 'mine', 'limit', '10']);
  expect(await json(['nameserver', 'kv', 'mine'])).toEqual([
    { namespace: 'mine', key: 'limit', value: '10' },
  ]);
  expect((await run(['nameserver', 'kv-delete', 'mine', 'limt', '--yes'])).code).toBe(5);
  await json(['nameserver', 'kv-delete', 'mine', 'limit', '--dry-run']);
  await json(['nameserver', 'kv-delete', 'mine', 'limit', '--yes']);
  expect(await json(['nameserver', 'kv', 'mine'])).toEqual([]);
});

test('proxies are listed, and shown with whether they can be reached', async () => {
  const [proxy] = (await json(['proxy', 'list'])) as { name: string; address: string }[];
  expect(proxy?.address).toBe(server.endpoints.grpc);
  expect(await json(['proxy', 'show', proxy?.name ?? ''])).toMatchObject({ isReachable: true });
  expect((await run(['proxy', 'show', 'nobody'])).code).toBe(5);
});

test('health is an exit code', async () => {
  const rows = (await json(['cluster', 'health'])) as { role: string; status: string }[];
  expect(rows.map(({ role, status }) => `${role} ${status}`)).toEqual([
    'nameserver ok',
    'broker ok',
    'proxy ok',
  ]);
  const both = `${server.endpoints.namesrv};127.0.0.1:1`;
  const half = await run(['cluster', 'health', '--namesrv', both, '-o', 'tsv']);
  expect(half.code).toBe(1);
  expect(half.stdout).toContain('critical\tnameserver\t127.0.0.1:1');
  expect(half.stdout).toContain('ok\tbroker');
  expect(half.stderr).toContain('not healthy: nameserver 127.0.0.1:1');
  const nobody = await run(['cluster', 'health', '--namesrv', '127.0.0.1:1', '--wait', '300ms']);
  expect(nobody.code).toBe(1);
});

test('clients are listed, shown and asked for their stacks', async () => {
  await json(['group', 'create', 'billing']);
  const who = { clientId: '10.0.0.9@7', group: 'billing', topic: 'orders', producer: 'shop' };
  const member = await joinGroup(server.endpoints.broker, who);
  expect(await json(['client', 'list', '--group', 'shop'])).toMatchObject([
    {
      clientId: '10.0.0.9@7',
      version: '5.4.0',
      consumerGroups: ['billing'],
      producerGroups: ['shop'],
      brokerNames: ['broker-a'],
    },
  ]);
  expect(await json(['client', 'list', '--group', 'nobody'])).toEqual([]);
  expect(await json(['client', 'show', '10.0.0.9@7'])).toMatchObject({
    consumers: {
      billing: {
        subscriptions: { orders: '*' },
        rates: { orders: { okPerSecond: 2, failedPerSecond: 0, averageMs: 3 } },
        properties: { PROP_CLIENT_VERSION: 'V5_4_0' },
      },
    },
  });
  const stack = await run(['client', 'stack', '10.0.0.9@7']);
  expect(stack.stdout).toBe('main  TID: 1 STATE: RUNNABLE\n');
  await member.leave();
  await expect.poll(async () => (await run(['client', 'show', '10.0.0.9@7'])).code).toBe(5);
});
