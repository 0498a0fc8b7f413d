/** What a broken or hostile peer does to a Remoting port; used by `remoting.ts`. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestCode, requestKinds } from '../../src/protocol/remoting/codes.ts';
import { protocolVersion, SerializeType } from '../../src/protocol/remoting/command.ts';
import { encodeFrameHead } from '../../src/protocol/remoting/frame.ts';
import type { SimRandom } from '../sim/random.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Resolves when it is over; whatever the server does to the connection is fine. */
export type Attack = (target: Target, random: SimRandom) => Promise<void>;

const codes = Object.values(requestKinds).map((kind) => kind.code as number);
const names =
  'topic group consumerGroup producerGroup queueId offset maxMsgNums sysFlag a b e i namespace key value brokerName clusterName brokerAddr brokerId invisibleTime pollTime extraInfo commitOffset timestamp subscription statsName clientID'.split(
    ' ',
  );
const values = ['', '0', '-1', '1', '9223372036854775807', 'x', 'TBW102', '%RETRY%', '\u0000', '{'];

function bytes(random: SimRandom, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => random.below(256)));
}

function prefix(length: number, word: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeInt32BE(length | 0, 0);
  out.writeInt32BE(word | 0, 4);
  return out;
}

/** A frame that can be read, of any code. */
export function frame(
  code: number,
  extFields: Record<string, string> = {},
  body: Buffer = Buffer.alloc(0),
): Buffer {
  const head = encodeFrameHead(
    {
      code,
      extFields,
      flag: 0,
      opaque: 1,
      remark: undefined,
      language: 'OTHER',
      version: protocolVersion,
      serializeType: SerializeType.json,
    },
    body.length,
  );
  return Buffer.concat([head, body]);
}

function randomFrame(random: SimRandom): Buffer {
  const code = codes[random.below(codes.length)] ?? 0;
  const extFields: Record<string, string> = {};
  for (let count = random.below(8); count > 0; count--) {
    const name = names[random.below(names.length)] ?? '';
    extFields[name] = values[random.below(values.length)] ?? '';
  }
  const bodies = [Buffer.alloc(0), bytes(random, random.below(200)), Buffer.from('{"a":[{}]}')];
  return frame(code, extFields, bodies[random.below(bodies.length)]);
}

/** Connects, writes, waits for the end of the connection or for `lingerMs`. */
async function throwAt(
  { host, port }: Target,
  chunks: readonly Buffer[],
  lingerMs: number,
): Promise<void> {
  const socket = connect(port, host);
  socket.on('error', () => {}); // a reset is what some of this asks for
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const chunk of chunks) socket.write(chunk);
  socket.resume();
  await Promise.race([closed, sleep(lingerMs)]);
  socket.destroy();
}

/** Must be closed by the server: the frame can never be read. */
async function mustClose({ host, port }: Target, chunks: readonly Buffer[]): Promise<void> {
  const socket = connect(port, host);
  socket.on('error', () => {}); // a reset closes as well
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const chunk of chunks) socket.write(chunk);
  socket.resume();
  const isClosed = await Promise.race([closed.then(() => true), sleep(10_000, false)]);
  socket.destroy();
  if (!isClosed) {
    throw new Error(`not closed within 10 s: ${chunks[0]?.subarray(0, 24).toString('hex')}`);
  }
}

/** Opens a connection that nobody uses. */
export async function openIdle({ host, port }: Target): Promise<Socket> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  socket.on('error', () => {}); // it may be closed meanwhile
  return socket;
}

export const attacks: Readonly<Record<string, Attack>> = {
  'random bytes': (target, random) =>
    throwAt(target, [bytes(random, 1 + random.below(4_096))], 100),
  'HTTP instead of Remoting': (target) =>
    mustClose(target, [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]),
  'a length below the smallest': (target, random) =>
    mustClose(target, [prefix(random.below(4), 0)]),
  'a negative length': (target, random) => mustClose(target, [prefix(-1 - random.below(1e9), 0)]),
  'a length over the largest': (target, random) =>
    mustClose(target, [prefix(16_777_213 + random.below(1e9), 2)]),
  'an unknown serialise type': (target, random) =>
    mustClose(target, [
      Buffer.concat([prefix(6, ((2 + random.below(254)) << 24) | 2), Buffer.from('{}')]),
    ]),
  'a header longer than its frame': (target, random) =>
    mustClose(target, [prefix(100, 97 + random.below(1e6))]),
  'an endless header': async (target, random) => {
    const piece = Buffer.alloc(64 << 10, '{"a":');
    await mustClose(target, [prefix(16_777_212, (1 << 20) + 1 + random.below(1e6)), piece]);
  },
  'a deep header': (target) => {
    const text = `${'{"extFields":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
    return throwAt(target, [prefix(4 + text.length, text.length), Buffer.from(text)], 500);
  },
  'a header that is no JSON': (target, random) => {
    const text = bytes(random, 40).toString('latin1').replaceAll('"', '');
    const header = Buffer.from(text);
    return mustClose(target, [prefix(4 + header.length, header.length), header]);
  },
  'a binary header with wrong lengths': (target, random) => {
    const header = Buffer.alloc(21 + random.below(40), random.below(256));
    const word = (1 << 24) | header.length;
    return throwAt(target, [prefix(4 + header.length, word), header], 100);
  },
  'half a frame': (target, random) => {
    const whole = randomFrame(random);
    return throwAt(target, [whole.subarray(0, 1 + random.below(whole.length - 1))], 300);
  },
  'a frame a byte at a time': async (target, random) => {
    const whole = randomFrame(random);
    const socket = await openIdle(target).catch(() => undefined);
    if (socket === undefined) return;
    socket.setNoDelay(true).resume();
    for (let at = 0; at < Math.min(whole.length, 60) && !socket.destroyed; at++) {
      socket.write(whole.subarray(at, at + 1));
      await sleep(1);
    }
    socket.destroy();
  },
  'large frames that never end': async (target) => {
    const start = Buffer.concat([prefix(16_777_212, 2), Buffer.from('{}')]);
    await throwAt(target, [start, ...Array.from({ length: 12 }, () => Buffer.alloc(1 << 20))], 400);
  },
  'requests with random fields': (target, random) =>
    throwAt(
      target,
      Array.from({ length: 40 }, () => randomFrame(random)),
      300,
    ),
  'mutated requests': (target, random) => {
    const whole = randomFrame(random);
    for (let count = 1 + random.below(4); count > 0; count--) {
      whole[random.below(whole.length)] = random.below(256);
    }
    return throwAt(target, [whole], 200);
  },
  'answers that nobody asked for': (target, random) => {
    const answer = frame(0);
    const text = answer.toString('latin1').replace('"flag":0', '"flag":1');
    return throwAt(target, [Buffer.from(text, 'latin1'), randomFrame(random)], 100);
  },
  'a reader that does not read': async (target) => {
    const socket = await openIdle(target).catch(() => undefined);
    if (socket === undefined) return;
    socket.pause();
    const ask = Buffer.concat(
      Array.from({ length: 500 }, () => frame(RequestCode.GET_BROKER_RUNTIME_INFO)),
    );
    for (let round = 0; round < 40 && !socket.destroyed; round++) {
      if (!socket.write(ask)) await Promise.race([once(socket, 'drain'), sleep(50)]);
    }
    await sleep(500);
    socket.destroy();
  },
};
