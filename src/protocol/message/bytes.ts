/**
 * Big-endian integers in byte arrays, as Java writes them. 64-bit values are `number`s, written and
 * read as two halves (style.md §7: an order of magnitude cheaper than `BigInt`).
 */

const high32 = 0x1_0000_0000;

/** Writes a signed or unsigned 32-bit integer at `at`; returns the position behind it. */
export function putInt32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** Writes a whole number of up to 53 bits (negative ones in two's complement) at `at`. */
export function putInt64(out: Uint8Array, at: number, value: number): number {
  putInt32(out, at, Math.floor(value / high32));
  return putInt32(out, at + 4, value >>> 0);
}

/** Writes a 16-bit integer at `at`; returns the position behind it. */
export function putInt16(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 8;
  out[at + 1] = value;
  return at + 2;
}

/** Reads a signed 32-bit integer. The caller has checked that it lies inside `bytes`. */
export function getInt32(bytes: Uint8Array, at: number): number {
  // The four reads are in range by the contract above, hence the `as number`.
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

/** Reads a signed 64-bit integer; beyond 2^53 the result is not a safe integer. */
export function getInt64(bytes: Uint8Array, at: number): number {
  return getInt32(bytes, at) * high32 + (getInt32(bytes, at + 4) >>> 0);
}

/** Reads a signed 16-bit integer. */
export function getInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}
