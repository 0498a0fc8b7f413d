/** Lite topics in the broker: their queues, who gets what, quotas, and what ends a subscription. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { liteQueueTopic } from '../../../../src/protocol/message/lite-topic.ts';
import type { QueueOffset } from '../../../../src/protocol/message/message.ts';
import type {
  LiteSubscriptionRequest,
  LiteUnsubscribed,
} from '../../../../src/server/broker/api.ts';
import { defaultGroup } from '../../../../src/server/broker/groups/group-table.ts';
import { topicOf } from '../../../../src/server/broker/topics/topic-table.ts';
import { settle } from '../../../support/manual-clock.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.broker.putTopic(topicOf('L', 4, 6, { 'message.type': 'LITE' }));
});

afterEach(async () => {
  await t.stop();
});

function send(liteTopic: string, ...names: string[]) {
  return t.send('L', names, { properties: { __LITE_TOPIC: liteTopic } });
}

function sync(
  liteTopics: readonly string[],
  more: Partial<LiteSubscriptionRequest> = {},
): Promise<string> {
  return new Promise((resolve) => {
    t.broker.syncLiteSubscription(
      {
        group: 'G',
        topic: 'L',
        clientId: 'c1',
        action: 'PARTIAL_ADD',
        liteTopics,
        startFrom: undefined,
        ...more,
      },
      (error) => resolve(error?.code ?? 'OK'),
    );
  });
}

const lite = { topic: 'L', liteClientId: 'c1' } as const;
const parked = { ...lite, pollingTimeMs: 20_000 } as const;

async function groupWith(attributes: Record<string, string>): Promise<void> {
  await t.broker.putGroup({ ...defaultGroup('G'), attributes });
}

async function tail(startFrom: LiteSubscriptionRequest['startFrom']): Promise<string[]> {
  await sync(['a'], { action: 'PARTIAL_REMOVE' });
  await sync(['a'], { startFrom });
  const got = await t.receive(lite);
  await t.ack(
    got.map((one) => one.receiptHandle),
    'G',
    'L',
  );
  return bodies(got);
}

describe('receiving', () => {
  test('a client gets what it subscribes to, in the order of each lite topic', async () => {
    await send('a', 'a1', 'a2');
    await send('b', 'b1');
    await send('c', 'c1');
    expect(await sync(['a', 'b'])).toBe('OK');
    const got = await t.receive(lite);
    expect(bodies(got)).toEqual(['a1', 'a2', 'b1']);
    for (const { message, receiptHandle } of got) {
      expect(message.topic).toBe('L');
      expect(receiptHandle).toMatch(/ [ab]$/);
    }
    expect(await t.receive(lite)).toEqual([]);
    expect(await t.receive({ ...lite, liteClientId: 'c2' })).toEqual([]);
    await t.ack(
      got.map((one) => one.receiptHandle),
      'G',
      'L',
    );
    await t.clock.advance(60_000);
    expect(await t.receive(lite)).toEqual([]);
  });

  test('a lite topic waits for its head, others go on; a failed one comes again', async () => {
    await sync(['a', 'b']);
    await send('a', 'a1', 'a2');
    const [a1] = await t.receive({ ...lite, maxCount: 1 });
    await send('b', 'b1');
    expect(bodies(await t.receive(lite))).toEqual(['b1']);
    await t.clock.advance(10_000);
    const again = await t.receive(lite);
    expect(bodies(again).sort()).toEqual(['a1', 'a2', 'b1']);
    expect(again.find((one) => one.message.queueOffset === 0)!.deliveryAttempt).toBe(2);
    expect(await t.ack([a1!.receiptHandle], 'G', 'L')).toEqual(['INVALID_RECEIPT_HANDLE']);
  });

  test('a waiting client is woken by its lite topics alone, old, new and visible again', async () => {
    await sync(['a', 'b']);
    const waiting = await t.pop(parked);
    await send('c', 'c1');
    await t.clock.advance(0);
    expect(waiting.isAnswered).toBe(false);
    await send('b', 'b1');
    await t.clock.advance(0);
    expect(bodies((await waiting.answer).messages)).toEqual(['b1']);
    const again = await t.pop(parked);
    await t.clock.advance(10_020);
    expect(bodies((await again.answer).messages)).toEqual(['b1']);
    const late = await t.pop(parked);
    await sync(['c']);
    expect(bodies((await late.answer).messages)).toEqual(['c1']);
  });

  test('clients of a group share a lite topic; each message goes to one', async () => {
    await sync(['a']);
    await sync(['a'], { clientId: 'c2' });
    const first = await t.pop(parked);
    const second = await t.pop({ ...parked, liteClientId: 'c2' });
    await send('a', 'a1');
    await t.clock.advance(0);
    expect([first.isAnswered, second.isAnswered]).toEqual([true, false]);
    await t.ack([(await first.answer).messages[0]!.receiptHandle], 'G', 'L');
    await send('a', 'a2');
    await t.clock.advance(0);
    expect(bodies((await second.answer).messages)).toEqual(['a2']);
  });

  test('past its attempts a message goes to the dead letters of the group', async () => {
    await t.broker.putGroup({ ...defaultGroup('G'), retryCountMax: 0 });
    await sync(['a']);
    await send('a', 'poison', 'a2');
    await t.receive({ ...lite, maxCount: 1 });
    await t.clock.advance(10_000);
    await t.receive({ ...lite, maxCount: 1 });
    expect(bodies(await t.receive({ ...lite, maxCount: 1 }))).toEqual(['a2']);
    const [dead] = await t.receive({ topic: '%DLQ%G', group: 'i' });
    expect(bodies([dead!])).toEqual(['poison']);
    expect(Buffer.from(dead!.message.properties).toString()).toContain('RETRY_TOPIC\u0001L\u0002');
  });

  test('offsets, attempts and what is held survive a crash; subscriptions are said again', async () => {
    await sync(['a', 'b']);
    await send('a', 'a1', 'a2');
    await send('b', 'b1');
    const got = await t.receive({ ...lite, attemptId: 'x' });
    await t.ack([got[0]!.receiptHandle], 'G', 'L');
    await t.clock.advance(200);
    await t.crash();
    expect(await t.receive(lite)).toEqual([]);
    await sync(['a', 'b'], { action: 'COMPLETE_ADD' });
    expect(await t.receive(lite)).toEqual([]);
    expect(bodies(await t.receive({ ...lite, attemptId: 'x' }))).toEqual(['a2', 'b1']);
    await t.clock.advance(10_000);
    const again = await t.receive(lite);
    expect(bodies(again).sort()).toEqual(['a2', 'b1']);
    expect(again.map((one) => one.deliveryAttempt)).toEqual([2, 2]);
    expect((await t.broker.listTopics()).some(({ topic }) => topic.includes('LMQ'))).toBe(false);
  });
});

describe('subscriptions', () => {
  test('the whole set replaces what was there; none is left when the client goes', async () => {
    await sync(['a', 'b']);
    await sync(['b', 'c'], { action: 'COMPLETE_ADD' });
    await send('a', 'a1');
    await send('c', 'c1');
    expect(bodies(await t.receive(lite))).toEqual(['c1']);
    await sync([], { action: 'COMPLETE_REMOVE' });
    await send('b', 'b1');
    expect(await t.receive(lite)).toEqual([]);
  });

  test('a group begins where the client says', async () => {
    await send('a', '0', '1', '2', '3');
    expect(await tail(undefined)).toEqual(['0', '1', '2', '3']);
    expect(await tail({ type: 'TAIL', count: 2 })).toEqual(['2', '3']);
    expect(await tail({ type: 'OFFSET', offset: 1 })).toEqual(['1', '2', '3']);
    expect(await tail({ type: 'MAX' })).toEqual([]);
    expect(await tail({ type: 'MIN' })).toEqual(['0', '1', '2', '3']);
    expect(await tail(undefined)).toEqual([]);
  });

  test('refuses bad names, topics, groups and more than the quota', async () => {
    expect(await sync(['a b'])).toBe('ILLEGAL_LITE_TOPIC');
    expect(await sync(['x'.repeat(65)])).toBe('ILLEGAL_LITE_TOPIC');
    await t.topic('T');
    expect(await sync(['a'], { topic: 'T' })).toBe('ILLEGAL_TOPIC');
    await groupWith({ 'lite.sub.client.quota': '2', 'lite.bind.topic': 'L' });
    expect(await sync(['a', 'b'])).toBe('OK');
    expect(await sync(['b'])).toBe('OK');
    expect(await sync(['c'])).toBe('LITE_SUBSCRIPTION_QUOTA_EXCEEDED');
    expect(await sync(['c', 'd'], { action: 'COMPLETE_ADD' })).toBe('OK');
    await groupWith({ 'lite.bind.topic': 'other' });
    expect(await sync(['a'])).toBe('ILLEGAL_GROUP');
  });

  test('a message without a lite topic, or with a bad one, is refused', async () => {
    const code = 'ILLEGAL_LITE_TOPIC';
    await expect(t.send('L', ['x'])).rejects.toMatchObject({ code });
    await expect(send('not ok', 'x')).rejects.toMatchObject({ code });
  });

  test('of an exclusive group the last subscriber has it, the other is told', async () => {
    await groupWith({ 'lite.sub.model': 'Exclusive' });
    const gone: LiteUnsubscribed[] = [];
    t.broker.onLiteUnsubscribed((one) => gone.push(one));
    await sync(['a', 'b']);
    await sync(['a'], { clientId: 'c2' });
    expect(gone).toEqual([{ group: 'G', topic: 'L', clientId: 'c1', liteTopic: 'a' }]);
    await send('a', 'a1');
    expect(await t.receive(lite)).toEqual([]);
    expect(bodies(await t.receive({ ...lite, liteClientId: 'c2' }))).toEqual(['a1']);
  });

  test('an unused lite topic expires with its messages, and may be made again', async () => {
    const attributes = { 'message.type': 'LITE', 'lite.topic.expiration': '5' };
    await t.broker.putTopic(topicOf('L', 4, 6, attributes));
    const gone: string[] = [];
    t.broker.onLiteUnsubscribed((one) => gone.push(one.liteTopic));
    await send('a', 'a1');
    await send('b', 'b1');
    const keep = { action: 'COMPLETE_ADD' } as const;
    for (let minute = 0; minute < 4; minute++) {
      await sync(['a', 'b'], keep);
      await t.clock.advance(60_000);
    }
    await send('b', 'b2');
    for (let minute = 0; minute < 3; minute++) {
      await sync(['b'], { action: 'PARTIAL_ADD' });
      await t.clock.advance(60_000);
    }
    expect(gone).toEqual(['a']);
    expect(bodies(await t.receive(lite))).toEqual(['b1', 'b2']);
    await sync(['a']);
    await send('a', 'new');
    expect(bodies(await t.receive(lite))).toEqual(['new']);
  });

  test('a group that may ask for all lite topics gets old and new ones', async () => {
    expect(await sync(['*'])).toBe('ILLEGAL_LITE_TOPIC');
    await groupWith({ 'lite.sub.wildcard': 'true' });
    await send('old', 'o1');
    expect(await sync(['*'])).toBe('OK');
    const got = await t.receive(lite);
    expect(bodies(got)).toEqual(['o1']);
    await t.ack([got[0]!.receiptHandle], 'G', 'L');
    const waiting = await t.pop(parked);
    await send('new', 'n1');
    await t.clock.advance(0);
    expect(bodies((await waiting.answer).messages)).toEqual(['n1']);
    await sync(['named']);
    await sync(['*'], { action: 'PARTIAL_REMOVE' });
    await t.clock.advance(10_000);
    await send('named', 'x1');
    expect(bodies(await t.receive(lite))).toEqual(['x1']);
  });

  test('a silent client is forgotten', async () => {
    await sync(['a']);
    await t.clock.advance(300_000);
    await send('a', 'a1');
    expect(await t.receive(lite)).toEqual([]);
  });
});

test('a message that comes while another lite topic is read does not wait for the next', async () => {
  await sync(['a', 'b']);
  const waiting = await t.pop(parked);
  const goOn = t.holdReading();
  await send('a', 'a1');
  await settle();
  await t.broker.resetOffset('G', liteQueueTopic('L', 'a'), 0, 1 as QueueOffset);
  await send('b', 'b1');
  await settle();
  goOn();
  await t.clock.advance(10);
  expect(waiting.isAnswered).toBe(true);
  expect(bodies((await waiting.answer).messages)).toEqual(['b1']);
});

test('who subscribes after a delayed message was delivered gets it, over a restart too', async () => {
  const properties = { __LITE_TOPIC: 'a', TIMER_DELAY_SEC: '10' };
  await t.send('L', ['late'], { properties });
  await t.restart();
  await t.clock.advance(11_000);
  await sync(['a']);
  expect(bodies(await t.receive(lite))).toEqual(['late']);
});

test('an offset that an operator moves back is seen by who had everything', async () => {
  await send('a', 'a1');
  await sync(['a']);
  const [one] = await t.receive(lite);
  await t.ack([one!.receiptHandle], 'G', 'L');
  await t.pop(parked);
  await t.clock.advance(20_000);
  await t.broker.resetOffset('G', liteQueueTopic('L', 'a'), 0, 0 as QueueOffset);
  expect(bodies(await t.receive(lite))).toEqual(['a1']);
});

test('transactional messages, which could not be committed, are refused', async () => {
  const properties = { __LITE_TOPIC: 'a', TRAN_MSG: 'true' };
  const sent = t.send('L', ['half'], { properties });
  await expect(sent).rejects.toMatchObject({ code: 'MESSAGE_ILLEGAL' });
});

test('thousands of lite topics: a client that subscribes to many gets every message', async () => {
  const names = Array.from({ length: 2_000 }, (_, index) => `lite-${index}`);
  await sync(names, { action: 'COMPLETE_ADD' });
  for (const name of names) await send(name, name);
  const seen = new Set<string>();
  for (let round = 0; seen.size < names.length; round++) {
    expect(round).toBeLessThan(200);
    const got = await t.receive(lite);
    for (const body of bodies(got)) seen.add(body);
    await t.ack(
      got.map((one) => one.receiptHandle),
      'G',
      'L',
    );
  }
  expect(await t.receive(lite)).toEqual([]);
});
