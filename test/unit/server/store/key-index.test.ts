import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KeyQuery } from '../../../../src/server/broker/api.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T', 2);
  await t.topic('U');
});

afterEach(async () => {
  await t.stop();
});

async function find(query: Partial<KeyQuery>): Promise<string[]> {
  const full: KeyQuery = {
    topic: 'T',
    key: 'k',
    kind: 'key',
    beginMs: 0,
    endMs: Number.MAX_SAFE_INTEGER,
    maxCount: 64,
    ...query,
  };
  return bodies((await t.broker.findByKey(full)).map((message) => ({ message })));
}

test('finds by each of the keys, by unique key and tag, newest first', async () => {
  await t.send('T', ['a'], { properties: { KEYS: 'k other', TAGS: 'red', UNIQ_KEY: 'u1' } });
  await t.send('T', ['b'], { queueId: 1, properties: { KEYS: 'k', UNIQ_KEY: 'u2' } });
  await t.send('U', ['c'], { properties: { KEYS: 'k' } });
  expect(await find({})).toEqual(['b', 'a']);
  expect(await find({ key: 'other' })).toEqual(['a']);
  expect(await find({ key: 'u2', kind: 'uniqueKey' })).toEqual(['b']);
  expect(await find({ key: 'k', kind: 'uniqueKey' })).toEqual([]);
  expect(await find({ key: 'red', kind: 'tag' })).toEqual(['a']);
  expect(await find({ topic: 'U' })).toEqual(['c']);
  expect(await find({ maxCount: 1 })).toEqual(['b']);
  expect(await find({ key: 'nothing' })).toEqual([]);
});

test('a time range counts both of its ends', async () => {
  const times: number[] = [];
  for (const body of ['a', 'b', 'c']) {
    await t.send('T', [body], { properties: { KEYS: 'k' } });
    times.push(t.clock.nowMs());
    await t.clock.advance(1_000);
  }
  expect(await find({ beginMs: times[1]!, endMs: times[1]! })).toEqual(['b']);
  expect(await find({ beginMs: times[1]! })).toEqual(['c', 'b']);
});

test('two keys of one hash are told apart', async () => {
  // Java's hash codes of these two are the same.
  await t.send('T', ['a'], { properties: { KEYS: 'Aa' } });
  await t.send('T', ['b'], { properties: { KEYS: 'BB' } });
  expect(await find({ key: 'Aa' })).toEqual(['a']);
  expect(await find({ key: 'BB' })).toEqual(['b']);
});

test.each(['restart', 'crash', 'restartWithoutIndex'] as const)(
  'knows the same after a %s',
  async (how) => {
    for (let index = 0; index < 50; index++) {
      await t.send('T', [`${index}`], { properties: { KEYS: `k${index % 5}` } });
      if (index === 25) await t.clock.advance(500);
    }
    await t[how]();
    const expected = Array.from({ length: 10 }, (_, index) => `${48 - index * 5}`);
    expect(await find({ key: 'k3' })).toEqual(expected);
  },
);

test.each(['restart', 'crash', 'restartWithoutIndex'] as const)(
  'knows many keys at once, packed or waiting, the same after a %s',
  async (how) => {
    const keys = Array.from({ length: 1_500 }, (_, index) => `k${index}`).join(' ');
    await t.send('T', ['a'], { properties: { KEYS: keys, TAGS: 'red', UNIQ_KEY: 'u1' } });
    await t.clock.advance(500); // packed
    await t.send('T', ['b'], { properties: { KEYS: keys } });
    for (const moment of ['before', 'after']) {
      if (moment === 'after') await t[how]();
      expect(await find({ key: 'k0' })).toEqual(['b', 'a']);
      expect(await find({ key: 'k1499' })).toEqual(['b', 'a']);
      expect(await find({ key: 'u1', kind: 'uniqueKey' })).toEqual(['a']);
      expect(await find({ key: 'red', kind: 'tag' })).toEqual(['a']);
      expect(await find({ key: 'k1500' })).toEqual([]);
    }
  },
);
