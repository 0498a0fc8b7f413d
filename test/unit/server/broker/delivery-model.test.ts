/**
 * Random receives, acknowledgements, time and restarts against a simple model of what a group has
 * consumed. A restart here is a clean one; crashes are the simulator's (`test/sim`).
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestBroker } from '../../../support/test-broker.ts';

type Step =
  | { readonly do: 'send'; readonly group: number; readonly count: number }
  | { readonly do: 'pop'; readonly maxCount: number; readonly invisibleTimeMs: number }
  | { readonly do: 'ack' | 'nack'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      group: fc.nat(2),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pop' as const),
      maxCount: fc.integer({ min: 1, max: 5 }),
      invisibleTimeMs: fc.constantFrom(1_000, 5_000, 30_000),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ack' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('nack' as const), pick: fc.nat(50) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.integer({ min: 1, max: 8_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

interface Message {
  readonly group: number;
  attempt: number;
  visibleAtMs: number;
  isAcked: boolean;
  handle: string;
}

class Model {
  readonly messages: Message[] = [];
  readonly isOrdered: boolean;
  readonly t: TestBroker;

  constructor(t: TestBroker, isOrdered: boolean) {
    this.t = t;
    this.isOrdered = isOrdered;
  }

  get #open(): number[] {
    return [...this.messages.keys()].filter((offset) => !this.messages[offset]!.isAcked);
  }

  async run(one: Step): Promise<void> {
    if (one.do === 'send') await this.#send(one.group, one.count);
    else if (one.do === 'pop') await this.pop(one.maxCount, one.invisibleTimeMs);
    else if (one.do === 'wait') await this.t.clock.advance(one.ms);
    else if (one.do === 'restart') await this.t.restart();
    else await this.#settleOne(one.do, one.pick);
    const committed = await this.t.broker.getOffset('G', 'T', 0);
    if (committed === undefined) return;
    const first = this.#open[0] ?? this.messages.length;
    expect(committed, 'the committed offset never passes an open message').toBeLessThanOrEqual(
      first,
    );
  }

  async #send(group: number, count: number): Promise<void> {
    const properties = { __SHARDINGKEY: `g${group}` };
    const all = Array<string>(count).fill('b');
    await this.t.send('T', all, { properties });
    for (let index = 0; index < count; index++) {
      this.messages.push({ group, attempt: 0, visibleAtMs: 0, isAcked: false, handle: '' });
    }
  }

  async pop(maxCount: number, invisibleTimeMs: number): Promise<number> {
    const nowMs = this.t.clock.nowMs();
    const { isOrdered } = this;
    const visible = this.#open.filter((offset) => this.messages[offset]!.visibleAtMs <= nowMs);
    const got = await this.t.receive({ maxCount, invisibleTimeMs, isOrdered });
    const offsets = got.map((one) => one.message.queueOffset as number);
    if (!isOrdered) expect(offsets).toEqual(visible.slice(0, maxCount));
    else this.#checkOrder(offsets, { nowMs, maxCount });
    for (const one of got) {
      const message = this.messages[one.message.queueOffset]!;
      message.attempt++;
      expect(one.deliveryAttempt).toBe(message.attempt);
      message.visibleAtMs = nowMs + invisibleTimeMs;
      message.handle = one.receiptHandle;
    }
    return got.length;
  }

  /** Each message with all older ones of its group acknowledged, or before it in the same answer. */
  #checkOrder(
    offsets: readonly number[],
    { nowMs, maxCount }: { readonly nowMs: number; readonly maxCount: number },
  ): void {
    const seen = new Set<number>();
    for (const offset of offsets) {
      const message = this.messages[offset]!;
      expect(message.isAcked, 'nothing acknowledged comes again').toBe(false);
      expect(message.visibleAtMs, 'nothing invisible is delivered').toBeLessThanOrEqual(nowMs);
      for (let older = 0; older < offset; older++) {
        const other = this.messages[older]!;
        const isBefore = other.isAcked || seen.has(older) || other.group !== message.group;
        expect(isBefore, `${older} before ${offset}`).toBe(true);
      }
      seen.add(offset);
    }
    if (offsets.length === maxCount) return;
    for (const group of [0, 1, 2]) {
      const open = this.#open.filter((offset) => this.messages[offset]!.group === group);
      const isFree = open.every((offset) => this.messages[offset]!.visibleAtMs <= nowMs);
      if (open.length === 0 || !isFree) continue;
      expect(seen.has(open[0]!), 'a free group is not passed over').toBe(true);
    }
  }

  async #settleOne(how: 'ack' | 'nack', pick: number): Promise<void> {
    const held = this.messages.filter((one) => one.handle !== '');
    const one = held[pick % Math.max(1, held.length)];
    if (one === undefined) return;
    const isGood = one.isAcked || one.visibleAtMs > this.t.clock.nowMs();
    if (how === 'ack') {
      const [outcome] = await this.t.ack([one.handle]);
      expect(outcome).toBe(isGood ? 'OK' : 'INVALID_RECEIPT_HANDLE');
      if (isGood) one.isAcked = true;
    } else if (isGood && !one.isAcked) {
      one.handle = await this.t.changeInvisible(one.handle, 500);
      one.visibleAtMs = this.t.clock.nowMs() + 500;
    }
  }

  /** Faults off: everything must come out, once more at most. */
  async drain(): Promise<void> {
    for (let round = 0; this.#open.length > 0; round++) {
      expect(round, 'the queue drains').toBeLessThan(this.messages.length + 2);
      await this.t.clock.advance(30_000);
      await this.pop(32, 30_000);
      const held = this.messages.filter((one) => one.visibleAtMs > this.t.clock.nowMs());
      const open = held.filter((one) => !one.isAcked);
      const outcomes = await this.t.ack(open.map((one) => one.handle));
      expect(outcomes.every((one) => one === 'OK')).toBe(true);
      for (const one of open) one.isAcked = true;
    }
    const committed = await this.t.broker.getOffset('G', 'T', 0);
    expect(committed ?? 0).toBe(committed === undefined ? 0 : this.messages.length);
  }
}

for (const isOrdered of [false, true]) {
  test(`${isOrdered ? 'ordered' : 'plain'} delivery agrees with the model`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        // A small memory makes most reads go to the files, asynchronously.
        const tuning = { recentEntryCount: 4, tailCacheBytes: 512 };
        const t = await new TestBroker({ tuning }).start();
        try {
          await t.topic('T');
          await t.group('G', 1_000);
          const model = new Model(t, isOrdered);
          for (const one of steps) await model.run(one);
          await model.drain();
        } finally {
          await t.stop();
        }
      }),
      { numRuns: 100 },
    );
  }, 60_000);
}
