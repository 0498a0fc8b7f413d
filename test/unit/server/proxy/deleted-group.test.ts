/** A group that was deleted stays deleted until somebody uses it again. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RmqError } from '../../../../src/protocol/errors.ts';
import type { GroupConfig } from '../../../../src/server/broker/api.ts';
import { CachedLookup } from '../../../../src/server/proxy/cached-lookup.ts';
import { TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
});
afterEach(() => t.stop());

test('a look in the background does not make a group, a use does', async () => {
  const { broker, clock } = t;
  const groups = new CachedLookup<GroupConfig>({
    clock,
    refreshAfterMs: 1_000,
    look: async (name, isRefresh) => {
      const found = await broker.getGroup(name, isRefresh ? { isMade: false } : undefined);
      if (found === undefined) throw new RmqError('GROUP_NOT_FOUND', name);
      return found;
    },
  });
  const use = (): Promise<GroupConfig | RmqError> =>
    new Promise((resolve) => {
      groups.get('g', resolve);
    });
  const names = async (): Promise<readonly string[]> =>
    (await broker.listGroups()).map(({ group }) => group).filter((name) => name === 'g');

  expect(await use()).toMatchObject({ group: 'g' });
  expect(await names()).toEqual(['g']);
  await broker.deleteGroup('g', { cleanOffsets: true });
  await clock.advance(2_000);
  groups.refresh();
  await clock.advance(1);
  expect(await names()).toEqual([]);
  expect(groups.peek('g')).toBeUndefined();
  expect(await use()).toMatchObject({ group: 'g' });
  expect(await names()).toEqual(['g']);
});
