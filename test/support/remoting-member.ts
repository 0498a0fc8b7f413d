/** A 4.x consumer as brokers see one: it heartbeats, and answers what an administrator asks it. */
import { jsonBody } from '../../src/protocol/remoting/bodies/json.ts';
import { RequestCode } from '../../src/protocol/remoting/codes.ts';
import { newClient } from './remote-cluster.ts';

export interface RemotingMember {
  /** Ids of the messages that it was given to consume. */
  readonly consumed: readonly string[];
  /** Over its connection, to queue 0. */
  send(topic: string, body: string): Promise<void>;
  leave(): Promise<void>;
}

/** Joins `group` on one broker as a consumer of `topic`, and as producer of `producer`. */
export async function joinGroup(
  broker: string,
  member: {
    readonly clientId: string;
    readonly group: string;
    readonly topic: string;
    readonly producer?: string;
    readonly consumeResult?: string;
  },
): Promise<RemotingMember> {
  const { clientId, group, topic, producer, consumeResult = 'CR_SUCCESS' } = member;
  const client = newClient();
  const consumed: string[] = [];
  client.onRequest(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, () => undefined);
  client.onRequest(RequestCode.GET_CONSUMER_RUNNING_INFO, ({ extFields }) => ({
    code: 0,
    extFields: {},
    body: jsonBody({
      properties: { PROP_CLIENT_VERSION: 'V5_4_0', PROP_CONSUMER_START_TIMESTAMP: '1' },
      subscriptionSet: [{ topic, subString: '*' }],
      mqTable: {},
      statusTable: { [topic]: { consumeOKTPS: 2, consumeFailedTPS: 0, consumeRT: 3 } },
      ...(extFields['jstackEnable'] === 'true' ? { jstack: 'main  TID: 1 STATE: RUNNABLE\n' } : {}),
    }),
  }));
  client.onRequest(RequestCode.CONSUME_MESSAGE_DIRECTLY, ({ extFields }) => {
    consumed.push(extFields['msgId'] ?? '');
    return {
      code: 0,
      extFields: {},
      body: jsonBody({ consumeResult, remark: 'said so', spentTimeMills: 4, order: false }),
    };
  });
  const subscription = { topic, subString: '*', subVersion: 1, expressionType: 'TAG' };
  const body = jsonBody({
    clientID: clientId,
    producerDataSet: producer === undefined ? [] : [{ groupName: producer }],
    consumerDataSet: [
      {
        groupName: group,
        consumeType: 'CONSUME_PASSIVELY',
        messageModel: 'CLUSTERING',
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        subscriptionDataSet: [subscription],
      },
    ],
  });
  const answer = await client.invoke(broker, RequestCode.HEART_BEAT, {}, body, {
    timeoutMs: 5_000,
  });
  if (answer.code !== 0) throw new Error(`heartbeat: ${answer.code} ${answer.remark}`);
  const send = async (to: string, text: string): Promise<void> => {
    // SendMessageRequestHeaderV2: a producer group, b topic, e queue.
    const fields = { a: producer ?? group, b: to, c: 'TBW102', d: '4', e: '0' };
    const code = RequestCode.SEND_MESSAGE_V2;
    const sent = await client.invoke(broker, code, fields, Buffer.from(text), { timeoutMs: 5_000 });
    if (sent.code !== 0) throw new Error(`send: ${sent.code} ${sent.remark}`);
  };
  return { consumed, send, leave: () => client.close() };
}
