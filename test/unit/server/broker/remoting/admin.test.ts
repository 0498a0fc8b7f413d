/** What administrators ask a broker for, over sockets; golden/remoting/admin.jsonl has the shapes. */
import { expect, test } from 'vitest';
import { RequestCode } from '../../../../../src/protocol/remoting/codes.ts';
import { startRemotingCluster } from '../../../../support/remoting-cluster.ts';

test('groups: how far they are, what they consume, when', async () => {
  const { broker, address, peer } = await startRemotingCluster();
  const [consumer, admin] = [peer(), peer()];
  for (const body of ['one', 'two']) await admin.send('orders', body);
  await admin.heartbeat('p', { producer: 'producers' });
  await consumer.heartbeat('c', { consumer: 'group', topic: 'orders' });
  const at = { consumerGroup: 'group', topic: 'orders', queueId: '0' };
  await admin.broker(RequestCode.UPDATE_CONSUMER_OFFSET, { ...at, commitOffset: '1' });
  const stats = await admin.broker(RequestCode.GET_CONSUME_STATS, { consumerGroup: 'group' });
  const key = '{"brokerName":"broker-a","queueId":0,"topic":"orders"}';
  expect((stats.json['offsetTable'] as Record<string, unknown>)[key]).toMatchObject({
    brokerOffset: 2,
    consumerOffset: 1,
  });
  const all = await admin.broker(RequestCode.GET_BROKER_CONSUME_STATS, { isOrder: 'false' });
  expect(all.json).toMatchObject({ brokerAddr: address, totalDiff: 1 });
  expect(all.body.toString()).toContain(`{${key}:{"brokerOffset":2,"consumerOffset":1,`);
  const topics = await admin.broker(RequestCode.QUERY_TOPICS_BY_CONSUMER, { group: 'group' });
  expect(topics.json).toEqual({ brokerAddr: address, topicList: ['orders'] });
  const subscription = await admin.broker(RequestCode.QUERY_SUBSCRIPTION_BY_CONSUMER, {
    group: 'group',
    topic: 'orders',
  });
  expect(subscription.json).toMatchObject({
    group: 'group',
    topic: 'orders',
    subscriptionData: { subString: '*' },
  });
  const spans = await admin.broker(RequestCode.QUERY_CONSUME_TIME_SPAN, {
    group: 'group',
    topic: 'orders',
  });
  const [span] = spans.json['consumeTimeSpanSet'] as [Record<string, number>];
  expect(span['consumeTimeStamp']).toBe(span['minTimeStamp']);
  expect(span['maxTimeStamp']).toBeGreaterThanOrEqual(span['minTimeStamp'] ?? 0);
  const producers = await admin.broker(RequestCode.GET_ALL_PRODUCER_INFO);
  expect(producers.json).toMatchObject({ data: { producers: [{ clientId: 'p' }] } });
  await broker.putOffset(
    'other',
    'orders',
    0,
    (await broker.topicQueues('orders'))[0]?.maxOffset ?? (0 as never),
  );
  const correction = await admin.broker(RequestCode.QUERY_CORRECTION_OFFSET, {
    filterGroups: 'group',
    compareGroup: 'group',
    topic: 'orders',
  });
  // The other group is ahead of the compared one: nothing to correct.
  expect(correction.body.toString()).toBe('{"correctionOffsets":{"0":9223372036854775807}}');
});

test('a group can be forbidden a topic, and allowed it again', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  await admin.send('orders', 'one');
  const named = { group: 'group', topic: 'orders' };
  const pull = {
    consumerGroup: 'group',
    topic: 'orders',
    queueId: '0',
    queueOffset: '0',
    maxMsgNums: '1',
    sysFlag: '4',
    subscription: '*',
  };
  const code = RequestCode.UPDATE_AND_GET_GROUP_FORBIDDEN;
  expect((await admin.broker(code, named)).json).toEqual({ ...named, readable: true });
  expect((await admin.broker(code, { ...named, readable: 'false' })).json).toEqual({
    ...named,
    readable: false,
  });
  expect(await admin.broker(RequestCode.PULL_MESSAGE, pull)).toMatchObject({
    code: 16,
    remark: 'group group is forbidden to consume topic orders',
  });
  await admin.broker(code, { ...named, readable: 'true' });
  expect((await admin.broker(RequestCode.PULL_MESSAGE, pull)).code).toBe(0);
});

test('looking takes nothing away', async () => {
  const { peer } = await startRemotingCluster();
  const [consumer, admin] = [peer(), peer()];
  const header = { consumerGroup: 'group', topic: 'orders', queueId: '-1' };
  await admin.send('orders', 'one');
  const peek = { ...header, maxMsgNums: '4' };
  for (const _ of [1, 2]) {
    const seen = await admin.broker(RequestCode.PEEK_MESSAGE, peek);
    expect(seen).toMatchObject({ code: 0, extFields: { msgOffsetInfo: '0 0 0', restNum: '0' } });
  }
  const asked = { ...header, pollTime: '4000', bornTime: '0' };
  const first = await admin.broker(RequestCode.NOTIFICATION, asked);
  expect(first.extFields).toEqual({ hasMsg: 'true', pollingFull: 'false' });
  const pop = { ...header, maxMsgNums: '4', invisibleTime: '60000', pollTime: '0', initMode: '0' };
  expect((await consumer.broker(RequestCode.POP_MESSAGE, pop)).code).toBe(0);
  // In flight: nothing to be had, until another message comes.
  const waiting = consumer.broker(RequestCode.NOTIFICATION, asked);
  const none = await admin.broker(RequestCode.NOTIFICATION, { ...asked, pollTime: '0' });
  expect(none.extFields).toEqual({ hasMsg: 'false', pollingFull: 'false' });
  await admin.send('orders', 'two');
  expect((await waiting).extFields['hasMsg']).toBe('true');
  const info = await admin.broker(RequestCode.POLLING_INFO, header);
  expect(info.extFields).toEqual({ pollingNum: '0' });
  const empty = await admin.broker(RequestCode.PEEK_MESSAGE, { ...peek, topic: 'TBW102' });
  expect(empty.code).toBe(19);
});

test('queues, timers, replicas, statistics and cleaning', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  await admin.send('orders', 'one', { TAGS: 'TagA' });
  await admin.send('orders', 'later', { TIMER_DELAY_SEC: '60' });
  const asked = { topic: 'orders', queueId: '0', index: '0', count: '5' };
  const queue = await admin.broker(RequestCode.QUERY_CONSUME_QUEUE, asked);
  expect(queue.json).toMatchObject({
    maxQueueIndex: 1,
    minQueueIndex: 0,
    queueData: [{ physicOffset: 0, tagsCode: 2_598_919 }],
  });
  const timers = await admin.broker(RequestCode.GET_TIMER_METRICS);
  expect(timers.json).toMatchObject({ timingCount: { orders: { count: 1 } } });
  const replicas = await admin.broker(RequestCode.GET_BROKER_HA_STATUS);
  expect(replicas.json).toMatchObject({ master: true, haConnectionInfo: [] });
  const unknown = { statsName: 'TOPIC_PUT_NUMS', statsKey: 'nothing' };
  expect(await admin.broker(RequestCode.VIEW_BROKER_STATS_DATA, unknown)).toMatchObject({
    code: 1,
    remark: 'The stats <TOPIC_PUT_NUMS> <nothing> not exist',
  });
  const known = { statsName: 'BROKER_PUT_NUMS', statsKey: 'cluster' };
  const stats = await admin.broker(RequestCode.VIEW_BROKER_STATS_DATA, known);
  expect(stats.json).toMatchObject({ statsMinute: { sum: expect.any(Number) } });
  for (const code of [
    RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE,
    RequestCode.CLEAN_UNUSED_TOPIC,
    RequestCode.DELETE_EXPIRED_COMMITLOG,
  ]) {
    expect((await admin.broker(code)).code).toBe(0);
  }
  const runtime = await admin.broker(RequestCode.GET_BROKER_RUNTIME_INFO);
  expect(runtime.json).toMatchObject({
    table: { brokerVersionDesc: 'V5_4_0', brokerActive: 'true' },
  });
});
