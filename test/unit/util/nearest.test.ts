import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearest } from '../../../src/util/nearest.ts';
import { parseDuration } from '../../../src/util/values.ts';

test('finds slips and nothing far away', () => {
  expect(nearest('topci', ['tail', 'topic', 'send'])).toBe('topic');
  expect(nearest('snd', ['tail', 'topic', 'send'])).toBe('send');
  expect(nearest('cluster', ['tail', 'topic', 'send'])).toBeUndefined();
});

test('the distance is a distance', () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});

test('durations add up', () => {
  expect(parseDuration('1h30m')).toBe(5_400_000);
  expect(parseDuration('1.5s')).toBe(1_500);
  expect(parseDuration('soon')).toBeUndefined();
});
