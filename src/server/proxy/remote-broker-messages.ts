/** Send, recall, pop and pull of `RemoteBroker` as bytes and back; facts/remoting.md §4.1, §5.3, §6.1. */
import type { RemotingAnswer } from '../../client/remoting-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { PhysicalOffset, QueueOffset } from '../../protocol/message/message.ts';
import { decodeOffsetMessageId } from '../../protocol/message/message-id.ts';
import { findProperty, withoutProperties } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { StoredRecord } from '../../protocol/message/record.ts';
import { decodeRecord } from '../../protocol/message/record.ts';
import { answerError } from '../../protocol/remoting/answer-error.ts';
import { encodeBatchBody } from '../../protocol/remoting/batch-body.ts';
import { RequestCode, ResponseCode } from '../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import { PopInitMode, popAnswer, popHeader } from '../../protocol/remoting/headers/pop.ts';
import { popDetails } from '../../protocol/remoting/headers/pop-info.ts';
import { PullFlag, pullAnswer, pullHeader } from '../../protocol/remoting/headers/pull.ts';
import {
  recallAnswer,
  recallHeader,
  sendAnswer,
  sendHeaderV2,
} from '../../protocol/remoting/headers/send.ts';
import type {
  PoppedMessage,
  PopRequest,
  PopResult,
  PullRequest,
  PullResult,
  RecallRequest,
  SendRequest,
  SendResult,
} from '../broker/api.ts';

export function encodeSend(
  request: SendRequest,
  brokerName: string,
): { readonly code: number; readonly extFields: ExtFields; readonly body: Uint8Array } {
  const [first] = request.drafts;
  if (first === undefined) throw new RmqError('INTERNAL', 'a send without messages');
  const isBatch = request.drafts.length > 1;
  const properties = isBatch ? '' : Buffer.from(first.properties).toString('utf8');
  const extFields = sendHeaderV2.encode({
    producerGroup: request.producerGroup,
    topic: first.topic,
    defaultTopic: request.createFrom?.topic ?? '',
    defaultTopicQueueCount: request.createFrom?.queueCount ?? 0,
    queueId: first.queueId,
    sysFlag: first.sysFlag,
    bornTimestampMs: first.bornTimestampMs,
    flag: first.flag,
    properties,
    reconsumeTimes: first.reconsumeTimes,
    isUnitMode: false,
    maxReconsumeTimes: undefined,
    isBatch,
    brokerName,
  });
  return isBatch
    ? { code: RequestCode.SEND_BATCH_MESSAGE, extFields, body: encodeBatchBody(request.drafts) }
    : { code: RequestCode.SEND_MESSAGE_V2, extFields, body: first.body };
}

/** Answers that mean "stored, but": facts/remoting.md 2.2. */
const storedCodes: ReadonlySet<number> = new Set([
  ResponseCode.SUCCESS,
  ResponseCode.FLUSH_DISK_TIMEOUT,
  ResponseCode.SLAVE_NOT_AVAILABLE,
  ResponseCode.FLUSH_SLAVE_TIMEOUT,
]);

export function decodeSendAnswer(
  request: SendRequest,
  answer: RemotingAnswer,
): readonly SendResult[] | RmqError {
  if (!storedCodes.has(answer.code)) return answerError(answer);
  const header = decodeOr(() => sendAnswer.decode(answer.extFields));
  if (header instanceof RmqError) return header;
  const ids = header.offsetMessageId.split(',');
  const keys = header.transactionId?.split(',') ?? [];
  return request.drafts.map((draft, index) => {
    const offsetMessageId = ids[index] ?? '';
    const messageId = findProperty(draft.properties, PropertyName.uniqueKey) ?? keys[index] ?? '';
    const zero = 0 as PhysicalOffset; // a broker that hands out ids of another form
    return {
      queueId: header.queueId,
      queueOffset: (header.queueOffset + index) as QueueOffset, // a batch lies in one queue
      physicalOffset: decodeOffsetMessageId(offsetMessageId)?.physicalOffset ?? zero,
      offsetMessageId,
      messageId,
      transactionId: messageId,
      recallHandle: header.recallHandle,
    };
  });
}

export function encodeRecall(request: RecallRequest, brokerName: string): ExtFields {
  return recallHeader.encode({ ...request, brokerName });
}

export function decodeRecallAnswer(answer: RemotingAnswer): string | RmqError {
  if (answer.code !== ResponseCode.SUCCESS) return answerError(answer);
  const header = decodeOr(() => recallAnswer.decode(answer.extFields));
  return header instanceof RmqError ? header : header.messageId;
}

export function encodePop(request: PopRequest, brokerName: string): ExtFields {
  return popHeader.encode({
    group: request.group,
    topic: request.topic,
    queueId: request.queueId,
    maxCount: request.maxCount,
    invisibleTimeMs: request.invisibleTimeMs,
    pollingTimeMs: request.pollingTimeMs,
    bornTimeMs: 0, // the broker's now: clocks differ
    initMode: request.startFrom === 'MAX' ? PopInitMode.max : PopInitMode.min,
    filterType: request.filter.type,
    filterExpression: request.filter.expression === '' ? '*' : request.filter.expression,
    isOrdered: request.isOrdered,
    attemptId: request.attemptId,
    brokerName,
  });
}

export function decodePopAnswer(
  request: PopRequest,
  brokerName: string,
  answer: RemotingAnswer,
): PopResult | RmqError {
  if (answer.code === ResponseCode.POLLING_TIMEOUT || answer.code === ResponseCode.PULL_NOT_FOUND) {
    return { messages: [], poppedAtMs: 0, restCount: 0 };
  }
  if (answer.code !== ResponseCode.SUCCESS) return answerError(answer);
  const header = decodeOr(() => popAnswer.decode(answer.extFields));
  if (header instanceof RmqError) return header;
  const records = decodeRecords(answer.body);
  if (records instanceof RmqError) return records;
  const detailOf = popDetails(header, brokerName);
  const messages = records.map((record): PoppedMessage => {
    const { handle, orderCount } = detailOf(record);
    return {
      message: withoutHandle(record, request.topic),
      deliveryAttempt: 1 + (request.isOrdered ? orderCount : record.reconsumeTimes),
      receiptHandle: handle,
      invisibleTimeMs: header.invisibleTimeMs,
    };
  });
  return { messages, poppedAtMs: header.popTimeMs, restCount: header.restCount };
}

/** The handle is our business, not the message's; the topic is the one subscribed. */
function withoutHandle(record: StoredRecord, topic: string): PoppedMessage['message'] {
  const properties = withoutProperties(record.properties, [PropertyName.popCheckpoint]);
  return properties === record.properties && record.topic === topic
    ? record
    : { ...record, topic, properties };
}

export function encodePull(request: PullRequest, brokerName: string): ExtFields {
  const isWaiting = request.pollingTimeMs > 0;
  return pullHeader.encode({
    group: request.group,
    topic: request.topic,
    queueId: request.queueId,
    queueOffset: request.offset,
    maxCount: request.maxCount,
    sysFlag: PullFlag.subscription | (isWaiting ? PullFlag.suspend : 0),
    commitOffset: 0,
    suspendTimeoutMs: request.pollingTimeMs,
    subscription: request.filter.expression === '' ? '*' : request.filter.expression,
    subscriptionVersion: '0',
    expressionType: request.filter.type,
    maxSizeBytes: request.maxSizeBytes,
    brokerName,
  });
}

export function decodePullAnswer(
  request: PullRequest,
  answer: RemotingAnswer,
): PullResult | RmqError {
  const header = decodeOr(() => pullAnswer.decode(answer.extFields));
  if (header instanceof RmqError) return header;
  const status = pullStatus(request, answer, header);
  if (status === undefined) return answerError(answer);
  const messages = status === 'FOUND' ? decodeRecords(answer.body) : [];
  if (messages instanceof RmqError) return messages;
  return {
    status,
    messages,
    // The three are offsets of the queue that was asked.
    nextOffset: header.nextOffset as QueueOffset,
    minOffset: header.minOffset as QueueOffset,
    maxOffset: header.maxOffset as QueueOffset,
  };
}

function pullStatus(
  request: PullRequest,
  answer: RemotingAnswer,
  header: { readonly minOffset: number; readonly maxOffset: number },
): PullResult['status'] | undefined {
  const { minOffset, maxOffset } = header;
  switch (answer.code) {
    case ResponseCode.SUCCESS:
      return 'FOUND';
    case ResponseCode.PULL_RETRY_IMMEDIATELY:
      return 'NO_MATCHED_MESSAGE';
    case ResponseCode.PULL_NOT_FOUND:
      return maxOffset === minOffset && request.offset === 0
        ? 'NO_MESSAGE_IN_QUEUE'
        : 'OFFSET_OVERFLOW_ONE';
    case ResponseCode.PULL_OFFSET_MOVED:
      if (request.offset < minOffset) return 'OFFSET_TOO_SMALL';
      return request.offset > maxOffset ? 'OFFSET_OVERFLOW_BADLY' : 'OFFSET_RESET';
    default:
      return undefined;
  }
}

/** All records of a body. INTERNAL when one is damaged: nothing of it may be skipped in silence. */
export function decodeRecords(body: Buffer): StoredRecord[] | RmqError {
  const records: StoredRecord[] = [];
  for (let at = 0; at < body.length; ) {
    const record = decodeRecord(body, at, body.length);
    if (record === undefined) {
      return new RmqError('INTERNAL', `record ${records.length} of the broker's answer is damaged`);
    }
    records.push(record);
    at += record.storeSizeBytes;
  }
  return records;
}

function decodeOr<T>(decode: () => T): T | RmqError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RmqError) return error;
    throw error;
  }
}
