/** What pulls answer: records as they lie in the log, without their checksum, byte for byte as if encoded anew. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MessageDraft } from '../../../../src/protocol/message/message.ts';
import {
  decodeRecord,
  encodeRecord,
  encodeStoredMessage,
  encodeStoredMessages,
  RecordPlacement,
  recordSizeBytes,
  type StoredRecord,
} from '../../../../src/protocol/message/record.ts';

const addresses = fc.constantFrom(Buffer.from([127, 0, 0, 1]), Buffer.alloc(16, 7));
const drafts = fc.record({
  topic: fc.constantFrom('t', 'topic-of-orders', 'l'.repeat(200)),
  queueId: fc.nat(100),
  flag: fc.nat(),
  sysFlag: fc.constantFrom(0, 1, 4),
  bornTimestampMs: fc.nat(),
  bornHost: fc.record({ address: addresses, port: fc.nat(65_535) }),
  reconsumeTimes: fc.nat(20),
  preparedTransactionOffset: fc.nat(),
  body: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  properties: fc
    .constantFrom('', 'A\u0001b\u0002', 'A\u0001b', 'KEYS\u0001k\u0002TAGS\u0001ü\u0002')
    .map(Buffer.from),
});

/** The record as it is read from the log, some bytes into it. */
function stored(draft: MessageDraft, hasChecksum: boolean): StoredRecord {
  const placement = new RecordPlacement(
    { address: Buffer.from([10, 0, 0, 1]), port: 1 },
    hasChecksum,
  );
  placement.queueOffset = 7;
  placement.physicalOffset = 4_096;
  placement.storeTimestampMs = 5;
  const topic = Buffer.from(draft.topic);
  const size = recordSizeBytes(draft, topic.length, placement);
  const log = Buffer.alloc(size + 40, 0xff);
  encodeRecord(log, 20, draft, topic, placement);
  return decodeRecord(log, 20, 20 + size) as StoredRecord; // it is whole
}

test('copied or encoded anew, the bytes are the same', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(drafts, fc.boolean()), { maxLength: 4 }), (all) => {
      const records = all.map(([draft, hasChecksum]) => stored(draft, hasChecksum));
      // Copies with fields of their own have nothing to be copied from.
      const anew = records.map((record) => encodeStoredMessage({ ...record }));
      expect(records.map((record) => encodeStoredMessage(record))).toEqual(anew);
      expect(encodeStoredMessages(records)).toEqual(Buffer.concat(anew));
      const mixed = records.map((record, index) => (index % 2 === 0 ? { ...record } : record));
      expect(encodeStoredMessages(mixed)).toEqual(Buffer.concat(anew));
    }),
  );
});

test('a copy under another topic is encoded under that topic', () => {
  fc.assert(
    fc.property(drafts, (draft) => {
      const renamed = encodeStoredMessage({ ...stored(draft, true), topic: 'other' });
      expect(decodeRecord(renamed, 0, renamed.length)?.topic).toBe('other');
    }),
  );
});
