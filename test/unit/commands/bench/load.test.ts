import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from '../../../../src/commands/bench/histogram.ts';
import { type Done, Load } from '../../../../src/commands/bench/load.ts';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

test('percentiles are right within 1.6 %', () => {
  const latencies = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(latencies, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, fraction) => {
      const histogram = new Histogram();
      for (const one of all) histogram.recordMs(one);
      const sorted = all.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(fraction * all.length)) - 1] ?? 0;
      const shown = histogram.percentileMs(fraction);
      expect(Math.abs(shown - exact)).toBeLessThanOrEqual(exact * 0.016 + 0.001);
      expect(histogram.maxMs).toBeCloseTo(sorted.at(-1) ?? 0, 2);
    }),
    { numRuns: 50 },
  );
});

const plan = {
  workers: 2,
  ratePerSecond: undefined,
  warmupMs: 0,
  durationMs: 1_000,
  messageCountMax: Number.POSITIVE_INFINITY,
  messagesPerPiece: 1,
};
const never = new AbortController().signal;

test('a worker begins anew when its work is done, and the last answers are waited for', async () => {
  const clock = new ManualClock();
  const waiting: Done[] = [];
  const load = new Load(clock, plan, (_worker, _dueMs, done) => void waiting.push(done));
  const run = load.run(never);
  expect(waiting).toHaveLength(2);
  await clock.advance(10);
  waiting.shift()?.({ messageCount: 1 });
  expect(waiting).toHaveLength(2);
  await clock.advance(1_000);
  for (const done of waiting.splice(0)) done({ messageCount: 1 });
  await run;
  expect(waiting).toHaveLength(0);
  expect(load).toMatchObject({ messageCount: 3, failedCount: 0, seconds: 1.01 });
});

test('at a fixed rate a stall counts from when the work was due', async () => {
  const clock = new ManualClock();
  const waiting: Done[] = [];
  const paced = { ...plan, workers: 1, ratePerSecond: 100 };
  const load = new Load(clock, paced, (_worker, _dueMs, done) => void waiting.push(done));
  const run = load.run(never);
  await clock.advance(100); // ten are due, one worker is stuck
  expect(waiting).toHaveLength(1);
  while (load.messageCount < 9) waiting.shift()?.({ messageCount: 1 });
  expect(load.latency.maxMs).toBeGreaterThanOrEqual(95);
  expect(load.latency.percentileMs(0.5)).toBeGreaterThan(30);
  await clock.advance(1_000);
  for (const done of waiting.splice(0)) done({ messageCount: 1 });
  await run;
});

test('failures are counted and told apart from what the end cut off', async () => {
  const clock = new ManualClock();
  const waiting: Done[] = [];
  const load = new Load(clock, plan, (_worker, _dueMs, done) => void waiting.push(done));
  const run = load.run(never);
  waiting.shift()?.(new RmqError('TIMEOUT', 'slow'));
  expect(waiting).toHaveLength(1); // it pauses
  await clock.advance(150);
  expect(waiting).toHaveLength(2);
  await clock.advance(1_000);
  for (const done of waiting.splice(0)) done(new RmqError('CONNECTION_LOST', 'closed'));
  await run;
  expect(load).toMatchObject({ messageCount: 0, failedCount: 1 });
  expect(load.firstError?.message).toBe('slow');
});
