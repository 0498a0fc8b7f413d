import { afterEach, beforeEach, expect, test } from 'vitest';
import { findProperty, propertiesSizeMax } from '../../../../src/protocol/message/properties.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T');
});

afterEach(async () => {
  await t.stop();
});

const ordered = { isOrdered: true, invisibleTimeMs: 10_000 } as const;

/** Sends `x1`, `y2` …: the letter is the message group. */
async function send(...names: string[]): Promise<void> {
  for (const name of names) {
    const properties = { __SHARDINGKEY: name.slice(0, 1) };
    await t.send('T', [name], { properties });
  }
}

test('a message group waits for its head, other groups of the queue go on', async () => {
  await send('x1', 'x2', 'y1', 'x3');
  const [x1] = await t.receive({ ...ordered, maxCount: 1 });
  expect(x1!.receiptHandle.split(' ')[3]).toBe('999');
  const [y1] = await t.receive(ordered);
  expect(bodies([y1!])).toEqual(['y1']);
  expect(await t.receive(ordered)).toEqual([]);
  await t.ack([x1!.receiptHandle]);
  expect(bodies(await t.receive(ordered))).toEqual(['x2', 'x3']);
  expect(await t.broker.getOffset('G', 'T', 0)).toBe(1);
});

test('one answer may hold several of a group, in order; later ones wait for all of them', async () => {
  await send('x1', 'x2', 'x3');
  const batch = await t.receive({ ...ordered, maxCount: 2 });
  expect(bodies(batch)).toEqual(['x1', 'x2']);
  await t.ack([batch[0]!.receiptHandle]);
  expect(await t.receive(ordered)).toEqual([]);
  await t.ack([batch[1]!.receiptHandle]);
  expect(bodies(await t.receive(ordered))).toEqual(['x3']);
});

test('redelivery starts from the first that is not acknowledged', async () => {
  await send('x1', 'x2', 'x3', 'x4');
  const batch = await t.receive({ ...ordered, maxCount: 3 });
  await t.ack([batch[0]!.receiptHandle]);
  await t.clock.advance(10_000);
  const again = await t.receive({ ...ordered, maxCount: 3 });
  expect(bodies(again)).toEqual(['x2', 'x3']);
  expect(again.map((one) => one.deliveryAttempt)).toEqual([2, 2]);
  expect(await t.receive(ordered)).toEqual([]);
  await t.ack(again.map((one) => one.receiptHandle));
  expect(bodies(await t.receive(ordered))).toEqual(['x4']);
});

test('messages without a group keep their order too', async () => {
  await t.send('T', ['a', 'b']);
  await t.receive({ ...ordered, maxCount: 1 });
  expect(await t.receive(ordered)).toEqual([]);
});

test('a repeated attempt id gets the same batch at once, as long as it is in flight', async () => {
  await send('x1', 'x2', 'y1');
  const request = { ...ordered, maxCount: 2, attemptId: 'attempt-1' };
  const lost = await t.receive(request);
  const again = await t.receive(request);
  expect(bodies(again)).toEqual(bodies(lost));
  expect(again.map((one) => one.deliveryAttempt)).toEqual([1, 1]);
  expect(await t.ack(again.map((one) => one.receiptHandle))).toEqual(['OK', 'OK']);
  expect(bodies(await t.receive(request))).toEqual(['y1']);
});

test('an acknowledgement wakes who waits for the group', async () => {
  await send('x1', 'x2');
  const [x1] = await t.receive({ ...ordered, maxCount: 1 });
  const waiting = await t.pop({ ...ordered, pollingTimeMs: 20_000 });
  expect(waiting.isAnswered).toBe(false);
  await t.ack([x1!.receiptHandle]);
  expect(waiting.isAnswered).toBe(true);
  expect(bodies((await waiting.answer).messages)).toEqual(['x2']);
});

test('a group blocked by its head costs no timers', async () => {
  await send('x1', 'x2', 'x3');
  await t.receive({ ...ordered, maxCount: 1, invisibleTimeMs: 1_000 });
  await t.clock.advance(1_001);
  await t.receive({ ...ordered, maxCount: 2, invisibleTimeMs: 600_000 });
  await t.pop({ ...ordered, pollingTimeMs: 500_000 });
  let runs = 0;
  const { setTimer } = t.clock;
  t.clock.setTimer = (delayMs, run) => setTimer.call(t.clock, delayMs, () => (runs++, run()));
  await t.clock.advance(60_000);
  expect(runs).toBeLessThan(60);
});

test('a poisoned head goes to the dead letters and frees its group', async () => {
  await t.group('G', 0);
  await send('x1', 'x2');
  await t.receive({ ...ordered, maxCount: 1, invisibleTimeMs: 1_000 });
  await t.clock.advance(1_001);
  const waiting = await t.pop({ ...ordered, maxCount: 1, pollingTimeMs: 5_000 });
  await t.clock.advance(10);
  expect(bodies((await waiting.answer).messages)).toEqual(['x2']);
  expect(bodies(await t.receive({ topic: '%DLQ%G', group: 'i' }))).toEqual(['x1']);
});

test('a group with less than no retries gets each message once', async () => {
  await t.group('G', -1);
  await send('a1', 'a2');
  expect(bodies(await t.receive({ ...ordered, maxCount: 1 }))).toEqual(['a1']);
  await t.clock.advance(10_000);
  expect(await t.receive({ ...ordered, maxCount: 1 })).toEqual([]);
  expect(bodies(await t.receive(ordered))).toEqual(['a2']);
});

test('a dead letter whose properties leave no room for its origin is kept without it', async () => {
  await t.group('G', 0);
  const own = { __SHARDINGKEY: 'a', UNIQ_KEY: 'u' };
  const rest = 'x'.repeat(propertiesSizeMax - 140);
  await t.send('T', ['full'], { properties: { ...own, rest } });
  await t.send('T', ['next'], { properties: own });
  expect(bodies(await t.receive({ isOrdered: true, maxCount: 1 }))).toEqual(['full']);
  await t.clock.advance(10_000);
  expect(await t.receive({ isOrdered: true, maxCount: 1 })).toEqual([]);
  expect(bodies(await t.receive({ isOrdered: true }))).toEqual(['next']);
  const [letter] = await t.receive({ topic: '%DLQ%G', group: 'H' });
  expect(findProperty(letter!.message.properties, 'rest')).toBe(rest);
});

test('a restart keeps attempts, invisible times and blocked groups', async () => {
  await send('x1', 'x2', 'y1');
  const [x1] = await t.receive({ ...ordered, maxCount: 1 });
  expect(bodies(await t.receive({ ...ordered, maxCount: 1 }))).toEqual(['y1']);
  await t.restart();
  expect(await t.receive(ordered)).toEqual([]);
  expect(await t.ack([x1!.receiptHandle])).toEqual(['OK']);
  expect(bodies(await t.receive(ordered))).toEqual(['x2']);
  await t.clock.advance(10_000);
  const again = await t.receive(ordered);
  expect(bodies(again).sort()).toEqual(['x2', 'y1']);
  expect(again.map((one) => one.deliveryAttempt)).toEqual([2, 2]);
});
