/** Headers about topics, groups and clients; facts/remoting.md §2.3. */

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

/** UPDATE_AND_CREATE_TOPIC (17). */
export interface CreateTopicHeader {
  readonly topic: string;
  readonly defaultTopic: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  readonly permission: number;
  readonly filterType: string;
  readonly systemFlag: number;
  readonly isOrdered: boolean;
  /** `+key=value,-key`: changes to the attributes. */
  readonly attributes: string | undefined;
}

export const createTopicHeader: HeaderCodec<CreateTopicHeader> = headerCodec({
  topic: text('topic'),
  defaultTopic: textOr('defaultTopic', ''),
  readQueueCount: integer('readQueueNums'),
  writeQueueCount: integer('writeQueueNums'),
  permission: integer('perm'),
  filterType: textOr('topicFilterType', 'SINGLE_TAG'),
  systemFlag: integerOr('topicSysFlag', 0),
  isOrdered: booleanOr('order', false),
  attributes: optionalText('attributes'),
});

/** 202, 215, 300, 351: a topic and nothing else. */
export const topicHeader: HeaderCodec<{ readonly topic: string }> = headerCodec({
  topic: text('topic'),
});

/** 352: a group under `group`. */
export const groupHeader: HeaderCodec<{ readonly group: string }> = headerCodec({
  group: text('group'),
});

/** 38, 40, 203: a group under `consumerGroup`. */
export const consumerGroupHeader: HeaderCodec<{ readonly group: string }> = headerCodec({
  group: text('consumerGroup'),
});

/** GET_PRODUCER_CONNECTION_LIST (204). */
export const producerGroupHeader: HeaderCodec<{ readonly group: string }> = headerCodec({
  group: text('producerGroup'),
});

/** DELETE_SUBSCRIPTIONGROUP (207). */
export const deleteGroupHeader: HeaderCodec<{
  readonly group: string;
  readonly isOffsetsCleaned: boolean;
}> = headerCodec({
  group: text('groupName'),
  isOffsetsCleaned: booleanOr('cleanOffset', false),
});

/** GET_CONSUME_STATS (208); without topic: all topics of the group. */
export const consumeStatsHeader: HeaderCodec<{
  readonly group: string;
  readonly topic: string | undefined;
  /** Several, joined by `;`. */
  readonly topicList: string | undefined;
}> = headerCodec({
  group: text('consumerGroup'),
  topic: optionalText('topic'),
  topicList: optionalText('topicList'),
});

/** UNREGISTER_CLIENT (35); one group a request. */
export const unregisterClientHeader: HeaderCodec<{
  readonly clientId: string;
  readonly producerGroup: string | undefined;
  readonly consumerGroup: string | undefined;
}> = headerCodec({
  clientId: text('clientID'),
  producerGroup: optionalText('producerGroup'),
  consumerGroup: optionalText('consumerGroup'),
});

/** Paging of GET_ALL_TOPIC_CONFIG (21) and, with group names, of 201; absent: everything at once. */
export const topicPageHeader: HeaderCodec<{
  readonly sequence: number | undefined;
  readonly maxCount: number;
}> = headerCodec({
  sequence: optionalInteger('topicSeq'),
  maxCount: integerOr('maxTopicNum', 2000),
});

export const groupPageHeader: HeaderCodec<{
  readonly sequence: number | undefined;
  readonly maxCount: number;
}> = headerCodec({
  sequence: optionalInteger('groupSeq'),
  maxCount: integerOr('maxGroupNum', 2000),
});
