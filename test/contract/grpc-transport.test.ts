/** What a proxy relies on in a gRPC transport, held against both of them. */
import { randomBytes } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  EchoClient,
  type RunningTransport,
  runTransport,
  statusOf,
} from '../support/grpc-transports.ts';

/** Waits until `check` gives something, at most 5 s. */
async function until<T>(check: () => T | undefined | false): Promise<T> {
  const endMs = Date.now() + 5_000;
  for (;;) {
    const value = check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > endMs) throw new Error(`not in time: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface RawAnswer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** A request below gRPC: headers and body as they are. */
async function raw(
  port: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | undefined,
): Promise<RawAnswer> {
  // In MiB: bodies are given to it as a whole.
  const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000 });
  try {
    const request = session.request({
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const parts: Buffer[] = [];
    let first: Readonly<Record<string, unknown>> = {};
    let last: Readonly<Record<string, unknown>> = {};
    request.on('response', (received) => {
      first = received;
    });
    request.on('trailers', (received) => {
      last = received;
    });
    request.on('data', (part: Buffer) => parts.push(part));
    request.end(body);
    await new Promise((resolve, reject) => {
      request.on('close', resolve);
      request.on('error', reject);
    });
    return { headers: first, trailers: last, body: Buffer.concat(parts) };
  } finally {
    session.close();
  }
}

function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

describe.each(['own', 'grpc-js'] as const)('the transport %s', (kind) => {
  let running: RunningTransport;
  let client: EchoClient;
  let port: number;

  beforeAll(async () => {
    running = await runTransport(kind);
    port = running.address.port;
    client = new EchoClient(running.address);
  });
  afterAll(() => {
    client.close();
    running.transport.close();
    running.transport.closePort();
  });

  it.each([0, 1, 100, 16_379, 16_384, 70_000, 5 << 20])('echoes %i bytes', async (size) => {
    const message = Buffer.alloc(size, 'abc');
    expect((await client.unary('Echo', message)).equals(message)).toBe(true);
  });

  it('answers many calls at a time, each with its own', async () => {
    const calls = Array.from({ length: 500 }, (_, i) =>
      client.unary('Echo', Buffer.from(`call ${i}`)),
    );
    const answers = await Promise.all(calls);
    answers.forEach((answer, i) => expect(answer.toString()).toBe(`call ${i}`));
  });

  it('knows headers, peer, authority and deadline', async () => {
    const headers = { 'x-mq-client-id': 'a client' };
    const found = await client.unary('Header', Buffer.from('x-mq-client-id'), { headers });
    expect(found.toString()).toBe('a client');
    expect((await client.unary('Header', Buffer.from('x-none'))).toString()).toBe('none');
    const text = (await client.unary('Context', Buffer.alloc(0), { timeoutMs: 5_000 })).toString();
    const context = JSON.parse(text) as { peer: object; authority: string; remainingMs: number };
    expect(context.peer).toMatchObject({ host: '127.0.0.1' });
    expect(context.authority).toBe(`localhost:${port}`);
    expect(context.remainingMs).toBeGreaterThan(3_000);
    expect(context.remainingMs).toBeLessThanOrEqual(5_001);
    const none = (await client.unary('Context', Buffer.alloc(0))).toString();
    expect((JSON.parse(none) as { remainingMs: unknown }).remainingMs).toBeNull(); // JSON's Infinity
  });

  it('takes a deadline of centuries for none', async () => {
    const answer = await raw(
      port,
      { ':path': '/test.Echo/Context', 'grpc-timeout': '9223372S' },
      framed(Buffer.alloc(0)),
    );
    expect(answer.trailers['grpc-status']).toBe('0');
  });

  it('streams to a slow reader without losing anything', async () => {
    const call = client.repeat(200, 100_000);
    const ended = statusOf(call);
    let count = 0;
    for await (const message of call) {
      count += 1;
      expect((message as Buffer).length).toBe(100_000);
      expect((message as Buffer)[5]).toBe(count & 0xff);
      if (count % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(count).toBe(200);
    expect((await ended).code).toBe(0);
  });

  it('talks both ways, and ends when the client does', async () => {
    const call = client.chat();
    const ended = statusOf(call);
    const heard: string[] = [];
    call.on('data', (message: Buffer) => heard.push(message.toString()));
    call.write(Buffer.from('one'));
    await until(() => heard.length === 1);
    call.write(Buffer.from('two'));
    call.write(Buffer.from('three'));
    await until(() => heard.length === 3);
    call.end();
    expect((await ended).code).toBe(0);
    expect(heard).toEqual(['one', 'two', 'three']);
  });

  it('says headers before there is a message', async () => {
    const call = client.chat();
    call.on('error', () => {});
    await new Promise((resolve) => call.on('metadata', resolve));
    call.cancel();
  });

  it('fails a stream with a status and a text of any characters', async () => {
    const call = client.chat();
    const ended = statusOf(call);
    call.resume();
    call.write(Buffer.from('fail'));
    const { code, details } = await ended;
    expect([code, details]).toEqual([3, 'asked to fail: 100 % ü']);
  });

  it('tells the service when a client gives up, once', async () => {
    const call = client.client.makeUnaryRequest(
      '/test.Echo/Park',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.from(`${kind} cancelled`),
      () => {},
    );
    await until(() => running.echo.parked.length > 0);
    call.cancel();
    await until(() => running.echo.cancelled.includes(`${kind} cancelled`));
    for (const answer of running.echo.parked.splice(0)) answer(); // Too late, and harmless.
    const times = running.echo.cancelled.filter((name) => name === `${kind} cancelled`);
    expect(times).toHaveLength(1);
    expect((await client.unary('Echo', Buffer.from('goes on'))).toString()).toBe('goes on');
  });

  it('tells the service when a connection breaks', async () => {
    const socket = connectTcp(port, '127.0.0.1');
    const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
    session.on('error', () => {});
    const headers = { ':path': '/test.Echo/Park', 'content-type': 'application/grpc' };
    const request = session.request({ ':method': 'POST', ...headers });
    request.on('error', () => {});
    request.end(framed(Buffer.from('broken')));
    await until(() => running.echo.parked.length > 0);
    socket.resetAndDestroy();
    await until(() => running.echo.cancelled.includes('broken'));
    running.echo.parked.splice(0);
  });

  it('ends a call at its deadline and tells the service', async () => {
    const answer = await raw(
      port,
      { ':path': '/test.Echo/Park', 'grpc-timeout': '50m' },
      framed(Buffer.from('late')),
    );
    const status = answer.headers['grpc-status'] ?? answer.trailers['grpc-status'];
    expect(status).toBe('4');
    await until(() => running.echo.cancelled.includes('late'));
    running.echo.parked.splice(0);
  });

  it('answers UNIMPLEMENTED to what is not there', async () => {
    expect(await client.failure('Nothing', Buffer.alloc(0))).toMatch(/^12 /);
  });

  it('refuses what is no gRPC', async () => {
    const answer = await raw(
      port,
      { ':path': '/test.Echo/Echo', 'content-type': 'text/plain' },
      Buffer.from('x'),
    );
    expect(answer.headers[':status']).toBe(415);
  });

  it.each(['gzip', 'deflate'])('takes messages compressed with %s', async (encoding) => {
    const message = Buffer.alloc(10_000, 'compressible ');
    const bytes = encoding === 'gzip' ? gzipSync(message) : deflateSync(message);
    const headers = { ':path': '/test.Echo/Echo', 'grpc-encoding': encoding };
    const answer = await raw(port, headers, framed(bytes, 1));
    expect(answer.trailers['grpc-status']).toBe('0');
    expect(answer.body[0]).toBe(0);
    expect(answer.body.subarray(5).equals(message)).toBe(true);
  });

  it('refuses compression that it does not know', async () => {
    const headers = { ':path': '/test.Echo/Echo', 'grpc-encoding': 'zippy' };
    const answer = await raw(port, headers, framed(Buffer.from('x'), 1));
    expect(answer.headers['grpc-status'] ?? answer.trailers['grpc-status']).toBe('12');
  });

  it('refuses a message above the limit, and a request without one', async () => {
    const prefix = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    const large = await raw(port, { ':path': '/test.Echo/Echo' }, prefix);
    expect(large.headers['grpc-status'] ?? large.trailers['grpc-status']).toBe('8');
    const none = await raw(port, { ':path': '/test.Echo/Echo' }, undefined);
    expect(none.headers['grpc-status'] ?? none.trailers['grpc-status']).toMatch(/^(12|13)$/);
  });

  it('serves TLS on the same port', async () => {
    const secure = new EchoClient(running.address, { certificate: running.certificate });
    onTestFinished(() => secure.close());
    const message = Buffer.alloc(3 << 20, 'tls');
    expect((await secure.unary('Echo', message)).equals(message)).toBe(true);
    expect((await client.unary('Echo', Buffer.from('plain'))).toString()).toBe('plain');
  });

  it('outlives peers that say nonsense, little or nothing', async () => {
    for (const nonsense of ['GET / HTTP/1.1\r\n\r\n', '\x16nonsense that is no TLS hello', 'PRI']) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => {});
      await new Promise<void>((resolve) => socket.write(nonsense, 'latin1', () => resolve()));
      socket.destroy();
    }
    expect((await client.unary('Echo', Buffer.from('still here'))).toString()).toBe('still here');
  });

  it('drains: calls under way are answered, connections end', async () => {
    const own = await runTransport(kind);
    const user = new EchoClient(own.address);
    onTestFinished(() => user.close());
    const answer = user.unary('Park', Buffer.from('under way'));
    await until(() => own.echo.parked.length > 0);
    own.transport.closePort();
    const drained = own.transport.drain(4_000);
    setTimeout(() => own.echo.parked[0]?.(), 50);
    expect((await answer).toString()).toBe('under way');
    await drained;
    expect(own.transport.connectionCount).toBe(0);
    own.transport.close();
  });
});

describe('the transport own', () => {
  it('compresses its answers for who compresses and takes it', async () => {
    const running = await runTransport('own');
    onTestFinished(() => {
      running.transport.closePort();
      running.transport.close();
    });
    const message = Buffer.alloc(10_000, 'compressible ');
    const headers = {
      ':path': '/test.Echo/Echo',
      'grpc-encoding': 'gzip',
      'grpc-accept-encoding': 'identity, gzip',
    };
    const answer = await raw(running.address.port, headers, framed(gzipSync(message), 1));
    expect(answer.headers['grpc-encoding']).toBe('gzip');
    expect(answer.body[0]).toBe(1);
    expect(gunzipSync(answer.body.subarray(5)).equals(message)).toBe(true);
  });

  it('takes any amount of compressed messages on one stream, in order', async () => {
    const running = await runTransport('own');
    onTestFinished(() => {
      running.transport.closePort();
      running.transport.close();
    });
    // More in all than a connection may have under way at a time.
    const large = framed(gzipSync(randomBytes(1 << 20), { level: 1 }), 1);
    const parts = Array.from({ length: 80 }, () => large);
    parts.push(framed(gzipSync('last'), 1));
    const headers = { ':path': '/test.Echo/Chat', 'grpc-encoding': 'gzip' };
    const answer = await raw(running.address.port, headers, Buffer.concat(parts));
    expect(answer.trailers['grpc-status']).toBe('0');
    expect(answer.body.length).toBe(80 * (5 + (1 << 20)) + 5 + 4);
    expect(answer.body.subarray(-4).toString()).toBe('last');
  });

  it('answers any body with a status, and goes on', async () => {
    const running = await runTransport('own');
    onTestFinished(() => {
      running.transport.closePort();
      running.transport.close();
    });
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 12 }).map((message) => framed(message)),
      fc.uint8Array({ maxLength: 12 }).map((message) => framed(message, 1)),
    );
    const method = fc.constantFrom('Echo', 'Repeat', 'Chat', 'Header', 'Context');
    const encoding = fc.constantFrom('identity', 'gzip', 'deflate', 'br');
    const timeout = fc.constantFrom('1S', '1n', '0m', '99999999H', '-1S', 'x', '');
    await fc.assert(
      fc.asyncProperty(method, encoding, timeout, body, async (name, coding, time, bytes) => {
        // A count of messages that a test can wait for.
        if (name === 'Repeat' && bytes.length >= 9) bytes.fill(0, 5, 9);
        const headers = {
          ':path': `/test.Echo/${name}`,
          'grpc-encoding': coding,
          'grpc-timeout': time,
        };
        const answer = await raw(running.address.port, headers, bytes);
        const status = answer.headers['grpc-status'] ?? answer.trailers['grpc-status'];
        expect(['0', '3', '4', '8', '12', '13']).toContain(status);
      }),
      { numRuns: 60 },
    );
  });
});
