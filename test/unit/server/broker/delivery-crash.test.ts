/**
 * The broker dies between any two steps. A crash may cost a repeated delivery, never a message: what is
 * not acknowledged comes out, and no committed offset passes it.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestBroker } from '../../../support/test-broker.ts';

const step = fc.oneof(
  fc.record({ do: fc.constant('send' as const), group: fc.nat(2) }),
  fc.record({ do: fc.constant('pop' as const), maxCount: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('ack' as const), pick: fc.nat(20) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 150, 6_000) }),
  fc.record({ do: fc.constant('crash' as const) }),
);

class Run {
  readonly groups: number[] = [];
  readonly acked = new Set<number>();
  readonly handles = new Map<number, string>();
  readonly t: TestBroker;
  readonly isOrdered: boolean;

  constructor(t: TestBroker, isOrdered: boolean) {
    this.t = t;
    this.isOrdered = isOrdered;
  }

  async pop(maxCount: number): Promise<void> {
    const { isOrdered } = this;
    const got = await this.t.receive({ maxCount, isOrdered, invisibleTimeMs: 5_000 });
    const seen = new Set<number>();
    for (const { message, receiptHandle } of got) {
      const offset: number = message.queueOffset;
      for (let older = 0; isOrdered && older < offset; older++) {
        const isSame = this.groups[older] === this.groups[offset];
        const isDone = this.acked.has(older) || seen.has(older);
        expect(!isSame || isDone, `${older} before ${offset}`).toBe(true);
      }
      seen.add(offset);
      this.handles.set(offset, receiptHandle);
    }
  }

  async ack(offset: number): Promise<void> {
    const handle = this.handles.get(offset);
    if (handle === undefined) return;
    const [outcome] = await this.t.ack([handle]);
    if (outcome === 'OK') this.acked.add(offset);
  }

  async checkCommitted(): Promise<void> {
    const committed = (await this.t.broker.getOffset('G', 'T', 0)) ?? 0;
    const open = this.groups.findIndex((_, offset) => !this.acked.has(offset));
    expect(committed).toBeLessThanOrEqual(open < 0 ? this.groups.length : open);
  }

  async drain(): Promise<void> {
    for (let round = 0; this.acked.size < this.groups.length; round++) {
      expect(round, 'everything comes out').toBeLessThan(2 * this.groups.length + 4);
      await this.t.clock.advance(5_000);
      await this.pop(32);
      for (const offset of this.handles.keys()) await this.ack(offset);
    }
  }
}

test.each([false, true])(
  'crashes lose nothing (ordered: %s)',
  async (isOrdered) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
        const t = await new TestBroker().start();
        try {
          await t.topic('T');
          await t.group('G', 1_000);
          const run = new Run(t, isOrdered);
          for (const one of steps) {
            if (one.do === 'send') {
              await t.send('T', ['b'], { properties: { __SHARDINGKEY: `g${one.group}` } });
              run.groups.push(one.group);
            } else if (one.do === 'pop') await run.pop(one.maxCount);
            else if (one.do === 'ack') await run.ack(one.pick % Math.max(1, run.groups.length));
            else if (one.do === 'wait') await t.clock.advance(one.ms);
            else await t.crash();
            await run.checkCommitted();
          }
          await run.drain();
        } finally {
          await t.stop();
        }
      }),
      { numRuns: 60 },
    );
  },
  60_000,
);
