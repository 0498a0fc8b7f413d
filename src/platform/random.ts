/** Randomness as a port, so that a simulated run replays from its seed. */
export interface Random {
  /** A whole number in [0, bound); `bound` is at least 1 and at most 2^32. */
  below(bound: number): number;
  /** A number in [0, 1). */
  fraction(): number;
  /** Bytes fit for identifiers and nonces. */
  bytes(size: number): Buffer;
}
