/** What clients see of a proxy that stops: told to reconnect, waits ended, nothing cut off. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { startRmq } from '../../../../src/index.ts';
import {
  ClientType,
  Code,
  decodeReceiveMessageResponse,
  decodeTelemetryCommand,
  encodeReceiveMessageRequest,
  encodeTelemetryCommand,
} from '../../../../src/protocol/grpc/generated/messages.ts';

const service = '/apache.rocketmq.v2.MessagingService';
const same = (bytes: Buffer): Buffer => bytes;

test('a stream hears reconnect and ends well, a long poll is answered', async () => {
  const rmq = await startRmq({ topics: { orders: {} } });
  const client = new Client(rmq.endpoints.grpc, credentials.createInsecure());
  onTestFinished(() => client.close());
  const headers = new Metadata();
  headers.set('x-mq-client-id', 'drained');
  const stream = client.makeBidiStreamRequest(`${service}/Telemetry`, same, same, headers);
  const settings = {
    clientType: ClientType.PRODUCER,
    publishing: { topics: [{ name: 'orders' }] },
  };
  let hasSettings = (): void => {};
  const settled = new Promise<void>((resolve) => {
    hasSettings = resolve;
  });
  const commands = (async (): Promise<string[]> => {
    const seen: string[] = [];
    for await (const bytes of stream) {
      const { settings: told, reconnectEndpointsCommand } = decodeTelemetryCommand(bytes as Buffer);
      if (told !== undefined) {
        seen.push('settings');
        hasSettings();
      }
      if (reconnectEndpointsCommand !== undefined) {
        expect(reconnectEndpointsCommand.nonce).toMatch(/^[0-9a-f]{16}$/);
        seen.push('reconnect');
      }
    }
    return seen;
  })();
  stream.write(encodeTelemetryCommand({ settings }));
  await settled;
  const poll = client.makeServerStreamRequest(
    `${service}/ReceiveMessage`,
    same,
    same,
    encodeReceiveMessageRequest({
      group: { name: 'readers' },
      messageQueue: { topic: { name: 'orders' } },
      filterExpression: { type: 1, expression: '*' },
      batchSize: 1,
      invisibleDurationMs: 30_000,
      longPollingTimeoutMs: 20_000,
    }),
    headers,
    { deadline: Date.now() + 30_000 },
  );
  const answers = (async (): Promise<(number | undefined)[]> => {
    const codes: (number | undefined)[] = [];
    for await (const bytes of poll) {
      codes.push(decodeReceiveMessageResponse(bytes as Buffer).status?.code);
    }
    return codes;
  })();
  await new Promise((resolve) => {
    client.waitForReady(Date.now() + 5_000, resolve);
  });
  await rmq[Symbol.asyncDispose]();
  expect(await commands).toEqual(['settings', 'reconnect']);
  expect((await answers)[0]).toBe(Code.MESSAGE_NOT_FOUND);
});
