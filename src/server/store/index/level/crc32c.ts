/** CRC-32C (Castagnoli), as LevelDB has it in its files; eight bytes at a time. */

const tables: Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
    first[byte] = crc;
  }
  const all = [first];
  for (let table = 1; table < 8; table++) {
    const before = all[table - 1] as Int32Array; // made in the round before
    all.push(before.map((crc) => (crc >>> 8) ^ at(first, crc & 0xff)));
  }
  return all;
}

function at(table: Int32Array, index: number): number {
  return table[index] as number; // a byte
}

/** Of `bytes` from `begin` to `end`, on from `crc` (0 at the beginning); unsigned. */
export function crc32c(bytes: Uint8Array, begin: number, end: number, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  let sum = ~crc;
  let from = begin;
  for (; from + 8 <= end; from += 8) {
    sum ^= at32(bytes, from);
    const high = at32(bytes, from + 4);
    sum =
      at(t7, sum & 0xff) ^
      at(t6, (sum >>> 8) & 0xff) ^
      at(t5, (sum >>> 16) & 0xff) ^
      at(t4, sum >>> 24) ^
      at(t3, high & 0xff) ^
      at(t2, (high >>> 8) & 0xff) ^
      at(t1, (high >>> 16) & 0xff) ^
      at(t0, high >>> 24);
  }
  for (; from < end; from++) sum = (sum >>> 8) ^ at(t0, (sum ^ (bytes[from] as number)) & 0xff);
  return ~sum >>> 0;
}

/** Little-endian; the four bytes are there. */
function at32(bytes: Uint8Array, begin: number): number {
  return (
    (bytes[begin] as number) |
    ((bytes[begin + 1] as number) << 8) |
    ((bytes[begin + 2] as number) << 16) |
    ((bytes[begin + 3] as number) << 24)
  );
}

/** What LevelDB writes in place of a checksum (`crc32c::Mask`), as it stands in the file. */
export function unmasked(stored: number): number {
  const rotated = (stored - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
