/** Topics with `cleanup.policy=COMPACTION` as clients see them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { QueueOffset } from '../../../../src/protocol/message/message.ts';
import { readWrite, topicOf } from '../../../../src/server/broker/topics/topic-table.ts';
import { settle } from '../../../support/manual-clock.ts';
import { bodies, TestBroker } from '../../../support/test-broker.ts';

let t: TestBroker;

beforeEach(async () => {
  t = await new TestBroker({ store: { segmentSizeBytes: 64 << 10 } }).start();
  await t.broker.putTopic(topicOf('T', 1, readWrite, { 'cleanup.policy': 'COMPACTION' }));
});

afterEach(async () => {
  await t.stop();
});

async function put(key: string, body: string): Promise<void> {
  await t.send('T', [body], { properties: { KEYS: key } });
}

async function compact(): Promise<void> {
  await t.store.deleteExpired();
  await settle(20);
}

test('a message needs a key, and without a body it deletes it', async () => {
  await expect(t.send('T', ['x'])).rejects.toMatchObject({ code: 'MESSAGE_ILLEGAL' });
  await put('a', '1');
  await put('a', '');
  await compact();
  const { answer } = await t.pull();
  const { messages, nextOffset } = await answer;
  expect(messages.map(({ queueOffset, body }) => [queueOffset, body.length])).toEqual([[1, 0]]);
  expect(nextOffset).toBe(2);
  await t.topic('U');
  await expect(t.send('U', [''])).rejects.toMatchObject({ code: 'MESSAGE_EMPTY' });
});

test('pull and pop pass over what was replaced', async () => {
  for (let index = 0; index < 100; index++) await put(`key-${index % 3}`, `m${index}`);
  await compact();
  const pulled: string[] = [];
  for (let offset = 0; offset < 100; ) {
    const { answer } = await t.pull({ offset: offset as QueueOffset });
    const result = await answer;
    pulled.push(...bodies(result.messages.map((message) => ({ message }))));
    offset = result.nextOffset;
  }
  expect(pulled).toEqual(['m97', 'm98', 'm99']);
  const got = await t.receive({ startFrom: 'MIN' });
  expect(bodies(got)).toEqual(['m97', 'm98', 'm99']);
  expect(await t.ack(got.map((one) => one.receiptHandle))).toEqual(['OK', 'OK', 'OK']);
  expect(await t.broker.getOffset('G', 'T', 0)).toBe(100);
});

test('a message in flight that is replaced meanwhile does not come again', async () => {
  await put('a', 'old');
  await put('b', 'b');
  expect(bodies(await t.receive({ startFrom: 'MIN' }))).toEqual(['old', 'b']);
  await put('a', 'new');
  await compact();
  await t.clock.advance(10_000);
  const got = await t.receive();
  expect(bodies(got)).toEqual(['b', 'new']);
  await t.ack(got.map((one) => one.receiptHandle));
  expect(await t.broker.getOffset('G', 'T', 0)).toBe(3);
});

test('only known policies are taken, and one may be changed', async () => {
  const topic = topicOf('T', 1, readWrite, { 'cleanup.policy': 'NEVER' });
  await expect(t.broker.putTopic(topic)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  await put('a', '1');
  await t.broker.putTopic(topicOf('T', 1, readWrite, { 'cleanup.policy': 'DELETE' }));
  await t.send('T', ['2']);
  await compact();
  const { answer } = await t.pull();
  expect((await answer).messages).toHaveLength(2);
});
