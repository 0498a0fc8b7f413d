/** Many message groups, consumers that fail, a broker that crashes. The large one, with real processes: `test/bench/fifo-order.ts`. */
import { expect, test } from 'vitest';
import { GroupOrder } from '../../../support/group-order.ts';
import { settle } from '../../../support/manual-clock.ts';
import { TestBroker } from '../../../support/test-broker.ts';

test.each([1, 2, 3])(
  'every group keeps its order over failures, crashes and restarts (%i)',
  async (seed) => {
    const t = await new TestBroker({ tuning: { recentEntryCount: 64 } }).start();
    let state = seed;
    const chance = (): number => {
      state = Math.imul(state, 1_103_515_245) + 12_345;
      return ((state >>> 8) & 0xffff) / 0x1_0000;
    };
    try {
      await t.topic('fifo', 8);
      await t.group('fifo-consumers', 1_000);
      const order = new GroupOrder({ groupCount: 200, perGroup: 6, queueCount: 8 });
      const sending = order.sendAll(t.broker);
      await sending;
      const options = { chance, invisibleTimeMs: 2_000, pollingTimeMs: 0 };
      for (let round = 0; !order.isComplete; round++) {
        expect(round, 'everything comes out').toBeLessThan(500);
        const receives = Array.from({ length: 8 }, () => order.receive(t.broker, options));
        await Promise.all(receives);
        await t.clock.advance(chance() < 0.2 ? 2_100 : 10);
        if (round % 10 === 4) await t.crash();
        if (round % 10 === 9) await t.restart();
        await settle();
        expect(order.failure).toBeUndefined();
      }
      expect(order.doneCount).toBe(1_200);
    } finally {
      await t.stop();
    }
  },
);
