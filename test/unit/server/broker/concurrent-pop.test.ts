/** Many receives at once, some cancelled while they read: each message goes to one, none is stranded. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PopResult } from '../../../../src/server/broker/api.ts';
import { settle } from '../../../support/manual-clock.ts';
import { TestBroker } from '../../../support/test-broker.ts';

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
