/** Receipt handles of `RemoteBroker` as requests; facts/remoting.md §6.2, §6.3. */
import type { RemotingAnswer } from '../../client/remoting-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import {
  ackHeader,
  changeInvisibleTimeAnswer,
  changeInvisibleTimeHeader,
} from '../../protocol/remoting/headers/pop.ts';
import type { ExtraInfo } from '../../protocol/remoting/headers/pop-info.ts';
import { formatExtraInfo, parseExtraInfo } from '../../protocol/remoting/headers/pop-info.ts';
import { sendBackHeader } from '../../protocol/remoting/headers/send.ts';
import type { ChangeInvisibleTimeRequest, DeadLetterRequest } from '../broker/api.ts';

interface Receipt {
  readonly group: string;
  readonly topic: string;
  readonly receiptHandle: string;
}

/** The topic in which the broker keeps the message: a pop retry topic when the handle says so. */
function storedTopic({ group, topic }: Receipt, info: ExtraInfo): string {
  if (info.retry === '1') return `%RETRY%${group}_${topic}`;
  return info.retry === '2' ? `%RETRY%${group}+${topic}` : topic;
}

function parse(receiptHandle: string): ExtraInfo | RmqError {
  const shown = JSON.stringify(receiptHandle.slice(0, 80));
  return (
    parseExtraInfo(receiptHandle) ??
    new RmqError('INVALID_RECEIPT_HANDLE', `receipt handle ${shown} cannot be parsed`)
  );
}

export function encodeAck(request: Receipt): ExtFields | RmqError {
  const info = parse(request.receiptHandle);
  if (info instanceof RmqError) return info;
  return ackHeader.encode({
    group: request.group,
    topic: storedTopic(request, info),
    queueId: info.queueId,
    extraInfo: request.receiptHandle,
    queueOffset: info.queueOffset,
    brokerName: info.brokerName,
  });
}

export function encodeChange(request: ChangeInvisibleTimeRequest): ExtFields | RmqError {
  const info = parse(request.receiptHandle);
  if (info instanceof RmqError) return info;
  return changeInvisibleTimeHeader.encode({
    group: request.group,
    topic: storedTopic(request, info),
    queueId: info.queueId,
    extraInfo: request.receiptHandle,
    queueOffset: info.queueOffset,
    // A broker takes 0 for "after a while".
    invisibleTimeMs: Math.max(1, request.invisibleTimeMs),
    isSuspend: request.isSuspend,
    brokerName: info.brokerName,
  });
}

/** The new handle, made of the old one and the answer. */
export function changedHandle(
  request: ChangeInvisibleTimeRequest,
  answer: RemotingAnswer,
): string | RmqError {
  const info = parse(request.receiptHandle);
  if (info instanceof RmqError) return info;
  const { popTimeMs, invisibleTimeMs, reviveQueueId } = changeInvisibleTimeAnswer.decode(
    answer.extFields,
  );
  const startOffset = String(info.queueOffset);
  return formatExtraInfo({ ...info, startOffset, popTimeMs, invisibleTimeMs, reviveQueueId });
}

/** With the handle as an extension: our brokers acknowledge in the same step and say `acked`. */
export function encodeDeadLetter(request: DeadLetterRequest): ExtFields | RmqError {
  const info = parse(request.receiptHandle);
  if (info instanceof RmqError) return info;
  if (info.physicalOffset === undefined) {
    return new RmqError('INVALID_RECEIPT_HANDLE', 'the receipt handle has no physical offset');
  }
  const fields = sendBackHeader.encode({
    physicalOffset: info.physicalOffset,
    group: request.group,
    delayLevel: -1,
    originMessageId: request.messageId,
    originTopic: request.topic,
    maxReconsumeTimes: 0,
    brokerName: info.brokerName,
    extraInfo: request.receiptHandle,
  });
  return fields;
}
