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

/** INVOKE_BROKER_TO_RESET_OFFSET (222). */
export const resetOffsetHeader: HeaderCodec<{
  readonly group: string;
  readonly topic: string;
  /** Absent or negative: all queues. */
  readonly queueId: number | undefined;
  /** With a queue; -1 or absent: by time. */
  readonly offset: number | undefined;
  /** Negative: the end. */
  readonly timestampMs: number;
}> = headerCodec({
  group: text('group'),
  topic: text('topic'),
  queueId: optionalInteger('queueId'),
  offset: optionalInteger('offset'),
  timestampMs: integerOr('timestamp', -1),
});

/** CLONE_GROUP_OFFSET (314). */
export const cloneOffsetsHeader: HeaderCodec<{
  readonly sourceGroup: string;
  readonly targetGroup: string;
  readonly topic: string | undefined;
}> = headerCodec({
  sourceGroup: text('srcGroup'),
  targetGroup: text('destGroup'),
  topic: optionalText('topic'),
});

/** INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223). */
export const consumerStatusHeader: HeaderCodec<{
  readonly topic: string;
  readonly group: string;
  /** A client id, whatever the field is called; absent: all. */
  readonly clientId: string | undefined;
}> = headerCodec({
  topic: text('topic'),
  group: text('group'),
  clientId: optionalText('clientAddr'),
});

/** GET_CONSUMER_RUNNING_INFO (307). */
export const runningInfoHeader: HeaderCodec<{
  readonly group: string;
  readonly clientId: string;
}> = headerCodec({ group: text('consumerGroup'), clientId: text('clientId') });

/** CONSUME_MESSAGE_DIRECTLY (309). */
export const consumeDirectlyHeader: HeaderCodec<{
  readonly group: string;
  readonly clientId: string | undefined;
  /** An `offsetMsgId`. */
  readonly messageId: string;
}> = headerCodec({
  group: text('consumerGroup'),
  clientId: optionalText('clientId'),
  messageId: text('msgId'),
});

/** 303, 345: a group and a topic. */
export const groupTopicHeader: HeaderCodec<{
  readonly group: string;
  readonly topic: string;
}> = headerCodec({ group: text('group'), topic: text('topic') });

/** UPDATE_AND_GET_GROUP_FORBIDDEN (353); without `readable` it only asks. */
export const forbiddenHeader: HeaderCodec<{
  readonly group: string;
  readonly topic: string;
  readonly readable: string | undefined;
}> = headerCodec({
  group: text('group'),
  topic: text('topic'),
  readable: optionalText('readable'),
});

/** QUERY_CORRECTION_OFFSET (308). */
export const correctionOffsetHeader: HeaderCodec<{
  /** Several, joined by commas. */
  readonly filterGroups: string | undefined;
  readonly compareGroup: string;
  readonly topic: string;
}> = headerCodec({
  filterGroups: optionalText('filterGroups'),
  compareGroup: text('compareGroup'),
  topic: text('topic'),
});

/** QUERY_CONSUME_QUEUE (321). */
export const queryQueueHeader: HeaderCodec<{
  readonly topic: string;
  readonly queueId: number;
  readonly beginOffset: number;
  readonly count: number;
}> = headerCodec({
  topic: text('topic'),
  queueId: integerOr('queueId', 0),
  beginOffset: integerOr('index', 0),
  count: integerOr('count', 0),
});

/** VIEW_BROKER_STATS_DATA (315). */
export const statsHeader: HeaderCodec<{ readonly name: string; readonly key: string }> =
  headerCodec({ name: text('statsName'), key: text('statsKey') });
