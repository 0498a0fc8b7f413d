/** Headers of pull, view and query; facts/remoting.md §5.2 and §5.3. */

import type { HeaderCodec } from './field.ts';
import {
  headerCodec,
  integer,
  integerOr,
  optionalInteger,
  optionalText,
  text,
  textOr,
} from './field.ts';

/** Bits of `sysFlag` of a pull. */
export const PullFlag = {
  commitOffset: 1,
  suspend: 2,
  subscription: 4,
  classFilter: 8,
  litePull: 16,
} as const;

/** PULL_MESSAGE (11), LITE_PULL_MESSAGE (361). */
export interface PullHeader {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly maxCount: number;
  /** Bits of `PullFlag`. */
  readonly sysFlag: number;
  readonly commitOffset: number;
  readonly suspendTimeoutMs: number;
  /** Filter expression; only with `PullFlag.subscription`. */
  readonly subscription: string | undefined;
  /** As text: Go clients use nanoseconds, beyond 2^53. */
  readonly subscriptionVersion: string;
  readonly expressionType: string | undefined;
  readonly maxSizeBytes: number | undefined;
  readonly brokerName: string | undefined;
}

export const pullHeader: HeaderCodec<PullHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integer('queueId'),
  queueOffset: integer('queueOffset'),
  maxCount: integer('maxMsgNums'),
  sysFlag: integerOr('sysFlag', 0),
  commitOffset: integerOr('commitOffset', 0),
  suspendTimeoutMs: integerOr('suspendTimeoutMillis', 0),
  subscription: optionalText('subscription'),
  subscriptionVersion: textOr('subVersion', '0'),
  expressionType: optionalText('expressionType'),
  maxSizeBytes: optionalInteger('maxMsgBytes'),
  brokerName: optionalText('bname'),
});

export interface PullAnswer {
  readonly suggestedBrokerId: number;
  readonly nextOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly topicSysFlag: number;
  readonly groupSysFlag: number;
  /** Why NO_PERMISSION; facts/remoting.md §5.3. */
  readonly forbiddenType: number | undefined;
}

export const pullAnswer: HeaderCodec<PullAnswer> = headerCodec({
  suggestedBrokerId: integerOr('suggestWhichBrokerId', 0),
  nextOffset: integerOr('nextBeginOffset', 0),
  minOffset: integerOr('minOffset', 0),
  maxOffset: integerOr('maxOffset', 0),
  topicSysFlag: integerOr('topicSysFlag', 0),
  groupSysFlag: integerOr('groupSysFlag', 0),
  forbiddenType: optionalInteger('forbiddenType'),
});

/** VIEW_MESSAGE_BY_ID (33). */
export interface ViewMessageHeader {
  readonly physicalOffset: number;
  readonly topic: string | undefined;
}

export const viewMessageHeader: HeaderCodec<ViewMessageHeader> = headerCodec({
  physicalOffset: integer('offset'),
  topic: optionalText('topic'),
});

/** QUERY_MESSAGE (12). */
export interface QueryMessageHeader {
  readonly topic: string;
  readonly key: string;
  readonly maxCount: number;
  /** Java sends Long.MAX for "no end", hence text. */
  readonly beginTimestamp: string;
  readonly endTimestamp: string;
  /** `K` key, `U` unique key, `T` tag. */
  readonly indexType: string | undefined;
  /** `true`: the key is a UNIQ_KEY. */
  readonly isUniqueKeyQuery: string | undefined;
}

export const queryMessageHeader: HeaderCodec<QueryMessageHeader> = headerCodec({
  topic: text('topic'),
  key: text('key'),
  maxCount: integerOr('maxNum', 32),
  beginTimestamp: textOr('beginTimestamp', '0'),
  endTimestamp: textOr('endTimestamp', '9223372036854775807'),
  indexType: optionalText('indexType'),
  isUniqueKeyQuery: optionalText('_UNIQUE_KEY_QUERY'),
});

export interface QueryMessageAnswer {
  readonly indexLastUpdateTimestampMs: number;
  readonly indexLastUpdatePhysicalOffset: number;
}

export const queryMessageAnswer: HeaderCodec<QueryMessageAnswer> = headerCodec({
  indexLastUpdateTimestampMs: integerOr('indexLastUpdateTimestamp', 0),
  indexLastUpdatePhysicalOffset: integerOr('indexLastUpdatePhyoffset', 0),
});
