/**
 * POP_MESSAGE (200050), ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151), CHANGE_MESSAGE_INVISIBLETIME
 * (200053); facts/remoting.md §6. Ours answers 208 for a handle that is expired or unknown, where
 * Apache's answers 0: a client that learns of it can stop counting on that message being done.
 */
import { RmqError } from '../../../protocol/errors.ts';
import { withProperties } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { encodeStoredMessage } from '../../../protocol/message/record.ts';
import { parseBatchAcks } from '../../../protocol/remoting/bodies/batch-ack.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import type { PopHeader } from '../../../protocol/remoting/headers/pop.ts';
import {
  ackHeader,
  changeInvisibleTimeAnswer,
  changeInvisibleTimeHeader,
  orderedReviveQueueId,
  PopInitMode,
  popAnswer,
  popCountMax,
  popHeader,
} from '../../../protocol/remoting/headers/pop.ts';
import {
  formatExtraInfo,
  formatPopInfo,
  parseExtraInfo,
} from '../../../protocol/remoting/headers/pop-info.ts';
import type { Answer, AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import { limits } from '../../shared/limits.ts';
import type { PoppedMessage, PopResult } from '../api.ts';
import type { Handlers, RemotingContext } from './context.ts';

/** How late a pop may come in before it is answered empty; facts/broker.md §10. */
const lateMaxMs = 500;

const nothing: AnswerParts = {
  code: ResponseCode.POLLING_TIMEOUT,
  remark: 'POLLING_TIMEOUT',
  extFields: { popTime: '0', invisibleTime: '0', reviveQid: '0', restNum: '0' },
};

export function popHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.POP_MESSAGE, (request, answer) => pop(context, request, answer)],
    [RequestCode.ACK_MESSAGE, (request, answer) => ack(context, request, answer)],
    [RequestCode.BATCH_ACK_MESSAGE, (request, answer) => batchAck(context, request, answer)],
    [
      RequestCode.CHANGE_MESSAGE_INVISIBLETIME,
      (request, answer) => changeInvisibleTime(context, request, answer),
    ],
  ];
}

function pop(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  popAs(context, request, popHeader.decode(request.extFields), undefined, answer);
}

/** Of lite topics for a client that subscribes to some, else of the topic's queues. */
export function popAs(
  context: RemotingContext,
  request: RemotingRequest,
  header: PopHeader,
  liteClientId: string | undefined,
  answer: Answer,
): void {
  if (header.maxCount > popCountMax) {
    answer(
      new RmqError(
        'ILLEGAL_OFFSET',
        `the request maxMsgNum ${header.maxCount} is over ${popCountMax}`,
      ),
    );
    return;
  }
  const waitedMs = header.bornTimeMs <= 0 ? 0 : context.clock.nowMs() - header.bornTimeMs;
  if (waitedMs - header.pollingTimeMs > lateMaxMs) {
    answer(nothing);
    return;
  }
  let isAnswered = false;
  let isGone = false;
  const cancel = context.broker.pop(
    {
      group: header.group,
      topic: header.topic,
      queueId: header.queueId,
      maxCount: header.maxCount,
      invisibleTimeMs: header.invisibleTimeMs,
      pollingTimeMs: Math.min(
        limits.pollingTimeMaxMs,
        Math.max(0, header.pollingTimeMs - Math.max(0, waitedMs)),
      ),
      filter: {
        type: header.filterType === 'SQL92' ? 'SQL92' : 'TAG',
        expression: header.filterExpression,
      },
      startFrom: header.initMode === PopInitMode.max ? 'MAX' : 'MIN',
      isOrdered: header.isOrdered,
      attemptId: header.attemptId,
      liteClientId,
    },
    (result) => {
      isAnswered = true;
      context.parked.forget(request.session, end);
      if (result instanceof RmqError) answer(withZeros(result));
      else if (isGone) giveBack(context, header, result);
      else if (result.messages.length === 0) answer(nothing);
      else answer(toAnswer(header, result));
    },
  );
  function end(): void {
    isGone = true;
    cancel();
  }
  if (!isAnswered) context.parked.add(request.session, end);
}

/** Errors carry zeroed fields, which Java's decoder insists on; facts/remoting.md §6.1. */
function withZeros(error: RmqError): AnswerParts {
  return { ...nothing, code: error.kind.remoting, remark: error.message };
}

/** Nobody hears the answer any more: the messages are visible again at once, uncounted. */
function giveBack(context: RemotingContext, header: PopHeader, result: PopResult): void {
  for (const { receiptHandle } of result.messages) {
    const { group, topic } = header;
    context.broker.changeInvisibleTime(
      { group, topic, receiptHandle, invisibleTimeMs: 0, isSuspend: true },
      () => {},
    );
  }
}

function toAnswer(header: PopHeader, result: PopResult): AnswerParts {
  const startOffsets = new Map<string, string>();
  const offsets = new Map<string, string>();
  const orderCounts = new Map<string, string>();
  const body: Uint8Array[] = [];
  for (const popped of result.messages) {
    const { queueId, queueOffset } = popped.message;
    const retry = parseExtraInfo(popped.receiptHandle)?.retry ?? '0';
    const key = `${retry} ${queueId}`;
    const before = offsets.get(key);
    offsets.set(key, before === undefined ? String(queueOffset) : `${before},${queueOffset}`);
    if (before === undefined) startOffsets.set(key, String(queueOffset));
    if (header.isOrdered) {
      orderCounts.set(`${retry} qo${queueId}%${queueOffset}`, String(popped.deliveryAttempt - 1));
      if (before === undefined) orderCounts.set(key, String(popped.deliveryAttempt - 1));
    }
    body.push(toRecord(popped));
  }
  return {
    extFields: popAnswer.encode({
      popTimeMs: result.poppedAtMs,
      invisibleTimeMs: header.invisibleTimeMs,
      reviveQueueId: header.isOrdered ? orderedReviveQueueId : 0,
      restCount: result.restCount,
      startOffsetInfo: formatPopInfo(startOffsets),
      messageOffsetInfo: formatPopInfo(offsets),
      orderCountInfo: header.isOrdered ? formatPopInfo(orderCounts) : undefined,
    }),
    body,
  };
}

/**
 * The handle in Apache's eight words: its proxies put the record's place behind them as a ninth, ours too.
 * A handle of a lite topic keeps its ten; facts/remoting.md, note 11.
 */
function checkpointOf(receiptHandle: string): string {
  const words = receiptHandle.split(' ');
  return words.length === 9 ? words.slice(0, 8).join(' ') : receiptHandle;
}

/**
 * The record with our receipt handle as POP_CK, which every client keeps when it is there, and with the
 * deliveries so far, which on Apache's brokers a retry message carries.
 */
function toRecord(popped: PoppedMessage): Buffer {
  const { message, deliveryAttempt } = popped;
  const properties = withProperties(
    message.properties,
    new Map([[PropertyName.popCheckpoint, checkpointOf(popped.receiptHandle)]]),
  );
  return encodeStoredMessage({
    topic: message.topic,
    queueId: message.queueId,
    flag: message.flag,
    sysFlag: message.sysFlag,
    bornTimestampMs: message.bornTimestampMs,
    bornHost: message.bornHost,
    reconsumeTimes: deliveryAttempt - 1,
    preparedTransactionOffset: message.preparedTransactionOffset,
    body: message.body,
    properties,
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
    storeTimestampMs: message.storeTimestampMs,
    storeHost: message.storeHost,
    storeSizeBytes: message.storeSizeBytes,
    bodyCrc: message.bodyCrc,
  });
}

/**
 * What "visible at once" means: Apache's brokers revive once a second at best. Clients that do not know the
 * group's retry policy say 0 for a failed message, and all its attempts would be over within a second.
 */
const reviveMs = 1_000;

function ack(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  const { group, topic, extraInfo } = ackHeader.decode(request.extFields);
  context.broker.ack({ group, topic, receiptHandles: [extraInfo] }, (outcomes) => {
    answer(outcomes instanceof RmqError ? outcomes : (outcomes[0] ?? {}));
  });
}

function batchAck(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  const { brokerName, acks } = parseBatchAcks(request.body);
  let waiting = acks.length;
  let failure: RmqError | undefined;
  if (waiting === 0) {
    answer({ code: ResponseCode.NO_MESSAGE, remark: 'the request holds no acks' });
    return;
  }
  for (const entry of acks) {
    const receiptHandles = entry.offsets.map((queueOffset) =>
      formatExtraInfo({
        startOffset: String(entry.startOffset),
        popTimeMs: entry.popTimeMs,
        invisibleTimeMs: entry.invisibleTimeMs,
        reviveQueueId: entry.reviveQueueId,
        retry: entry.retry,
        brokerName,
        queueId: entry.queueId,
        queueOffset,
        physicalOffset: undefined,
      }),
    );
    context.broker.ack({ group: entry.group, topic: entry.topic, receiptHandles }, (outcomes) => {
      if (outcomes instanceof RmqError) failure = outcomes;
      // Expired handles of a batch are not told, as with Apache: there is one answer for all.
      if (--waiting === 0) answer(failure ?? {});
    });
  }
}

function changeInvisibleTime(
  context: RemotingContext,
  request: RemotingRequest,
  answer: Answer,
): void {
  const header = changeInvisibleTimeHeader.decode(request.extFields);
  const { group, topic, isSuspend } = header;
  const invisibleTimeMs = header.invisibleTimeMs === 0 ? reviveMs : header.invisibleTimeMs;
  context.broker.changeInvisibleTime(
    { group, topic, receiptHandle: header.extraInfo, invisibleTimeMs, isSuspend },
    (handle) => {
      if (handle instanceof RmqError) {
        answer(handle);
        return;
      }
      const info = parseExtraInfo(handle);
      const extFields = changeInvisibleTimeAnswer.encode({
        popTimeMs: info?.popTimeMs ?? 0,
        invisibleTimeMs: info?.invisibleTimeMs ?? invisibleTimeMs,
        reviveQueueId: info?.reviveQueueId ?? 0,
      });
      answer({ extFields });
    },
  );
}
