/** TLS on the plaintext port, with a certificate that is made once and kept. */
import { X509Certificate } from 'node:crypto';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRmq } from '../../../../src/index.ts';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { loadCertificate } from '../../../../src/server/proxy/grpc/certificate.ts';

const random = {
  below: () => 0,
  fraction: () => 0,
  bytes: (size: number) => Buffer.alloc(size, 7),
};
const base = { configured: undefined, clock: nodeClock, random };
let rmq: Awaited<ReturnType<typeof startRmq>>;

beforeAll(async () => {
  rmq = await startRmq();
});
afterAll(async () => {
  await rmq[Symbol.asyncDispose]();
});

function port(): number {
  return Number(rmq.endpoints.grpc.split(':')[1]);
}

/** Waits for an event; an error event fails the test. */
function event(socket: Socket | TLSSocket, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.once(name, resolve);
    socket.once('error', reject);
  });
}

describe('the gRPC port', () => {
  it('speaks HTTP/2 over TLS to clients that trust anybody', async () => {
    const options = { host: '127.0.0.1', port: port(), ALPNProtocols: ['h2'] };
    const socket = connect({ ...options, rejectUnauthorized: false });
    await event(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe('h2');
    expect(socket.getPeerCertificate().subject.CN).toBe('localhost');
    socket.destroy();
  });

  it('is trusted by a client that knows the certificate', async () => {
    const options = { host: '127.0.0.1', port: port(), ALPNProtocols: ['h2'] };
    const first = connect({ ...options, rejectUnauthorized: false });
    await event(first, 'secureConnect');
    const ca = first.getPeerX509Certificate()?.toString();
    first.destroy();
    const second = connect({ ...options, ...(ca === undefined ? {} : { ca }) });
    await event(second, 'secureConnect');
    expect(second.authorized).toBe(true);
    second.destroy();
  });

  it('keeps no socket of a TLS client that is gone', async () => {
    const own = await startRmq();
    const ownPort = Number(own.endpoints.grpc.split(':')[1]);
    const options = { host: '127.0.0.1', port: ownPort, ALPNProtocols: ['h2'] };
    const socket = connect({ ...options, rejectUnauthorized: false });
    await event(socket, 'secureConnect');
    socket.destroy();
    const beginMs = nodeClock.monotonicMs();
    await own[Symbol.asyncDispose]();
    // A socket left behind would hold the stop up for the whole drain of 3 s.
    expect(nodeClock.monotonicMs() - beginMs).toBeLessThan(2_000);
  });

  it('outlives peers that say nothing or nonsense', async () => {
    const silent = connectPlain(port(), '127.0.0.1');
    await event(silent, 'connect');
    silent.end();
    await event(silent, 'close');
    const noisy = connectPlain(port(), '127.0.0.1');
    noisy.write('GET / HTTP/1.1\r\n\r\n');
    noisy.resume();
    await event(noisy, 'close');
    const next = connectPlain(port(), '127.0.0.1');
    await event(next, 'connect');
    next.destroy();
  });
});

describe('loadCertificate', () => {
  it('keeps the certificate that it made', async () => {
    const files = new MemoryFiles();
    await files.makeFolder('data');
    const made = await loadCertificate({ ...base, files, dataDir: 'data' });
    const again = await loadCertificate({ ...base, files, dataDir: 'data' });
    expect(new X509Certificate(again.cert).fingerprint256).toBe(
      new X509Certificate(made.cert).fingerprint256,
    );
    const certificate = new X509Certificate(made.cert);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBe(
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(certificate.checkHost('localhost')).toBe('localhost');
  });

  it('names a configured file that cannot be read', async () => {
    const configured = { certFile: 'no.crt', keyFile: 'no.key' };
    const loaded = loadCertificate({ ...base, configured, files: new MemoryFiles(), dataDir: 'd' });
    await expect(loaded).rejects.toMatchObject({ code: 'ILLEGAL_CONFIG' });
  });
});
