/** Single messages: 12 query, 33 view, 36 send back; facts/remoting.md §4.5, §5.2. */
import { RmqError } from '../../../protocol/errors.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  StoredMessage,
} from '../../../protocol/message/message.ts';
import { deadLetterTopicOf, retryTopicOf } from '../../../protocol/message/names.ts';
import { findProperty, withProperties } from '../../../protocol/message/properties.ts';
import { delayProperties, PropertyName } from '../../../protocol/message/property-names.ts';
import { encodeStoredMessage, encodeStoredMessages } from '../../../protocol/message/record.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  queryMessageAnswer,
  queryMessageHeader,
  viewMessageHeader,
} from '../../../protocol/remoting/headers/pull.ts';
import type { SendBackHeader } from '../../../protocol/remoting/headers/send.ts';
import { sendBackHeader } from '../../../protocol/remoting/headers/send.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering } from './context.ts';
import { ensureTopic } from './groups.ts';

const queryCountMax = 64;

export function messageHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.QUERY_MESSAGE, answering((request) => query(context, request))],
    [RequestCode.VIEW_MESSAGE_BY_ID, answering((request) => view(context, request))],
    [RequestCode.CONSUMER_SEND_MSG_BACK, answering((request) => sendBack(context, request))],
  ];
}

async function query(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const header = queryMessageHeader.decode(request.extFields);
  const isUnique = header.isUniqueKeyQuery === 'true' || header.indexType === 'U';
  const messages = await context.broker.store.findByKey({
    topic: header.topic,
    key: header.key,
    kind: isUnique ? 'uniqueKey' : header.indexType === 'T' ? 'tag' : 'key',
    beginMs: Number(header.beginTimestamp),
    // Java's Long.MAX rounds to 2^63, which is "no end" as well.
    endMs: Number(header.endTimestamp),
    maxCount: Math.min(header.maxCount, queryCountMax),
  });
  const extFields = queryMessageAnswer.encode({
    indexLastUpdateTimestampMs: messages[0]?.storeTimestampMs ?? 0,
    indexLastUpdatePhysicalOffset: messages[0]?.physicalOffset ?? 0,
  });
  if (messages.length === 0) {
    const remark = 'can not find message, maybe time range not correct';
    return { code: ResponseCode.QUERY_NOT_FOUND, remark, extFields };
  }
  return { extFields, body: encodeStoredMessages(messages) };
}

async function view(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { physicalOffset } = viewMessageHeader.decode(request.extFields);
  const message = await context.broker.messageAt(physicalOffset as PhysicalOffset); // as named
  if (message === undefined) {
    return {
      code: ResponseCode.SYSTEM_ERROR,
      remark: `can not find message by the offset, ${physicalOffset}`,
    };
  }
  return { body: encodeStoredMessage(message) };
}

async function sendBack(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const header = sendBackHeader.decode(request.extFields);
  if (header.extraInfo !== undefined) return deadLetter(context, header, header.extraInfo);
  const group = await context.broker.getGroup(header.group);
  if (group === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `subscription group not exist, ${header.group}`);
  }
  if (group.retryQueueCount <= 0) return {};
  const message = await context.broker.messageAt(header.physicalOffset as PhysicalOffset); // as named
  if (message === undefined) {
    return {
      code: ResponseCode.SYSTEM_ERROR,
      remark: `look message by offset failed, ${header.physicalOffset}`,
    };
  }
  const retryCountMax = header.maxReconsumeTimes ?? group.retryCountMax;
  const isDead = header.delayLevel < 0 || message.reconsumeTimes >= retryCountMax;
  const topic = isDead ? deadLetterTopicOf(header.group) : retryTopicOf(header.group);
  await ensureTopic(context, topic, isDead ? 1 : group.retryQueueCount);
  await append(context, toRetry(message, topic, header, isDead), header.group);
  return {};
}

/** Of our proxies: the copy and the acknowledgement in one step. */
function deadLetter(
  context: RemotingContext,
  header: SendBackHeader,
  receiptHandle: string,
): Promise<AnswerParts> {
  const { group, originTopic: topic = '', originMessageId: messageId = '' } = header;
  return new Promise((resolve, reject) => {
    context.broker.sendToDeadLetters({ group, topic, receiptHandle, messageId }, (error) => {
      if (error === undefined) resolve({ extFields: { acked: 'true' } });
      else reject(error);
    });
  });
}

/** The message once more for `topic`, counted, with its origin; facts/broker.md §9. */
function toRetry(
  message: StoredMessage,
  topic: string,
  header: SendBackHeader,
  isDead: boolean,
): MessageDraft {
  const origin = findProperty(message.properties, PropertyName.originMessageId);
  const uniqueKey = findProperty(message.properties, PropertyName.uniqueKey);
  const originTopic = findProperty(message.properties, PropertyName.retryTopic) ?? message.topic;
  const added = new Map([
    [PropertyName.retryTopic, originTopic],
    [PropertyName.originMessageId, origin ?? header.originMessageId ?? uniqueKey ?? ''],
    [PropertyName.waitStoreOk, 'false'],
    // Its transaction is over; a committed message still has the property, and would be parked again.
    [PropertyName.transactionPrepared, ''],
  ] as [string, string][]);
  if (isDead) {
    added.set(PropertyName.dlqOriginTopic, originTopic);
    added.set(PropertyName.dlqOriginMessageId, origin ?? header.originMessageId ?? uniqueKey ?? '');
    // A time that has passed must not delay the copy: an empty value takes the property away.
    for (const name of delayProperties) added.set(name, '');
  } else {
    // Level 3 + n is Apache's choice when the client leaves it to the broker.
    const level = header.delayLevel === 0 ? 3 + message.reconsumeTimes : header.delayLevel;
    added.set(PropertyName.delayLevel, String(level));
  }
  return {
    topic,
    queueId: -1,
    flag: message.flag,
    sysFlag: message.sysFlag & ~SysFlag.transactionMask,
    bornTimestampMs: message.bornTimestampMs,
    bornHost: message.bornHost,
    reconsumeTimes: message.reconsumeTimes + 1,
    preparedTransactionOffset: 0,
    body: message.body,
    properties: withProperties(message.properties, added),
  };
}

function append(context: RemotingContext, draft: MessageDraft, group: string): Promise<void> {
  return new Promise((resolve, reject) => {
    context.broker.send(
      { drafts: [draft], producerGroup: group, createFrom: undefined },
      (result) => {
        if (result instanceof RmqError) reject(result);
        else resolve();
      },
    );
  });
}
