/** Many names are kept fresh in portions, each of them in its turn. */
import { expect, test } from 'vitest';
import { CachedLookup } from '../../../../src/server/proxy/cached-lookup.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

test('of a thousand names some are looked up again at a time, those of longest ago first', async () => {
  const clock = new ManualClock();
  let looked: string[] = [];
  const lookup = new CachedLookup<string>({
    clock,
    refreshAfterMs: 3_000,
    look: async (name) => {
      looked.push(name);
      return name;
    },
  });
  const names = Array.from({ length: 1_000 }, (_, index) => `name-${index}`);
  for (const name of names) lookup.get(name, () => {});
  await clock.advance(3_000);
  looked = [];
  lookup.refresh();
  expect(looked.length).toBeLessThan(500);
  expect(looked.length).toBeGreaterThan(0);
  for (let round = 0; round < 10 && looked.length < 1_000; round++) {
    await clock.advance(100);
    lookup.refresh();
  }
  expect(looked.toSorted()).toEqual(names.toSorted());
});
