/** PullMessage and the offset RPCs from outside; no official client calls them yet. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRmq } from '../../../../src/index.ts';
import {
  Code,
  decodeGetOffsetResponse,
  decodePullMessageResponse,
  decodeQueryOffsetResponse,
  decodeUpdateOffsetResponse,
  encodeGetOffsetRequest,
  encodePullMessageRequest,
  encodeQueryOffsetRequest,
  encodeUpdateOffsetRequest,
  type PullMessageRequestInit,
  type PullMessageResponse,
  QueryOffsetPolicy,
} from '../../../../src/protocol/grpc/generated/messages.ts';

let rmq: Awaited<ReturnType<typeof startRmq>>;
let client: Client;
const headers = new Metadata();
headers.set('x-mq-client-id', 'puller');
const same = (bytes: Buffer): Buffer => bytes;

beforeAll(async () => {
  rmq = await startRmq({ topics: { pulled: { queues: 1 }, empty: { queues: 1 } } });
  client = new Client(rmq.endpoints.grpc, credentials.createInsecure());
  for (const body of ['a', 'b', 'c']) await rmq.send('pulled', { body });
});

afterAll(async () => {
  client.close();
  await rmq[Symbol.asyncDispose]();
});

function path(name: string): string {
  return `/apache.rocketmq.v2.MessagingService/${name}`;
}

function unary(name: string, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path(name), same, same, request, headers, (error, answer) => {
      if (error !== null) reject(error);
      else resolve(answer ?? Buffer.alloc(0));
    });
  });
}

async function pull(request: PullMessageRequestInit): Promise<PullMessageResponse[]> {
  const bytes = encodePullMessageRequest({ group: { name: 'pullers' }, batchSize: 2, ...request });
  const options = { deadline: Date.now() + 10_000 };
  const call = client.makeServerStreamRequest(
    path('PullMessage'),
    same,
    same,
    bytes,
    headers,
    options,
  );
  const answers: PullMessageResponse[] = [];
  for await (const part of call) answers.push(decodePullMessageResponse(part as Buffer));
  return answers;
}

const queue = (name: string) => ({ topic: { name }, id: 0, broker: { name: 'broker-a' } });
const bodiesOf = (answers: readonly PullMessageResponse[]): string[] =>
  answers.flatMap(({ message }) => (message === undefined ? [] : [String(message.body)]));

test('pulls from an offset: status, messages, next offset', async () => {
  const first = await pull({ messageQueue: queue('pulled'), offset: 0 });
  expect(first[0]?.status?.code).toBe(Code.OK);
  expect(bodiesOf(first)).toEqual(['a', 'b']);
  expect(first.at(-1)?.nextOffset).toBe(2);
  const second = await pull({ messageQueue: queue('pulled'), offset: 2 });
  expect(bodiesOf(second)).toEqual(['c']);
});

test('a pull at the end waits for a message', async () => {
  const answer = pull({ messageQueue: queue('empty'), offset: 0, longPollingTimeoutMs: 8_000 });
  await rmq.send('empty', { body: 'late' });
  expect(bodiesOf(await answer)).toEqual(['late']);
});

test('a pull past the end says where to go on', async () => {
  const [first, last] = await pull({ messageQueue: queue('pulled'), offset: 100 });
  expect(first?.status?.code).toBe(Code.ILLEGAL_OFFSET);
  expect(last?.nextOffset).toBe(3);
});

test.each([
  ['a queue that the topic does not have', { ...queue('pulled'), id: 9 }, Code.BAD_REQUEST],
  ['an unknown broker', { ...queue('pulled'), broker: { name: 'x' } }, Code.INTERNAL_SERVER_ERROR],
  ['an unknown topic', queue('nowhere'), Code.TOPIC_NOT_FOUND],
])('refuses %s', async (_what, messageQueue, code) => {
  const [answer] = await pull({ messageQueue, offset: 0 });
  expect(answer?.status?.code).toBe(code);
});

test('keeps a group’s offset, and says when it has none', async () => {
  const group = { name: 'keepers' };
  const messageQueue = queue('pulled');
  const get = async () =>
    decodeGetOffsetResponse(
      await unary('GetOffset', encodeGetOffsetRequest({ group, messageQueue })),
    );
  expect((await get()).status?.code).toBe(Code.OFFSET_NOT_FOUND);
  const update = encodeUpdateOffsetRequest({ group, messageQueue, offset: 2 });
  expect(decodeUpdateOffsetResponse(await unary('UpdateOffset', update)).status?.code).toBe(
    Code.OK,
  );
  expect(await get()).toMatchObject({ status: { code: Code.OK }, offset: 2 });
});

test('tells offsets by begin, end and time', async () => {
  const ask = async (queryOffsetPolicy: number, timestampMs?: number) => {
    const request = encodeQueryOffsetRequest({
      messageQueue: queue('pulled'),
      queryOffsetPolicy,
      timestampMs,
    });
    return decodeQueryOffsetResponse(await unary('QueryOffset', request));
  };
  expect((await ask(QueryOffsetPolicy.BEGINNING)).offset).toBe(0);
  expect((await ask(QueryOffsetPolicy.END)).offset).toBe(3);
  expect((await ask(QueryOffsetPolicy.TIMESTAMP, 0)).offset).toBe(0);
  expect((await ask(QueryOffsetPolicy.TIMESTAMP)).status?.code).toBe(Code.BAD_REQUEST);
});
