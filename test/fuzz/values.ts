/** Hostile values for fields of requests, from a seed. */
import type { SimRandom } from '../sim/random.ts';

const texts: readonly string[] = [
  '',
  ' ',
  'orders',
  'fuzz-topic',
  '%RETRY%g',
  '%DLQ%g',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'TBW102',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  '\u0000\u0001\u0002',
  'a\u0001b\u0002',
  '\ud800',
  '🦆'.repeat(50),
  "'; DROP TABLE messages; --",
  '*',
  'a || b || ',
  'a > 5 AND NOT b IS NULL',
  '('.repeat(2_000),
  '0',
  '-1',
  '9223372036854775807',
  'NaN',
  '7F00000100002A9F0000000000000000',
  '0 1 2 3 0 broker-a 0 0 0',
  '999999999999 1763900000000 60000 0 0 broker-a 0 999999999999 0',
];

const numbers: readonly number[] = [
  0,
  1,
  -1,
  2,
  16,
  32,
  33,
  1_000,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  2 ** 53 - 1,
  -(2 ** 53) + 1,
];

export function text(random: SimRandom): string {
  const roll = random.fraction();
  if (roll < 0.75) return random.pick(texts);
  if (roll < 0.95) return random.bytes(random.below(60)).toString('latin1');
  return 'x'.repeat(random.pick([127, 128, 255, 256, 5_000, 30_000]));
}

export function number(random: SimRandom): number {
  return random.chance(0.8) ? random.pick(numbers) : random.below(1_000_000);
}

export function bytes(random: SimRandom): Buffer {
  return random.bytes(random.pick([0, 1, 10, 300, 20_000]));
}

/** Milliseconds for times and durations; some before and some far behind everything. */
export function milliseconds(random: SimRandom): number {
  return random.pick([
    0,
    1,
    -1,
    1_000,
    10_000,
    60_000,
    Date.now(),
    Date.now() + 1_000,
    1e13,
    -1e13,
  ]);
}

/** `bytes` with a few of them changed, cut off, doubled or put in. */
export function mutated(random: SimRandom, source: Buffer): Buffer {
  let out = Buffer.from(source);
  for (let left = random.between(1, 4); left > 0; left -= 1) {
    const at = random.below(out.length + 1);
    switch (random.below(5)) {
      case 0:
        if (at < out.length) out[at] = random.below(256);
        break;
      case 1:
        out = out.subarray(0, at);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, at), random.bytes(random.below(8)), out.subarray(at)]);
        break;
      case 3:
        out = Buffer.concat([out, out.subarray(at)]);
        break;
      default:
        if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
    }
  }
  return out.length > 1 << 20 ? out.subarray(0, 1 << 20) : out;
}
