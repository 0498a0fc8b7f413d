/** The gRPC service from outside: the official Node client, and raw calls for what it does not show. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { FilterExpression, Producer, SimpleConsumer } from 'rocketmq-client-nodejs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRmq } from '../../../../src/index.ts';
import {
  ClientType,
  Code,
  decodeAckMessageResponse,
  decodeQueryRouteResponse,
  decodeRecallMessageResponse,
  decodeReceiveMessageResponse,
  decodeSendMessageResponse,
  decodeTelemetryCommand,
  encodeAckMessageRequest,
  encodeQueryRouteRequest,
  encodeRecallMessageRequest,
  encodeReceiveMessageRequest,
  encodeSendMessageRequest,
  encodeTelemetryCommand,
  type MessageInit,
  type RecallMessageResponse,
  type ReceiveMessageResponse,
} from '../../../../src/protocol/grpc/generated/messages.ts';
import { encodeRecallHandle } from '../../../../src/protocol/message/recall-handle.ts';

let rmq: Awaited<ReturnType<typeof startRmq>>;
let client: Client;
const quiet = { info() {}, debug() {}, warn() {}, error() {} };
const same = (bytes: Buffer): Buffer => bytes;

beforeAll(async () => {
  rmq = await startRmq({
    topics: { orders: {}, raw: {}, polled: {}, fifo: { type: 'FIFO' }, later: { type: 'DELAY' } },
  });
  client = new Client(rmq.endpoints.grpc, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await rmq[Symbol.asyncDispose]();
});

function path(name: string): string {
  return `/apache.rocketmq.v2.MessagingService/${name}`;
}

function metadata(clientId = 'test-client'): Metadata {
  const headers = new Metadata();
  if (clientId !== '') headers.set('x-mq-client-id', clientId);
  return headers;
}

function unary(name: string, request: Buffer, headers = metadata()): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path(name), same, same, request, headers, (error, answer) => {
      if (error !== null) reject(error);
      else resolve(answer ?? Buffer.alloc(0));
    });
  });
}

async function receive(topic: string, timeoutMs = 10_000): Promise<ReceiveMessageResponse[]> {
  const request = encodeReceiveMessageRequest({
    group: { name: `group-${topic}` },
    messageQueue: { topic: { name: topic } },
    filterExpression: { type: 1, expression: '*' },
    batchSize: 16,
    invisibleDurationMs: 30_000,
    longPollingTimeoutMs: 5_000,
  });
  const deadline = Date.now() + timeoutMs;
  const headers = metadata();
  const call = client.makeServerStreamRequest(
    path('ReceiveMessage'),
    same,
    same,
    request,
    headers,
    {
      deadline,
    },
  );
  const answers: ReceiveMessageResponse[] = [];
  for await (const bytes of call) answers.push(decodeReceiveMessageResponse(bytes as Buffer));
  return answers;
}

async function send(messages: readonly MessageInit[]) {
  return decodeSendMessageResponse(
    await unary('SendMessage', encodeSendMessageRequest({ messages })),
  );
}

function message(topic: string, init: MessageInit['systemProperties'] = {}): MessageInit {
  const systemProperties = { messageId: 'id-1', ...init };
  return { topic: { name: topic }, body: Buffer.from('hello'), systemProperties };
}

async function recall(topic: string, recallHandle: string): Promise<RecallMessageResponse> {
  const request = encodeRecallMessageRequest({ topic: { name: topic }, recallHandle });
  return decodeRecallMessageResponse(await unary('RecallMessage', request));
}

describe('delayed messages over gRPC', () => {
  const at = (messageId: string, delayMs: number): MessageInit =>
    message('later', { messageId, deliveryTimestampMs: Date.now() + delayMs });

  it('are delivered at their time, and not when recalled', async () => {
    const dueMs = Date.now() + 300;
    const sent = await send([
      message('later', { messageId: 'kept', deliveryTimestampMs: dueMs }),
      at('gone', 400),
    ]);
    expect(sent.entries.map((entry) => entry.status?.code)).toEqual([Code.OK, Code.OK]);
    const handle = sent.entries[1]?.recallHandle ?? '';
    expect(await recall('later', handle)).toMatchObject({
      status: { code: Code.OK },
      messageId: 'gone',
    });
    const answers = await receive('later');
    expect(Date.now()).toBeGreaterThanOrEqual(dueMs);
    const [got, ...more] = answers.flatMap((one) => one.message ?? []);
    expect(more).toEqual([]);
    expect(got?.systemProperties).toMatchObject({
      messageId: 'kept',
      deliveryTimestampMs: dueMs,
    });
    expect([...(got?.userProperties.keys() ?? [])]).toEqual([]);
  });

  it.each([
    ['no handle', 'later', (): string => 'nonsense', Code.BAD_REQUEST],
    ['no such topic', 'nowhere', (): string => 'nonsense', Code.TOPIC_NOT_FOUND],
    ['no delayed topic', 'raw', (): string => 'nonsense', Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE],
    ['no such broker', 'later', (): string => handleOf('later', 'broker-x'), Code.BAD_REQUEST],
    ['another topic', 'later', (): string => handleOf('raw', 'broker-a'), Code.BAD_REQUEST],
  ])('recall: %s', async (_name, topic, handle, code) => {
    expect((await recall(topic, handle())).status?.code).toBe(code);
  });

  it('refuses a time too far ahead, and a message without one', async () => {
    const far = await send([at('far', 73 * 3_600_000)]);
    expect(far.status?.code).toBe(Code.ILLEGAL_DELIVERY_TIME);
    const plain = await send([message('later')]);
    expect(plain.status?.code).toBe(Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  });
});

function handleOf(topic: string, brokerName: string): string {
  const deliverMs = Date.now() + 10_000;
  return encodeRecallHandle({ topic, brokerName, deliverMs, uniqueKey: 'id' });
}

describe('gRPC service', () => {
  it('serves the official Node client: send, receive, acknowledge', async () => {
    const base = { endpoints: rmq.endpoints.grpc, namespace: '', logger: quiet };
    const producer = new Producer({ ...base, topics: ['orders'] });
    await producer.startup();
    const sent = await producer.send({
      topic: 'orders',
      tag: 'a',
      keys: ['k'],
      properties: new Map([['x', 'y']]),
      body: Buffer.from('first'),
    });
    const consumer = new SimpleConsumer({
      ...base,
      consumerGroup: 'node-group',
      awaitDuration: 5_000,
      subscriptions: new Map([['orders', new FilterExpression('a')]]),
    });
    await consumer.startup();
    const [got] = await consumer.receive(16, 30_000);
    expect(got).toMatchObject({ messageId: sent.messageId, tag: 'a', keys: ['k'] });
    expect(got?.body.toString()).toBe('first');
    expect(got?.properties).toEqual(new Map([['x', 'y']]));
    if (got !== undefined) await consumer.ack(got);
    await consumer.shutdown();
    await producer.shutdown();
  });

  it('streams one status, the messages, the time of delivery', async () => {
    const sent = await send([message('raw')]);
    expect(sent.status).toMatchObject({ code: Code.OK });
    expect(sent.entries[0]).toMatchObject({ messageId: 'id-1', transactionId: 'id-1' });
    const answers = await receive('raw');
    expect(answers.map(contentOf)).toEqual(['status 20000', 'message', 'time']);
    const got = answers[1]?.message;
    expect(got?.systemProperties).toMatchObject({
      messageId: 'id-1',
      bodyEncoding: 1,
      bodyDigest: { type: 2, checksum: '5D41402ABC4B2A76B9719D911017C592' },
      messageType: 1,
      deliveryAttempt: 1,
    });
    const receiptHandle = got?.systemProperties?.receiptHandle ?? '';
    const names = { group: { name: 'group-raw' }, topic: { name: 'raw' } };
    const entries = [{ messageId: 'id-1', receiptHandle }, { receiptHandle: 'nonsense' }];
    const acked = decodeAckMessageResponse(
      await unary('AckMessage', encodeAckMessageRequest({ ...names, entries })),
    );
    expect(acked.status?.code).toBe(Code.MULTIPLE_RESULTS);
    const codes = acked.entries.map((entry) => entry.status?.code);
    expect(codes).toEqual([Code.OK, Code.INVALID_RECEIPT_HANDLE]);
  });

  it('wakes a waiting receive', async () => {
    const waiting = receive('polled');
    await send([message('polled')]);
    expect((await waiting).map(contentOf)).toEqual(['status 20000', 'message', 'time']);
  });

  it('says MESSAGE_NOT_FOUND when the polling time passes', async () => {
    expect((await receive('fifo')).map(contentOf)).toEqual(['status 40401', 'time']);
  });

  it.each([
    ['no messages', [], Code.MESSAGE_CORRUPTED],
    ['system topic', [message('TBW102')], Code.ILLEGAL_TOPIC],
    ['no topic', [message('')], Code.ILLEGAL_TOPIC],
    ['two topics', [message('raw'), message('orders')], Code.MESSAGE_CORRUPTED],
    ['empty body', [{ ...message('raw'), body: Buffer.alloc(0) }], Code.MESSAGE_BODY_EMPTY],
    ['tag with |', [message('raw', { tag: 'a|b' })], Code.ILLEGAL_MESSAGE_TAG],
    ['blank key', [message('raw', { keys: [' '] })], Code.ILLEGAL_MESSAGE_KEY],
    ['no id', [message('raw', { messageId: ' ' })], Code.ILLEGAL_MESSAGE_ID],
    [
      'id that smuggles a property',
      [message('raw', { messageId: 'a\u0002TAGS\u0001b' })],
      Code.ILLEGAL_MESSAGE_ID,
    ],
    [
      'trace context that smuggles a property',
      [message('raw', { traceContext: 'a\u0002TRAN_MSG\u0001true' })],
      Code.BAD_REQUEST,
    ],
    [
      'group of 64',
      [message('fifo', { messageGroup: 'g'.repeat(64) })],
      Code.ILLEGAL_MESSAGE_GROUP,
    ],
    [
      'type of another topic',
      [message('raw', { messageGroup: 'g' })],
      Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
    ],
    [
      'reserved property',
      [{ ...message('raw'), userProperties: new Map([['POP_CK', 'x']]) }],
      Code.ILLEGAL_MESSAGE_PROPERTY_KEY,
    ],
    [
      'delivery in a year',
      [message('raw', { deliveryTimestampMs: Date.now() + 365 * 86_400_000 })],
      Code.ILLEGAL_DELIVERY_TIME,
    ],
  ])('refuses to send: %s', async (_what, messages, code) => {
    expect((await send(messages)).status?.code).toBe(code);
  });

  it('requires a client id, in the payload', async () => {
    const request = encodeQueryRouteRequest({ topic: { name: 'raw' } });
    const answer = decodeQueryRouteResponse(await unary('QueryRoute', request, metadata('')));
    expect(answer.status?.code).toBe(Code.CLIENT_ID_REQUIRED);
  });

  it('routes to the address that the client used, queue 0 writable', async () => {
    const [host = '', port] = rmq.endpoints.grpc.split(':');
    const endpoints = { scheme: 1, addresses: [{ host, port: Number(port) }] };
    const topic = { name: 'raw', resourceNamespace: 'ns' };
    const request = encodeQueryRouteRequest({ topic, endpoints });
    const answer = decodeQueryRouteResponse(await unary('QueryRoute', request));
    expect(answer.messageQueues.map((queue) => queue.id)).toEqual([0, 1, 2, 3]);
    expect(answer.messageQueues[0]).toMatchObject({
      topic,
      permission: 4,
      broker: { id: 0, endpoints },
    });
  });

  it('answers settings at once, with a backoff policy', async () => {
    const call = client.makeBidiStreamRequest(path('Telemetry'), same, same, metadata('settings'));
    const publishing = { topics: [{ name: 'raw', resourceNamespace: 'ns' }] };
    const settings = { clientType: ClientType.PRODUCER, publishing };
    call.write(encodeTelemetryCommand({ settings }));
    const answer = decodeTelemetryCommand(
      await new Promise<Buffer>((resolve) => call.once('data', resolve)),
    );
    expect(answer.status?.code).toBe(Code.OK);
    expect(answer.settings?.backoffPolicy).toMatchObject({
      maxAttempts: 3,
      exponentialBackoff: { initialMs: 10, maxMs: 1_000, multiplier: 2 },
    });
    expect(answer.settings?.publishing).toMatchObject({ maxBodySize: 4_194_304, ...publishing });
    const ended = new Promise((resolve) => call.once('end', resolve));
    call.end();
    await ended;
  });

  it('ends waiting receives in order when it stops', async () => {
    const other = await startRmq({ topics: { raw: {} } });
    const before = client;
    client = new Client(other.endpoints.grpc, credentials.createInsecure());
    try {
      const waiting = receive('raw', 15_000);
      await send([message('raw', { messageId: 'x' })]);
      await waiting; // The connection is up, and the next receive waits.
      const parked = receive('raw', 15_000);
      await new Promise((resolve) => setImmediate(resolve));
      await unary('QueryRoute', encodeQueryRouteRequest({ topic: { name: 'raw' } }));
      await other[Symbol.asyncDispose]();
      expect((await parked).map(contentOf)).toEqual(['status 40401', 'time']);
    } finally {
      client.close();
      client = before;
    }
  });
});

function contentOf(answer: ReceiveMessageResponse): string {
  if (answer.status !== undefined) return `status ${answer.status.code}`;
  return answer.message === undefined ? 'time' : 'message';
}
