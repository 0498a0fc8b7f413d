/** Headers of END_TRANSACTION (37) and CHECK_TRANSACTION_STATE (39); facts/remoting.md §4.2. */
import type { HeaderCodec } from './field.ts';
import { booleanOr, headerCodec, integer, optionalText, text, textOr } from './field.ts';

/** `commitOrRollback`: the transaction bits of a record's flags. */
export const Resolution = { unknown: 0, commit: 8, rollback: 12 } as const;

export interface EndTransactionHeader {
  readonly topic: string;
  readonly producerGroup: string;
  /** Offset in the queue of half messages; -1 with -1 below (ours only): found by the id. */
  readonly halfQueueOffset: number;
  readonly physicalOffset: number;
  readonly resolution: number;
  readonly isFromCheck: boolean;
  readonly messageId: string;
  readonly transactionId: string | undefined;
  readonly brokerName: string | undefined;
}

export const endTransactionHeader: HeaderCodec<EndTransactionHeader> = headerCodec({
  topic: textOr('topic', ''),
  producerGroup: text('producerGroup'),
  halfQueueOffset: integer('tranStateTableOffset'),
  physicalOffset: integer('commitLogOffset'),
  resolution: integer('commitOrRollback'),
  isFromCheck: booleanOr('fromTransactionCheck', false),
  messageId: textOr('msgId', ''),
  transactionId: optionalText('transactionId'),
  brokerName: optionalText('bname'),
});

export interface CheckTransactionHeader {
  /** That of the half messages, not the message's own. */
  readonly topic: string;
  readonly halfQueueOffset: number;
  readonly physicalOffset: number;
  readonly messageId: string;
  readonly transactionId: string | undefined;
  readonly offsetMessageId: string | undefined;
  readonly brokerName: string | undefined;
}

export const checkTransactionHeader: HeaderCodec<CheckTransactionHeader> = headerCodec({
  topic: textOr('topic', ''),
  halfQueueOffset: integer('tranStateTableOffset'),
  physicalOffset: integer('commitLogOffset'),
  messageId: textOr('msgId', ''),
  transactionId: optionalText('transactionId'),
  offsetMessageId: optionalText('offsetMsgId'),
  brokerName: optionalText('bname'),
});
