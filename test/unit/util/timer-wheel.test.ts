import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimerWheel, type WheelTimer } from '../../../src/util/timer-wheel.ts';

/** A clock that moves when told to, waking its timers in order, each `lateMs` after it was due. */
class HandClock {
  nowMs: number;
  readonly timers = new Set<{ dueMs: number; run: () => void }>();
  wakes = 0;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, run: () => void): { dueMs: number } {
    const timer = { dueMs: this.nowMs + delayMs, run };
    this.timers.add(timer);
    return timer;
  }

  clearTimer(timer: { readonly dueMs: number }): void {
    for (const set of this.timers) if (set === timer) this.timers.delete(set);
  }

  advance(ms: number, lateMs = 0): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const [first] = [...this.timers].toSorted((a, b) => a.dueMs - b.dueMs);
      if (first === undefined || first.dueMs + lateMs > untilMs) break;
      this.timers.delete(first);
      this.nowMs = Math.max(this.nowMs, first.dueMs + lateMs);
      this.wakes += 1;
      first.run();
    }
    this.nowMs = untilMs;
  }
}

describe('TimerWheel', () => {
  it('runs each timer once, never early and at most a resolution late', () => {
    const clock = new HandClock(123.4);
    const wheel = new TimerWheel(clock, { resolutionMs: 5 });
    const ran = new Map<number, number>();
    const delays = [0, 1, 4.9, 5, 6, 999, 1279, 1280, 1281, 30_000, 327_680, 3_600_000, 1e8];
    for (const delayMs of delays) wheel.set(delayMs, () => ran.set(delayMs, clock.nowMs - 123.4));
    expect(clock.timers.size).toBe(1);
    clock.advance(2e8);
    for (const delayMs of delays) {
      const at = ran.get(delayMs) ?? Number.NaN;
      expect(at, `${delayMs} ms`).toBeGreaterThanOrEqual(delayMs - 1e-6);
      expect(at, `${delayMs} ms`).toBeLessThanOrEqual(delayMs + 6 + 1e-6);
    }
    expect(wheel.size).toBe(0);
    expect(clock.timers.size).toBe(0);
  });

  it('sleeps through empty time: a timer of an hour wakes a handful of times', () => {
    const clock = new HandClock(0);
    const wheel = new TimerWheel(clock);
    let ran = 0;
    wheel.set(3_600_000, () => (ran += 1));
    clock.advance(3_600_005);
    expect(ran).toBe(1);
    expect(clock.wakes).toBeLessThanOrEqual(5);
  });

  it('holds 100,000 timers on one timer of the clock and forgets what is cancelled', () => {
    const clock = new HandClock(0);
    const wheel = new TimerWheel(clock);
    let ran = 0;
    const timers: WheelTimer[] = [];
    for (let i = 0; i < 100_000; i += 1) timers.push(wheel.set(i % 30_000, () => (ran += 1)));
    expect(clock.timers.size).toBe(1);
    for (let i = 0; i < timers.length; i += 2) wheel.cancel(timers[i] as WheelTimer);
    expect(wheel.size).toBe(50_000);
    clock.advance(40_000);
    expect(ran).toBe(50_000);
    expect(timers.every((timer) => !timer.isSet)).toBe(true);
    wheel.cancel(timers[1] as WheelTimer);
    expect(wheel.size).toBe(0);
  });

  it('lets a callback set and cancel', () => {
    const clock = new HandClock(0);
    const wheel = new TimerWheel(clock);
    const log: string[] = [];
    const others: WheelTimer[] = [];
    wheel.set(10, () => {
      log.push('first');
      for (const timer of others) wheel.cancel(timer);
      wheel.set(0, () => log.push(`again at ${clock.nowMs}`));
    });
    others.push(wheel.set(10, () => log.push('second')));
    wheel.set(10, () => log.push('third'));
    clock.advance(100);
    expect(log).toEqual(['first', 'third', 'again at 15']);
  });

  it('keeps the other timers when a callback throws', () => {
    const clock = new HandClock(0);
    const wheel = new TimerWheel(clock);
    let ran = 0;
    wheel.set(10, () => {
      throw new Error('from a callback');
    });
    wheel.set(10, () => (ran += 1));
    wheel.set(500, () => (ran += 1));
    expect(() => clock.advance(10)).toThrow('from a callback');
    clock.advance(1000);
    expect(ran).toBe(2);
    expect(wheel.size).toBe(0);
  });

  it('gives everything back on clear and can be used again', () => {
    const clock = new HandClock(0);
    const wheel = new TimerWheel(clock);
    let ran = 0;
    for (const delayMs of [1, 5000, 1e7]) wheel.set(delayMs, () => (ran += 1));
    wheel.clear();
    expect([wheel.size, clock.timers.size]).toEqual([0, 0]);
    clock.advance(2e7);
    expect(ran).toBe(0);
    wheel.set(10, () => (ran += 1));
    clock.advance(15);
    expect(ran).toBe(1);
  });

  it('behaves like a list of timers under any sequence of calls', () => {
    const delay = fc.oneof(fc.nat(40), fc.nat(3000), fc.nat(2_000_000), fc.constant(-5));
    const step = fc.oneof(
      fc.record({ call: fc.constant('set' as const), value: delay }),
      fc.record({ call: fc.constant('cancel' as const), value: fc.nat() }),
      fc.record({ call: fc.constant('advance' as const), value: delay }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.nat(50),
        fc.constantFrom(1, 5, 7.5),
        (steps, lateMs, resolutionMs) => {
          const clock = new HandClock(1000);
          const wheel = new TimerWheel(clock, { resolutionMs });
          const waiting = new Map<WheelTimer, number>();
          let lastDue = 0;
          const all: WheelTimer[] = [];
          const set = (delayMs: number): void => {
            const dueMs = clock.nowMs + Math.max(0, delayMs);
            const timer = wheel.set(delayMs, () => {
              expect(waiting.has(timer)).toBe(true);
              waiting.delete(timer);
              expect(clock.nowMs).toBeGreaterThanOrEqual(dueMs);
              expect(clock.nowMs - dueMs).toBeLessThanOrEqual(2 * (resolutionMs + 1) + lateMs * 6);
              lastDue = Math.max(lastDue, dueMs);
            });
            waiting.set(timer, dueMs);
            all.push(timer);
          };
          for (const { call, value } of steps) {
            if (call === 'set') set(value);
            else if (call === 'advance') clock.advance(Math.max(0, value), lateMs);
            else if (all.length > 0) {
              const timer = all[value % all.length] as WheelTimer;
              wheel.cancel(timer);
              waiting.delete(timer);
            }
            expect(wheel.size).toBe(waiting.size);
            expect(clock.timers.size).toBeLessThanOrEqual(1);
          }
          clock.advance(3_000_000, lateMs);
          expect(waiting.size).toBe(0);
          expect(wheel.size).toBe(0);
        },
      ),
    );
  });
});
