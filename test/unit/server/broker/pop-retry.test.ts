/** Pop retry topics, which a store that was taken over from Apache's broker may have. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

const retryTopic = '%RETRY%G_T';
const copied = { '1ST_POP_TIME': '1', ORIGIN_GROUP: 'G' };

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker().start();
  await t.topic('T');
  await t.topic(retryTopic);
});

afterEach(async () => {
  await t.stop();
});

test('their messages come with the topic own ones, named by it', async () => {
  await t.send('T', ['new']);
  await t.send(retryTopic, ['again'], { properties: copied });
  const found = await t.receive();
  expect(bodies(found)).toEqual(['new', 'again']);
  expect(found.map((one) => one.message.topic)).toEqual(['T', 'T']);
  expect(await t.ack(found.map((one) => one.receiptHandle))).toEqual(['OK', 'OK']);
  expect(await t.broker.getOffset('G', retryTopic, 0)).toBe(1);
  await t.clock.advance(60_000);
  expect(await t.receive()).toEqual([]);
});

test('one that is not acknowledged wakes a receive of the topic when it is visible again', async () => {
  await t.send(retryTopic, ['again'], { properties: copied });
  const [first] = await t.receive({ invisibleTimeMs: 5_000 });
  expect(first?.deliveryAttempt).toBe(1);
  const parked = await t.pop({ pollingTimeMs: 20_000 });
  await t.clock.advance(4_999);
  expect(parked.isAnswered).toBe(false);
  await t.clock.advance(10);
  expect(bodies((await parked.answer).messages)).toEqual(['again']);
  // A proxy of another process names the retry topic itself.
  const handle = (await parked.answer).messages[0]?.receiptHandle ?? '';
  expect(await t.ack([handle], 'G', retryTopic)).toEqual(['OK']);
});

test('a pull retry topic of another group that is called the same is left alone', async () => {
  await t.send(retryTopic, ['of G_T'], { properties: { RETRY_TOPIC: 'U' } });
  await t.send(retryTopic, ['of another'], { properties: { ...copied, ORIGIN_GROUP: 'H' } });
  expect(await t.receive()).toEqual([]);
  expect(await t.broker.getOffset('G_T', retryTopic, 0)).toBeUndefined();
});

test('ordered receives do not look there', async () => {
  await t.send(retryTopic, ['again'], { properties: copied });
  expect(await t.receive({ isOrdered: true })).toEqual([]);
});
