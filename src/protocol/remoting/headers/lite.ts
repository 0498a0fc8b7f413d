/**
 * Requests about lite topics, which Apache's brokers have from 5.5 on: POP_LITE_MESSAGE (200070, header
 * PopLiteMessageRequestHeader; its answer is a pop's) and NOTIFY_UNSUBSCRIBE_LITE (200073,
 * NotifyUnsubscribeLiteRequestHeader).
 */
import type { HeaderCodec } from './field.ts';
import { headerCodec, integer, integerOr, optionalText, text } from './field.ts';

export interface PopLiteHeader {
  readonly clientId: string;
  readonly group: string;
  /** The parent topic. */
  readonly topic: string;
  readonly maxCount: number;
  readonly invisibleTimeMs: number;
  readonly pollingTimeMs: number;
  /** When the client began to wait, its clock; 0: now. */
  readonly bornTimeMs: number;
  readonly attemptId: string | undefined;
  readonly brokerName: string | undefined;
}

export const popLiteHeader: HeaderCodec<PopLiteHeader> = headerCodec({
  clientId: text('clientId'),
  group: text('consumerGroup'),
  topic: text('topic'),
  maxCount: integer('maxMsgNum'),
  invisibleTimeMs: integer('invisibleTime'),
  pollingTimeMs: integerOr('pollTime', 0),
  bornTimeMs: integerOr('bornTime', 0),
  attemptId: optionalText('attemptId'),
  brokerName: optionalText('bname'),
});

/** From a broker to the proxy of the client, which it tells to drop the lite topic. */
export interface UnsubscribeLiteHeader {
  readonly clientId: string;
  readonly group: string;
  readonly liteTopic: string;
}

export const unsubscribeLiteHeader: HeaderCodec<UnsubscribeLiteHeader> = headerCodec({
  clientId: text('clientId'),
  group: text('consumerGroup'),
  liteTopic: text('liteTopic'),
});
