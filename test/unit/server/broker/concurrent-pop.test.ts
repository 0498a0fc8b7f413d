/** Many receives at once, some cancelled while they read: each message goes to one, none is stranded. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PopResult } from '../../../../src/server/broker/api.ts';
import { settle } from '../../../support/manual-clock.ts';
import { type Parked, TestBroker } from '../../../support/test-broker.ts';

const wave = fc.record({
  sends: fc.integer({ min: 0, max: 12 }),
  pops: fc.array(
    fc.record({ maxCount: fc.integer({ min: 1, max: 6 }), isCancelled: fc.boolean() }),
    {
      maxLength: 6,
    },
  ),
  isAcked: fc.boolean(),
});

test('concurrent receives share the messages', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(wave, { maxLength: 8 }), fc.boolean(), async (waves, isOrdered) => {
      const t = await new TestBroker({
        tuning: { recentEntryCount: 2, tailCacheBytes: 256 },
      }).start();
      try {
        await t.topic('T', 2);
        let sentCount = 0;
        const held = new Map<string, string>();
        const acked = new Set<string>();
        const take = (result: PopResult): void => {
          for (const { message, receiptHandle } of result.messages) {
            const id = `${message.queueId}/${message.queueOffset}`;
            expect(held.has(id) || acked.has(id), `${id} is with one receive only`).toBe(false);
            held.set(id, receiptHandle);
          }
        };
        const ackAll = async (): Promise<void> => {
          const outcomes = await t.ack([...held.values()]);
          expect(outcomes.every((one) => one === 'OK')).toBe(true);
          for (const id of held.keys()) acked.add(id);
          held.clear();
        };
        for (const one of waves) {
          for (let index = 0; index < one.sends; index++) {
            await t.send('T', ['b'], {
              queueId: index % 2,
              properties: { __SHARDINGKEY: `${index % 3}` },
            });
          }
          sentCount += one.sends;
          const parked = one.pops.map(({ maxCount }) =>
            t.popNow({ maxCount, isOrdered, invisibleTimeMs: 3_600_000, pollingTimeMs: 50 }),
          );
          for (const [index, two] of parked.entries())
            if (one.pops[index]!.isCancelled) two.cancel();
          await t.clock.advance(60);
          for (const two of parked) take(await two.answer);
          if (one.isAcked) await ackAll();
        }
        for (let round = 0; acked.size < sentCount; round++) {
          expect(round, 'everything comes out').toBeLessThan(sentCount + 5);
          await ackAll();
          take(await (await t.pop({ isOrdered, invisibleTimeMs: 3_600_000 })).answer);
          await ackAll();
        }
        await settle();
        let committed = 0;
        for (const id of [0, 1]) committed += (await t.broker.getOffset('G', 'T', id)) ?? 0;
        expect(committed).toBe(sentCount);
      } finally {
        await t.stop();
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

const move = fc.oneof(
  fc.record({ do: fc.constant('send' as const), queueId: fc.nat(1), group: fc.nat(2) }),
  fc.record({ do: fc.constant('park' as const), maxCount: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('cancel' as const), pick: fc.nat(5) }),
  fc.record({ do: fc.constant('ack' as const), pick: fc.nat(9) }),
  fc.record({ do: fc.constant('nack' as const), pick: fc.nat(9), ms: fc.constantFrom(0, 30) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 40, 250) }),
);

/** Somebody waits, and there is something that he could have. */
function isStranded(t: TestBroker, waiting: readonly Parked<PopResult>[]): boolean {
  const isWaiting = waiting.some(({ isAnswered }) => !isAnswered);
  return isWaiting && [0, 1].some((queueId) => t.broker.hasVisible('G', 'T', queueId));
}

test('nobody waits while there is something for him', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(move, { minLength: 10, maxLength: 60 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 8 }),
      async (moves, isOrdered, settleEvery) => {
        const tuning = { recentEntryCount: 2, tailCacheBytes: 256 };
        const t = await new TestBroker({ tuning }).start();
        try {
          await t.topic('T', 2);
          const waiting: Parked<PopResult>[] = [];
          const handles: string[] = [];
          for (const [index, one] of moves.entries()) {
            if (one.do === 'send') {
              const properties = { __SHARDINGKEY: `${one.group}` };
              await t.send('T', ['b'], { queueId: one.queueId, properties });
            } else if (one.do === 'park') {
              const { maxCount } = one;
              const request = { maxCount, isOrdered, invisibleTimeMs: 200, pollingTimeMs: 60_000 };
              const parked = t.popNow(request);
              waiting.push(parked);
              void parked.answer.then(({ messages }) => {
                for (const { receiptHandle } of messages) handles.push(receiptHandle);
              });
            } else if (one.do === 'cancel') waiting[one.pick]?.cancel();
            else if (one.do === 'wait') await t.clock.advance(one.ms);
            else {
              const handle = handles[one.pick % Math.max(1, handles.length)];
              if (handle !== undefined && one.do === 'ack') await t.ack([handle]);
              if (handle !== undefined && one.do === 'nack') {
                await t.changeInvisible(handle, one.ms).catch(() => undefined); // it is late
              }
            }
            if (index % settleEvery !== 0) continue;
            // A timer may be some milliseconds late.
            for (let tries = 0; isStranded(t, waiting); tries++) {
              expect(tries, `after ${index}`).toBeLessThan(5);
              await t.clock.advance(8);
            }
          }
        } finally {
          await t.stop();
        }
      },
    ),
    { numRuns: 200 },
  );
}, 60_000);
