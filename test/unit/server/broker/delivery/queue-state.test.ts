/** Random changes of one state against a model that looks at everything each time; stored and restored. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InFlight } from '../../../../../src/server/broker/delivery/in-flight.ts';
import { QueueState } from '../../../../../src/server/broker/delivery/queue-state.ts';
import {
  blockKey,
  decodeBlock,
  decodeHeader,
  encodeBlock,
  encodeHeader,
  parseStateKey,
  stateKey,
} from '../../../../../src/server/broker/delivery/state-codec.ts';

interface Modelled {
  readonly offset: number;
  readonly group: string | undefined;
  attempt: number;
  deliveredAtMs: number;
  visibleAtMs: number;
  isReserved: boolean;
}

const group = fc.constantFrom(undefined, '', 'a', 'b', 'ü'.repeat(100), 'x'.repeat(200));
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('new' as const), group, gap: fc.nat(70) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const), max: fc.nat(5) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('hide' as const),
      pick: fc.nat(30),
      ms: fc.nat(100),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), pick: fc.nat(30) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('remove' as const), pick: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('store' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clamp' as const), min: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), to: fc.nat(300) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Pair {
  readonly budget = { count: 0 };
  state = new QueueState('G', 'T', 3, this.budget);
  readonly stored = new Map<string, Buffer>();
  open: Modelled[] = [];
  next = 0;
  nowMs = 1_000;

  run(one: Step): void {
    if (one.do === 'new') this.#add(one.group, one.gap);
    else if (one.do === 'take') this.#take(one.max);
    else if (one.do === 'wait') this.nowMs += one.ms;
    else if (one.do === 'store') this.#restart();
    else if (one.do === 'clamp') this.#clamp(one.min);
    else if (one.do === 'reset') {
      this.state.reset(one.to);
      this.open = [];
      this.next = one.to;
    } else if (one.do === 'remove') {
      const gone = this.open[one.pick];
      if (gone === undefined) return;
      this.state.remove(this.#real(gone));
      this.open = this.open.filter((other) => other !== gone);
    } else this.#settle(one);
  }

  #real(one: Modelled): InFlight {
    return this.state.find(one.offset)!;
  }

  #settle(one: Step & { do: 'hide' | 'release' }): void {
    const reserved = this.open.filter(({ isReserved }) => isReserved);
    const found = reserved[one.pick % Math.max(1, reserved.length)];
    if (found === undefined) return;
    found.isReserved = false;
    if (one.do === 'release') return this.state.release(this.#real(found));
    found.visibleAtMs = this.nowMs + one.ms;
    found.attempt++;
    found.deliveredAtMs = this.nowMs;
    const real = this.#real(found);
    real.attempt++;
    real.deliveredAtMs = this.nowMs;
    this.state.hide(real, found.visibleAtMs);
  }

  #add(name: string | undefined, gap: number): void {
    const offset = this.next + gap;
    const isReserved = name === undefined;
    if (name === undefined) this.state.reserve(offset);
    else this.state.hold(offset, name);
    const times = { attempt: 0, deliveredAtMs: 0, visibleAtMs: 0 };
    this.open.push({ offset, group: name, isReserved, ...times });
    this.next = offset + 1;
    this.state.moveTo(this.next);
  }

  /** Oldest first; none whose group has an older one that may not go with it. */
  #take(max: number): void {
    const wanted: number[] = [];
    const blocked = new Set<string>();
    for (const one of this.open) {
      if (wanted.length === max) break;
      const isVisible = !one.isReserved && one.visibleAtMs <= this.nowMs;
      if (isVisible && !(one.group !== undefined && blocked.has(one.group))) {
        wanted.push(one.offset);
      } else if (one.group !== undefined) blocked.add(one.group);
    }
    expect(this.state.take(this.nowMs, max).map(({ offset }) => offset)).toEqual(wanted);
    for (const one of this.open) if (wanted.includes(one.offset)) one.isReserved = true;
  }

  #clamp(min: number): void {
    this.state.clamp(min, this.next + min);
    this.open = this.open.filter(({ offset }) => offset >= min);
    this.next = Math.max(this.next, min);
  }

  /** What changed is stored, and read into a new state: nothing is reserved any more. */
  #restart(): void {
    this.stored.set(stateKey(this.state), encodeHeader(this.state));
    for (const block of this.state.dirtyBlocks) {
      const bytes = encodeBlock(this.state, block);
      if (bytes === undefined) this.stored.delete(blockKey(this.state, block));
      else this.stored.set(blockKey(this.state, block), bytes);
    }
    this.budget.count = 0;
    this.state = new QueueState('G', 'T', 3, this.budget);
    for (const key of [...this.stored.keys()].sort()) {
      const { block } = parseStateKey(key)!;
      if (block === undefined) decodeHeader(this.state, this.stored.get(key)!);
      else decodeBlock(this.state, block, this.stored.get(key)!);
    }
    this.state.dirtyBlocks.clear();
    for (const one of this.open) {
      one.isReserved = false;
      if (one.attempt === 0) one.deliveredAtMs = 0;
    }
  }

  check(): void {
    expect(this.state.next).toBe(this.next);
    expect(this.state.committed).toBe(this.open[0]?.offset ?? this.next);
    expect(this.state.openCount).toBe(this.open.length);
    expect(this.budget.count).toBe(this.open.length);
    for (const one of this.open) {
      const { attempt, deliveredAtMs, visibleAtMs } = this.#real(one);
      expect({ attempt, deliveredAtMs, visibleAtMs }).toEqual({
        attempt: one.attempt,
        deliveredAtMs: one.deliveredAtMs,
        visibleAtMs: one.visibleAtMs,
      });
    }
    const heads = new Map<string, Modelled>();
    for (const one of this.open) {
      const name = one.group ?? `alone ${one.offset}`;
      if (!heads.has(name)) heads.set(name, one);
    }
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const one of heads.values()) {
      if (!one.isReserved) soonestMs = Math.min(soonestMs, one.visibleAtMs);
    }
    const isDue = soonestMs <= this.nowMs;
    if (isDue) expect(this.state.nextVisibleMs).toBeLessThanOrEqual(this.nowMs);
    else expect(this.state.nextVisibleMs).toBe(soonestMs);
  }
}

test('a state agrees with the model, stored and restored at any time', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const pair = new Pair();
      for (const one of steps) {
        pair.run(one);
        pair.check();
      }
    }),
    { numRuns: 400 },
  );
});

test('done messages between two that are open take no memory', () => {
  const state = new QueueState('G', 'T', 0, { count: 0 });
  const stuck = state.reserve(0);
  for (let offset = 1; offset <= 50_000; offset++) {
    const one = state.reserve(offset);
    state.moveTo(offset + 1);
    state.remove(one);
  }
  expect(state.committed).toBe(0);
  expect(state.openCount).toBe(1);
  state.remove(stuck);
  expect(state.committed).toBe(50_001);
});
