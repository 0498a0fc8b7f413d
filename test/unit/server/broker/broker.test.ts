import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeProperties } from '../../../../src/protocol/message/properties.ts';
import { defaultGroup } from '../../../../src/server/broker/groups/group-table.ts';
import { topicOf } from '../../../../src/server/broker/topics/topic-table.ts';
import { limits } from '../../../../src/server/shared/limits.ts';
import { settle } from '../../../support/manual-clock.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
});

afterEach(async () => {
  await t.stop();
});

const template = { topic: 'TBW102', queueCount: 4 };

describe('send', () => {
  test('answers with place and ids, and adds what Apache adds', async () => {
    await t.topic('T', 2);
    const [sent] = await t.send('T', ['a'], { queueId: 1, properties: { KEYS: 'k' } });
    expect(sent).toMatchObject({ queueId: 1, queueOffset: 0, recallHandle: undefined });
    expect(sent!.offsetMessageId).toMatch(/^7F00000100002A9F[0-9A-F]{16}$/);
    expect(sent!.messageId).toMatch(/^[0-9A-F]{32}$/);
    expect(sent!.transactionId).toBe(sent!.messageId);
    const stored = await t.broker.messageAt(sent!.physicalOffset);
    expect(Object.fromEntries(decodeProperties(stored!.properties))).toEqual({
      KEYS: 'k',
      UNIQ_KEY: sent!.messageId,
      CLUSTER: 'TestCluster',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
    });
  });

  test("keeps the client's id; a batch has consecutive offsets in one queue", async () => {
    await t.topic('T', 2);
    const [sent] = await t.send('T', ['a'], { properties: { UNIQ_KEY: 'mine' } });
    expect(sent!.messageId).toBe('mine');
    const batch = await t.send('T', ['b', 'c', 'd'], { queueId: -1 });
    expect(batch.map((one) => one.queueOffset)).toEqual([1, 2, 3]);
    expect(new Set(batch.map((one) => one.messageId)).size).toBe(3);
  });

  test('many sends at once get their answers in order', async () => {
    await t.topic('T');
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, index) => t.send('T', [String(index)])),
    );
    expect(all.map(([one]) => one!.queueOffset)).toEqual([...all.keys()]);
  });

  test('no topic is made beyond the limit', async () => {
    const topics = Array.from({ length: limits.topicCountMax }, (_, id) => topicOf(`t${id}`, 1));
    await t.broker.adopt({ topics, groups: [], forbidden: [], consumed: [] });
    for (const topic of ['Fresh', '%RETRY%fresh']) {
      const sent = t.send(topic, ['a'], { createFrom: template });
      await expect(sent).rejects.toMatchObject({ code: 'BUSY' });
    }
  });

  test.each([
    ['bad name', {}, 'ILLEGAL_TOPIC'],
    ['SCHEDULE_TOPIC_XXXX', {}, 'NO_PERMISSION'],
    ['missing', {}, 'TOPIC_NOT_FOUND'],
    ['T', { queueId: 9 }, 'ILLEGAL_QUEUE'],
    ['T', { properties: { TIMER_DELIVER_MS: '4102444800000' } }, 'ILLEGAL_DELIVERY_TIME'],
    ['T', { properties: { BIG: 'x'.repeat(33_000) } }, 'PROPERTIES_TOO_LARGE'],
  ])('refuses %s %o', async (topic, options, code) => {
    await t.topic('T');
    await expect(t.send(topic, ['a'], options)).rejects.toMatchObject({ code });
  });

  test('takes a delivery time that has passed as now', async () => {
    await t.topic('T');
    const sent = await t.send('T', ['a'], { properties: { TIMER_DELIVER_MS: '99' } });
    expect(sent).toHaveLength(1);
  });

  test('refuses empty bodies and whole batches for one bad message', async () => {
    await t.topic('T');
    await expect(t.send('T', ['a', ''])).rejects.toMatchObject({ code: 'MESSAGE_EMPTY' });
    expect(await t.receive()).toEqual([]);
  });

  test('makes a topic from its template, with as many queues as both allow', async () => {
    await t.send('Fresh', ['a'], { createFrom: template });
    const made = await t.broker.getTopic('Fresh');
    expect(made).toMatchObject({ readQueueCount: 4, writeQueueCount: 4, permission: 6 });
    const wide = { topic: 'TBW102', queueCount: 99 };
    await t.send('Wide', ['a'], { createFrom: wide });
    expect((await t.broker.getTopic('Wide'))!.writeQueueCount).toBe(8);
  });

  test('does not when that is switched off; the hint names a near topic', async () => {
    await t.stop();
    t = await new TestBroker({ isAutoCreate: false }).start();
    await t.topic('orders');
    const error: unknown = await t
      .send('order', ['a'], { createFrom: template })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    expect((error as { hint: string }).hint).toContain('orders');
  });
});

describe('topics and groups', () => {
  test('survive a restart, with offsets and what is in flight', async () => {
    await t.broker.putTopic(topicOf('T', 3, 6, { 'message.type': 'FIFO' }));
    await t.broker.putGroup({ ...defaultGroup('G'), retryCountMax: 3, isOrdered: true });
    await t.send('T', ['a', 'b', 'c']);
    const [a] = await t.receive({ maxCount: 2 });
    await t.ack([a!.receiptHandle]);
    await t.restart();
    expect(await t.broker.getTopic('T')).toMatchObject({
      readQueueCount: 3,
      attributes: { 'message.type': 'FIFO' },
    });
    expect(await t.broker.getGroup('G')).toMatchObject({ retryCountMax: 3, isOrdered: true });
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(1);
    expect(bodies(await t.receive())).toEqual(['c']);
    await t.clock.advance(10_000);
    const again = await t.receive();
    expect(bodies(again)).toEqual(['b', 'c']);
    expect(again.map((one) => one.deliveryAttempt)).toEqual([2, 2]);
  });

  test('are found again in the log when the index was lost', async () => {
    await t.topic('T', 4);
    await t.send('T', ['a'], { queueId: 2 });
    await t.restartWithoutIndex();
    expect(await t.broker.getTopic('T')).toMatchObject({ readQueueCount: 3, permission: 6 });
    expect(bodies(await t.receive())).toEqual(['a']);
  });

  test.each([
    [topicOf('a b', 1), 'ILLEGAL_TOPIC'],
    [topicOf('TBW102', 1), 'ILLEGAL_TOPIC'],
    [topicOf('T', 0), 'BAD_REQUEST'],
    [topicOf('T', 1e6), 'BAD_REQUEST'],
    [topicOf('T', 1, 6, { 'message.type': 'SILLY' }), 'BAD_REQUEST'],
  ])('a topic like $topic is refused', async (config, code) => {
    await expect(t.broker.putTopic(config)).rejects.toMatchObject({ code });
    expect(await t.broker.getTopic('T')).toBe(undefined);
  });

  test('changes are announced, with a growing version', async () => {
    const heard: string[][] = [];
    t.broker.onTopicsChanged((changed) => heard.push(changed.map((one) => one.topic)));
    const { counter } = t.broker.dataVersion;
    await t.topic('A');
    await t.broker.deleteTopic('A');
    expect(heard).toEqual([['A'], []]);
    expect(t.broker.dataVersion.counter).toBeGreaterThan(counter);
  });

  test('a deleted topic is gone with its offsets, also after a restart', async () => {
    await t.topic('T');
    await t.send('T', ['a']);
    await t.receive();
    await t.broker.deleteTopic('T');
    await t.restart();
    expect(await t.broker.getTopic('T')).toBe(undefined);
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(undefined);
    await expect(t.receive()).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  });

  test('a deleted group keeps or loses its offsets as asked', async () => {
    await t.topic('T');
    for (const group of ['Keep', 'Lose']) {
      await t.broker.putOffset(group, 'T', 0, 0 as never);
      await t.broker.deleteGroup(group, { cleanOffsets: group === 'Lose' });
    }
    expect(await t.broker.getOffset('Keep', 'T', 0)).toBe(0);
    expect(await t.broker.getOffset('Lose', 'T', 0)).toBe(undefined);
  });

  test('offsets that cannot be are refused', async () => {
    await t.topic('T');
    for (const offset of [-1, 0.5, Number.NaN]) {
      const put = t.broker.putOffset('G', 'T', 0, offset as never);
      await expect(put).rejects.toMatchObject({ code: 'ILLEGAL_OFFSET' });
    }
  });

  test('groups are made on use with legal names only', async () => {
    expect(await t.broker.getGroup('bad name')).toBe(undefined);
    expect(await t.broker.getGroup('new')).toMatchObject({ retryCountMax: 16 });
    await expect(t.broker.putGroup(defaultGroup('bad name'))).rejects.toMatchObject({
      code: 'ILLEGAL_GROUP',
    });
  });

  test('tells the range of each queue', async () => {
    await t.topic('T', 2);
    await t.send('T', ['a', 'b'], { queueId: 1 });
    const storeMs = t.clock.nowMs();
    expect(await t.broker.topicQueues('T')).toEqual([
      { queueId: 0, minOffset: 0, maxOffset: 0, lastStoreTimestampMs: 0 },
      { queueId: 1, minOffset: 0, maxOffset: 2, lastStoreTimestampMs: storeMs },
    ]);
  });
});

describe('pull', () => {
  beforeEach(async () => {
    await t.topic('T');
  });

  const at = (offset: number): { offset: never } => ({ offset: offset as never });

  test('reads by offset and says why there is nothing', async () => {
    expect((await (await t.pull()).answer).status).toBe('NO_MESSAGE_IN_QUEUE');
    await t.send('T', ['a', 'b', 'c']);
    const all = await (await t.pull(at(1))).answer;
    expect(all).toMatchObject({ status: 'FOUND', nextOffset: 3, minOffset: 0, maxOffset: 3 });
    expect(bodies(all.messages.map((message) => ({ message })))).toEqual(['b', 'c']);
    expect((await (await t.pull(at(3))).answer).status).toBe('OFFSET_OVERFLOW_ONE');
    expect(await (await t.pull(at(7))).answer).toMatchObject({
      status: 'OFFSET_OVERFLOW_BADLY',
      nextOffset: 3,
    });
    expect(await t.broker.getOffset('G', 'T', 0)).toBe(undefined);
  });

  test('obeys count, size and filter', async () => {
    for (const tag of ['A', 'B', 'A']) await t.send('T', [tag], { properties: { TAGS: tag } });
    expect((await (await t.pull({ maxCount: 1 })).answer).nextOffset).toBe(1);
    expect((await (await t.pull({ maxSizeBytes: 1 })).answer).messages.length).toBe(1);
    const filter = { type: 'TAG', expression: 'B' } as const;
    const some = await (await t.pull({ filter })).answer;
    expect(some).toMatchObject({ status: 'FOUND', nextOffset: 3 });
    expect(some.messages.length).toBe(1);
    const none = await (await t.pull({ filter: { type: 'TAG', expression: 'C' } })).answer;
    expect(none).toMatchObject({ status: 'NO_MATCHED_MESSAGE', nextOffset: 3 });
  });

  test('looks far for what matches', async () => {
    for (let round = 0; round < 5; round++) await t.send('T', Array<string>(100).fill('x'));
    await t.send('T', ['hit'], { properties: { TAGS: 'B' } });
    const filter = { type: 'TAG', expression: 'B' } as const;
    const found = await (await t.pull({ filter, maxCount: 1 })).answer;
    expect(found).toMatchObject({ status: 'FOUND', nextOffset: 501 });
  });

  test('waits at the end for a message, its deadline or a cancel', async () => {
    const woken = await t.pull({ pollingTimeMs: 15_000 });
    const cancelled = await t.pull({ pollingTimeMs: 15_000, group: 'other' });
    expect(woken.isAnswered).toBe(false);
    cancelled.cancel();
    expect((await cancelled.answer).messages).toEqual([]);
    await t.send('T', ['a']);
    await settle();
    expect((await woken.answer).status).toBe('FOUND');
    const late = await t.pull({ ...at(1), pollingTimeMs: 1_000 });
    await t.clock.advance(1_020);
    expect((await late.answer).status).toBe('OFFSET_OVERFLOW_ONE');
  });
});

test('a queue that no topic can have is refused wherever it is named', async () => {
  const t = await new TestBroker().start();
  await t.topic('T');
  const wrong = 2 ** 31 - 1;
  const refused = { code: 'ILLEGAL_QUEUE' };
  await expect(t.broker.getOffset('G', 'T', wrong)).rejects.toMatchObject(refused);
  await expect(t.broker.putOffset('G', 'T', wrong, 0 as never)).rejects.toMatchObject(refused);
  await expect(t.broker.offsetByTime('T', wrong, 0)).rejects.toMatchObject(refused);
  // Whoever walks over all queues is not kept waiting by ids that were asked for.
  expect([...t.store.queues()].length).toBeLessThan(10);
  await t.stop();
});
