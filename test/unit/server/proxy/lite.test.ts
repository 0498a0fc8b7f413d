/** Lite topics over gRPC, as a lite push consumer sees them (facts/grpc-v2.md §12); raw calls. */
import {
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
} from '@grpc/grpc-js';
import {
  ConsumeResult,
  LitePushConsumerImpl,
  type MessageView,
  Producer,
} from 'rocketmq-client-nodejs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RemotingClient } from '../../../../src/client/remoting-client.ts';
import { startRmq } from '../../../../src/index.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import {
  ClientType,
  Code,
  decodeAckMessageResponse,
  decodeChangeInvisibleDurationResponse,
  decodeForwardMessageToDeadLetterQueueResponse,
  decodeQueryRouteResponse,
  decodeReceiveMessageResponse,
  decodeSendMessageResponse,
  decodeSyncLiteSubscriptionResponse,
  decodeTelemetryCommand,
  encodeAckMessageRequest,
  encodeChangeInvisibleDurationRequest,
  encodeForwardMessageToDeadLetterQueueRequest,
  encodeQueryRouteRequest,
  encodeReceiveMessageRequest,
  encodeSendMessageRequest,
  encodeSyncLiteSubscriptionRequest,
  encodeTelemetryCommand,
  LiteSubscriptionAction,
  type Message,
  MessageType,
  type SyncLiteSubscriptionRequestInit,
  type TelemetryCommand,
} from '../../../../src/protocol/grpc/generated/messages.ts';
import type { GroupConfig } from '../../../../src/server/broker/api.ts';
import { defaultGroup } from '../../../../src/server/broker/groups/group-table.ts';
import { RemoteBroker } from '../../../../src/server/proxy/remote-broker.ts';

let rmq: Awaited<ReturnType<typeof startRmq>>;
let client: GrpcClient;
const same = (bytes: Buffer): Buffer => bytes;
const topic = { name: 'sessions' };

beforeAll(async () => {
  rmq = await startRmq({
    topics: { sessions: { type: 'LITE' }, plain: {}, mixed: { type: 'MIXED' } },
  });
  client = new GrpcClient(rmq.endpoints.grpc, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await rmq[Symbol.asyncDispose]();
});

function path(name: string): string {
  return `/apache.rocketmq.v2.MessagingService/${name}`;
}

function headersOf(clientId: string): Metadata {
  const headers = new Metadata();
  headers.set('x-mq-client-id', clientId);
  return headers;
}

function unary(name: string, request: Buffer, clientId = 'c1'): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = headersOf(clientId);
    client.makeUnaryRequest(path(name), same, same, request, headers, (error, answer) => {
      if (error !== null) reject(error);
      else resolve(answer ?? Buffer.alloc(0));
    });
  });
}

async function send(liteTopic: string | undefined, text: string, to = topic.name) {
  const systemProperties = { messageId: text, messageType: MessageType.LITE, liteTopic };
  const message = { topic: { name: to }, body: Buffer.from(text), systemProperties };
  const bytes = await unary('SendMessage', encodeSendMessageRequest({ messages: [message] }));
  return decodeSendMessageResponse(bytes).status?.code;
}

async function sync(group: string, request: SyncLiteSubscriptionRequestInit, clientId = 'c1') {
  const action = LiteSubscriptionAction.PARTIAL_ADD;
  const bytes = encodeSyncLiteSubscriptionRequest({
    action,
    topic,
    group: { name: group },
    ...request,
  });
  const answer = await unary('SyncLiteSubscription', bytes, clientId);
  return decodeSyncLiteSubscriptionResponse(answer).status?.code;
}

async function receive(group: string, options: { autoRenew?: boolean; clientId?: string } = {}) {
  const request = encodeReceiveMessageRequest({
    group: { name: group },
    messageQueue: { topic },
    filterExpression: { type: 1, expression: '*' },
    batchSize: 32,
    autoRenew: options.autoRenew ?? true,
    invisibleDurationMs: 30_000,
    longPollingTimeoutMs: 5_000,
  });
  const headers = headersOf(options.clientId ?? 'c1');
  const deadline = { deadline: Date.now() + 10_000 };
  const name = path('ReceiveMessage');
  const call = client.makeServerStreamRequest(name, same, same, request, headers, deadline);
  const messages: Message[] = [];
  let code: number | undefined;
  for await (const bytes of call) {
    const answer = decodeReceiveMessageResponse(bytes as Buffer);
    if (answer.status !== undefined) code = answer.status.code;
    if (answer.message !== undefined) messages.push(answer.message);
  }
  return { code, messages };
}

async function ack(group: string, messages: readonly Message[]) {
  const entries = messages.map(({ systemProperties }) => ({
    messageId: systemProperties?.messageId,
    receiptHandle: systemProperties?.receiptHandle,
    liteTopic: systemProperties?.liteTopic,
  }));
  const bytes = encodeAckMessageRequest({ group: { name: group }, topic, entries });
  return decodeAckMessageResponse(await unary('AckMessage', bytes)).status?.code;
}

async function putGroup(config: GroupConfig): Promise<void> {
  const remoting = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  const address = rmq.endpoints.broker;
  await new RemoteBroker({
    clusterName: '',
    brokerName: '',
    address,
    client: remoting,
  }).putGroup(config);
  await remoting.close();
}

async function openTelemetry(group: string, clientId: string) {
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    path('Telemetry'),
    same,
    same,
    headersOf(clientId),
  );
  stream.on('error', () => undefined); // cancelled at the end
  const subscription = { group: { name: group }, subscriptions: [{ topic }] };
  const settings = { clientType: ClientType.LITE_PUSH_CONSUMER, subscription };
  stream.write(encodeTelemetryCommand({ settings }));
  const commands = stream[Symbol.asyncIterator]();
  const next = async (): Promise<TelemetryCommand> => {
    const { value } = (await commands.next()) as { value: Buffer };
    return decodeTelemetryCommand(value);
  };
  return { stream, next };
}

const texts = (messages: readonly Message[]): string[] =>
  messages.map(({ body }) => Buffer.from(body).toString());

test('the route says LITE, the settings say how much may be subscribed to', async () => {
  const route = decodeQueryRouteResponse(
    await unary('QueryRoute', encodeQueryRouteRequest({ topic })),
  );
  expect(route.messageQueues[0]?.acceptMessageTypes).toEqual([MessageType.LITE]);
  const { stream, next } = await openTelemetry('g-settings', 'settings');
  const { settings, status } = await next();
  expect(status?.code).toBe(Code.OK);
  expect(settings?.subscription).toMatchObject({
    fifo: true,
    liteSubscriptionQuota: 2_000,
    maxLiteTopicSize: 64,
  });
  stream.cancel();
});

test('sends by type, receives by subscription, acknowledges, changes and gives up', async () => {
  expect(await send('s1', 'one')).toBe(Code.OK);
  expect(await send('s1', 'two')).toBe(Code.OK);
  expect(await send('s2', 'three')).toBe(Code.OK);
  expect(await send('s3', 'for others')).toBe(Code.OK);
  expect(await send(undefined, 'x')).toBe(Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  expect(await send('s1', 'x', 'plain')).toBe(Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  expect(await send('s1', 'x', 'mixed')).toBe(Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  expect(await send('not ok', 'x')).toBe(Code.ILLEGAL_LITE_TOPIC);
  expect(await sync('g1', { liteTopicSet: ['s1', 's2'] })).toBe(Code.OK);
  const { messages } = await receive('g1');
  expect(texts(messages)).toEqual(['one', 'two', 'three']);
  expect(messages.map((one) => one.systemProperties?.liteTopic)).toEqual(['s1', 's1', 's2']);
  expect(messages[0]).toMatchObject({
    topic: { name: 'sessions' },
    systemProperties: { messageType: MessageType.LITE, deliveryAttempt: 1 },
  });
  expect(messages[0]?.userProperties.size).toBe(0);
  expect(await ack('g1', messages.slice(0, 1))).toBe(Code.OK);
  const group = { name: 'g1' };
  const { receiptHandle, liteTopic } = messages[1]!.systemProperties!;
  const change = { group, topic, receiptHandle, liteTopic, invisibleDurationMs: 300 };
  const changed = decodeChangeInvisibleDurationResponse(
    await unary('ChangeInvisibleDuration', encodeChangeInvisibleDurationRequest(change)),
  );
  expect(changed.status?.code).toBe(Code.OK);
  const again = await receive('g1');
  expect(texts(again.messages)).toEqual(['two']);
  expect(again.messages[0]?.systemProperties?.deliveryAttempt).toBe(2);
  const given = again.messages[0]!.systemProperties!.receiptHandle;
  const forward = { group, topic, receiptHandle: given, messageId: 'two', liteTopic };
  const forwarded = decodeForwardMessageToDeadLetterQueueResponse(
    await unary(
      'ForwardMessageToDeadLetterQueue',
      encodeForwardMessageToDeadLetterQueueRequest(forward),
    ),
  );
  expect(forwarded.status?.code).toBe(Code.OK);
  expect((await rmq.deadLetters('g1')).map((one) => Buffer.from(one.body).toString())).toEqual([
    'two',
  ]);
});

test('refuses what is no subscription', async () => {
  expect(await sync('g2', { liteTopicSet: ['a b'] })).toBe(Code.ILLEGAL_LITE_TOPIC);
  expect(await sync('g2', { topic: { name: 'plain' }, liteTopicSet: ['a'] })).toBe(
    Code.ILLEGAL_TOPIC,
  );
  expect(await sync('g2', { action: 77, liteTopicSet: ['a'] })).toBe(Code.BAD_REQUEST);
  const many = Array.from({ length: 2_001 }, (_, index) => `l${index}`);
  expect(await sync('g2', { liteTopicSet: many })).toBe(Code.LITE_SUBSCRIPTION_QUOTA_EXCEEDED);
});

test('a client that holds a hundred messages gets no more until it acknowledges', async () => {
  for (let index = 0; index < 110; index++) await send('busy', `busy-${index}`);
  await sync('g3', { liteTopicSet: ['busy'] });
  const held: Message[] = [];
  for (let round = 0; round < 4; round++) {
    const { messages } = await receive('g3');
    held.push(...messages);
    if (round < 3) expect(messages.length).toBeGreaterThan(0);
    // In order: more of the same lite topic comes only for what is acknowledged.
    if (round < 3) await sync('g3', { liteTopicSet: [`more-${round}`] });
    for (let index = 0; index < 32; index++) await send(`more-${round}`, `m${round}-${index}`);
  }
  expect(held).toHaveLength(128);
  expect((await receive('g3')).code).toBe(Code.FORBIDDEN);
  expect(await ack('g3', held.slice(0, 32))).toBe(Code.OK);
  expect((await receive('g3')).messages.length).toBeGreaterThan(0);
});

test('an exclusive subscription moves to the last subscriber, the first is told', async () => {
  await putGroup({ ...defaultGroup('g4'), attributes: { 'lite.sub.model': 'Exclusive' } });
  const first = await openTelemetry('g4', 'c1');
  await first.next();
  await sync('g4', { liteTopicSet: ['mine'] });
  await sync('g4', { liteTopicSet: ['mine'] }, 'c2');
  expect((await first.next()).notifyUnsubscribeLiteCommand?.liteTopic).toBe('mine');
  await send('mine', 'hers');
  const { messages } = await receive('g4', { clientId: 'c2' });
  expect(texts(messages)).toEqual(['hers']);
  first.stream.cancel();
});

test('serves the lite push consumer of the official Node client', async () => {
  const quiet = { info() {}, debug() {}, warn() {}, error() {} };
  const base = { endpoints: rmq.endpoints.grpc, namespace: '', logger: quiet };
  const producer = new Producer({ ...base, topics: ['sessions'] });
  await producer.startup();
  const got: string[] = [];
  let wake = (): void => {};
  const consumer = new LitePushConsumerImpl({
    ...base,
    bindTopic: 'sessions',
    subscriptions: new Map(),
    consumerGroup: 'node-lite',
    messageListener: {
      consume: (message: MessageView) => {
        const text = Buffer.from(message.body).toString();
        got.push(`${message.liteTopic} ${text}`);
        wake();
        return ConsumeResult.SUCCESS;
      },
    },
  });
  await consumer.startup();
  for (const liteTopic of ['alice', 'bob']) await consumer.subscribeLite(liteTopic);
  for (const index of [0, 1, 2]) {
    for (const liteTopic of ['alice', 'bob', 'carol']) {
      await producer.send({ topic: 'sessions', liteTopic, body: Buffer.from(`${index}`) });
    }
  }
  const until = async (count: number): Promise<void> => {
    while (got.length < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  await until(6);
  for (const name of ['alice', 'bob']) {
    expect(got.filter((one) => one.startsWith(name))).toEqual([0, 1, 2].map((i) => `${name} ${i}`));
  }
  await consumer.subscribeLite('carol');
  await until(9);
  expect(got.slice(6)).toEqual(['carol 0', 'carol 1', 'carol 2']);
  // It waits for its long poll to end: a message ends it.
  const isDown = consumer.shutdown();
  await producer.send({ topic: 'sessions', liteTopic: 'bob', body: Buffer.from('last') });
  await isDown;
  await producer.shutdown();
}, 30_000);
