/** Receives that wait: who is woken, how many may wait, and what a repeated question gets. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { limits } from '../../../../src/server/shared/limits.ts';
import { settle } from '../../../support/manual-clock.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T', 4);
});

afterEach(async () => {
  await t.stop();
});

const waits = { pollingTimeMs: 20_000 } as const;
const ordered = { isOrdered: true, maxCount: 1 } as const;

test('a message wakes the one that has waited longest among those that want its queue', async () => {
  const any = await t.pop(waits);
  const other = await t.pop({ ...waits, queueId: 1 });
  const own = await t.pop({ ...waits, queueId: 2 });
  const late = await t.pop(waits);
  for (const [index, woken] of [any, own, late].entries()) {
    expect(woken.isAnswered).toBe(false);
    await t.send('T', [`m${index}`], { queueId: 2 });
    await t.clock.advance(0);
    expect(woken.isAnswered).toBe(true);
    expect(bodies((await woken.answer).messages)).toEqual([`m${index}`]);
  }
  expect(other.isAnswered).toBe(false);
});

test('receives begin at one queue after the other, so that each queue gets its turn', async () => {
  for (const queueId of [0, 1, 2, 3]) {
    await t.send('T', ['a', 'b', 'c'], { queueId });
  }
  const queueIds: number[] = [];
  for (let count = 0; count < 8; count++) {
    await t.receive({ group: 'H', maxCount: 1 }); // another group's turn is its own
    const [one] = await t.receive({ maxCount: 1 });
    queueIds.push(one!.message.queueId);
  }
  expect(queueIds).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
});

test('a group may have so many receives waiting, and no more', async () => {
  for (let count = 0; count < limits.parkedReceivesOfGroupMax; count++) t.popNow(waits);
  const refused = await t.pop(waits);
  await expect(refused.answer).rejects.toMatchObject({ code: 'POLLING_FULL' });
  const other = await t.pop({ ...waits, group: 'H' });
  expect(other.isAnswered).toBe(false);
});

test('a question asked again ends the wait of the first, and gets what it would have', async () => {
  const request = { ...waits, isOrdered: true, attemptId: 'again' };
  const lost = await t.pop(request);
  const again = await t.pop(request);
  expect((await lost.answer).messages).toEqual([]);
  await t.send('T', ['a']);
  await t.clock.advance(0);
  expect(bodies((await again.answer).messages)).toEqual(['a']);
});

test('a message that comes while other queues are read does not wait for the next', async () => {
  await t.topic('two', 2);
  await t.send('two', ['other'], { queueId: 1, properties: { a: '1' } });
  const goOn = t.holdReading();
  const filter = { type: 'SQL92', expression: 'a = 2' } as const;
  const waiting = await t.pop({ topic: 'two', filter, ...waits });
  await t.send('two', ['wanted'], { queueId: 0, properties: { a: '2' } });
  await settle();
  goOn();
  await t.clock.advance(10);
  expect(waiting.isAnswered).toBe(true);
  expect(bodies((await waiting.answer).messages)).toEqual(['wanted']);
});

test('the deadline ends a long search for messages that match, and the next goes on there', async () => {
  for (let count = 0; count < 10; count++) {
    await t.send('T', Array(2_000).fill('other'), { properties: { TAGS: 'A' } });
  }
  await t.send('T', ['wanted'], { properties: { TAGS: 'B' } });
  const filter = { type: 'TAG', expression: 'B' } as const;
  const waiting = t.popNow({ filter, pollingTimeMs: 5 });
  await t.clock.advance(5);
  await t.clock.advance(1);
  expect(waiting.isAnswered).toBe(true);
  expect((await waiting.answer).messages).toEqual([]);
  const next = t.popNow({ filter, ...waits });
  expect(bodies((await next.answer).messages)).toEqual(['wanted']);
});

test('an answer is repeated over a restart too, and not once it is acknowledged', async () => {
  await t.send('T', ['a', 'b'], { properties: { __SHARDINGKEY: 'x' } });
  const request = { ...ordered, maxCount: 2, attemptId: 'lost' };
  const lost = await t.receive(request);
  await t.restart();
  const again = await t.receive(request);
  expect(again.map((one) => one.receiptHandle)).toEqual(lost.map((one) => one.receiptHandle));
  expect(bodies(again)).toEqual(['a', 'b']);
  expect(await t.receive({ ...request, attemptId: 'other' })).toEqual([]);
  expect(await t.ack(again.map((one) => one.receiptHandle))).toEqual(['OK', 'OK']);
  await t.restart();
  expect(await t.receive(request)).toEqual([]);
});

test('an answer is not repeated when its message comes back to others while it is read', async () => {
  await t.send('T', ['a']);
  const request = { ...ordered, invisibleTimeMs: 10_000, attemptId: 'x' };
  await t.receive(request);
  await t.clock.advance(9_990);
  const goOn = t.holdReading();
  const repeated = t.popNow(request);
  await t.clock.advance(20);
  const other = t.popNow({ ...request, attemptId: 'y' });
  goOn();
  expect((await repeated.answer).messages).toEqual([]);
  expect(bodies((await other.answer).messages)).toEqual(['a']);
});

test('what an answer had being done, its question brings new messages', async () => {
  await t.send('T', ['a']);
  const request = { ...ordered, attemptId: 'x' };
  const [a] = await t.receive(request);
  await t.send('T', ['b']);
  const goOn = t.holdReading();
  const repeated = t.popNow({ ...request, ...waits });
  await t.ack([a!.receiptHandle]);
  goOn();
  await t.clock.advance(10);
  expect(repeated.isAnswered).toBe(true);
  expect(bodies((await repeated.answer).messages)).toEqual(['b']);
});

test('a full queue pauses, and goes on when some of it is done', async () => {
  const sendMany = async (group: string, count: number): Promise<void> => {
    const properties = { __SHARDINGKEY: group };
    for (let left = count; left > 0; left -= 2_000) {
      await t.send('T', Array(Math.min(left, 2_000)).fill('b'), { properties });
    }
  };
  await sendMany('slow', 1);
  const [head] = await t.receive(ordered);
  await sendMany('slow', limits.openMessageCountMax + 100);
  await sendMany('quick', 1);
  const waiting = await t.pop({ ...ordered, ...waits });
  // It looks through what is held back a part at a time.
  for (let tick = 0; tick < 2_000 && t.warnings.length === 0; tick++) await t.clock.advance(1);
  expect(waiting.isAnswered).toBe(false);
  expect(t.warnings).toEqual([expect.stringContaining('gets nothing new')]);
  await t.ack([head!.receiptHandle]);
  expect(bodies((await waiting.answer).messages)).toEqual(['b']);
  for (;;) {
    const messages = await t.receive({ isOrdered: true });
    const quick = messages.find(({ message }) => Buffer.from(message.properties).includes('quick'));
    if (quick !== undefined) break;
    await t.ack([...messages, ...(await waiting.answer).messages].map((one) => one.receiptHandle));
  }
}, 30_000);

test('a topic may have thousands of queues', async () => {
  await t.topic('wide', 4_096);
  expect(await t.receive({ topic: 'wide' })).toEqual([]);
  const waiting = await t.pop({ topic: 'wide', ...waits });
  await t.send('wide', ['a'], { queueId: 4_000 });
  await t.clock.advance(0);
  expect(bodies((await waiting.answer).messages)).toEqual(['a']);
  for (let queueId = 0; queueId < 4_096; queueId += 100) await t.send('wide', ['b'], { queueId });
  expect(await t.receive({ topic: 'wide' })).toHaveLength(32);
});
