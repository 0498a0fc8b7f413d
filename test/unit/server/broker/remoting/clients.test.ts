/** What a broker does between the clients of its Remoting port, over sockets. */
import { expect, test, vi } from 'vitest';
import { defaultGroupConfig } from '../../../../../src/protocol/remoting/bodies/group-config.ts';
import { RequestCode } from '../../../../../src/protocol/remoting/codes.ts';
import { startRemotingCluster } from '../../../../support/remoting-cluster.ts';

test('members of a consumer group hear of each other, and get their shares of the queues', async () => {
  const { broker, peer } = await startRemotingCluster();
  const [first, second, admin] = [peer(), peer(), peer()];
  await broker.putTopic({
    topic: 'orders',
    readQueueCount: 5,
    writeQueueCount: 5,
    permission: 6,
    filterType: 'SINGLE_TAG',
    systemFlag: 0,
    isOrdered: false,
    attributes: {},
  });
  const notices: string[] = [];
  first.client.onRequest(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, (command) => {
    notices.push(command.extFields['consumerGroup'] ?? '');
    return undefined;
  });
  const ask = {
    topic: 'orders',
    consumerGroup: 'group',
    strategyName: 'AVG',
    messageModel: 'CLUSTERING',
  };
  const queuesOf = async (clientId: string, more: object = {}): Promise<unknown> => {
    const { json } = await admin.broker(
      RequestCode.QUERY_ASSIGNMENT,
      {},
      { ...ask, clientId, ...more },
    );
    const assigned = json['messageQueueAssignments'] as
      | { messageQueue: { queueId: number }; mode: string }[]
      | undefined;
    return assigned?.map(({ messageQueue, mode }) => `${mode}${messageQueue.queueId}`).join(' ');
  };
  expect(await queuesOf('a')).toBeUndefined();
  await first.heartbeat('a', { consumer: 'group', topic: 'orders' });
  expect(await queuesOf('a')).toBe('PULL0 PULL1 PULL2 PULL3 PULL4');
  await second.heartbeat('b', { consumer: 'group', topic: 'orders' });
  await vi.waitFor(() => expect(notices.length).toBeGreaterThanOrEqual(2));
  const members = await admin.broker(RequestCode.GET_CONSUMER_LIST_BY_GROUP, {
    consumerGroup: 'group',
  });
  expect(members.json).toEqual({ consumerIdList: ['a', 'b'] });
  expect(await queuesOf('a')).toBe('PULL0 PULL1 PULL2');
  expect(await queuesOf('b')).toBe('PULL3 PULL4');
  expect(await queuesOf('b', { strategyName: 'AVG_BY_CIRCLE' })).toBe('PULL1 PULL3');
  expect(await queuesOf('b', { messageModel: 'BROADCASTING' })).toBe(
    'PULL0 PULL1 PULL2 PULL3 PULL4',
  );
  expect(await queuesOf('b', { strategyName: 'NONE' })).toBeUndefined();
  const mode = { topic: 'orders', consumerGroup: 'group', mode: 'POP', popShareQueueNum: 8 };
  expect((await admin.broker(RequestCode.SET_MESSAGE_REQUEST_MODE, {}, mode)).code).toBe(0);
  expect(await queuesOf('b')).toBe('POP-1');
  const modes = await admin.broker(RequestCode.GET_ALL_MESSAGE_REQUEST_MODE);
  expect(modes.json).toEqual({ messageRequestModeMap: { orders: { group: mode } } });
  const retry = { ...mode, topic: '%RETRY%group' };
  expect((await admin.broker(RequestCode.SET_MESSAGE_REQUEST_MODE, {}, retry)).code).toBe(16);
  const wrong = await admin.broker(
    RequestCode.SET_MESSAGE_REQUEST_MODE,
    {},
    { ...mode, mode: 'X' },
  );
  expect(wrong).toMatchObject({ code: 1, remark: 'mode is "X", allowed are PULL and POP' });
  // One leaves: the other is told, and has all of it.
  const before = notices.length;
  await second.broker(RequestCode.UNREGISTER_CLIENT, { clientID: 'b', consumerGroup: 'group' });
  await vi.waitFor(() => expect(notices.length).toBeGreaterThan(before));
});

test.each([
  ['a consumer', true],
  ["a consumer of Apache's proxy, which says no heartbeats for it", false],
])(
  'a reset reaches %s that waits, once, and what it commits until then is ignored',
  async (_, isKnown) => {
    const { broker, peer } = await startRemotingCluster();
    const [consumer, admin] = [peer(), peer()];
    for (const body of ['one', 'two', 'three']) await admin.send('orders', body);
    if (isKnown) await consumer.heartbeat('a', { consumer: 'group', topic: 'orders' });
    else await broker.putGroup(defaultGroupConfig('group'));
    const at = { consumerGroup: 'group', topic: 'orders', queueId: '0' };
    const pull = (offset: number): ReturnType<typeof consumer.broker> =>
      consumer.broker(RequestCode.PULL_MESSAGE, {
        ...at,
        queueOffset: String(offset),
        maxMsgNums: '32',
        sysFlag: '7',
        subscription: '*',
        commitOffset: String(offset),
        suspendTimeoutMillis: '4000',
        subVersion: '1',
      });
    const waiting = pull(3);
    await vi.waitFor(async () => {
      const { extFields } = await admin.broker(RequestCode.QUERY_CONSUMER_OFFSET, at);
      expect(extFields['offset']).toBe('3');
    });
    const reset = { group: 'group', topic: 'orders', timestamp: '-1', isForce: 'true' };
    const outside = await admin.broker(RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, {
      ...reset,
      queueId: '0',
      offset: '9',
    });
    expect(outside).toMatchObject({
      code: 29,
      remark: 'offset 9 is not in queue 0, which has 0 to 3',
    });
    const done = await admin.broker(RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, {
      ...reset,
      queueId: '0',
      offset: '1',
    });
    expect(done.body.toString()).toBe(
      '{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"orders"}:1}}',
    );
    expect(await waiting).toMatchObject({ code: 21, extFields: { nextBeginOffset: '1' } });
    expect(await pull(1)).toMatchObject({ code: 0, extFields: { nextBeginOffset: '3' } });
    // By time, for all queues; the consumer commits before it has heard of it.
    await admin.broker(RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, { ...reset, timestamp: '0' });
    const late = await consumer.broker(RequestCode.UPDATE_CONSUMER_OFFSET, {
      ...at,
      commitOffset: '3',
    });
    expect(late).toMatchObject({ code: 0, remark: 'Offset has been previously reset' });
    expect(await pull(3)).toMatchObject({ code: 21, extFields: { nextBeginOffset: '0' } });
    // Another group goes on from there.
    await admin.broker(RequestCode.UPDATE_CONSUMER_OFFSET, { ...at, commitOffset: '2' });
    const clone = { srcGroup: 'group', destGroup: 'copy', topic: 'orders' };
    expect((await admin.broker(RequestCode.CLONE_GROUP_OFFSET, clone)).code).toBe(0);
    const copy = await admin.broker(RequestCode.QUERY_CONSUMER_OFFSET, {
      ...at,
      consumerGroup: 'copy',
    });
    expect(copy.extFields['offset']).toBe('2');
  },
);

test('a reply reaches who asked, or its sender learns why not', async () => {
  const { peer } = await startRemotingCluster();
  const [asker, replier] = [peer(), peer()];
  const replies: string[] = [];
  asker.client.onRequest(RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT, (command) => {
    replies.push(`${command.extFields['properties']} ${Buffer.from(command.body).toString()}`);
    return { code: 0 };
  });
  const properties = 'CORRELATION_ID\u0001c-1\u0002REPLY_TO_CLIENT\u0001asker\u0002';
  const header = { a: 'p', b: 'cluster_REPLY_TOPIC', e: '0', i: properties };
  const nobody = await replier.broker(RequestCode.SEND_REPLY_MESSAGE_V2, header, 'answer');
  expect(nobody).toMatchObject({
    code: 1,
    remark: 'push reply message fail, channel of <asker> not found.',
  });
  await asker.heartbeat('asker', { producer: 'askers' });
  const sent = await replier.broker(RequestCode.SEND_REPLY_MESSAGE_V2, header, 'answer');
  expect(sent).toMatchObject({ code: 0, extFields: { queueId: '0', queueOffset: '0' } });
  expect(replies).toHaveLength(1);
  expect(replies[0]).toContain('CORRELATION_ID\u0001c-1\u0002');
  expect(replies[0]).toContain('PUSH_REPLY_TIME\u0001');
  expect(replies[0]).toMatch(/ answer$/);
  const long = { producerGroup: 'p', topic: 'cluster_REPLY_TOPIC', queueId: '0', properties };
  expect((await replier.broker(RequestCode.SEND_REPLY_MESSAGE, long, 'again')).code).toBe(0);
  expect(replies).toHaveLength(2);
  const lost = { ...header, i: 'CORRELATION_ID\u0001c-1\u0002' };
  expect(await replier.broker(RequestCode.SEND_REPLY_MESSAGE_V2, lost, 'answer')).toMatchObject({
    code: 13,
  });
});

test('an administrator asks one consumer through the broker', async () => {
  const { peer } = await startRemotingCluster();
  const [consumer, admin] = [peer(), peer()];
  const messageId = await admin.send('orders', 'find me');
  const ask = { consumerGroup: 'group', clientId: 'a', jstackEnable: 'false' };
  const offline = await admin.broker(RequestCode.GET_CONSUMER_RUNNING_INFO, ask);
  expect(offline).toMatchObject({ code: 206, remark: 'The Consumer <group> <a> not online' });
  await consumer.heartbeat('a', { consumer: 'group', topic: 'orders' });
  consumer.client.onRequest(RequestCode.GET_CONSUMER_RUNNING_INFO, () => ({
    code: 0,
    body: Buffer.from('{"properties":{}}'),
  }));
  expect((await admin.broker(RequestCode.GET_CONSUMER_RUNNING_INFO, ask)).json).toEqual({
    properties: {},
  });
  consumer.client.onRequest(RequestCode.CONSUME_MESSAGE_DIRECTLY, (command) => ({
    code: 0,
    body: Buffer.from(JSON.stringify({ holds: command.body.includes('find me') })),
  }));
  const direct = { consumerGroup: 'group', clientId: 'a', msgId: messageId, topic: 'orders' };
  expect((await admin.broker(RequestCode.CONSUME_MESSAGE_DIRECTLY, direct)).json).toEqual({
    holds: true,
  });
  const unknown = { ...direct, msgId: 'nonsense' };
  expect((await admin.broker(RequestCode.CONSUME_MESSAGE_DIRECTLY, unknown)).code).toBe(208);
  consumer.client.onRequest(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT, () => ({
    code: 0,
    body: Buffer.from(
      '{"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"orders"}:7}}',
    ),
  }));
  const status = await admin.broker(RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, {
    topic: 'orders',
    group: 'group',
    clientAddr: '',
  });
  expect(status.body.toString()).toBe(
    '{"consumerTable":{"a":{{"brokerName":"broker-a","queueId":0,"topic":"orders"}:7}},"messageQueueTable":{}}',
  );
});

test('locks of ordered consumers pass on when they are given back', async () => {
  const { peer } = await startRemotingCluster();
  const admin = peer();
  const mqSet = [{ topic: 'orders', brokerName: 'broker-a', queueId: 0 }];
  const lock = async (clientId: string): Promise<unknown> => {
    const body = { consumerGroup: 'group', clientId, mqSet };
    return (await admin.broker(RequestCode.LOCK_BATCH_MQ, {}, body)).json['lockOKMQSet'];
  };
  expect(await lock('a')).toEqual(mqSet);
  expect(await lock('b')).toEqual([]);
  expect(await lock('a')).toEqual(mqSet);
  await admin.broker(
    RequestCode.UNLOCK_BATCH_MQ,
    {},
    { consumerGroup: 'group', clientId: 'a', mqSet },
  );
  expect(await lock('b')).toEqual(mqSet);
});
