/** Clients that break HTTP/2 itself: garbage, floods, connections that say or read nothing. */
import { connect, type Socket } from 'node:net';
import type { SimRandom } from '../sim/random.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

const settings = frame(4, 0, 0, Buffer.alloc(0));

type Attack = (random: SimRandom) => Buffer;

const attacks: Readonly<Record<string, Attack>> = {
  garbage: (random) => random.bytes(random.between(1, 5_000)),
  'TLS hello cut short': () => Buffer.from('16030100f8010000f40303', 'hex'),
  'HTTP/1': () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  'half a preface': (random) => preface.subarray(0, random.below(preface.length)),
  'random frames': (random) => {
    const parts = [preface, settings];
    for (let left = random.between(1, 50); left > 0; left -= 1) {
      const payload = random.bytes(random.below(100));
      parts.push(frame(random.below(12), random.below(256), random.below(20), payload));
    }
    return Buffer.concat(parts);
  },
  'length that never comes': () => {
    const head = frame(0, 0, 1, Buffer.alloc(0));
    head.writeUIntBE(0xffffff, 0, 3);
    return Buffer.concat([preface, settings, head]);
  },
  'rapid reset': () => {
    const parts = [preface, settings];
    for (let stream = 1; stream < 4_000; stream += 2) {
      parts.push(frame(1, 4, stream, Buffer.from('828684', 'hex')));
      parts.push(frame(3, 0, stream, Buffer.from([0, 0, 0, 8])));
    }
    return Buffer.concat(parts);
  },
  'continuation flood': () => {
    const parts = [preface, settings, frame(1, 0, 1, Buffer.from('82', 'hex'))];
    for (let left = 0; left < 2_000; left += 1)
      parts.push(frame(9, 0, 1, Buffer.alloc(1_000, 0x40)));
    return Buffer.concat(parts);
  },
  'ping flood': () => {
    const ping = frame(6, 0, 0, Buffer.alloc(8));
    return Buffer.concat([preface, settings, ...Array.from({ length: 20_000 }, () => ping)]);
  },
  'settings flood': () =>
    Buffer.concat([preface, ...Array.from({ length: 20_000 }, () => settings)]),
  'empty frames': () => {
    const empty = frame(0, 0, 1, Buffer.alloc(0));
    const head = frame(1, 4, 1, Buffer.from('838684', 'hex'));
    return Buffer.concat([preface, settings, head, ...Array.from({ length: 20_000 }, () => empty)]);
  },
  'HPACK bomb': () => {
    // One long value in the table, named again and again.
    const value = Buffer.alloc(4_000, 0x61);
    const literal = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), value]);
    const again = Buffer.alloc(10_000, 0xbe);
    return Buffer.concat([preface, settings, frame(1, 4, 1, Buffer.concat([literal, again]))]);
  },
  'window overflow': () => {
    const update = frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    return Buffer.concat([preface, settings, update, update, update]);
  },
  nothing: () => Buffer.alloc(0),
};

export const attackNames: readonly string[] = Object.keys(attacks);

/** Opens a connection, attacks, and keeps it for a while, reading or not. */
export function attack(
  target: { readonly host: string; readonly port: number },
  name: string,
  random: SimRandom,
): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(target);
    const isReading = random.chance(0.5);
    const timer = setTimeout(() => socket.destroy(), random.between(50, 1_500));
    if (isReading) socket.resume();
    else socket.pause();
    socket.on('connect', () => {
      const bytes = attacks[name]?.(random) ?? Buffer.alloc(0);
      if (bytes.length > 0) socket.write(bytes);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
