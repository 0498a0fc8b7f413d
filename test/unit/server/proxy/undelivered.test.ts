/** Messages that a receive took and whose client never got them: others get them soon. */
import { connect as connectHttp2, constants } from 'node:http2';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRmq } from '../../../../src/index.ts';
import {
  Code,
  decodeReceiveMessageResponse,
  encodeNotifyClientTerminationRequest,
  encodeReceiveMessageRequest,
} from '../../../../src/protocol/grpc/generated/messages.ts';

const service = '/apache.rocketmq.v2.MessagingService';
const same = (bytes: Buffer): Buffer => bytes;
let rmq: Awaited<ReturnType<typeof startRmq>>;
let client: Client;

beforeAll(async () => {
  rmq = await startRmq({ topics: { slow: {}, parting: {} } });
  client = new Client(rmq.endpoints.grpc, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await rmq[Symbol.asyncDispose]();
});

function receiveRequest(topic: string): Buffer {
  return encodeReceiveMessageRequest({
    group: { name: 'readers' },
    messageQueue: { topic: { name: topic } },
    filterExpression: { type: 1, expression: '*' },
    batchSize: 1,
    autoRenew: true,
    longPollingTimeoutMs: 5_000,
  });
}

function headersOf(clientId: string): Metadata {
  const headers = new Metadata();
  headers.set('x-mq-client-id', clientId);
  return headers;
}

/** The codes and bodies that came. */
async function receive(topic: string, clientId: string): Promise<(number | string)[]> {
  const call = client.makeServerStreamRequest(
    `${service}/ReceiveMessage`,
    same,
    same,
    receiveRequest(topic),
    headersOf(clientId),
    { deadline: Date.now() + 10_000 },
  );
  const seen: (number | string)[] = [];
  for await (const bytes of call) {
    const { status, message } = decodeReceiveMessageResponse(bytes as Buffer);
    if (status !== undefined) seen.push(status.code);
    if (message !== undefined) seen.push(message.body.toString());
  }
  return seen;
}

test('a stream is cancelled while messages wait for its window', async () => {
  await rmq.send('slow', { body: 'late' });
  const session = connectHttp2(`http://${rmq.endpoints.grpc}`, {
    settings: { initialWindowSize: 0 },
  });
  const stream = session.request({
    ':method': 'POST',
    ':path': `${service}/ReceiveMessage`,
    'content-type': 'application/grpc',
    'x-mq-client-id': 'slow-reader',
    'grpc-timeout': '10S',
  });
  const request = receiveRequest('slow');
  const head = Buffer.alloc(5);
  head.writeUInt32BE(request.length, 1);
  stream.end(Buffer.concat([head, request]));
  await new Promise((resolve) => stream.once('response', resolve));
  stream.close(constants.NGHTTP2_CANCEL);
  expect(await receive('slow', 'another')).toEqual([Code.OK, 'late']);
  session.destroy();
});

test('a client says goodbye while its receive waits', async () => {
  const parting = receive('parting', 'parting');
  await new Promise((resolve) => {
    const goodbye = encodeNotifyClientTerminationRequest({ group: { name: 'readers' } });
    const name = `${service}/NotifyClientTermination`;
    client.makeUnaryRequest(name, same, same, goodbye, headersOf('parting'), resolve);
  });
  await rmq.send('parting', { body: 'orphan' });
  expect(await parting).toEqual([Code.MESSAGE_NOT_FOUND]);
  expect(await receive('parting', 'another')).toEqual([Code.OK, 'orphan']);
});
