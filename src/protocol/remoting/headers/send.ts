/** Headers of producers' requests: send, send back; facts/remoting.md §4. */

import type { HeaderCodec } from './field.ts';
import {
  booleanOr,
  headerCodec,
  integer,
  integerOr,
  optionalInteger,
  optionalText,
  text,
  textOr,
} from './field.ts';

/** SEND_MESSAGE (10) with long names, SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320) with short. */
export interface SendHeader {
  readonly producerGroup: string;
  readonly topic: string;
  /** Template of automatic creation, `TBW102`. */
  readonly defaultTopic: string;
  readonly defaultTopicQueueCount: number;
  /** Negative: the broker chooses. */
  readonly queueId: number;
  readonly sysFlag: number;
  readonly bornTimestampMs: number;
  readonly flag: number;
  /** Encoded properties, see `message/properties.ts`. */
  readonly properties: string;
  readonly reconsumeTimes: number;
  readonly isUnitMode: boolean;
  readonly maxReconsumeTimes: number | undefined;
  readonly isBatch: boolean;
  readonly brokerName: string | undefined;
}

const sendFields = {
  producerGroup: text('producerGroup'),
  topic: text('topic'),
  defaultTopic: textOr('defaultTopic', ''),
  defaultTopicQueueCount: integerOr('defaultTopicQueueNums', 0),
  queueId: integer('queueId'),
  sysFlag: integerOr('sysFlag', 0),
  bornTimestampMs: integerOr('bornTimestamp', 0),
  flag: integerOr('flag', 0),
  properties: textOr('properties', ''),
  reconsumeTimes: integerOr('reconsumeTimes', 0),
  isUnitMode: booleanOr('unitMode', false),
  maxReconsumeTimes: optionalInteger('maxReconsumeTimes'),
  isBatch: booleanOr('batch', false),
  brokerName: optionalText('bname'),
};

export const sendHeader: HeaderCodec<SendHeader> = headerCodec(sendFields);

const sendFieldsV2 = {
  producerGroup: text('a'),
  topic: text('b'),
  defaultTopic: textOr('c', ''),
  defaultTopicQueueCount: integerOr('d', 0),
  queueId: integer('e'),
  sysFlag: integerOr('f', 0),
  bornTimestampMs: integerOr('g', 0),
  flag: integerOr('h', 0),
  properties: textOr('i', ''),
  reconsumeTimes: integerOr('j', 0),
  isUnitMode: booleanOr('k', false),
  maxReconsumeTimes: optionalInteger('l'),
  isBatch: booleanOr('m', false),
  brokerName: optionalText('n'),
};

const f = sendFieldsV2;

export const sendHeaderV2: HeaderCodec<SendHeader> = {
  ...headerCodec(sendFieldsV2),
  // What the codec would do, field by field: the header of most requests under load.
  decode: (fields) => ({
    producerGroup: f.producerGroup.decode(fields['a']),
    topic: f.topic.decode(fields['b']),
    defaultTopic: f.defaultTopic.decode(fields['c']),
    defaultTopicQueueCount: f.defaultTopicQueueCount.decode(fields['d']),
    queueId: f.queueId.decode(fields['e']),
    sysFlag: f.sysFlag.decode(fields['f']),
    bornTimestampMs: f.bornTimestampMs.decode(fields['g']),
    flag: f.flag.decode(fields['h']),
    properties: f.properties.decode(fields['i']),
    reconsumeTimes: f.reconsumeTimes.decode(fields['j']),
    isUnitMode: f.isUnitMode.decode(fields['k']),
    maxReconsumeTimes: f.maxReconsumeTimes.decode(fields['l']),
    isBatch: f.isBatch.decode(fields['m']),
    brokerName: f.brokerName.decode(fields['n']),
  }),
};

/** Answer of the three. A batch has its message ids joined by commas. */
export interface SendAnswer {
  readonly offsetMessageId: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** UNIQ_KEY. */
  readonly transactionId: string | undefined;
  readonly recallHandle: string | undefined;
  readonly region: string | undefined;
  readonly traceOn: string | undefined;
}

export const sendAnswer: HeaderCodec<SendAnswer> = headerCodec({
  offsetMessageId: text('msgId'),
  queueId: integer('queueId'),
  queueOffset: integer('queueOffset'),
  transactionId: optionalText('transactionId'),
  recallHandle: optionalText('recallHandle'),
  region: optionalText('MSG_REGION'),
  traceOn: optionalText('TRACE_ON'),
});

/** CONSUMER_SEND_MSG_BACK (36); facts/remoting.md §4.5. */
export interface SendBackHeader {
  readonly physicalOffset: number;
  readonly group: string;
  /** Negative: dead letter; 0: the broker chooses by the attempts so far. */
  readonly delayLevel: number;
  readonly originMessageId: string | undefined;
  readonly originTopic: string | undefined;
  readonly maxReconsumeTimes: number | undefined;
  readonly brokerName: string | undefined;
  /** Extension of ours: the delivery that ends with this; the answer says `acked`. */
  readonly extraInfo: string | undefined;
}

export const sendBackHeader: HeaderCodec<SendBackHeader> = headerCodec({
  physicalOffset: integer('offset'),
  group: text('group'),
  delayLevel: integer('delayLevel'),
  originMessageId: optionalText('originMsgId'),
  originTopic: optionalText('originTopic'),
  maxReconsumeTimes: optionalInteger('maxReconsumeTimes'),
  brokerName: optionalText('bname'),
  extraInfo: optionalText('extraInfo'),
});

/** RECALL_MESSAGE (370); facts/remoting.md §4.4. */
export interface RecallHeader {
  readonly producerGroup: string | undefined;
  readonly topic: string;
  readonly recallHandle: string;
  readonly brokerName: string | undefined;
}

export const recallHeader: HeaderCodec<RecallHeader> = headerCodec({
  producerGroup: optionalText('producerGroup'),
  topic: text('topic'),
  recallHandle: text('recallHandle'),
  brokerName: optionalText('bname'),
});

export interface RecallAnswer {
  /** UNIQ_KEY of the message. */
  readonly messageId: string;
  readonly region: string | undefined;
}

export const recallAnswer: HeaderCodec<RecallAnswer> = headerCodec({
  messageId: text('msgId'),
  region: optionalText('MSG_REGION'),
});

/** PUSH_REPLY_MESSAGE_TO_CLIENT (326): the reply as it was sent, and where and when. */
export interface PushReplyHeader extends SendHeader {
  /** host:port. */
  readonly bornHost: string;
  readonly storeHost: string;
  readonly storeTimestampMs: number;
}

export const pushReplyHeader: HeaderCodec<PushReplyHeader> = headerCodec({
  ...sendFields,
  bornHost: text('bornHost'),
  storeHost: text('storeHost'),
  storeTimestampMs: integer('storeTimestamp'),
});
