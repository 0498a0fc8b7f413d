import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RmqError } from '../../../../src/protocol/errors.ts';
import type { QueueOffset } from '../../../../src/protocol/message/message.ts';
import { decodeProperties } from '../../../../src/protocol/message/properties.ts';
import {
  decodeRecallHandle,
  encodeRecallHandle,
} from '../../../../src/protocol/message/recall-handle.ts';
import type { SendResult } from '../../../../src/server/broker/api.ts';
import { settle } from '../../../support/manual-clock.ts';
import { bodies, draftOf, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker({ nearTimerCount: 8 }).start();
  await t.topic('T', 2);
});

afterEach(async () => {
  await t.stop();
});

/** All bodies that have ever reached the topic, in order. */
async function delivered(topic = 'T', queueId = 0): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const offset = all.length as QueueOffset; // the queue begins at 0
    const { answer } = await t.pull({ topic, queueId, offset });
    const { messages } = await answer;
    if (messages.length === 0) return all;
    all.push(...bodies(messages.map((message) => ({ message }))));
  }
}

async function sendDelayed(body: string, properties: Record<string, string>): Promise<SendResult> {
  const [result] = await t.send('T', [body], { properties });
  return result!;
}

const at = (body: string, delayMs: number): Promise<SendResult> =>
  sendDelayed(body, { TIMER_DELIVER_MS: String(t.clock.nowMs() + delayMs) });

async function recall(recallHandle: string | undefined, topic = 'T'): Promise<string> {
  const result = await new Promise<string | RmqError>((resolve) => {
    t.broker.recall({ topic, recallHandle: recallHandle ?? '', producerGroup: 'p' }, resolve);
  });
  await settle();
  return result instanceof Error ? result.code : result;
}

describe('when', () => {
  test.each([
    ['TIMER_DELIVER_MS', { TIMER_DELIVER_MS: '1735689602345' }, 2_345],
    ['TIMER_DELAY_MS', { TIMER_DELAY_MS: '1500' }, 1_500],
    ['a full second', { TIMER_DELAY_MS: '2000' }, 2_000],
    ['TIMER_DELAY_SEC', { TIMER_DELAY_SEC: '3' }, 3_000],
    ['seconds before milliseconds', { TIMER_DELAY_SEC: '3', TIMER_DELAY_MS: '9' }, 3_000],
    ['level 1', { DELAY: '1' }, 1_000],
    ['level 5', { DELAY: '5' }, 60_000],
    ['levels before times', { DELAY: '2', TIMER_DELAY_MS: '100' }, 5_000],
    ['a level above the last', { DELAY: '19' }, 7_200_000],
  ])('%s: to the millisecond, never early', async (_name, properties, delayMs) => {
    await sendDelayed('a', properties as Record<string, string>);
    await t.clock.advance(delayMs - 1);
    expect(await delivered()).toEqual([]);
    await t.clock.advance(1);
    expect(await delivered()).toEqual(['a']);
    await t.clock.advance(100_000);
    expect(await delivered()).toEqual(['a']);
  });

  test.each([
    ['past', { TIMER_DELIVER_MS: '1' }],
    ['no level', { DELAY: '0' }],
    ['not a level', { DELAY: 'x' }],
    ['zero', { TIMER_DELAY_SEC: '0' }],
  ])('%s: at once', async (_name, properties) => {
    const { recallHandle } = await sendDelayed('a', properties as Record<string, string>);
    expect(recallHandle).toBeUndefined();
    expect(await delivered()).toEqual(['a']);
  });

  test.each([
    ['not a number', { TIMER_DELIVER_MS: 'soon' }, 'MESSAGE_ILLEGAL'],
    ['not whole', { TIMER_DELAY_MS: '1.5' }, 'MESSAGE_ILLEGAL'],
    ['beyond the maximum', { TIMER_DELAY_SEC: '259201' }, 'ILLEGAL_DELIVERY_TIME'],
    ["the broker's own word", { TIMER_DEL_UNIQKEY: 'x' }, 'MESSAGE_ILLEGAL'],
    ['no room', { TIMER_DELAY_SEC: '9', p: 'x'.repeat(32_500) }, 'PROPERTIES_TOO_LARGE'],
  ])('%s: refused', async (_name, properties, code) => {
    await expect(sendDelayed('a', properties as Record<string, string>)).rejects.toMatchObject({
      code,
    });
    expect(t.broker.delayedByTopic.size).toBe(0);
  });

  test('by time, and by sending where times are equal', async () => {
    await at('c', 3_000);
    await at('a', 1_000);
    for (const body of ['b1', 'b2', 'b3']) await at(body, 2_000);
    await t.clock.advance(10_000);
    expect(await delivered()).toEqual(['a', 'b1', 'b2', 'b3', 'c']);
  });
});

describe('records', () => {
  test('a timer waits as on an Apache broker and comes with its bookkeeping', async () => {
    const startMs = t.clock.nowMs();
    const [sent] = await t.send('T', ['a'], {
      queueId: 1,
      properties: { TAGS: 'x', TIMER_DELAY_MS: '2500' },
    });
    expect(sent).toMatchObject({ queueId: 1, queueOffset: 0 });
    const parked = (await t.broker.messageAt(sent!.physicalOffset))!;
    expect(parked).toMatchObject({ topic: 'rmq_sys_wheel_timer', queueId: 0 });
    expect(Object.fromEntries(decodeProperties(parked.properties))).toMatchObject({
      TAGS: 'x',
      TIMER_DELAY_MS: '2500',
      TIMER_OUT_MS: String(startMs + 2_000),
      REAL_TOPIC: 'T',
      REAL_QID: '1',
    });
    await t.clock.advance(2_500);
    const { answer } = await t.pull({ queueId: 1 });
    const [message] = (await answer).messages;
    const properties = Object.fromEntries(decodeProperties(message!.properties));
    expect(properties).toMatchObject({
      TAGS: 'x',
      UNIQ_KEY: sent!.messageId,
      TIMER_ENQUEUE_MS: String(startMs),
      TIMER_DEQUEUE_MS: String(startMs + 2_500),
    });
    expect(properties['REAL_TOPIC']).toBeUndefined();
  });

  test('a level waits in its queue', async () => {
    const sent = await sendDelayed('a', { DELAY: '30', TIMER_DELAY_MS: '1' });
    const parked = (await t.broker.messageAt(sent.physicalOffset))!;
    expect(parked).toMatchObject({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 17 });
    const properties = decodeProperties(parked.properties);
    expect(properties.get('DELAY')).toBe('18');
    expect(properties.has('TIMER_DELAY_MS')).toBe(false);
  });

  test("nobody ends another one's timer by its name", async () => {
    await at('a', 5_000);
    await t.clock.advance(1_000);
    let key = '';
    for await (const [name] of t.store.loadState('timer/')) key = name.slice('timer/'.length);
    expect(key).toHaveLength(33);
    for (const properties of [
      { TIMER_SOURCE: key },
      { UNIQ_KEY: 'u', TIMER_SOURCE: key },
      { TIMER_SOURCE: key, DELAY: '1' },
    ]) {
      await t.send('T', ['other'], { queueId: 1, properties });
    }
    await t.clock.advance(5_000);
    expect(await delivered()).toEqual(['a']);
    await expect(t.send('rmq_sys_wheel_timer', ['x'])).rejects.toMatchObject({
      code: 'NO_PERMISSION',
    });
  });
});

describe('crashes and restarts', () => {
  test.each(['crash', 'restart', 'restartWithoutIndex'] as const)(
    '%s: what waits is kept, what came does not come again',
    async (how) => {
      for (let index = 0; index < 30; index++) await at(`${index}`, 100 * (index + 1));
      await t.clock.advance(1_000);
      expect(await delivered()).toHaveLength(10);
      await t[how]();
      if (how === 'restartWithoutIndex') await t.topic('T', 2);
      expect(await delivered()).toHaveLength(10);
      await t.clock.advance(2_500);
      const all = Array.from({ length: 30 }, (_, index) => `${index}`);
      expect(await delivered()).toEqual(all);
      expect(t.broker.delayedByTopic.size).toBe(0);
    },
  );

  test('what came due while nobody ran comes at once', async () => {
    for (let index = 0; index < 30; index++) await at(`${index}`, 100 * (index + 1));
    await t.stop();
    await t.clock.advance(60_000);
    await t.start();
    await t.clock.advance(10);
    expect(await delivered()).toHaveLength(30);
  });

  test('each once, never early, through any crashes, with recalls', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ delayMs: fc.integer({ min: 1, max: 3_000 }) }) },
      { weight: 3, arbitrary: fc.record({ waitMs: fc.integer({ min: 1, max: 900 }) }) },
      { weight: 2, arbitrary: fc.record({ recall: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.constantFrom('crash' as const, 'restart' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await t.stop();
        t = await new TestBroker({ nearTimerCount: 4 }).start();
        await t.topic('T', 1);
        const sent: { body: string; dueMs: number; handle: string | undefined }[] = [];
        const recalled = new Set<string>();
        for (const one of steps) {
          if (one === 'crash') await t.crash();
          else if (one === 'restart') await t.restart();
          else if ('waitMs' in one) await t.clock.advance(one.waitMs);
          else if ('delayMs' in one) {
            const body = String(sent.length);
            const dueMs = t.clock.nowMs() + one.delayMs;
            sent.push({ body, dueMs, handle: (await at(body, one.delayMs)).recallHandle });
          } else {
            const target = sent[one.recall];
            const isDue = target !== undefined && target.dueMs <= t.clock.nowMs();
            if (target === undefined) continue;
            const outcome = await recall(target.handle);
            if (isDue) expect(outcome).toBe('ILLEGAL_OPERATION');
            else recalled.add(target.body);
          }
          for (const body of await delivered()) {
            expect(sent[Number(body)]!.dueMs).toBeLessThanOrEqual(t.clock.nowMs());
          }
        }
        await t.clock.advance(5_000);
        const expected = sent.map(({ body }) => body).filter((body) => !recalled.has(body));
        expect((await delivered()).sort()).toEqual(expected.sort());
      }),
      { numRuns: 60 },
    );
  });
});

describe('many', () => {
  test('memory holds the nearest, the database the rest, whatever the order of sending', async () => {
    const count = 300;
    const order = Array.from({ length: count }, (_, index) => (index * 97) % count);
    for (const index of order) await at(`${index}`, 1_000 + 10 * index);
    await t.clock.advance(500);
    expect(t.broker.delayedByTopic.get('T')).toBe(count);
    await t.crash();
    expect(t.broker.delayedByTopic.get('T')).toBe(count);
    for (const index of [5, 150]) await at(`again ${index}`, 500 + 10 * index);
    await t.clock.advance(1_000 + 10 * count);
    const got = (await delivered()).filter((body) => !body.startsWith('again'));
    expect(got.map(Number)).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(await delivered()).toHaveLength(count + 2);
    expect(t.broker.delayedByTopic.size).toBe(0);
    let left = 0;
    await t.clock.advance(1_000);
    for await (const [key] of t.store.loadState('timer/')) if (!key.startsWith('timer/!')) left++;
    expect(left).toBe(0);
  });
});

describe('recall', () => {
  test('a recalled message never comes, also after a crash; repeating is fine', async () => {
    const gone = await at('gone', 2_000);
    const stays = await at('stays', 2_000);
    expect(decodeRecallHandle(gone.recallHandle!)).toEqual({
      topic: 'T',
      brokerName: 'broker-t',
      deliverMs: t.clock.nowMs() + 2_000,
      uniqueKey: gone.messageId,
    });
    expect(stays.recallHandle).not.toBe(gone.recallHandle);
    expect(await recall(gone.recallHandle)).toBe(gone.messageId);
    expect(await recall(gone.recallHandle)).toBe(gone.messageId);
    await t.crash();
    expect(await recall(gone.recallHandle)).toBe(gone.messageId);
    await t.restartWithoutIndex();
    await t.topic('T', 2);
    await t.clock.advance(3_000);
    expect(await delivered()).toEqual(['stays']);
  });

  test('of one that only the database has', async () => {
    const results: SendResult[] = [];
    for (let index = 0; index < 40; index++) results.push(await at(`${index}`, 1_000 + index));
    await t.crash();
    for (const index of [3, 20, 39]) {
      expect(await recall(results[index]!.recallHandle)).toBe(results[index]!.messageId);
    }
    await t.clock.advance(2_000);
    const got = await delivered();
    expect(got).toHaveLength(37);
    expect(got).not.toContain('39');
  });

  test('its record is what an Apache broker writes', async () => {
    const sent = await at('a', 2_345);
    await recall(sent.recallHandle);
    const { answer } = await t.pull({ topic: 'rmq_sys_wheel_timer', queueId: 0 });
    const [parked, record] = (await answer).messages;
    const properties = decodeProperties(record!.properties);
    expect(Buffer.from(record!.body).toString()).toBe('0');
    expect(properties.get('TAGS')).toBe('_RECALL_TAG_');
    expect(properties.get('TIMER_DEL_UNIQKEY')).toBe(sent.messageId);
    expect(properties.get('REAL_TOPIC')).toBe('T');
    const outMs = decodeProperties(parked!.properties).get('TIMER_OUT_MS');
    expect(properties.get('TIMER_OUT_MS')).toBe(outMs);
  });

  test("an Apache broker's handle means the second", async () => {
    const sent = await at('a', 2_345);
    const handle = decodeRecallHandle(sent.recallHandle!)!;
    const deliverMs = Math.floor(handle.deliverMs / 1_000) * 1_000 + 1;
    expect(await recall(encodeRecallHandle({ ...handle, deliverMs }))).toBe(sent.messageId);
    await t.clock.advance(5_000);
    expect(await delivered()).toEqual([]);
  });

  test("an Apache broker's record in the log is obeyed, before and after", async () => {
    const sent = await at('a', 2_345);
    const other = await at('b', 2_345);
    const outMs = Math.floor((t.clock.nowMs() + 2_345) / 1_000) * 1_000;
    const record = draftOf('rmq_sys_wheel_timer', '0', 0, {
      TAGS: '_RECALL_TAG_',
      TIMER_DEL_UNIQKEY: sent.messageId,
      TIMER_OUT_MS: String(outMs),
      REAL_TOPIC: 'T',
    });
    await new Promise((resolve) => t.store.append([record], resolve));
    expect(t.broker.delayedByTopic.get('T')).toBe(1);
    await t.restartWithoutIndex();
    await t.topic('T', 2);
    await t.clock.advance(5_000);
    expect(other.messageId).not.toBe(sent.messageId);
    expect(await delivered()).toEqual(['b']);
  });

  test('what cannot be recalled says so', async () => {
    const sent = await at('a', 1_000);
    const handle = decodeRecallHandle(sent.recallHandle!)!;
    const far = encodeRecallHandle({ ...handle, deliverMs: handle.deliverMs + 259_200_000 });
    await t.topic('U');
    expect(await recall('nonsense')).toBe('ILLEGAL_OPERATION');
    expect(await recall('')).toBe('ILLEGAL_OPERATION');
    expect(await recall(sent.recallHandle, 'U')).toBe('ILLEGAL_OPERATION');
    expect(await recall(sent.recallHandle, 'nobody')).toBe('TOPIC_NOT_FOUND');
    expect(await recall(far)).toBe('ILLEGAL_OPERATION');
    const other = encodeRecallHandle({ ...handle, brokerName: 'broker-x' });
    expect(await recall(other)).toBe('ILLEGAL_OPERATION');
    await t.clock.advance(1_000);
    expect(await recall(sent.recallHandle)).toBe('ILLEGAL_OPERATION');
    expect(await delivered()).toEqual(['a']);
  });
});

describe('trouble', () => {
  test('a full disk: later, each once, nothing lost', async () => {
    await t.stop();
    t = await new TestBroker({ store: { minFreeBytes: 1 << 20 } }).start();
    await t.topic('T', 1);
    for (let index = 0; index < 20; index++) await at(`${index}`, 10_000 + index);
    const { capacityBytes } = t.files;
    t.files.capacityBytes -= (await t.files.freeBytes('/')) - 1_000;
    await t.clock.advance(30_000);
    expect(await delivered()).toEqual([]);
    t.files.capacityBytes = capacityBytes;
    await t.clock.advance(10_000);
    expect(await delivered()).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`));
  });

  test('a recall that cannot be kept leaves the message waiting', async () => {
    await t.stop();
    t = await new TestBroker({ store: { minFreeBytes: 1 << 20 } }).start();
    await t.topic('T', 1);
    const sent = await at('a', 60_000);
    const { capacityBytes } = t.files;
    t.files.capacityBytes -= (await t.files.freeBytes('/')) - 1_000;
    await t.clock.advance(10_000);
    expect(await recall(sent.recallHandle)).toBe('DISK_FULL');
    t.files.capacityBytes = capacityBytes;
    await t.clock.advance(60_000);
    expect(await delivered()).toEqual(['a']);
  });

  test('a topic that was deleted gets its messages when it comes back', async () => {
    await at('a', 1_000);
    await t.broker.deleteTopic('T');
    await t.clock.advance(2_000);
    await t.topic('T', 1);
    expect(await delivered()).toEqual(['a']);
  });

  test('a topic that has fewer queues now', async () => {
    await t.topic('W', 4);
    const properties = { TIMER_DELAY_MS: '1000' };
    await t.send('W', ['a'], { queueId: 3, properties });
    await t.topic('W', 2);
    await t.clock.advance(2_000);
    expect(await delivered('W', 1)).toEqual(['a']);
  });

  test('a damaged record: that message alone is lost', async () => {
    await t.stop();
    t = await new TestBroker({ store: { segmentSizeBytes: 1 << 20 } }).start();
    await t.topic('T', 1);
    const damaged = await at('damaged', 1_000);
    await at('whole', 1_000);
    await t.clock.advance(500);
    const file = await t.files.open('/store/commitlog/00000000000000000000', { create: false });
    await t.restart();
    await file.write(Buffer.alloc(20, 1), damaged.physicalOffset + 20);
    await t.clock.advance(1_000);
    expect(await delivered()).toEqual(['whole']);
    expect(t.broker.delayedByTopic.size).toBe(0);
  });
});

describe('the wall clock', () => {
  test('set forward: what is due then comes within a second', async () => {
    await at('a', 3_600_000);
    t.clock.jump(3_600_000);
    await t.clock.advance(1_000);
    expect(await delivered()).toEqual(['a']);
  });

  test('set back: a time is waited for, a level takes no longer than its delay from then', async () => {
    await at('time', 2_000);
    await sendDelayed('level', { DELAY: '2' });
    t.clock.jump(-3_600_000);
    await t.clock.advance(4_000);
    expect(await delivered()).toEqual([]);
    await t.clock.advance(3_000);
    expect(await delivered()).toEqual(['level']);
    await t.clock.advance(3_600_000);
    expect(await delivered()).toEqual(['level', 'time']);
  });

  test('set back while nobody ran, with more than memory holds', async () => {
    for (let index = 0; index < 40; index++) await sendDelayed(`${index}`, { DELAY: '2' });
    await t.stop();
    t.clock.jump(-3_600_000);
    await t.start();
    await t.clock.advance(60_000);
    expect((await delivered()).sort()).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`).sort());
  });
});

test('a dead letter of a delayed message is no longer a delayed one', async () => {
  await t.group('G', 1);
  await at('a', 1_000);
  await t.clock.advance(1_000);
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(await t.receive({ startFrom: 'MIN', invisibleTimeMs: 1_000 })).toHaveLength(1);
    await t.clock.advance(2_000);
  }
  expect(await t.receive()).toEqual([]);
  expect(await delivered('%DLQ%G')).toEqual(['a']);
  const { answer } = await t.pull({ topic: '%DLQ%G', queueId: 0 });
  const properties = decodeProperties((await answer).messages[0]!.properties);
  expect(properties.has('TIMER_SOURCE')).toBe(false);
});

describe('retention', () => {
  test('what waits longer than the log is kept moves on, and can still be recalled', async () => {
    await t.stop();
    const store = { segmentSizeBytes: 64 << 10, retentionMs: 600_000 };
    t = await new TestBroker({
      nearTimerCount: 4,
      store,
      tuning: { allocateStepMinBytes: 8 << 10, allocateStepMaxBytes: 16 << 10 },
    }).start();
    await t.topic('T', 1);
    const hour = 3_600_000;
    const sent: SendResult[] = [];
    for (let index = 0; index < 20; index++) sent.push(await at(`${index}`, 2 * hour + index));
    await sendDelayed('level', { DELAY: '18' });
    await t.topic('X', 1);
    const fill = async (): Promise<void> => {
      for (let index = 0; index < 10; index++) await t.send('X', ['x'.repeat(9_000)]);
    };
    for (let round = 0; round < 5; round++) {
      await fill();
      await t.clock.advance(20 * 60_000);
      if (round === 2) await t.crash();
    }
    const { minPhysicalOffset } = t.store.status();
    expect(minPhysicalOffset).toBeGreaterThan(sent[19]!.physicalOffset);
    expect(await recall(sent[7]!.recallHandle)).toBe(sent[7]!.messageId);
    await t.crash();
    expect(await delivered()).toEqual([]);
    await t.clock.advance(20 * 60_000 + 1_000);
    const expected = Array.from({ length: 20 }, (_, index) => `${index}`).filter((x) => x !== '7');
    expect(await delivered()).toEqual(['level', ...expected].toSorted(byTime));
    expect(t.broker.delayedByTopic.size).toBe(0);
  });
});

/** The level was sent last and counts from then; it comes behind `0`, which is due at the same time. */
function byTime(a: string, b: string): number {
  const rank = (body: string): number => (body === 'level' ? 0.5 : Number(body));
  return rank(a) - rank(b);
}
