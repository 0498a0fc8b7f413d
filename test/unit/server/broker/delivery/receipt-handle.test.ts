import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatReceiptHandle,
  parseReceiptHandle,
} from '../../../../../src/server/broker/delivery/receipt-handle.ts';

const count = fc.nat(2 ** 31);

test('what is formatted is parsed back', () => {
  const handle = fc.record({
    popTimeMs: fc.integer({ min: 0, max: 2 ** 42 }),
    invisibleTimeMs: count,
    reviveQueueId: fc.constantFrom(0, 999),
    topicType: fc.constantFrom(0, 1, 2),
    brokerName: fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/),
    queueId: count,
    queueOffset: count,
    physicalOffset: fc.integer({ min: 0, max: 2 ** 50 }),
  });
  fc.assert(
    fc.property(handle, (one) => {
      expect(parseReceiptHandle(formatReceiptHandle(one))).toEqual(one);
    }),
  );
});

test("Apache's eight fields are enough (facts/grpc-v2.md 6.4)", () => {
  expect(parseReceiptHandle('5 1700000000000 60000 3 0 broker-a 2 7')).toEqual({
    popTimeMs: 1_700_000_000_000,
    invisibleTimeMs: 60_000,
    reviveQueueId: 3,
    topicType: 0,
    brokerName: 'broker-a',
    queueId: 2,
    queueOffset: 7,
    physicalOffset: -1,
  });
});

test('anything else is an invalid handle, never a crash', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(' ', '1', 'x', '-') })),
      (text) => {
        try {
          parseReceiptHandle(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_RECEIPT_HANDLE' });
        }
      },
    ),
  );
});
