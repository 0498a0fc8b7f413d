/** Topics, groups and offsets of `RemoteBroker`: promises, not on the message path. */
import type { RemotingAnswer } from '../../client/remoting-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { PhysicalOffset, QueueOffset, StoredMessage } from '../../protocol/message/message.ts';
import { answerError } from '../../protocol/remoting/answer-error.ts';
import {
  groupConfigFromJson,
  groupConfigToJson,
} from '../../protocol/remoting/bodies/group-config.ts';
import { entriesOf, jsonBody } from '../../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../protocol/remoting/bodies/lenient-json.ts';
import { numberOr, topicConfigFromJson } from '../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import {
  createTopicHeader,
  deleteGroupHeader,
  groupHeader,
  topicHeader,
} from '../../protocol/remoting/headers/admin.ts';
import {
  offsetAnswer,
  queryOffsetHeader,
  searchOffsetHeader,
  updateOffsetHeader,
} from '../../protocol/remoting/headers/offsets.ts';
import { queryMessageHeader, viewMessageHeader } from '../../protocol/remoting/headers/pull.ts';
import type { GroupConfig, KeyQuery, QueueRange, TopicConfig } from '../broker/api.ts';
import { decodeRecords } from './remote-broker-messages.ts';

/** Whoever can ask a broker. */
export interface Caller {
  readonly brokerName: string;
  call(code: number, extFields: ExtFields, body?: Uint8Array): Promise<RemotingAnswer>;
}

/** The answer when it is SUCCESS, undefined for a code of `absent`, else its error. */
async function ask(
  caller: Caller,
  request: { readonly code: number; readonly extFields?: ExtFields; readonly body?: Uint8Array },
  absent: readonly number[] = [],
): Promise<RemotingAnswer | undefined> {
  const answer = await caller.call(request.code, request.extFields ?? {}, request.body);
  if (answer.code === ResponseCode.SUCCESS) return answer;
  if (absent.includes(answer.code)) return undefined;
  throw answerError(answer);
}

function objectIn(answer: RemotingAnswer | undefined): ReadonlyMap<string, unknown> {
  if (answer === undefined || answer.body.length === 0) return new Map();
  return new Map(entriesOf(parseLenientJson(answer.body)));
}

export async function getTopic(caller: Caller, topic: string): Promise<TopicConfig | undefined> {
  // `lo`: the logical topic, as Apache's proxy asks; facts/remoting.md §7.1.
  const extFields = { ...topicHeader.encode({ topic }), lo: 'true' };
  const code = RequestCode.GET_TOPIC_CONFIG;
  const answer = await ask(caller, { code, extFields }, [ResponseCode.TOPIC_NOT_EXIST]);
  return topicConfigFromJson(Object.fromEntries(objectIn(answer)));
}

export async function listTopics(caller: Caller): Promise<readonly TopicConfig[]> {
  const answer = await ask(caller, { code: RequestCode.GET_ALL_TOPIC_CONFIG });
  return entriesOf(objectIn(answer).get('topicConfigTable')).flatMap(
    ([, value]) => topicConfigFromJson(value) ?? [],
  );
}

export async function putTopic(caller: Caller, config: TopicConfig): Promise<void> {
  const current = await getTopic(caller, config.topic);
  const removed = Object.keys(current?.attributes ?? {}).filter(
    (name) => config.attributes[name] === undefined,
  );
  const attributes = [
    ...Object.entries(config.attributes).map(([name, value]) => `+${name}=${value}`),
    ...removed.map((name) => `-${name}`),
  ].join(',');
  const extFields = createTopicHeader.encode({
    topic: config.topic,
    defaultTopic: 'TBW102',
    readQueueCount: config.readQueueCount,
    writeQueueCount: config.writeQueueCount,
    permission: config.permission,
    filterType: config.filterType,
    systemFlag: config.systemFlag,
    isOrdered: config.isOrdered,
    attributes,
  });
  await ask(caller, { code: RequestCode.UPDATE_AND_CREATE_TOPIC, extFields });
}

export async function deleteTopic(caller: Caller, topic: string): Promise<void> {
  const extFields = topicHeader.encode({ topic });
  await ask(caller, { code: RequestCode.DELETE_TOPIC_IN_BROKER, extFields });
}

export async function topicQueues(caller: Caller, topic: string): Promise<readonly QueueRange[]> {
  const extFields = topicHeader.encode({ topic });
  const code = RequestCode.GET_TOPIC_STATS_INFO;
  const answer = await ask(caller, { code, extFields }, [ResponseCode.TOPIC_NOT_EXIST]);
  const ranges = entriesOf(objectIn(answer).get('offsetTable')).map(([key, value]): QueueRange => {
    const queue = new Map(entriesOf(JSON.parse(key))); // an object's text, by the lenient parser
    const range = new Map(entriesOf(value));
    return {
      queueId: numberOr(queue.get('queueId'), 0),
      minOffset: numberOr(range.get('minOffset'), 0) as QueueOffset, // of that queue, as the next
      maxOffset: numberOr(range.get('maxOffset'), 0) as QueueOffset,
      lastStoreTimestampMs: numberOr(range.get('lastUpdateTimestamp'), 0),
    };
  });
  return ranges.toSorted((a, b) => a.queueId - b.queueId);
}

export async function getGroup(caller: Caller, group: string): Promise<GroupConfig | undefined> {
  const extFields = groupHeader.encode({ group });
  const code = RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG;
  const absent = [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST];
  const answer = await ask(caller, { code, extFields }, absent);
  return groupConfigFromJson(Object.fromEntries(objectIn(answer)));
}

export async function listGroups(caller: Caller): Promise<readonly GroupConfig[]> {
  const answer = await ask(caller, { code: RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG });
  return entriesOf(objectIn(answer).get('subscriptionGroupTable')).flatMap(
    ([, value]) => groupConfigFromJson(value) ?? [],
  );
}

export async function putGroup(caller: Caller, config: GroupConfig): Promise<void> {
  const body = jsonBody(groupConfigToJson(config));
  await ask(caller, { code: RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, body });
}

export async function deleteGroup(
  caller: Caller,
  group: string,
  isOffsetsCleaned: boolean,
): Promise<void> {
  const extFields = deleteGroupHeader.encode({ group, isOffsetsCleaned });
  await ask(caller, { code: RequestCode.DELETE_SUBSCRIPTIONGROUP, extFields });
}

interface GroupQueue {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
}

export async function getOffset(
  caller: Caller,
  queue: GroupQueue,
): Promise<QueueOffset | undefined> {
  const { brokerName } = caller;
  const extFields = queryOffsetHeader.encode({ ...queue, isZeroIfNotFound: false, brokerName });
  const code = RequestCode.QUERY_CONSUMER_OFFSET;
  const answer = await ask(caller, { code, extFields }, [ResponseCode.QUERY_NOT_FOUND]);
  return answer === undefined ? undefined : offsetIn(answer);
}

export async function putOffset(
  caller: Caller,
  request: GroupQueue & { readonly offset: QueueOffset },
): Promise<void> {
  const { group, topic, queueId, offset: commitOffset } = request;
  const { brokerName } = caller;
  const extFields = updateOffsetHeader.encode({ group, topic, queueId, commitOffset, brokerName });
  await ask(caller, { code: RequestCode.UPDATE_CONSUMER_OFFSET, extFields });
}

export async function offsetByTime(
  caller: Caller,
  request: { readonly topic: string; readonly queueId: number; readonly timestampMs: number },
): Promise<QueueOffset> {
  const { brokerName } = caller;
  const extFields = searchOffsetHeader.encode({ ...request, boundary: 'LOWER', brokerName });
  const answer = await ask(caller, { code: RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, extFields });
  if (answer === undefined) throw new RmqError('INTERNAL', 'the search was not answered');
  return offsetIn(answer);
}

function offsetIn(answer: RemotingAnswer): QueueOffset {
  return offsetAnswer.decode(answer.extFields).offset as QueueOffset; // of the queue asked for
}

export async function messageAt(
  caller: Caller,
  physicalOffset: PhysicalOffset,
): Promise<StoredMessage | undefined> {
  const extFields = viewMessageHeader.encode({ physicalOffset, topic: undefined });
  const code = RequestCode.VIEW_MESSAGE_BY_ID;
  // 1 is all that brokers say when there is nothing at the offset.
  const answer = await ask(caller, { code, extFields }, [ResponseCode.SYSTEM_ERROR]);
  if (answer === undefined) return undefined;
  const records = decodeRecords(answer.body);
  if (records instanceof RmqError) throw records;
  return records[0];
}

const indexTypes = { key: 'K', uniqueKey: 'U', tag: 'T' } as const;

export async function findByKey(
  caller: Caller,
  { topic, key, kind, beginMs, endMs, maxCount }: KeyQuery,
): Promise<readonly StoredMessage[]> {
  const extFields = queryMessageHeader.encode({
    topic,
    key,
    maxCount,
    beginTimestamp: String(beginMs),
    endTimestamp: String(endMs),
    indexType: indexTypes[kind],
    isUniqueKeyQuery: kind === 'uniqueKey' ? 'true' : undefined,
  });
  const code = RequestCode.QUERY_MESSAGE;
  const answer = await ask(caller, { code, extFields }, [ResponseCode.QUERY_NOT_FOUND]);
  if (answer === undefined) return [];
  const records = decodeRecords(answer.body);
  if (records instanceof RmqError) throw records;
  return records;
}
