/** The Admin service, questions to clients and settings that change under them, from outside. */
import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RemotingClient } from '../../../../src/client/remoting-client.ts';
import { startRmq } from '../../../../src/index.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import * as wire from '../../../../src/protocol/grpc/generated/messages.ts';
import { defaultGroup } from '../../../../src/server/broker/groups/group-table.ts';
import { RemoteBroker } from '../../../../src/server/proxy/remote-broker.ts';

const { ClientType, Code, MessageType } = wire;
let rmq: Awaited<ReturnType<typeof startRmq>>;
let client: Client;
const same = (bytes: Buffer): Buffer => bytes;

beforeAll(async () => {
  rmq = await startRmq({ topics: { orders: { queues: 1 }, steps: { type: 'FIFO', queues: 1 } } });
  client = new Client(rmq.endpoints.grpc, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await rmq[Symbol.asyncDispose]();
});

async function admin<T>(
  name: string,
  request: Buffer,
  decode: (bytes: Uint8Array) => T,
): Promise<T> {
  const path = `/apache.rocketmq.v2.Admin/${name}`;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, request, new Metadata(), (error, answer) => {
      if (error !== null) reject(error);
      else resolve(decode(answer ?? Buffer.alloc(0)));
    });
  });
}

/** A consumer that has said its settings; `next` waits for the server's next command. */
function consumer(clientId: string, group: string, topic: string) {
  const headers = new Metadata();
  headers.set('x-mq-client-id', clientId);
  headers.set('x-mq-language', 'TEST');
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    '/apache.rocketmq.v2.MessagingService/Telemetry',
    same,
    same,
    headers,
  );
  const received: wire.TelemetryCommand[] = [];
  let wake = (): void => {};
  stream.on('data', (bytes: Buffer) => {
    received.push(wire.decodeTelemetryCommand(bytes));
    wake();
  });
  stream.on('error', () => {});
  const next = async (): Promise<wire.TelemetryCommand> => {
    while (received.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return received.shift()!;
  };
  const say = (command: wire.TelemetryCommandInit): void => {
    stream.write(wire.encodeTelemetryCommand(command));
  };
  say({
    settings: {
      clientType: ClientType.PUSH_CONSUMER,
      subscription: {
        group: { name: group },
        subscriptions: [{ topic: { name: topic }, expression: { type: 1, expression: 'a' } }],
      },
    },
  });
  return { next, say, end: () => stream.cancel() };
}

test('tells a topic’s type, its route and how its messages lie in time', async () => {
  const topic = { name: 'steps' };
  const status = await admin(
    'DescribeTopicStatus',
    wire.encodeDescribeTopicStatusRequest({ topic }),
    wire.decodeDescribeTopicStatusResponse,
  );
  expect(status).toMatchObject({ status: { code: Code.OK }, topicMessageType: MessageType.FIFO });
  const route = await admin(
    'GetTopicRoute',
    wire.encodeGetTopicRouteRequest({ topic }),
    wire.decodeGetTopicRouteResponse,
  );
  expect(JSON.parse(route.topicRouteData)).toMatchObject({ topic: 'steps', messageType: 'FIFO' });
  const missing = await admin(
    'DescribeTopicStatus',
    wire.encodeDescribeTopicStatusRequest({ topic: { name: 'nowhere' } }),
    wire.decodeDescribeTopicStatusResponse,
  );
  expect(missing.status?.code).toBe(Code.TOPIC_NOT_FOUND);
});

test('sends, counts what a group has before it, and moves it', async () => {
  const topic = { name: 'orders' };
  const group = { name: 'counted' };
  const beforeMs = Date.now();
  for (const body of ['x', 'y']) {
    const sent = await admin(
      'AdminSendMessage',
      wire.encodeAdminSendMessageRequest({ topic, body: Buffer.from(body), tag: 'a' }),
      wire.decodeAdminSendMessageResponse,
    );
    expect(sent.messageId).not.toBe('');
  }
  const behind = async (): Promise<number | undefined> => {
    const answer = await admin(
      'DescribeGroupAccumulation',
      wire.encodeDescribeGroupAccumulationRequest({ group, topics: [topic] }),
      wire.decodeDescribeGroupAccumulationResponse,
    );
    return answer.topicAccumulation.get('orders')?.accumulation;
  };
  expect(await behind()).toBe(2);
  const reset = async (resetTimestampMs: number): Promise<number | undefined> => {
    const answer = await admin(
      'ResetGroupOffset',
      wire.encodeResetGroupOffsetRequest({ group, topic, resetTimestampMs }),
      wire.decodeResetGroupOffsetResponse,
    );
    return answer.status?.code;
  };
  expect(await reset(Date.now() + 60_000)).toBe(Code.OK);
  expect(await behind()).toBe(0);
  expect(await reset(beforeMs)).toBe(Code.OK);
  expect(await behind()).toBe(2);
  const spans = await admin(
    'QueryTimeSpan',
    wire.encodeQueryTimeSpanRequest({ group, topics: [topic] }),
    wire.decodeQueryTimeSpanResponse,
  );
  expect(spans.queueTimeSpanList[0]?.minTimestamp).toBeGreaterThanOrEqual(beforeMs);
});

test('knows consumers and what they subscribe to; asks them for their threads', async () => {
  const one = consumer('client-1', 'readers', 'orders');
  expect((await one.next()).settings).toBeDefined();
  const connections = await admin(
    'ListConsumerConnection',
    wire.encodeListConsumerConnectionRequest({ group: { name: 'readers' } }),
    wire.decodeListConsumerConnectionResponse,
  );
  expect(connections.clientInfo).toMatchObject([{ clientId: 'client-1', language: 'TEST' }]);
  const list = await admin(
    'ListSubscription',
    wire.encodeListSubscriptionRequest({ topic: { name: 'orders' } }),
    wire.decodeListSubscriptionResponse,
  );
  expect(list.subscriptionInfo).toMatchObject([
    { group: { name: 'readers' }, expression: { expression: 'a' }, online: true },
  ]);
  const running = await admin(
    'GetConsumerRunningInfo',
    wire.encodeGetConsumerRunningInfoRequest({ clientId: 'client-1' }),
    wire.decodeGetConsumerRunningInfoResponse,
  );
  expect(running.consumerRunningInfo?.subscriptions.get('orders')?.expression).toBe('a');
  const asked = admin(
    'PrintThreadStackTrace',
    wire.encodePrintThreadStackTraceRequest({ clientId: 'client-1' }),
    wire.decodePrintThreadStackTraceResponse,
  );
  const nonce = (await one.next()).printThreadStackTraceCommand?.nonce;
  one.say({
    status: { code: Code.OK },
    threadStackTrace: { nonce, threadStackTrace: 'main: idle' },
  });
  expect((await asked).threadStackTrace).toBe('main: idle');
  const nobody = await admin(
    'PrintThreadStackTrace',
    wire.encodePrintThreadStackTraceRequest({ clientId: 'client-9' }),
    wire.decodePrintThreadStackTraceResponse,
  );
  expect(nobody.status?.code).toBe(Code.NOT_FOUND);
  one.end();
});

test('a group that an operator changes is pushed to its consumers', {
  timeout: 20_000,
}, async () => {
  const one = consumer('client-2', 'changed', 'orders');
  expect((await one.next()).settings?.subscription?.fifo).toBe(false);
  const remoting = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  const operator = new RemoteBroker({
    clusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    address: rmq.endpoints.broker,
    client: remoting,
  });
  await operator.putGroup({ ...defaultGroup('changed'), isOrdered: true });
  await remoting.close();
  expect((await one.next()).settings?.subscription?.fifo).toBe(true);
  one.end();
});

test('tells the proxy’s figures and changes its log', async () => {
  const stats = await admin(
    'GetProxyRuntimeStats',
    wire.encodeGetProxyRuntimeStatsRequest({}),
    wire.decodeGetProxyRuntimeStatsResponse,
  );
  expect(stats).toMatchObject({ status: { code: Code.OK }, version: 'from source' });
  const changed = await admin(
    'ChangeLogLevel',
    wire.encodeChangeLogLevelRequest({ level: wire.Level.WARN }),
    wire.decodeChangeLogLevelResponse,
  );
  expect(changed.remark).toContain('warn');
});
