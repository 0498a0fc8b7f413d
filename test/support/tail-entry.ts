/** Messages for tests of the tail. */
import { TailEntry } from '../../src/commands/tail/entry.ts';
import type { PhysicalOffset, QueueOffset } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';

const host = { address: Uint8Array.of(127, 0, 0, 1), port: 10911 };

/** `broker-a:2@5` of topic `orders` unless told otherwise. */
export function entryOf(message: {
  readonly topic?: string;
  readonly body?: string | Uint8Array;
  readonly properties?: Readonly<Record<string, string>>;
  readonly queueOffset?: number;
  readonly storeTimestampMs?: number;
}): TailEntry {
  const { topic = 'orders', body = '', properties = {}, queueOffset = 5 } = message;
  const { storeTimestampMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678) } = message;
  return new TailEntry(
    {
      topic,
      queueId: 2,
      flag: 0,
      sysFlag: 0,
      bornTimestampMs: storeTimestampMs - 3,
      bornHost: host,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      body: typeof body === 'string' ? Buffer.from(body) : body,
      properties: encodeProperties(properties),
      queueOffset: queueOffset as QueueOffset,
      physicalOffset: (queueOffset * 1_000) as PhysicalOffset,
      storeTimestampMs,
      storeHost: host,
      storeSizeBytes: 200,
      bodyCrc: 0,
    },
    'broker-a',
  );
}
