/** What `grpc-timeout` headers mean. */
import { expect, test } from 'vitest';
import { timeoutMs } from '../../../src/transport/grpc/timeout.ts';

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['99999999m', 99_999_999],
  ['500u', 0.5],
  ['0n', 0],
  ['15 S', 15_000],
])('%s', (header, expected) => {
  expect(timeoutMs(header)).toBeCloseTo(expected);
});

test.each(['', 'S', ' S', '1', '1s', '123456789S', '-1S', '1.5S', '1 2S', '1S '])(
  '%j is malformed',
  (header) => {
    expect(timeoutMs(header)).toBeUndefined();
  },
);
