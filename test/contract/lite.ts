/**
 * Lite topics, as every `BrokerApi` has them; over Remoting these are POP_LITE_MESSAGE,
 * LITE_SUBSCRIPTION_CTL and, back to the proxy, NOTIFY_UNSUBSCRIBE_LITE.
 */
import { expect, test } from 'vitest';
import { RmqError } from '../../src/protocol/errors.ts';
import type { BrokerApi, LiteSubscriptionRequest, PopResult } from '../../src/server/broker/api.ts';
import { defaultGroup } from '../../src/server/broker/groups/group-table.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { draft, pop, sendAll } from './broker-api.ts';

const lite = { topic: 'parent', liteClientId: 'c1' } as const;

function sync(
  broker: BrokerApi,
  liteTopics: readonly string[],
  more: Partial<LiteSubscriptionRequest> = {},
): Promise<string> {
  const action = 'PARTIAL_ADD';
  const request = { group: 'group', topic: 'parent', clientId: 'c1', action } as const;
  return new Promise((resolve) => {
    broker.syncLiteSubscription(
      { ...request, liteTopics, startFrom: undefined, ...more },
      (error) => resolve(error?.code ?? 'OK'),
    );
  });
}

function send(broker: BrokerApi, liteTopic: string, ...texts: string[]): Promise<unknown> {
  return sendAll(
    broker,
    texts.map((text) => draft('parent', text, { __LITE_TOPIC: liteTopic })),
  );
}

function makeParent(broker: BrokerApi): Promise<void> {
  return broker.putTopic(topicOf('parent', 4, 6, { 'message.type': 'LITE' }));
}

function code<T>(call: (reply: (outcome: T | RmqError) => void) => void): Promise<string> {
  return new Promise((resolve) => {
    call((outcome) => resolve(outcome instanceof RmqError ? outcome.code : 'OK'));
  });
}

const texts = ({ messages }: PopResult): string[] =>
  messages.map(({ message }) => Buffer.from(message.body).toString());

export function liteTests(opened: () => Promise<BrokerApi>): void {
  test('lite topics: what a client subscribes to comes, is changed, acknowledged, given up', async () => {
    const broker = await opened();
    await makeParent(broker);
    await send(broker, 'a', 'a1', 'a2');
    await send(broker, 'b', 'b1');
    expect(await sync(broker, ['a'])).toBe('OK');
    const first = await pop(broker, { ...lite, invisibleTimeMs: 30_000 });
    expect(texts(first)).toEqual(['a1', 'a2']);
    expect(first.messages.map(({ message }) => message.topic)).toEqual(['parent', 'parent']);
    const [a1 = '', a2 = ''] = first.messages.map(({ receiptHandle }) => receiptHandle);
    const of = { group: 'group', topic: 'parent' } as const;
    const changed = await new Promise<string | RmqError>((resolve) => {
      const invisibleTimeMs = 100;
      const change = { ...of, receiptHandle: a1, invisibleTimeMs, isSuspend: false };
      broker.changeInvisibleTime(change, resolve);
    });
    expect(changed).toMatch(/ a$/);
    const again = await pop(broker, { ...lite, pollingTimeMs: 5_000 });
    expect(texts(again)).toEqual(['a1']);
    expect(again.messages[0]?.deliveryAttempt).toBe(2);
    const outcomes = await new Promise((resolve) => {
      broker.ack({ ...of, receiptHandles: [again.messages[0]?.receiptHandle ?? ''] }, resolve);
    });
    expect(outcomes).toEqual([undefined]);
    const bury = { ...of, receiptHandle: a2, messageId: '' };
    expect(await code((reply) => broker.sendToDeadLetters(bury, reply))).toBe('OK');
    const dead = await pop(broker, { topic: '%DLQ%group', group: 'i', pollingTimeMs: 5_000 });
    expect(texts(dead)).toEqual(['a2']);
  });

  test('lite topics: a waiting client is woken; errors have their names', async () => {
    const broker = await opened();
    await makeParent(broker);
    expect(await sync(broker, ['a', 'b'], { action: 'COMPLETE_ADD' })).toBe('OK');
    const waiting = pop(broker, { ...lite, pollingTimeMs: 10_000 });
    await send(broker, 'b', 'b1');
    expect(texts(await waiting)).toEqual(['b1']);
    expect(await sync(broker, ['no name'])).toBe('ILLEGAL_LITE_TOPIC');
    expect(await sync(broker, ['a'], { topic: 'none' })).toBe('ILLEGAL_TOPIC');
    const many = Array.from({ length: 2_001 }, (_, index) => `l${index}`);
    expect(await sync(broker, many)).toBe('LITE_SUBSCRIPTION_QUOTA_EXCEEDED');
    await sync(broker, [], { action: 'COMPLETE_REMOVE' });
    await send(broker, 'b', 'b2');
    expect(texts(await pop(broker, lite))).toEqual([]);
    await sync(broker, ['b'], { startFrom: { type: 'MIN' } });
    expect(texts(await pop(broker, lite))).toEqual(['b1', 'b2']);
  });

  test('lite topics: who loses an exclusive subscription is told', async () => {
    const broker = await opened();
    await makeParent(broker);
    const attributes = { 'lite.sub.model': 'Exclusive' };
    await broker.putGroup({ ...defaultGroup('group'), attributes });
    const told = new Promise<string>((resolve) => {
      broker.onLiteUnsubscribed((gone) => resolve(`${gone.clientId} ${gone.liteTopic}`));
    });
    await sync(broker, ['a']);
    await sync(broker, ['a'], { clientId: 'c2' });
    expect(await told).toBe('c1 a');
  });
}
