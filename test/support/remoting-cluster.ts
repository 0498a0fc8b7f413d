/** A NameServer, a broker and a client that asks them by request code, on free ports. */
import { onTestFinished } from 'vitest';
import { parseLenientJson } from '../../src/protocol/remoting/bodies/lenient-json.ts';
import { RequestCode } from '../../src/protocol/remoting/codes.ts';
import type { ExtFields } from '../../src/protocol/remoting/command.ts';
import type { Broker } from '../../src/server/broker/broker.ts';
import type { RemotingAnswer } from '../../src/transport/remoting-connection.ts';
import { newClient, startBroker, startNameServer } from './remote-cluster.ts';

export type Json = Record<string, unknown>;

interface Asked extends RemotingAnswer {
  /** The body, whatever dialect of JSON it is in. */
  readonly json: Json;
}

export interface RemotingPeer {
  readonly client: ReturnType<typeof newClient>;
  broker(code: number, extFields?: ExtFields, body?: unknown): Promise<Asked>;
  namesrv(code: number, extFields?: ExtFields, body?: unknown): Promise<Asked>;
  /** Sends one message; its `offsetMsgId`. */
  send(topic: string, body: string, properties?: Readonly<Record<string, string>>): Promise<string>;
  /** As a client of these groups. */
  heartbeat(clientId: string, groups: HeartbeatGroups): Promise<Asked>;
}

interface HeartbeatGroups {
  readonly producer?: string;
  readonly consumer?: string;
  readonly topic?: string;
  readonly model?: string;
}

export async function startRemotingCluster(): Promise<{
  readonly broker: Broker;
  readonly address: string;
  readonly namesrv: string;
  /** Asks these instead of the broker and the NameServer. */
  peer(via?: string): RemotingPeer;
}> {
  const nameserver = await startNameServer();
  onTestFinished(nameserver.stop);
  const { broker, address, stop } = await startBroker({ namesrv: [nameserver.address] });
  onTestFinished(stop);
  return {
    broker,
    address,
    namesrv: nameserver.address,
    peer: (via) => newPeer(via ?? address, via ?? nameserver.address),
  };
}

function newPeer(broker: string, namesrv: string): RemotingPeer {
  const client = newClient();
  onTestFinished(() => client.close());
  const asking =
    (address: string) =>
    async (code: number, extFields: ExtFields = {}, body?: unknown): Promise<Asked> => {
      const bytes = body === undefined ? undefined : toBytes(body);
      const answer = await client.invoke(address, code, extFields, bytes, { timeoutMs: 5_000 });
      const isJson = answer.body[0] === 0x7b; // {
      return { ...answer, json: isJson ? (parseLenientJson(answer.body) as Json) : {} };
    };
  const ask = asking(broker);
  return {
    client,
    broker: ask,
    namesrv: asking(namesrv),
    send: async (topic, body, properties = {}) => {
      const text = Object.entries(properties).map(([name, value]) => `${name}\u0001${value}\u0002`);
      const answer = await ask(
        RequestCode.SEND_MESSAGE_V2,
        { a: 'producers', b: topic, c: 'TBW102', d: '4', e: '0', i: text.join('') },
        body,
      );
      if (answer.code !== 0) throw new Error(`send: ${answer.code} ${answer.remark}`);
      return answer.extFields['msgId'] ?? '';
    },
    heartbeat: (clientID, { producer, consumer, topic, model = 'CLUSTERING' }) => {
      const subscription = { topic, subString: '*', subVersion: 1, expressionType: 'TAG' };
      return ask(
        RequestCode.HEART_BEAT,
        {},
        {
          clientID,
          producerDataSet: producer === undefined ? [] : [{ groupName: producer }],
          consumerDataSet:
            consumer === undefined
              ? []
              : [
                  {
                    groupName: consumer,
                    consumeType: 'CONSUME_PASSIVELY',
                    messageModel: model,
                    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
                    subscriptionDataSet: topic === undefined ? [] : [subscription],
                  },
                ],
        },
      );
    },
  };
}

function toBytes(body: unknown): Buffer {
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
