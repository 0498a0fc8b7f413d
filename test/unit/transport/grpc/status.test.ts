/** How a status text travels in a header. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { percentEncode } from '../../../../src/transport/grpc/status.ts';

it.each([
  ['plain text', 'plain text'],
  ['100 %', '100 %25'],
  ['ü\n', '%C3%BC%0A'],
  ['', ''],
])('writes %j as %j', (text, expected) => {
  expect(percentEncode(text)).toBe(expected);
});

it('is printable ASCII, and says the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (text) => {
      const coded = percentEncode(text);
      expect(coded).toMatch(/^[ -~]*$/);
      expect(decodeURIComponent(coded)).toBe(text);
    }),
  );
});

it('cuts what is too long for a header', () => {
  expect(percentEncode('x'.repeat(100_000)).length).toBeLessThan(10_000);
});
