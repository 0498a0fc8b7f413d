import { connect } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { tolerateLongDeadlines } from '../../../../src/server/proxy/grpc/long-deadlines.ts';
import { timeoutMs } from '../../../../src/transport/grpc/timeout.ts';

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
  const session = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => {
    session.destroy();
    server.forceShutdown();
  });
  // Straight over HTTP/2: a deadline as long as the Java client's is more than grpc-js's own would.
  const talk = (timeout: string): Promise<string> =>
    new Promise((resolve) => {
      const call = session.request({
        ':method': 'POST',
        ':path': method.path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': timeout,
      });
      call.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined)
          resolve(`status ${String(headers['grpc-status'])}`);
      });
      call.on('trailers', (trailers) => resolve(`status ${String(trailers['grpc-status'])}`));
      call.on('data', (bytes: Buffer) => resolve(bytes.subarray(5).toString()));
      setTimeout(() => call.write(Buffer.from('\0\0\0\0\u0005hello', 'latin1')), 50);
    });
  expect(await talk('99999999M')).toBe('hello');
  expect(await talk('1m')).toBe('status 4');
});
