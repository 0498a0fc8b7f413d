import { expect, test } from 'vitest';
import { follow, type QueueBatch } from '../../../src/commands/shared/follow.ts';
import type { StoredMessage } from '../../../src/protocol/message/message.ts';

/** Only what `follow` looks at. */
const message = (storeTimestampMs: number) => ({ storeTimestampMs }) as StoredMessage;

const queues: Readonly<Record<number, readonly number[]>> = { 0: [1, 4, 9], 1: [2, 3, 8], 2: [] };

const read =
  (batchSize: number) =>
  (cursor: { readonly queueId: number }, offset: number): Promise<QueueBatch> => {
    const all = queues[cursor.queueId] ?? [];
    const messages = all.slice(offset, offset + batchSize).map(message);
    const nextOffset = offset + messages.length;
    return Promise.resolve({ messages, nextOffset, isAtEnd: nextOffset >= all.length });
  };

const cursors = [0, 1, 2].map((queueId) => ({ brokerName: 'a', queueId, startOffset: 0 }));

test.each([1, 2, 32])('merges what is there by store time, %i a batch', async (batchSize) => {
  const times: number[] = [];
  for await (const one of follow(cursors, read(batchSize), { isFollowing: false })) {
    times.push(one.message.storeTimestampMs);
  }
  expect(times).toEqual([1, 2, 3, 4, 8, 9]);
});

test('a queue that waits at its end holds nobody up', async () => {
  const waiting = new Promise<QueueBatch>(() => {});
  const source = follow(
    cursors,
    (cursor, offset, isWaiting) => (isWaiting ? waiting : read(32)(cursor, offset)),
    { isFollowing: true },
  );
  for (const expected of [1, 2, 3, 4, 8, 9]) {
    const { value } = await source.next();
    expect(value?.message.storeTimestampMs).toBe(expected);
  }
});

test('an error of one queue ends the stream with it', async () => {
  const source = follow(cursors, () => Promise.reject(new Error('gone')), { isFollowing: true });
  await expect(source.next()).rejects.toThrow('gone');
});
