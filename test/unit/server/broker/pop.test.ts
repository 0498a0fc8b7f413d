import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T');
});

afterEach(async () => {
  await t.stop();
});

describe('pop', () => {
  test('gives each message once, oldest first, and commits what was acknowledged', async () => {
    await t.send('T', ['a', 'b', 'c']);
    const first = await t.receive({ maxCount: 2 });
    expect(bodies(first)).toEqual(['a', 'b']);
    expect(first.map((one) => one.deliveryAttempt)).toEqual([1, 1]);
    const second = await t.receive();
    expect(bodies(second)).toEqual(['c']);
    expect(await t.receive()).toEqual([]);

    expect(await t.ack([second[0]!.receiptHandle])).toEqual(['OK']);
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(0);
    expect(await t.ack(first.map((one) => one.receiptHandle))).toEqual(['OK', 'OK']);
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(3);
    await t.clock.advance(60_000);
    expect(await t.receive()).toEqual([]);
  });

  test('gives a message again in its place when its invisible time has passed', async () => {
    await t.send('T', ['a', 'b']);
    const [a] = await t.receive({ maxCount: 1 });
    await t.clock.advance(9_999);
    expect(bodies(await t.receive({ maxCount: 1 }))).toEqual(['b']);
    await t.clock.advance(1);
    const again = await t.receive();
    expect(bodies(again)).toEqual(['a']);
    expect(again[0]!.deliveryAttempt).toBe(2);
    expect(await t.ack([a!.receiptHandle])).toEqual(['INVALID_RECEIPT_HANDLE']);
    expect(await t.ack([again[0]!.receiptHandle])).toEqual(['OK']);
    expect(await t.ack([again[0]!.receiptHandle])).toEqual(['OK']);
  });

  test('refuses handles that are expired, unknown, foreign or nonsense', async () => {
    await t.send('T', ['a']);
    const [a] = await t.receive();
    await t.clock.advance(10_000);
    const beyond = a!.receiptHandle.replace(/ 0 (\d+)$/, ' 77 $1');
    const foreign = a!.receiptHandle.replace('broker-t', 'broker-x');
    const outcomes = await t.ack([a!.receiptHandle, beyond, foreign, 'nonsense', '']);
    expect(outcomes).toEqual(Array(5).fill('INVALID_RECEIPT_HANDLE'));
  });

  test('changes the invisible time; both handles acknowledge', async () => {
    await t.send('T', ['a', 'b']);
    const [a, b] = await t.receive();
    const renewed = await t.changeInvisible(a!.receiptHandle, 60_000);
    const nack = await t.changeInvisible(b!.receiptHandle, 0);
    expect(bodies(await t.receive())).toEqual(['b']);
    await t.clock.advance(30_000);
    expect(await t.ack([nack])).toEqual(['INVALID_RECEIPT_HANDLE']);
    expect(await t.ack([a!.receiptHandle, renewed])).toEqual(['OK', 'OK']);
  });

  test('does not count a suspended delivery', async () => {
    await t.send('T', ['a']);
    const [a] = await t.receive();
    await t.changeInvisible(a!.receiptHandle, 0, true);
    expect((await t.receive())[0]!.deliveryAttempt).toBe(1);
  });

  test('fills one answer from several queues', async () => {
    await t.topic('M', 3);
    for (const queueId of [0, 1, 2]) await t.send('M', [`q${queueId}`], { queueId });
    expect(bodies(await t.receive({ topic: 'M' })).sort()).toEqual(['q0', 'q1', 'q2']);
    expect(await t.receive({ topic: 'M' })).toEqual([]);
  });

  test('begins new groups at the oldest message of a whole queue; groups do not see each other', async () => {
    await t.send('T', ['a']);
    expect(bodies(await t.receive({ group: 'G1' }))).toEqual(['a']);
    expect(bodies(await t.receive({ group: 'G2' }))).toEqual(['a']);
  });

  test('refuses unknown topics, queues and groups that may not consume', async () => {
    await expect(t.receive({ topic: 'nope' })).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    await expect(t.receive({ queueId: 5 })).rejects.toMatchObject({ code: 'ILLEGAL_QUEUE' });
    await expect(
      t.receive({ filter: { type: 'SQL92', expression: 'a = = 1' } }),
    ).rejects.toMatchObject({ code: 'ILLEGAL_FILTER' });
    const group = await t.broker.getGroup('G');
    await t.broker.putGroup({ ...group!, isConsumeEnabled: false });
    await expect(t.receive()).rejects.toMatchObject({ code: 'NO_PERMISSION' });
  });

  test('an offset past the end hides nothing that comes later', async () => {
    await t.broker.putOffset('G', 'T', 0, 100 as never);
    await t.receive();
    await t.send('T', ['a']);
    expect(bodies(await t.receive())).toEqual(['a']);
  });
});

describe('tag filter', () => {
  test('skips what does not match, thousands deep, one at a time', async () => {
    for (let round = 0; round < 30; round++) {
      await t.send('T', Array(100).fill('x'), { properties: { TAGS: 'other' } });
    }
    await t.send('T', ['hit'], { properties: { TAGS: 'A' } });
    const filter = { type: 'TAG', expression: 'A || B' } as const;
    const waiting = await t.pop({ filter, maxCount: 1, pollingTimeMs: 1_000 });
    await t.clock.advance(10);
    expect(waiting.isAnswered).toBe(true);
    expect(bodies((await waiting.answer).messages)).toEqual(['hit']);
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(3_000);
  });

  test('compares the text where hashes collide', async () => {
    // Java: "Aa".hashCode() == "BB".hashCode()
    await t.send('T', ['no'], { properties: { TAGS: 'BB' } });
    await t.send('T', ['yes'], { properties: { TAGS: 'Aa' } });
    const got = await t.receive({ filter: { type: 'TAG', expression: 'Aa' } });
    expect(bodies(got)).toEqual(['yes']);
    await t.ack([got[0]!.receiptHandle]);
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(2);
  });

  test('takes no more than asked for and leaves the rest', async () => {
    for (let index = 0; index < 10; index++) {
      await t.send('T', [`m${index}`], { properties: { TAGS: index % 2 === 0 ? 'A' : 'B' } });
    }
    const filter = { type: 'TAG', expression: 'A' } as const;
    expect(bodies(await t.receive({ filter, maxCount: 2 }))).toEqual(['m0', 'm2']);
    expect(bodies(await t.receive({ filter }))).toEqual(['m4', 'm6', 'm8']);
  });
});

describe('long polling', () => {
  test('a send wakes exactly one of those that wait', async () => {
    const first = await t.pop({ pollingTimeMs: 20_000 });
    const second = await t.pop({ pollingTimeMs: 20_000 });
    expect([first.isAnswered, second.isAnswered]).toEqual([false, false]);
    await t.send('T', ['a']);
    await t.clock.advance(0);
    expect([first.isAnswered, second.isAnswered]).toEqual([true, false]);
    expect(bodies((await first.answer).messages)).toEqual(['a']);
    await t.clock.advance(5_000);
    await t.send('T', ['b']);
    await t.clock.advance(0);
    expect(bodies((await second.answer).messages)).toEqual(['b']);
  });

  test('the deadline answers empty, not before and hardly after', async () => {
    const waiting = await t.pop({ pollingTimeMs: 5_000 });
    await t.clock.advance(4_999);
    expect(waiting.isAnswered).toBe(false);
    await t.clock.advance(20);
    expect((await waiting.answer).messages).toEqual([]);
  });

  test('a message that becomes visible again wakes who waits', async () => {
    await t.send('T', ['a']);
    await t.receive({ invisibleTimeMs: 3_000 });
    const waiting = await t.pop({ pollingTimeMs: 20_000 });
    await t.clock.advance(2_999);
    expect(waiting.isAnswered).toBe(false);
    await t.clock.advance(20);
    expect((await waiting.answer).messages[0]!.deliveryAttempt).toBe(2);
  });

  test('a negative acknowledgement wakes who waits', async () => {
    await t.send('T', ['a']);
    const [a] = await t.receive();
    const waiting = await t.pop({ pollingTimeMs: 20_000 });
    await t.changeInvisible(a!.receiptHandle, 0);
    expect(waiting.isAnswered).toBe(true);
  });

  test('a shorter invisible time wakes who waits when it has passed', async () => {
    await t.send('T', ['a']);
    const [a] = await t.receive({ invisibleTimeMs: 60_000 });
    const waiting = await t.pop({ pollingTimeMs: 20_000 });
    await t.changeInvisible(a!.receiptHandle, 1_000);
    await t.clock.advance(1_020);
    expect(waiting.isAnswered).toBe(true);
  });

  test('cancelling answers empty and takes nothing', async () => {
    const waiting = await t.pop({ pollingTimeMs: 20_000 });
    waiting.cancel();
    expect((await waiting.answer).messages).toEqual([]);
    waiting.cancel();
    await t.send('T', ['a']);
    expect((await t.receive())[0]!.deliveryAttempt).toBe(1);
  });

  test('who waits for another queue or group stays', async () => {
    await t.topic('M', 2);
    const other = await t.pop({ topic: 'M', queueId: 1, pollingTimeMs: 20_000 });
    const group = await t.pop({ topic: 'M', group: 'G2', pollingTimeMs: 20_000 });
    await t.send('M', ['a'], { queueId: 0 });
    await t.clock.advance(0);
    expect([other.isAnswered, group.isAnswered]).toEqual([false, true]);
  });

  test('deleting the topic and stopping the broker end every wait', async () => {
    await t.topic('D');
    const deleted = await t.pop({ topic: 'D', pollingTimeMs: 20_000 });
    await t.broker.deleteTopic('D');
    await expect(deleted.answer).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    const stopped = await t.pop({ pollingTimeMs: 20_000 });
    t.broker.stop();
    expect((await stopped.answer).messages).toEqual([]);
  });

  test('nothing polls: while receives wait, timers stay few', async () => {
    await t.send('T', ['a']);
    await t.receive({ invisibleTimeMs: 600_000 });
    for (let count = 0; count < 50; count++) await t.pop({ pollingTimeMs: 600_000 });
    let runs = 0;
    const { setTimer } = t.clock;
    t.clock.setTimer = (delayMs, run) => setTimer.call(t.clock, delayMs, () => (runs++, run()));
    await t.clock.advance(1_000);
    runs = 0;
    await t.clock.advance(100_000);
    // Besides the store's own clocks (retention, free space every 2 s).
    expect(runs).toBeLessThan(60);
  });
});

describe('dead letters', () => {
  test('past its last attempt a message goes to %DLQ%group and is done', async () => {
    await t.group('G', 1);
    const [sent] = await t.send('T', ['poison'], { properties: { KEYS: 'k' } });
    for (const attempt of [1, 2]) {
      const [one] = await t.receive({ invisibleTimeMs: 1_000 });
      expect(one!.deliveryAttempt).toBe(attempt);
      await t.clock.advance(1_001);
    }
    expect(await t.receive()).toEqual([]);
    const dead = await t.receive({ topic: '%DLQ%G', group: 'inspector' });
    expect(bodies(dead)).toEqual(['poison']);
    expect(dead[0]!.message.reconsumeTimes).toBe(2);
    const properties = Buffer.from(dead[0]!.message.properties).toString();
    expect(properties).toContain(`UNIQ_KEY\u0001${sent!.messageId}\u0002`);
    expect(properties).toContain('RETRY_TOPIC\u0001T\u0002');
    expect(properties).toContain('KEYS\u0001k\u0002');
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(1);
    await t.clock.advance(600_000);
    expect(await t.receive()).toEqual([]);
  });

  test('a consumer may ask for it', async () => {
    await t.send('T', ['bad']);
    const [bad] = await t.receive();
    const request = { group: 'G', topic: 'T', receiptHandle: bad!.receiptHandle, messageId: '' };
    await new Promise<void>((resolve, reject) => {
      t.broker.sendToDeadLetters(request, (result) => {
        if (result instanceof Error) reject(result);
        else resolve();
      });
    });
    expect(bodies(await t.receive({ topic: '%DLQ%G', group: 'i' }))).toEqual(['bad']);
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(1);
  });
});

test.each([
  ['while a receive waits', async () => t.clock.jump(-3_600_000)],
  [
    'while nobody runs',
    async () => {
      await t.stop();
      t.clock.jump(-3_600_000);
      await t.start();
    },
  ],
])('the clock set back %s, what is in flight comes back no later', async (_when, jump) => {
  await t.send('T', ['a', 'b']);
  const [a, b] = await t.receive();
  await jump();
  const waiting = await t.pop({ pollingTimeMs: 20_000 });
  await t.clock.advance(9_000);
  expect(await t.ack([b!.receiptHandle])).toEqual(['OK']);
  expect(waiting.isAnswered).toBe(false);
  await t.clock.advance(1_010);
  expect(waiting.isAnswered).toBe(true);
  const [again] = (await waiting.answer).messages;
  expect(again!.deliveryAttempt).toBe(2);
  expect(again!.invisibleTimeMs).toBe(10_000);
  expect(await t.ack([again!.receiptHandle])).toEqual(['OK']);
  expect(a!.deliveryAttempt).toBe(1);
});
