/** Headers about offsets; facts/remoting.md §5.2. */

import type { HeaderCodec } from './field.ts';
import { booleanOr, headerCodec, integer, integerOr, optionalText, text, textOr } from './field.ts';

/** QUERY_CONSUMER_OFFSET (14). */
export interface QueryOffsetHeader {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  /** Whether a group without an offset on a queue that still has its first message starts at 0. */
  readonly isZeroIfNotFound: boolean;
  readonly brokerName: string | undefined;
}

export const queryOffsetHeader: HeaderCodec<QueryOffsetHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integer('queueId'),
  isZeroIfNotFound: booleanOr('setZeroIfNotFound', true),
  brokerName: optionalText('bname'),
});

/** UPDATE_CONSUMER_OFFSET (15). */
export interface UpdateOffsetHeader {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly commitOffset: number;
  readonly brokerName: string | undefined;
}

export const updateOffsetHeader: HeaderCodec<UpdateOffsetHeader> = headerCodec({
  group: text('consumerGroup'),
  topic: text('topic'),
  queueId: integer('queueId'),
  commitOffset: integer('commitOffset'),
  brokerName: optionalText('bname'),
});

/** GET_MAX_OFFSET (30), GET_MIN_OFFSET (31), GET_EARLIEST_MSG_STORETIME (32). */
export interface QueueHeader {
  readonly topic: string;
  readonly queueId: number;
  readonly brokerName: string | undefined;
}

export const queueHeader: HeaderCodec<QueueHeader> = headerCodec({
  topic: text('topic'),
  queueId: integer('queueId'),
  brokerName: optionalText('bname'),
});

/** SEARCH_OFFSET_BY_TIMESTAMP (29). */
export interface SearchOffsetHeader extends QueueHeader {
  readonly timestampMs: number;
  /** `UPPER`: the last at or before; anything else: the first at or after. */
  readonly boundary: string;
}

export const searchOffsetHeader: HeaderCodec<SearchOffsetHeader> = headerCodec({
  topic: text('topic'),
  queueId: integer('queueId'),
  timestampMs: integer('timestamp'),
  boundary: textOr('boundaryType', 'LOWER'),
  brokerName: optionalText('bname'),
});

/** Answer of 14, 29, 30, 31. */
export const offsetAnswer: HeaderCodec<{ readonly offset: number }> = headerCodec({
  offset: integer('offset'),
});

/** Answer of 32. */
export const timestampAnswer: HeaderCodec<{ readonly timestampMs: number }> = headerCodec({
  timestampMs: integerOr('timestamp', -1),
});
