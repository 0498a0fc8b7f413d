/** The order in which queues come together, what holds nobody up, and what is survived. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { PulledMessages } from '../../../../src/client/admin-client.ts';
import { type Pull, type ReaderQueue, TailReader } from '../../../../src/commands/tail/reader.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { RmqError } from '../../../../src/protocol/errors.ts';
import type { StoredMessage } from '../../../../src/protocol/message/message.ts';

/** Only what the reader looks at; the physical offset is the time. */
const message = (queueId: number, queueOffset: number, timeMs: number): StoredMessage =>
  ({ queueId, queueOffset, storeTimestampMs: timeMs, physicalOffset: timeMs }) as StoredMessage;

function queue(
  queueId: number,
  beginOffset = 0,
  endOffset = Number.POSITIVE_INFINITY,
): ReaderQueue {
  const address = { topic: 't', brokerName: 'a', address: 'a:1', queueId };
  return { address, beginOffset, endOffset };
}

/** Answers from these times of each queue, `batchSize` at once; what would wait, waits forever. */
function pulling(queues: readonly (readonly number[])[], batchSize: number): Pull {
  return ({ queueId }, offset, { waitMs }) => {
    const all = queues[queueId] ?? [];
    if (offset >= all.length && waitMs > 0) return new Promise<PulledMessages>(() => {});
    const messages = all
      .slice(offset, offset + batchSize)
      .map((timeMs, index) => message(queueId, offset + index, timeMs));
    return Promise.resolve({
      messages,
      nextOffset: offset + messages.length,
      minOffset: 0,
      maxOffset: all.length,
    });
  };
}

async function timesOf(reader: TailReader, count = Number.POSITIVE_INFINITY): Promise<number[]> {
  onTestFinished(() => reader.stop());
  const times: number[] = [];
  while (times.length < count) {
    const batch = await reader.next();
    if (batch === undefined) break;
    times.push(...batch.entries.map((entry) => entry.message.storeTimestampMs));
  }
  return times;
}

test('what is there comes in order, whatever the queues and the batches', async () => {
  const times = fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(
      times,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 32 }),
      async (all, queueCount, batchSize) => {
        const queues = Array.from({ length: queueCount }, (_, id) =>
          all.filter((_time, index) => index % queueCount === id).toSorted((a, b) => a - b),
        );
        const reader = new TailReader(
          queues.map((list, id) => queue(id, 0, list.length)),
          { pull: pulling(queues, batchSize), clock: nodeClock },
        );
        expect(await timesOf(reader)).toEqual(all.toSorted((a, b) => a - b));
      },
    ),
    { numRuns: 50 },
  );
});

test('a queue that waits at its end holds nobody up', async () => {
  const pull = pulling([[1, 4, 9], [2, 3, 8], []], 32);
  const reader = new TailReader([queue(0), queue(1), queue(2)], { pull, clock: nodeClock });
  expect(await timesOf(reader, 6)).toEqual([1, 2, 3, 4, 8, 9]);
});

test('begins and ends where it is told, and counts what the broker kept back', async () => {
  const reader = new TailReader([queue(0, 1, 4)], {
    clock: nodeClock,
    pull: () =>
      Promise.resolve({
        messages: [message(0, 1, 10), message(0, 3, 30), message(0, 5, 50)],
        nextOffset: 6,
        minOffset: 0,
        maxOffset: 6,
      }),
  });
  const batch = await reader.next();
  expect(batch?.entries.map(({ place }) => place)).toEqual(['a:0@1', 'a:0@3']);
  expect(batch?.seenCount).toBe(3);
  expect(await reader.next()).toBeUndefined();
});

test('a broker that comes back is read on; the trouble is told and its end', async () => {
  const told: (string | undefined)[] = [];
  let calls = 0;
  const good = pulling([[1, 2]], 1);
  const reader = new TailReader([queue(0)], {
    clock: nodeClock,
    pull: (address, offset, options) => {
      calls++;
      if (calls === 2) return Promise.reject(new RmqError('CONNECTION_LOST', 'gone'));
      return good(address, offset, options);
    },
    onTrouble: (_queue, error) => told.push(error?.message),
  });
  expect(await timesOf(reader, 2)).toEqual([1, 2]);
  expect(told).toEqual(['gone', undefined]);
});

test('what cannot get better ends it', async () => {
  const pull = (): Promise<PulledMessages> =>
    Promise.reject(new RmqError('NO_PERMISSION', 'forbidden'));
  const reader = new TailReader([queue(0)], { pull, clock: nodeClock });
  await expect(reader.next()).rejects.toThrow('forbidden');
});

test('can leave out what lies far back, and says how much', async () => {
  const all = Array.from({ length: 1_000 }, (_, index) => index);
  const reader = new TailReader([queue(0)], { pull: pulling([all], 32), clock: nodeClock });
  const first = await timesOf(reader, 32);
  expect(first).toEqual(all.slice(0, first.length));
  const skipped = reader.skipToEnd(10);
  expect(skipped + first.length).toBe(990);
  expect(await timesOf(reader, 10)).toEqual(all.slice(-10));
});

test('what lies behind is pulled several at once, and in order also where a filter leaves gaps', async () => {
  const all = Array.from({ length: 2_000 }, (_, index) => index);
  for (const step of [1, 3]) {
    let open = 0;
    let openMax = 0;
    const reader = new TailReader([queue(0, 0, all.length)], {
      clock: nodeClock,
      pull: async (_address, offset, { maxCount }) => {
        openMax = Math.max(openMax, ++open);
        await Promise.resolve();
        open--;
        // Like a broker that filters: it goes on until it has enough, or has seen 100.
        const messages = all
          .slice(offset, offset + 100)
          .filter((n) => n % step === 0)
          .slice(0, maxCount);
        const last = messages.at(-1);
        const isEnough = messages.length === maxCount && last !== undefined;
        const nextOffset = isEnough ? last + 1 : Math.min(offset + 100, all.length);
        return {
          messages: messages.map((n) => message(0, n, n)),
          nextOffset,
          minOffset: 0,
          maxOffset: all.length,
        };
      },
    });
    expect(await timesOf(reader)).toEqual(all.filter((n) => n % step === 0));
    expect(openMax).toBe(step === 1 ? 8 : 1);
  }
});
