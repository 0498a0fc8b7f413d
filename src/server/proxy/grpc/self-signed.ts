/**
 * A self-signed certificate for `localhost`, for the clients that switch TLS on unless told otherwise
 * and trust any certificate (facts/grpc-v2.md 0.2). Written as DER by hand: X.509 needs six kinds of
 * values, and no dependency is worth them.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { Random } from '../../../platform/random.ts';

export interface CertificatePair {
  /** PKCS #8, PEM. */
  readonly key: Buffer;
  /** X.509, PEM. */
  readonly cert: Buffer;
}

const dayMs = 86_400_000;
const validityDays = 3650;

const Oid = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** A new EC P-256 key and a certificate of it, valid from yesterday for ten years. */
export function makeSelfSigned(options: {
  readonly nowMs: number;
  readonly random: Random;
}): CertificatePair {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const serial = options.random.bytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // Positive and without leading zeros.
  const algorithm = sequence(oid(Oid.ecdsaWithSha256));
  const name = sequence(tagged(0x31, sequence(oid(Oid.commonName), tagged(0x0c, 'localhost'))));
  const begin = options.nowMs - dayMs;
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))), // Version 3.
    integer(serial),
    algorithm,
    name,
    sequence(time(begin), time(begin + validityDays * dayMs)),
    name,
    publicKey,
    tagged(0xa3, extensions()),
  );
  const signature = sign('sha256', body, pair.privateKey);
  const certificate = sequence(body, algorithm, bitString(signature));
  return {
    key: Buffer.from(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), 'latin1'),
    cert: pem('CERTIFICATE', certificate),
  };
}

function extensions(): Buffer {
  const dnsName = tagged(0x82, 'localhost');
  const ipv4 = tagged(0x87, Buffer.from([127, 0, 0, 1]));
  const ipv6 = tagged(0x87, Buffer.from([...new Array<number>(15).fill(0), 1]));
  return sequence(
    extension(Oid.basicConstraints, sequence()),
    extension(Oid.extendedKeyUsage, sequence(oid(Oid.serverAuth))),
    extension(Oid.subjectAltName, sequence(dnsName, ipv4, ipv6)),
  );
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tagged(0x04, value));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

/** GeneralizedTime from 2050 on, UTCTime before: RFC 5280, 4.1.2.5. */
function time(atMs: number): Buffer {
  const text = `${new Date(atMs).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return text >= '2050' ? tagged(0x18, text) : tagged(0x17, text.slice(2));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return tagged(0x06, Buffer.from(bytes));
}

/** One DER value: tag, length, content. */
function tagged(tag: number, content: Buffer | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  const size = bytes.length;
  const header =
    size < 0x80
      ? [tag, size]
      : size < 0x100
        ? [tag, 0x81, size]
        : [tag, 0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from(header), bytes]);
}

function pem(label: string, der: Buffer): Buffer {
  const lines = der
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd();
  return Buffer.from(`-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`, 'latin1');
}
