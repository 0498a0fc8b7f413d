/** Messages over the Remoting port: sent, read, sent back, popped, in transactions. */
import { expect, test, vi } from 'vitest';
import { RmqError } from '../../../../../src/protocol/errors.ts';
import type { StoredMessage } from '../../../../../src/protocol/message/message.ts';
import { findProperty } from '../../../../../src/protocol/message/properties.ts';
import { encodeBatchBody } from '../../../../../src/protocol/remoting/batch-body.ts';
import { RequestCode } from '../../../../../src/protocol/remoting/codes.ts';
import { decodeRecords } from '../../../../../src/server/proxy/remote-broker-messages.ts';
import { type RemotingPeer, startRemotingCluster } from '../../../../support/remoting-cluster.ts';

function decodeStoredMessages(body: Buffer): readonly StoredMessage[] {
  const records = decodeRecords(body);
  if (records instanceof RmqError) throw records;
  return records;
}

async function read(
  peer: RemotingPeer,
  topic: string,
  offset = 0,
): Promise<
  readonly {
    readonly body: string;
    readonly physicalOffset: number;
    property(name: string): string | undefined;
  }[]
> {
  const answer = await peer.broker(RequestCode.LITE_PULL_MESSAGE, {
    consumerGroup: 'reader',
    topic,
    queueId: '0',
    queueOffset: String(offset),
    maxMsgNums: '32',
    sysFlag: '4',
    subscription: '*',
  });
  if (answer.code !== 0) return [];
  return decodeStoredMessages(answer.body).map((message) => ({
    body: Buffer.from(message.body).toString(),
    physicalOffset: message.physicalOffset,
    property: (name) => findProperty(message.properties, name),
  }));
}

test('all forms of a send arrive', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  await admin.send('orders', 'short names');
  const long = { producerGroup: 'p', topic: 'orders', queueId: '0', properties: '' };
  expect((await admin.broker(RequestCode.SEND_MESSAGE, long, 'long names')).code).toBe(0);
  const batch = encodeBatchBody(
    ['one', 'two'].map((body) => ({
      flag: 0,
      body: Buffer.from(body),
      properties: Buffer.from(''),
    })),
  );
  const sent = await admin.client.invoke(
    (await admin.namesrv(RequestCode.GET_BROKER_CLUSTER_INFO)).body
      .toString()
      .replace(/^.*?{0:"([^"]+)".*$/, '$1'),
    RequestCode.SEND_BATCH_MESSAGE,
    { a: 'p', b: 'orders', e: '0', m: 'true' },
    batch,
    { timeoutMs: 3_000 },
  );
  expect(sent.extFields['msgId']?.split(',')).toHaveLength(2);
  const bodies = (await read(admin, 'orders')).map((message) => message.body);
  expect(bodies).toEqual(['short names', 'long names', 'one', 'two']);
  expect((await admin.broker(RequestCode.SEND_MESSAGE, long, '')).code).toBe(13);
  const nowhere = { ...long, topic: 'nothing' };
  expect((await admin.broker(RequestCode.SEND_MESSAGE, nowhere, 'x')).code).toBe(17);
});

test('a message is found by id and by time, and what a queue has is told', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  const id = await admin.send('orders', 'one');
  await admin.send('orders', 'two');
  const offset = String(Number.parseInt(id.slice(-16), 16));
  const seen = await admin.broker(RequestCode.VIEW_MESSAGE_BY_ID, { offset, topic: 'orders' });
  expect(Buffer.from(decodeStoredMessages(seen.body)[0]?.body ?? []).toString()).toBe('one');
  const wrong = await admin.broker(RequestCode.VIEW_MESSAGE_BY_ID, {
    offset: '7',
    topic: 'orders',
  });
  expect(wrong).toMatchObject({ code: 1, remark: 'can not find message by the offset, 7' });
  const queue = { topic: 'orders', queueId: '0' };
  const ask = async (code: number, more: Record<string, string> = {}): Promise<unknown> =>
    (await admin.broker(code, { ...queue, ...more })).extFields['offset'];
  expect(await ask(RequestCode.GET_MAX_OFFSET, { committed: 'true' })).toBe('2');
  expect(await ask(RequestCode.GET_MIN_OFFSET)).toBe('0');
  const search = RequestCode.SEARCH_OFFSET_BY_TIMESTAMP;
  expect(await ask(search, { timestamp: '0', boundaryType: 'LOWER' })).toBe('0');
  expect(await ask(search, { timestamp: '9999999999999', boundaryType: 'LOWER' })).toBe('2');
  expect(await ask(search, { timestamp: '9999999999999', boundaryType: 'UPPER' })).toBe('1');
  const early = await admin.broker(RequestCode.GET_EARLIEST_MSG_STORETIME, queue);
  expect(Number(early.extFields['timestamp'])).toBeGreaterThan(1_700_000_000_000);
  for (const code of [RequestCode.GET_MAX_OFFSET, RequestCode.UPDATE_CONSUMER_OFFSET]) {
    const fields = { topic: 'orders', consumerGroup: 'g', queueId: '99', commitOffset: '0' };
    expect(await admin.broker(code, fields)).toMatchObject({
      code: 29,
      remark: 'topic orders has queues 0 to 3, not 99',
    });
  }
  const none = await admin.broker(RequestCode.QUERY_MESSAGE, {
    topic: 'orders',
    key: 'no such key',
    maxNum: '1',
    beginTimestamp: '0',
    endTimestamp: '9223372036854775807',
  });
  expect(none.code).not.toBe(0);
});

test('sent back, a message waits in the retry topic, and ends among the dead letters', async () => {
  const { broker, peer } = await startRemotingCluster();
  const admin = peer();
  const id = await admin.send('orders', 'stubborn');
  const offset = String(Number.parseInt(id.slice(-16), 16));
  const back = { offset, group: 'group', delayLevel: '1', originMsgId: id, originTopic: 'orders' };
  expect((await admin.broker(RequestCode.CONSUMER_SEND_MSG_BACK, back)).code).toBe(0);
  expect(await read(admin, '%RETRY%group')).toEqual([]);
  await vi.waitFor(async () => expect(await read(admin, '%RETRY%group')).toHaveLength(1), 4_000);
  const [retried] = await read(admin, '%RETRY%group');
  expect(retried?.body).toBe('stubborn');
  expect(retried?.property('RETRY_TOPIC')).toBe('orders');
  const dead = { ...back, delayLevel: '-1' };
  expect((await admin.broker(RequestCode.CONSUMER_SEND_MSG_BACK, dead)).code).toBe(0);
  const [letter] = await read(admin, '%DLQ%group');
  expect(letter?.property('DLQ_ORIGIN_TOPIC')).toBe('orders');
  // A consumer that sends to its retry topic by itself: over its attempts, or in order, it is dead.
  const own = { a: 'p', b: '%RETRY%group', e: '0', i: 'DELAY\u00011\u0002' };
  await admin.broker(RequestCode.SEND_MESSAGE_V2, { ...own, j: '3', l: '2' }, 'over');
  const mqSet = [{ topic: 'orders', brokerName: 'broker-a', queueId: 0 }];
  const lock = { consumerGroup: 'group', clientId: 'a', mqSet };
  await admin.broker(RequestCode.LOCK_BATCH_MQ, {}, lock);
  await admin.broker(RequestCode.SEND_MESSAGE_V2, { ...own, j: '1', l: '2' }, 'ordered');
  const letters = (await read(admin, '%DLQ%group')).map((message) => message.body);
  expect(letters).toEqual(['stubborn', 'over', 'ordered']);
  await broker.putGroup({ ...(await defaultOf(broker)), retryQueueCount: 0 });
  expect((await admin.broker(RequestCode.CONSUMER_SEND_MSG_BACK, back)).code).toBe(0);
  const missing = { ...back, group: 'group', offset: '5' };
  await broker.putGroup({ ...(await defaultOf(broker)), retryQueueCount: 1 });
  expect(await admin.broker(RequestCode.CONSUMER_SEND_MSG_BACK, missing)).toMatchObject({
    code: 1,
    remark: 'look message by offset failed, 5',
  });
});

test('a committed message is sent back like any other', async () => {
  const { broker, peer } = await startRemotingCluster();
  const admin = peer();
  const half = 'TRAN_MSG\u0001true\u0002PGROUP\u0001p\u0002UNIQ_KEY\u0001k1\u0002';
  const send = { a: 'p', b: 'orders', c: 'TBW102', d: '4', e: '0', f: '4', i: half };
  const parked = await admin.broker(RequestCode.SEND_MESSAGE_V2, send, 'decided');
  await admin.broker(RequestCode.END_TRANSACTION, {
    producerGroup: 'p',
    topic: 'orders',
    tranStateTableOffset: parked.extFields['queueOffset'] ?? '',
    commitLogOffset: String(Number.parseInt((parked.extFields['msgId'] ?? '').slice(-16), 16)),
    commitOrRollback: '8',
    msgId: 'k1',
  });
  const [committed] = await read(admin, 'orders');
  const back = { offset: String(committed?.physicalOffset), group: 'group', originMsgId: 'k1' };
  const dead = { ...back, delayLevel: '-1' };
  expect((await admin.broker(RequestCode.CONSUMER_SEND_MSG_BACK, dead)).code).toBe(0);
  expect((await read(admin, '%DLQ%group')).map(({ body }) => body)).toEqual(['decided']);
  const later = { ...back, delayLevel: '1' };
  expect((await admin.broker(RequestCode.CONSUMER_SEND_MSG_BACK, later)).code).toBe(0);
  expect(broker.openTransactionCount).toBe(0);
  expect(broker.delayedByTopic.get('%RETRY%group')).toBe(1);
});

test('flags of transactions without the property mean nothing', async () => {
  const { broker, peer } = await startRemotingCluster();
  const admin = peer();
  const send = { a: 'p', b: 'orders', c: 'TBW102', d: '4', e: '0' };
  const half = { ...send, f: '4', i: 'TRAN_MSG\u0001true\u0002PGROUP\u0001p\u0002' };
  const parked = await admin.broker(RequestCode.SEND_MESSAGE_V2, half, 'undecided');
  expect(parked.extFields['msgId']).toMatch(/0{16}$/); // the first of the log
  for (const f of ['4', '8', '12']) {
    expect((await admin.broker(RequestCode.SEND_MESSAGE_V2, { ...send, f }, f)).code).toBe(0);
  }
  expect((await read(admin, 'orders')).map(({ body }) => body)).toEqual(['4', '8', '12']);
  expect(broker.openTransactionCount).toBe(1);
});

async function defaultOf(
  broker: Awaited<ReturnType<typeof startRemotingCluster>>['broker'],
): Promise<NonNullable<Awaited<ReturnType<typeof broker.getGroup>>>> {
  const group = await broker.getGroup('group');
  if (group === undefined) throw new Error('the group is gone');
  return group;
}

test('popped, hidden longer, acknowledged by one and by many', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  for (const body of ['one', 'two', 'three']) await admin.send('orders', body);
  const at = { consumerGroup: 'group', topic: 'orders', queueId: '0' };
  const popped = await admin.broker(RequestCode.POP_MESSAGE, {
    ...at,
    maxMsgNums: '3',
    invisibleTime: '60000',
    pollTime: '0',
    initMode: '0',
  });
  const handles = decodeStoredMessages(popped.body).map(
    (message) => findProperty(message.properties, 'POP_CK') ?? '',
  );
  const change = { ...at, extraInfo: handles[0] ?? '', offset: '0', invisibleTime: '30000' };
  const changed = await admin.broker(RequestCode.CHANGE_MESSAGE_INVISIBLETIME, change);
  expect(changed).toMatchObject({ code: 0, extFields: { invisibleTime: '30000' } });
  // Apache's proxy hands back the words that it got, and the record's place behind them.
  expect(handles[0]?.split(' ')).toHaveLength(8);
  const ack = { ...at, extraInfo: `${handles[0]} 4711`, offset: '0' };
  expect((await admin.broker(RequestCode.ACK_MESSAGE, ack)).code).toBe(0);
  const [start, popTime, invisible, revive] = (handles[1] ?? '').split(' ');
  const entry = { c: 'group', t: 'orders', r: '0', q: 0, so: Number(start), b: 'Aw==' };
  const more = { rq: Number(revive), pt: Number(popTime), it: Number(invisible) };
  const acks = [{ ...entry, ...more, so: 1 }];
  const batch = await admin.broker(
    RequestCode.BATCH_ACK_MESSAGE,
    {},
    { brokerName: 'broker-a', acks },
  );
  expect(batch.code).toBe(0);
  const committed = await admin.broker(RequestCode.QUERY_CONSUMER_OFFSET, at);
  expect(committed.extFields['offset']).toBe('3');
  const all = await admin.broker(RequestCode.GET_ALL_CONSUMER_OFFSET);
  expect(all.json['offsetTable']).toMatchObject({ 'orders@group': { 0: 3 } });
});

test('transactions, recalls and filters', async () => {
  const { peer } = await startRemotingCluster();
  const [producer, admin] = [peer(), peer()];
  const half = 'TRAN_MSG\u0001true\u0002PGROUP\u0001p\u0002UNIQ_KEY\u0001k1\u0002';
  const send = { a: 'p', b: 'orders', c: 'TBW102', d: '4', e: '0', f: '4', i: half };
  const parked = await admin.broker(RequestCode.SEND_MESSAGE_V2, send, 'decided');
  expect(await read(admin, 'orders')).toEqual([]);
  const id = parked.extFields['msgId'] ?? '';
  const end = {
    producerGroup: 'p',
    topic: 'orders',
    tranStateTableOffset: parked.extFields['queueOffset'] ?? '',
    commitLogOffset: String(Number.parseInt(id.slice(-16), 16)),
    commitOrRollback: '8',
    msgId: 'k1',
    transactionId: 'k1',
  };
  const stranger = { ...end, producerGroup: 'other' };
  expect((await admin.broker(RequestCode.END_TRANSACTION, stranger)).code).toBe(1);
  expect((await producer.broker(RequestCode.END_TRANSACTION, end)).code).toBe(0);
  expect((await read(admin, 'orders')).map((message) => message.body)).toEqual(['decided']);
  const later = { ...send, f: '0', i: 'TIMER_DELAY_SEC\u000160\u0002UNIQ_KEY\u0001k2\u0002' };
  const delayed = await admin.broker(RequestCode.SEND_MESSAGE_V2, later, 'later');
  const recallHandle = delayed.extFields['recallHandle'] ?? '';
  const recalled = await admin.broker(RequestCode.RECALL_MESSAGE, {
    topic: 'orders',
    recallHandle,
  });
  expect(recalled).toMatchObject({ code: 0, extFields: { msgId: 'k2' } });
  const rubbish = { topic: 'orders', recallHandle: 'rubbish' };
  expect((await admin.broker(RequestCode.RECALL_MESSAGE, rubbish)).code).toBe(604);
  const filter = (subString: string): Promise<{ readonly code: number }> =>
    admin.broker(
      RequestCode.CHECK_CLIENT_CONFIG,
      {},
      {
        subscriptionData: { expressionType: 'SQL92', subString },
      },
    );
  expect((await filter('a > 5')).code).toBe(0);
  expect((await filter('a >>> 5')).code).toBe(23);
});
