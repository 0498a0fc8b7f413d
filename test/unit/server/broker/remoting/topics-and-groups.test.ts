/** Topics and groups as `mqadmin` makes, shows and deletes them. */
import { expect, test } from 'vitest';
import { RequestCode } from '../../../../../src/protocol/remoting/codes.ts';
import { startRemotingCluster } from '../../../../support/remoting-cluster.ts';

test('topics: made one by one and in lists, changed, shown, deleted', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  const topic = {
    topic: 'orders',
    defaultTopic: 'TBW102',
    readQueueNums: '2',
    writeQueueNums: '2',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
    order: 'false',
    attributes: '+message.type=FIFO',
  };
  const create = RequestCode.UPDATE_AND_CREATE_TOPIC;
  expect((await admin.broker(create, topic)).code).toBe(0);
  const show = async (): Promise<unknown> =>
    (await admin.broker(RequestCode.GET_TOPIC_CONFIG, { topic: 'orders' })).json;
  // An update without attributes keeps them; `-` takes one away.
  await admin.broker(create, { ...topic, readQueueNums: '3', attributes: '' });
  expect(await show()).toMatchObject({ readQueueNums: 3, attributes: { 'message.type': 'FIFO' } });
  await admin.broker(create, { ...topic, attributes: '-message.type' });
  expect(await show()).toMatchObject({ readQueueNums: 2, attributes: {} });
  for (const [attributes, remark] of [
    ['+no.such=1', /^topic attribute no\.such is not known/],
    ['+message.type=NONSENSE', /^attribute message\.type is NONSENSE/],
  ] as const) {
    const refused = await admin.broker(create, { ...topic, attributes });
    expect(refused.code).toBe(1);
    expect(refused.remark).toMatch(remark);
  }
  for (const name of ['bad name', 'TBW102', 'cluster']) {
    expect((await admin.broker(create, { ...topic, topic: name })).code).not.toBe(0);
  }
  const list = { topicConfigList: [{ topicName: 'a' }, { topicName: 'b', readQueueNums: 1 }] };
  expect((await admin.broker(RequestCode.UPDATE_AND_CREATE_TOPIC_LIST, {}, list)).code).toBe(0);
  const all = await admin.broker(RequestCode.GET_ALL_TOPIC_CONFIG);
  expect(Object.keys(all.json['topicConfigTable'] as object)).toEqual(
    expect.arrayContaining(['a', 'b', 'orders', 'TBW102']),
  );
  const page = await admin.broker(RequestCode.GET_ALL_TOPIC_CONFIG, {
    topicSeq: '0',
    maxTopicNum: '2',
    dataVersion: '',
  });
  expect(Object.keys(page.json['topicConfigTable'] as object)).toHaveLength(2);
  await admin.send('orders', 'one');
  const stats = await admin.broker(RequestCode.GET_TOPIC_STATS_INFO, { topic: 'orders' });
  const key = '{"brokerName":"broker-a","queueId":0,"topic":"orders"}';
  expect(stats.json['offsetTable']).toMatchObject({ [key]: { maxOffset: 1, minOffset: 0 } });
  const system = await admin.broker(RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER);
  expect(system.json['topicList']).toEqual(expect.arrayContaining(['TBW102', 'SELF_TEST_TOPIC']));
  await admin.heartbeat('c', { consumer: 'group', topic: 'orders' });
  const groups = await admin.broker(RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, { topic: 'orders' });
  expect(groups.json).toEqual({ groupList: ['group'] });
  expect((await admin.broker(RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'orders' })).code).toBe(
    0,
  );
  expect((await admin.broker(RequestCode.GET_TOPIC_CONFIG, { topic: 'orders' })).code).toBe(17);
  expect((await admin.broker(RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'TBW102' })).code).toBe(
    29,
  );
});

test('groups: made one by one and in lists, shown with who is connected, deleted', async () => {
  const { peer } = await startRemotingCluster();
  const [consumer, admin] = [peer(), peer()];
  const group = { groupName: 'group', retryMaxTimes: 3, retryQueueNums: 2 };
  const make = RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
  expect((await admin.broker(make, {}, group)).code).toBe(0);
  expect((await admin.broker(make, {}, {})).code).toBe(1);
  const list = { groupConfigList: [{ groupName: 'a' }, { groupName: 'b' }] };
  await admin.broker(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, {}, list);
  const show = await admin.broker(RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'group' });
  expect(show.json).toMatchObject(group);
  const all = await admin.broker(RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG);
  const names = Object.keys(all.json['subscriptionGroupTable'] as object);
  expect(names).toEqual(expect.arrayContaining(['a', 'b', 'group']));
  const asked = { consumerGroup: 'group' };
  const nobody = await admin.broker(RequestCode.GET_CONSUMER_CONNECTION_LIST, asked);
  expect(nobody).toMatchObject({ code: 206, remark: 'the consumer group[group] not online' });
  await consumer.heartbeat('c', { consumer: 'group', producer: 'p', topic: 'orders' });
  const connected = await admin.broker(RequestCode.GET_CONSUMER_CONNECTION_LIST, asked);
  expect(connected.json).toMatchObject({
    connectionSet: [{ clientId: 'c', language: 'NODE_JS' }],
    consumeType: 'CONSUME_PASSIVELY',
    subscriptionTable: { orders: { subString: '*' } },
  });
  const retry = await admin.broker(RequestCode.GET_TOPIC_CONFIG, { topic: '%RETRY%group' });
  expect(retry.json).toMatchObject({ readQueueNums: 2, perm: 6 });
  const producer = await admin.broker(RequestCode.GET_PRODUCER_CONNECTION_LIST, {
    producerGroup: 'p',
  });
  expect(producer.json).toMatchObject({ connectionSet: [{ clientId: 'c' }] });
  const gone = await admin.broker(RequestCode.DELETE_SUBSCRIPTIONGROUP, {
    groupName: 'group',
    cleanOffset: 'true',
  });
  expect(gone.code).toBe(0);
});
