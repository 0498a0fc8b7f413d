/** Messages, for tools: QueryMessage, AdminSendMessage, VerifyMessage. */
import { RmqError } from '../../../../protocol/errors.ts';
import {
  Code,
  decodeAdminSendMessageRequest,
  decodeListMessageRequest,
  decodeVerifyMessageRequest,
  encodeAdminSendMessageResponse,
  encodeListMessageResponse,
  encodeVerifyMessageResponse,
  type ListMessageRequest,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { MessageDraft, StoredMessage } from '../../../../protocol/message/message.ts';
import { decodeOffsetMessageId } from '../../../../protocol/message/message-id.ts';
import { encodeProperties } from '../../../../protocol/message/properties.ts';
import type { UnaryMethod } from '../../../../transport/grpc/call.ts';
import type { BrokerApi, SendResult } from '../../../broker/api.ts';
import { topicName } from '../names.ts';
import { outgoingMessage } from '../outgoing-message.ts';
import type { ServiceContext } from '../service-context.ts';
import { okStatus, StatusError } from '../status.ts';
import { adminMethod, topicOnBrokers } from './admin-method.ts';

const messageCountMax = 64;
const producerGroup = 'CLIENT_INNER_PRODUCER';
const noAddress = { address: Buffer.alloc(4), port: 0 };

export function messageMethods(context: ServiceContext): UnaryMethod[] {
  return [
    adminMethod(context, {
      name: 'QueryMessage',
      decode: decodeListMessageRequest,
      encode: encodeListMessageResponse,
      run: async (request) => {
        const topic = topicName(request.topic);
        const found = await query(context, topic, request);
        const messages = found.map((message) => outgoing(message, topic));
        return { status: okStatus, messages };
      },
    }),
    adminMethod(context, {
      name: 'AdminSendMessage',
      decode: decodeAdminSendMessageRequest,
      encode: encodeAdminSendMessageResponse,
      run: async (request) => {
        const topic = topicName(request.topic);
        const properties = new Map(request.userProperties);
        if (request.tag !== undefined) properties.set('TAGS', request.tag);
        if (request.key !== undefined) properties.set('KEYS', request.key);
        const group = request.systemProperties?.messageGroup ?? '';
        if (group !== '') properties.set('__SHARDINGKEY', group);
        const [first] = await topicOnBrokers(context, topic);
        const draft = draftOf(topic, request.body, properties, context.clock.nowMs());
        const result = await send((first as { broker: BrokerApi }).broker, draft); // one or more
        return { status: okStatus, messageId: result.messageId };
      },
    }),
    adminMethod(context, {
      name: 'VerifyMessage',
      decode: decodeVerifyMessageRequest,
      encode: encodeVerifyMessageResponse,
      run: async ({ topic: named, messageId, clientId }) => {
        const topic = topicName(named);
        const message = await messageById(context, topic, messageId);
        if (message === undefined) {
          throw new RmqError('MESSAGE_NOT_FOUND', `no broker has message ${messageId}`);
        }
        return { status: await verify(context, clientId, outgoing(message, topic)) };
      },
    }),
  ];
}

function outgoing(message: StoredMessage, topic: string): ReturnType<typeof outgoingMessage> {
  const deliveryAttempt = message.reconsumeTimes + 1;
  return outgoingMessage({ message, receiptHandle: '', deliveryAttempt }, topic);
}

async function query(
  context: ServiceContext,
  topic: string,
  request: ListMessageRequest,
): Promise<readonly StoredMessage[]> {
  const { messageId, messageKey } = request;
  if (messageId !== undefined) {
    const message = await messageById(context, topic, messageId);
    return message === undefined ? [] : [message];
  }
  if (messageKey === undefined) {
    throw new StatusError(Code.BAD_REQUEST, 'a query needs a message id or a key');
  }
  return byKey(context, topic, messageKey, request);
}

async function byKey(
  context: ServiceContext,
  topic: string,
  key: string,
  request: Pick<ListMessageRequest, 'beginTimestampMs' | 'endTimestampMs' | 'maxMessageNums'>,
  kind: 'key' | 'uniqueKey' = 'key',
): Promise<readonly StoredMessage[]> {
  const asked = request.maxMessageNums > 0 ? request.maxMessageNums : messageCountMax;
  const maxCount = Math.min(asked, messageCountMax);
  const found: StoredMessage[] = [];
  for (const { broker } of await topicOnBrokers(context, topic)) {
    found.push(
      ...(await broker.findByKey({
        topic,
        key,
        kind,
        beginMs: request.beginTimestampMs ?? 0,
        endMs: request.endTimestampMs ?? Number.MAX_SAFE_INTEGER,
        maxCount,
      })),
    );
  }
  return found.sort((a, b) => b.storeTimestampMs - a.storeTimestampMs).slice(0, maxCount);
}

/** By offset message id, else by the id that its producer gave it. */
async function messageById(
  context: ServiceContext,
  topic: string,
  messageId: string,
): Promise<StoredMessage | undefined> {
  const place = decodeOffsetMessageId(messageId);
  if (place !== undefined) {
    for (const { broker } of await topicOnBrokers(context, topic)) {
      const message = await broker.messageAt(place.physicalOffset);
      if (message?.topic === topic && message.storeHost.port === place.host.port) return message;
    }
  }
  const any = { beginTimestampMs: undefined, endTimestampMs: undefined, maxMessageNums: 1 };
  return (await byKey(context, topic, messageId, any, 'uniqueKey'))[0];
}

function send(broker: BrokerApi, draft: MessageDraft): Promise<SendResult> {
  return new Promise((resolve, reject) => {
    broker.send({ drafts: [draft], producerGroup, createFrom: undefined }, (results) => {
      if (results instanceof Error) return reject(results);
      resolve(results[0] as SendResult); // one draft, one result
    });
  });
}

function draftOf(
  topic: string,
  body: Uint8Array,
  properties: ReadonlyMap<string, string>,
  nowMs: number,
): MessageDraft {
  return {
    topic,
    queueId: -1,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: nowMs,
    bornHost: noAddress,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body,
    properties: encodeProperties(properties),
  };
}

function verify(
  { commands }: ServiceContext,
  clientId: string,
  message: ReturnType<typeof outgoing>,
): Promise<typeof okStatus> {
  return new Promise((resolve, reject) => {
    commands.verifyMessage(clientId, message, (answer) => {
      if (answer instanceof Error) reject(answer);
      else resolve(answer.status ?? okStatus);
    });
  });
}
