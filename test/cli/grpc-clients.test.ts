/** Consumers over gRPC, which proxies know and brokers do not. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Rmq, startRmq } from '../../src/index.ts';
import * as wire from '../../src/protocol/grpc/generated/messages.ts';
import { rmqHere } from '../support/here.ts';

let server: Rmq;
const run = (args: readonly string[]) => rmqHere(args, { RMQ_NAMESRV: server.endpoints.namesrv });
const json = async (args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run([...args, '--output', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};
const same = (bytes: Buffer): Buffer => bytes;

/** A push consumer that has said its settings, and tells its stack when asked. */
function consumer(clientId: string, group: string, topic: string): void {
  const client = new Client(server.endpoints.grpc, credentials.createInsecure());
  const headers = new Metadata();
  headers.set('x-mq-client-id', clientId);
  headers.set('x-mq-language', 'TEST');
  headers.set('x-mq-client-version', '5.2.1');
  const path = '/apache.rocketmq.v2.MessagingService/Telemetry';
  const stream = client.makeBidiStreamRequest(path, same, same, headers);
  const say = (command: wire.TelemetryCommandInit): void => {
    stream.write(wire.encodeTelemetryCommand(command));
  };
  stream.on('error', () => {});
  stream.on('data', (bytes: Buffer) => {
    const command = wire.decodeTelemetryCommand(bytes);
    const { printThreadStackTraceCommand: stack, verifyMessageCommand: verify } = command;
    if (stack !== undefined) {
      say({ threadStackTrace: { nonce: stack.nonce, threadStackTrace: 'at work\n\tat rest' } });
    }
    if (verify === undefined) return;
    const isGood = Buffer.from(verify.message?.body ?? []).toString() === 'good';
    say({
      verifyMessageResult: { nonce: verify.nonce },
      status: isGood
        ? { code: wire.Code.OK, message: '' }
        : { code: wire.Code.FAILED_TO_CONSUME_MESSAGE, message: 'it threw' },
    });
  });
  const subscriptions = [{ topic: { name: topic }, expression: { type: 1, expression: '*' } }];
  say({
    settings: {
      clientType: wire.ClientType.PUSH_CONSUMER,
      subscription: { group: { name: group }, subscriptions },
    },
  });
  onTestFinished(() => {
    stream.cancel();
    client.close();
  });
}

beforeAll(async () => {
  server = await startRmq({ topics: { orders: { queues: 1 } } });
});
afterAll(() => server.stop());

test('they are members, clients and in the way of a deletion', async () => {
  await json(['group', 'create', 'billing']);
  consumer('grpc@1', 'billing', 'orders');
  await expect
    .poll(() => json(['group', 'members', 'billing']))
    .toMatchObject([{ clientId: 'grpc@1', language: 'TEST', version: '5.2.1', brokerNames: [] }]);
  const [proxy] = (await json(['proxy', 'list'])) as { name: string }[];
  expect(await json(['client', 'list'])).toMatchObject([
    { clientId: 'grpc@1', consumerGroups: ['billing'], proxyNames: [proxy?.name] },
  ]);
  expect(await json(['group', 'describe', 'billing'])).toMatchObject({ members: ['grpc@1'] });
  expect(await json(['client', 'show', 'grpc@1'])).toMatchObject({ language: 'TEST' });
  expect(await json(['proxy', 'show', proxy?.name ?? ''])).toMatchObject({
    isReachable: true,
    stats: { consumerCount: 1, connectionCount: 1 },
  });
  const refused = await run(['group', 'delete', 'billing', '--yes']);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('1 consumers use group billing now');
});

test('one is asked for its stack', async () => {
  await json(['group', 'create', 'working']);
  consumer('grpc@2', 'working', 'orders');
  await expect.poll(async () => (await run(['client', 'show', 'grpc@2'])).code).toBe(0);
  const { stdout } = await run(['client', 'stack', 'grpc@2']);
  expect(stdout).toBe('at work\n\tat rest\n');
});

test('one tries a message and says how it went', async () => {
  await json(['group', 'create', 'trying']);
  consumer('grpc@3', 'trying', 'orders');
  for (const body of ['good', 'bad']) await server.send('orders', { body });
  await expect.poll(async () => (await run(['client', 'show', 'grpc@3'])).code).toBe(0);
  expect(await json(['message', 'verify', 'orders', '0@0', 'trying'])).toMatchObject({
    clientId: 'grpc@3',
    isConsumed: true,
  });
  const bad = await run(['message', 'verify', 'orders', '0@1', 'trying', '-o', 'json']);
  expect(bad.code).toBe(6);
  expect(JSON.parse(bad.stdout)).toMatchObject({ isConsumed: false });
  expect(bad.stderr).toContain('it threw');
});
