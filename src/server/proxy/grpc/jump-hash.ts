/**
 * Jump consistent hash of a 32-bit hash code sign-extended to 64 bits: which of `count` queues a message
 * group belongs to, as Apache's proxy has it (facts/grpc-v2.md 6.8).
 */
const multiplier = 2862933555777941757n;

export function jumpHash(hashCode: number, count: number): number {
  let state = BigInt.asUintN(64, BigInt(hashCode));
  let candidate = 0;
  for (;;) {
    state = BigInt.asUintN(64, state * multiplier + 1n);
    const fraction = (Number(state >> 33n) + 1) / 2 ** 31;
    const next = Math.floor((candidate + 1) / fraction);
    if (next >= count) return candidate;
    candidate = next;
  }
}
