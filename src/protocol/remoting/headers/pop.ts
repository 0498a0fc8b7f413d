/** Headers of the pop family; facts/remoting.md §6. JSON headers only: the codes need more than 16 bits. */

import type { HeaderCodec } from './field.ts';
import { booleanOr, headerCodec, integer, integerOr, optionalText, text, textOr } from './field.ts';

/** `initMode`: where a group without an offset starts. */
export const PopInitMode = { min: 0, max: 1 } as const;

/** `reviveQid` of ordered pops. */
export const orderedReviveQueueId = 999;

/** Most messages one pop may ask for. */
export const popCountMax = 32;

/** POP_MESSAGE (200050). */
export interface PopHeader {
  readonly group: string;
  readonly topic: string;
  /** -1: any queue of this broker. */
  readonly queueId: number;
  readonly maxCount: number;
  readonly invisibleTimeMs: number;
  readonly pollingTimeMs: number;
  /** When the client began to wait, its clock; 0: now. */
  readonly bornTimeMs: number;
  readonly initMode: number;
  readonly filterType: string;
  readonly filterExpression: string;
  readonly isOrdered: boolean;
  readonly attemptId: string | undefined;
  readonly brokerName: string | undefined;
}

export const popHeader: HeaderCodec<PopHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integerOr('queueId', -1),
  maxCount: integer('maxMsgNums'),
  invisibleTimeMs: integer('invisibleTime'),
  pollingTimeMs: integerOr('pollTime', 0),
  bornTimeMs: integerOr('bornTime', 0),
  initMode: integerOr('initMode', 0),
  filterType: textOr('expType', 'TAG'),
  filterExpression: textOr('exp', '*'),
  isOrdered: booleanOr('order', false),
  attemptId: optionalText('attemptId'),
  brokerName: optionalText('bname'),
});

/** The three texts are in `pop-info.ts`. */
export interface PopAnswer {
  readonly popTimeMs: number;
  readonly invisibleTimeMs: number;
  readonly reviveQueueId: number;
  readonly restCount: number;
  readonly startOffsetInfo: string | undefined;
  readonly messageOffsetInfo: string | undefined;
  readonly orderCountInfo: string | undefined;
}

export const popAnswer: HeaderCodec<PopAnswer> = headerCodec({
  popTimeMs: integerOr('popTime', 0),
  invisibleTimeMs: integerOr('invisibleTime', 0),
  reviveQueueId: integerOr('reviveQid', 0),
  restCount: integerOr('restNum', 0),
  startOffsetInfo: optionalText('startOffsetInfo'),
  messageOffsetInfo: optionalText('msgOffsetInfo'),
  orderCountInfo: optionalText('orderCountInfo'),
});

/** ACK_MESSAGE (200051). */
export interface AckHeader {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  /** The property POP_CK, see `extra-info.ts`. */
  readonly extraInfo: string;
  readonly queueOffset: number;
  readonly brokerName: string | undefined;
}

export const ackHeader: HeaderCodec<AckHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integer('queueId'),
  extraInfo: text('extraInfo'),
  queueOffset: integer('offset'),
  brokerName: optionalText('bname'),
});

/** CHANGE_MESSAGE_INVISIBLETIME (200053). */
export interface ChangeInvisibleTimeHeader extends AckHeader {
  /** From now. */
  readonly invisibleTimeMs: number;
  /** Extension of ours: not counted as an attempt. Apache's brokers ignore it. */
  readonly isSuspend: boolean;
}

export const changeInvisibleTimeHeader: HeaderCodec<ChangeInvisibleTimeHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integer('queueId'),
  extraInfo: text('extraInfo'),
  queueOffset: integer('offset'),
  invisibleTimeMs: integer('invisibleTime'),
  isSuspend: booleanOr('suspend', false),
  brokerName: optionalText('bname'),
});

/** Makes the new handle; see `changedExtraInfo`. */
export interface ChangeInvisibleTimeAnswer {
  readonly popTimeMs: number;
  readonly invisibleTimeMs: number;
  readonly reviveQueueId: number;
}

export const changeInvisibleTimeAnswer: HeaderCodec<ChangeInvisibleTimeAnswer> = headerCodec({
  popTimeMs: integerOr('popTime', 0),
  invisibleTimeMs: integerOr('invisibleTime', 0),
  reviveQueueId: integerOr('reviveQid', 0),
});

/** PEEK_MESSAGE (200052). */
export interface PeekHeader {
  readonly group: string;
  readonly topic: string;
  /** -1: any queue of this broker. */
  readonly queueId: number;
  readonly maxCount: number;
}

export const peekHeader: HeaderCodec<PeekHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integerOr('queueId', -1),
  maxCount: integerOr('maxMsgNums', 1),
});

/** NOTIFICATION (200054). */
export interface NotificationHeader {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly pollingTimeMs: number;
  /** When the client began to wait, its clock; 0: now. */
  readonly bornTimeMs: number;
}

export const notificationHeader: HeaderCodec<NotificationHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integerOr('queueId', -1),
  pollingTimeMs: integerOr('pollTime', 0),
  bornTimeMs: integerOr('bornTime', 0),
});

export const notificationAnswer: HeaderCodec<{
  readonly hasMessage: boolean;
  readonly isPollingFull: boolean;
}> = headerCodec({
  hasMessage: booleanOr('hasMsg', false),
  isPollingFull: booleanOr('pollingFull', false),
});

/** POLLING_INFO (200055). */
export const pollingInfoHeader: HeaderCodec<{
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
}> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integerOr('queueId', -1),
});
