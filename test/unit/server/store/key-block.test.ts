import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type KeyEntry,
  packedOffsets,
  packedRowStarts,
  packKeys,
} from '../../../../src/server/store/index/key-block.ts';

function pack(entries: readonly KeyEntry[]): Map<string, Uint8Array> {
  const rows = new Map<string, Uint8Array>();
  packKeys('key/0000000001/', 77, [...entries], (key, value) => {
    expect(rows.has(key)).toBe(false);
    rows.set(key, value);
  });
  return rows;
}

function find(rows: ReadonlyMap<string, Uint8Array>, hash: number): number[] {
  const starts = packedRowStarts('key/0000000001/', hash);
  const found: number[] = [];
  for (const [key, value] of rows) {
    if (starts.some((start) => key.startsWith(start))) found.push(...packedOffsets(value, hash));
  }
  return found;
}

test('every entry is found under its hash, and nothing else', () => {
  // Few hashes, so that some repeat; the extremes have their own bits.
  const hash = fc.oneof(
    fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff),
    fc.integer({ min: 0, max: 0xffffffff }),
  );
  const entry = fc.record({ hash, offset: fc.integer({ min: 0, max: (64 << 20) - 1 }) });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), hash, (entries, other) => {
      const rows = pack(entries);
      for (const wanted of new Set([other, ...entries.map((one) => one.hash)])) {
        const expected = entries.filter((one) => one.hash === wanted).map((one) => one.offset);
        expect(find(rows, wanted)).toEqual(expected.sort((a, b) => a - b));
      }
    }),
    { numRuns: 50 },
  );
});

test('a large batch is dealt out finer, so that rows stay small', () => {
  const entries = Array.from({ length: 40_000 }, (_, offset) => ({
    hash: Math.imul(offset, 0x9e3779b1) >>> 0,
    offset,
  }));
  const rows = pack(entries);
  expect(rows.size).toBe(1024);
  for (const { hash, offset } of entries.slice(0, 100)) expect(find(rows, hash)).toEqual([offset]);
});
