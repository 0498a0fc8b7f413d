/** What every `BrokerApi` does, whoever implements it. Runs over `Broker` and over `RemoteBroker`. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { RmqError } from '../../src/protocol/errors.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
} from '../../src/protocol/message/message.ts';
import { encodeProperties, findProperty } from '../../src/protocol/message/properties.ts';
import { decodeRecallHandle } from '../../src/protocol/message/recall-handle.ts';
import { defaultGroupConfig } from '../../src/protocol/remoting/bodies/group-config.ts';
import type {
  AckRequest,
  BrokerApi,
  PopRequest,
  PopResult,
  PullRequest,
  PullResult,
  SendResult,
} from '../../src/server/broker/api.ts';
import { readWrite, topicOf } from '../../src/server/broker/topics/topic-table.ts';
import type { Reply } from '../../src/util/reply.ts';
import { plainDraft } from '../support/plain-draft.ts';

/** The result, whether it is an error or not. */
function result<T>(call: (reply: Reply<T, RmqError>) => unknown): Promise<T | RmqError> {
  return new Promise((resolve) => {
    call(resolve);
  });
}

async function done<T>(call: (reply: Reply<T, RmqError>) => unknown): Promise<T> {
  const outcome = await result(call);
  if (outcome instanceof RmqError) throw outcome;
  return outcome;
}

export function draft(
  topic: string,
  body: string,
  properties: Record<string, string> = {},
): MessageDraft {
  return plainDraft({
    topic,
    queueId: 0,
    body: Buffer.from(body),
    properties: encodeProperties(properties),
  });
}

export function sendAll(
  broker: BrokerApi,
  drafts: readonly MessageDraft[],
): Promise<readonly SendResult[]> {
  return done((reply) =>
    broker.send({ drafts, producerGroup: 'producers', createFrom: undefined }, reply),
  );
}

export function pop(broker: BrokerApi, request: Partial<PopRequest>): Promise<PopResult> {
  return done((reply) => broker.pop(popRequest(request), reply));
}

function popRequest(request: Partial<PopRequest>): PopRequest {
  return {
    group: 'group',
    topic: 'topic',
    queueId: -1,
    maxCount: 32,
    invisibleTimeMs: 60_000,
    pollingTimeMs: 0,
    filter: { type: 'TAG', expression: '*' },
    startFrom: 'MIN',
    isOrdered: false,
    attemptId: undefined,
    ...request,
  };
}

function pullRequest(request: Partial<PullRequest>): PullRequest {
  return {
    group: 'group',
    topic: 'topic',
    queueId: 0,
    offset: 0 as QueueOffset,
    maxCount: 32,
    maxSizeBytes: 1 << 18,
    filter: { type: 'TAG', expression: '*' },
    pollingTimeMs: 0,
    ...request,
  };
}

async function makeTopic(broker: BrokerApi, topic = 'topic', queueCount = 1): Promise<void> {
  await broker.putTopic(topicOf(topic, queueCount, readWrite, { 'message.type': 'NORMAL' }));
}

const bodies = (popped: PopResult): string[] =>
  popped.messages.map(({ message }) => Buffer.from(message.body).toString());

/** `open` starts a new, empty broker. */
export function brokerApiSuite(
  name: string,
  open: () => Promise<{ readonly broker: BrokerApi; stop(): Promise<void> }>,
  more: readonly ((opened: () => Promise<BrokerApi>) => void)[] = [],
): void {
  const opened = async (): Promise<BrokerApi> => {
    const { broker, stop } = await open();
    onTestFinished(stop);
    return broker;
  };
  describe(name, () => {
    messageTests(opened);
    deliveryTests(opened);
    configurationTests(opened);
    for (const tests of more) tests(opened);
  });
}

function messageTests(opened: () => Promise<BrokerApi>): void {
  test('what is sent comes back whole', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const sent = { ...draft('topic', 'héllo', { TAGS: 'a', KEYS: 'k1 k2', user: 'ü' }), flag: 7 };
    const [answer] = await sendAll(broker, [sent]);
    expect(answer).toMatchObject({ queueId: 0, queueOffset: 0 });
    const popped = await pop(broker, {});
    expect(bodies(popped)).toEqual(['héllo']);
    const [first] = popped.messages;
    expect(first).toMatchObject({ deliveryAttempt: 1, invisibleTimeMs: 60_000 });
    expect(first?.message).toMatchObject({ topic: 'topic', flag: 7, queueOffset: 0 });
    expect(findProperty(first?.message.properties ?? Buffer.of(), 'user')).toBe('ü');
    expect(findProperty(first?.message.properties ?? Buffer.of(), 'UNIQ_KEY')).toBe(
      answer?.messageId,
    );
    expect(findProperty(first?.message.properties ?? Buffer.of(), 'POP_CK')).toBeUndefined();
    const stored = await broker.messageAt(answer?.physicalOffset ?? (0 as PhysicalOffset));
    expect(Buffer.from(stored?.body ?? []).toString()).toBe('héllo');
  });

  test('a batch keeps its order and every message its own id', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const drafts = ['a', 'b', 'c'].map((body) => draft('topic', body, { UNIQ_KEY: `id-${body}` }));
    const answers = await sendAll(broker, drafts);
    expect(answers.map(({ queueOffset, messageId }) => [queueOffset, messageId])).toEqual([
      [0, 'id-a'],
      [1, 'id-b'],
      [2, 'id-c'],
    ]);
    expect(bodies(await pop(broker, {}))).toEqual(['a', 'b', 'c']);
  });

  test('refusals are named', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const send = (sent: MessageDraft): Promise<unknown> => sendAll(broker, [sent]);
    await expect(send(draft('nowhere', 'x'))).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    await expect(send({ ...draft('topic', 'x'), queueId: 9 })).rejects.toMatchObject({
      code: 'ILLEGAL_QUEUE',
    });
    await expect(send(draft('bad topic', 'x'))).rejects.toMatchObject({ code: 'ILLEGAL_TOPIC' });
    await expect(pop(broker, { topic: 'nowhere' })).rejects.toMatchObject({
      code: 'TOPIC_NOT_FOUND',
    });
  });

  test('tags select', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', '1', { TAGS: 'a' })]);
    await sendAll(broker, [draft('topic', '2', { TAGS: 'b' })]);
    await sendAll(broker, [draft('topic', '3', { TAGS: 'c' })]);
    const filter = { type: 'TAG', expression: 'a || c' } as const;
    expect(bodies(await pop(broker, { filter }))).toEqual(['1', '3']);
  });

  test('pull reads by offset and says where the queue ends', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', 'a'), draft('topic', 'b')]);
    const found = await done<PullResult>((reply) =>
      broker.pull(pullRequest({ offset: 1 as QueueOffset }), reply),
    );
    expect(found).toMatchObject({ status: 'FOUND', nextOffset: 2, minOffset: 0, maxOffset: 2 });
    expect(found.messages.map(({ body }) => Buffer.from(body).toString())).toEqual(['b']);
    const end = await done((reply) =>
      broker.pull(pullRequest({ offset: 2 as QueueOffset }), reply),
    );
    expect(end).toMatchObject({ status: 'OFFSET_OVERFLOW_ONE', messages: [] });
    const far = await done((reply) =>
      broker.pull(pullRequest({ offset: 9 as QueueOffset }), reply),
    );
    expect(far).toMatchObject({ status: 'OFFSET_OVERFLOW_BADLY', nextOffset: 2 });
  });
}

function deliveryTests(opened: () => Promise<BrokerApi>): void {
  test('a waiting pop is woken by a send', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const waiting = pop(broker, { pollingTimeMs: 20_000 });
    await sendAll(broker, [draft('topic', 'late')]);
    expect(bodies(await waiting)).toEqual(['late']);
  });

  test('a cancelled pop answers empty at once', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const answer = new Promise<PopResult | RmqError>((resolve) => {
      const cancel = broker.pop(popRequest({ pollingTimeMs: 20_000 }), resolve);
      cancel();
      cancel();
    });
    expect(await answer).toMatchObject({ messages: [] });
  });

  test('acknowledged is done; a made-up handle is refused', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', 'a'), draft('topic', 'b')]);
    const { messages } = await pop(broker, {});
    const receiptHandles = messages.map((message) => message.receiptHandle);
    const request: AckRequest = { group: 'group', topic: 'topic', receiptHandles };
    expect(await done((reply) => broker.ack(request, reply))).toEqual([undefined, undefined]);
    expect(await broker.getOffset('group', 'topic', 0)).toBe(2);
    const wrong = { ...request, receiptHandles: ['nonsense'] };
    const [outcome] = await done<readonly (RmqError | undefined)[]>((reply) =>
      broker.ack(wrong, reply),
    );
    expect(outcome?.code).toBe('INVALID_RECEIPT_HANDLE');
  });

  test('visible again at once, with one more attempt and a new handle', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', 'again')]);
    const [first] = (await pop(broker, {})).messages;
    const receiptHandle = first?.receiptHandle ?? '';
    const change = {
      group: 'group',
      topic: 'topic',
      receiptHandle,
      invisibleTimeMs: 0,
      isSuspend: false,
    };
    await done<string>((reply) => broker.changeInvisibleTime(change, reply));
    const again = await pop(broker, { pollingTimeMs: 5_000 });
    expect(bodies(again)).toEqual(['again']);
    expect(again.messages[0]?.deliveryAttempt).toBe(2);
    expect(again.messages[0]?.receiptHandle).not.toBe(receiptHandle);
  });

  test('the handle of a changed invisible time acknowledges', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', 'm')]);
    const [first] = (await pop(broker, {})).messages;
    const receiptHandle = first?.receiptHandle ?? '';
    const change = {
      group: 'group',
      topic: 'topic',
      receiptHandle,
      invisibleTimeMs: 30_000,
      isSuspend: false,
    };
    const handle = await done<string>((reply) => broker.changeInvisibleTime(change, reply));
    const request = { group: 'group', topic: 'topic', receiptHandles: [handle] };
    expect(await done((reply) => broker.ack(request, reply))).toEqual([undefined]);
    expect(await broker.getOffset('group', 'topic', 0)).toBe(1);
  });

  test('delayed: parked, delivered at its time, recalled before it', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const { brokerName } = broker;
    const delayed = (body: string, delayMs: number): MessageDraft =>
      draft('topic', body, { TIMER_DELAY_MS: String(delayMs), UNIQ_KEY: `id-${body}` });
    const beganMs = Date.now();
    const sent = await sendAll(broker, [
      delayed('b', 200),
      delayed('a', 100),
      delayed('far', 9_000),
    ]);
    const handles = sent.map((one) => decodeRecallHandle(one.recallHandle ?? ''));
    expect(handles.map((handle) => handle?.uniqueKey)).toEqual(['id-b', 'id-a', 'id-far']);
    expect(handles[0]).toMatchObject({ topic: 'topic', brokerName });
    const recallHandle = sent[2]?.recallHandle ?? '';
    const request = { topic: 'topic', recallHandle, producerGroup: 'producers' };
    expect(await done<string>((reply) => broker.recall(request, reply))).toBe('id-far');
    const got: string[] = [];
    while (got.length < 2) got.push(...bodies(await pop(broker, { pollingTimeMs: 5_000 })));
    expect(got).toEqual(['a', 'b']);
    expect(Date.now() - beganMs).toBeGreaterThanOrEqual(200);
    const bad = { ...request, recallHandle: 'nonsense' };
    const refused = await result<string>((reply) => broker.recall(bad, reply));
    expect(refused).toMatchObject({ code: 'ILLEGAL_OPERATION' });
    const year = result((reply) =>
      broker.send(
        {
          drafts: [delayed('year', 365 * 86_400_000)],
          producerGroup: 'producers',
          createFrom: undefined,
        },
        reply,
      ),
    );
    expect(await year).toBeInstanceOf(RmqError);
  });

  test('FIFO: nothing behind an unfinished message; the same attempt gets it again', async () => {
    const broker = await opened();
    await makeTopic(broker);
    const properties = { __SHARDINGKEY: 'g' };
    await sendAll(broker, [draft('topic', '1', properties), draft('topic', '2', properties)]);
    const ordered = { isOrdered: true, maxCount: 1 };
    const first = await pop(broker, { ...ordered, attemptId: 'x' });
    expect(bodies(first)).toEqual(['1']);
    expect(bodies(await pop(broker, { ...ordered, attemptId: 'y' }))).toEqual([]);
    const repeated = await pop(broker, { ...ordered, attemptId: 'x' });
    expect(bodies(repeated)).toEqual(['1']);
    expect(repeated.messages[0]?.deliveryAttempt).toBe(1);
    const receiptHandles = [repeated.messages[0]?.receiptHandle ?? ''];
    const request = { group: 'group', topic: 'topic', receiptHandles };
    expect(await done((reply) => broker.ack(request, reply))).toEqual([undefined]);
    expect(bodies(await pop(broker, { ...ordered, attemptId: 'z' }))).toEqual(['2']);
  });

  test('a dead letter is copied and done', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', 'dead', { UNIQ_KEY: 'id' })]);
    const [first] = (await pop(broker, {})).messages;
    const receiptHandle = first?.receiptHandle ?? '';
    const request = { group: 'group', topic: 'topic', receiptHandle, messageId: 'id' };
    await done<undefined>((reply) => broker.sendToDeadLetters(request, reply));
    expect(await broker.getOffset('group', 'topic', 0)).toBe(1);
    const found = await done<PullResult>((reply) =>
      broker.pull(pullRequest({ topic: '%DLQ%group' }), reply),
    );
    expect(found.messages.map(({ body }) => Buffer.from(body).toString())).toEqual(['dead']);
  });
}

function configurationTests(opened: () => Promise<BrokerApi>): void {
  test('topics: put, replace attributes, list, ranges, delete', async () => {
    const broker = await opened();
    await makeTopic(broker, 'topic', 2);
    await broker.putTopic({
      ...((await broker.getTopic('topic')) ?? expect.fail('the topic is not there')),
      attributes: { 'message.type': 'FIFO' },
    });
    expect((await broker.getTopic('topic'))?.attributes).toEqual({ 'message.type': 'FIFO' });
    expect((await broker.listTopics()).some(({ topic }) => topic === 'topic')).toBe(true);
    await sendAll(broker, [draft('topic', 'x')]);
    const ranges = await broker.topicQueues('topic');
    expect(ranges.map(({ queueId, maxOffset }) => [queueId, maxOffset])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(ranges[0]?.lastStoreTimestampMs).toBeGreaterThan(0);
    await broker.deleteTopic('topic');
    expect(await broker.getTopic('topic')).toBeUndefined();
  });

  test('groups: put, list, delete', async () => {
    const broker = await opened();
    const config = {
      ...defaultGroupConfig('mine'),
      retryCountMax: 3,
      isOrdered: true,
      retryPolicy: { type: 'EXPONENTIAL', initialMs: 10, maxMs: 100, multiplier: 3 },
    } as const;
    await broker.putGroup(config);
    expect(await broker.getGroup('mine')).toEqual(config);
    expect((await broker.listGroups()).map(({ group }) => group)).toContain('mine');
    await broker.deleteGroup('mine', { cleanOffsets: true });
    expect((await broker.listGroups()).map(({ group }) => group)).not.toContain('mine');
  });

  test('offsets: set, read, by time', async () => {
    const broker = await opened();
    await makeTopic(broker);
    await sendAll(broker, [draft('topic', 'a'), draft('topic', 'b')]);
    expect(await broker.getOffset('group', 'topic', 0)).toBeUndefined();
    await broker.putOffset('group', 'topic', 0, 1 as QueueOffset);
    expect(await broker.getOffset('group', 'topic', 0)).toBe(1);
    expect(await broker.offsetByTime('topic', 0, 0)).toBe(0);
    expect(await broker.offsetByTime('topic', 0, 4_000_000_000_000)).toBe(2);
  });
}
