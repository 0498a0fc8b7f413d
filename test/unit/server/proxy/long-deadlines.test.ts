import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import {
  timeoutMs,
  tolerateLongDeadlines,
} from '../../../../src/server/proxy/grpc/long-deadlines.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const method = {
  path: '/test.Echo/Talk',
  requestStream: true,
  responseStream: true,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
} as const;

it.each([
  ['5S', 5000],
  ['99999999H', 359_999_996_400_000],
  ['200m', 200],
  ['x', undefined],
])('%s is %s ms', (header, expected) => {
  expect(timeoutMs(header)).toBe(expected);
});

it('a stream with a deadline of centuries stays open, one of an instant does not', async () => {
  tolerateLongDeadlines();
  const server = new Server();
  server.addService(
    { Talk: method },
    {
      Talk: (call: {
        on(event: 'data', run: (bytes: Buffer) => void): void;
        write(b: Buffer): void;
      }) => {
        call.on('data', (bytes) => call.write(bytes));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => {
    client.close();
    server.forceShutdown();
  });
  const talk = (deadlineMs: number): Promise<string> =>
    new Promise((resolve) => {
      const options = { deadline: Date.now() + deadlineMs };
      const call = client.makeBidiStreamRequest(method.path, identity, identity, options);
      call.on('error', (error: Error) => resolve(error.message));
      call.on('data', (bytes: Buffer) => {
        resolve(bytes.toString());
        call.cancel();
      });
      call.write(Buffer.from('hello'));
    });
  expect(await talk(292 * 365 * 86_400_000)).toBe('hello');
  expect(await talk(-1)).toMatch(/DEADLINE_EXCEEDED/);
});
