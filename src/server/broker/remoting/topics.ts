/** Topics: 17, 18, 21, 202, 215, 300, 305, 351; facts/remoting.md §8.1 and golden `admin.jsonl`. */
import { RmqError } from '../../../protocol/errors.ts';
import { isSystemTopic } from '../../../protocol/message/names.ts';
import { jsonBody, listOf, parseJsonObject } from '../../../protocol/remoting/bodies/json.ts';
import { objectKeyMap } from '../../../protocol/remoting/bodies/object-keys.ts';
import {
  applyAttributeChanges,
  parseAttributeChanges,
  topicConfigFromJson,
  topicConfigToJson,
} from '../../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import {
  createTopicHeader,
  topicHeader,
  topicPageHeader,
} from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { TopicConfig } from '../api.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireTopic } from './context.ts';

/** facts/broker.md §1.4. */
const attributeNames: ReadonlySet<string> = new Set([
  'message.type',
  'queue.type',
  'cleanup.policy',
  'reserve.time',
]);

export function topicHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.UPDATE_AND_CREATE_TOPIC, answering((request) => create(context, request))],
    [RequestCode.UPDATE_AND_CREATE_TOPIC_LIST, answering((request) => createAll(context, request))],
    [RequestCode.GET_ALL_TOPIC_CONFIG, answering((request) => all(context, request))],
    [RequestCode.GET_TOPIC_STATS_INFO, answering((request) => stats(context, request))],
    [RequestCode.DELETE_TOPIC_IN_BROKER, answering((request) => remove(context, request))],
    [RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, answering((request) => groupsOf(context, request))],
    [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER, answering(() => systemTopics(context))],
    [RequestCode.GET_TOPIC_CONFIG, answering((request) => show(context, request))],
  ];
}

async function create(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const header = createTopicHeader.decode(request.extFields);
  const changes = parseAttributeChanges(header.attributes ?? '');
  await put(context, {
    topic: header.topic,
    readQueueCount: header.readQueueCount,
    writeQueueCount: header.writeQueueCount,
    permission: header.permission,
    filterType: header.filterType === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
    systemFlag: header.systemFlag,
    isOrdered: header.isOrdered,
    attributes: changes,
  });
  return {};
}

async function createAll(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  for (const value of listOf(parseJsonObject(request.body), 'topicConfigList')) {
    const config = topicConfigFromJson(value);
    if (config === undefined) throw new RmqError('BAD_REQUEST', 'a topic without a name');
    await put(context, config);
  }
  return {};
}

/** `config.attributes` are changes to those that the topic has. */
async function put(context: RemotingContext, config: TopicConfig): Promise<void> {
  for (const change of Object.keys(config.attributes)) {
    const name = change.replace(/^[+-]/, '');
    if (!attributeNames.has(name)) {
      throw new RmqError(
        'BAD_REQUEST',
        `topic attribute ${name} is not known, allowed are ${[...attributeNames].join(', ')}`,
      );
    }
  }
  const current = await context.broker.getTopic(config.topic);
  const attributes = applyAttributeChanges(current?.attributes ?? {}, config.attributes);
  await context.broker.putTopic({ ...config, attributes });
}

async function all(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { sequence, maxCount } = topicPageHeader.decode(request.extFields);
  const topics = await context.broker.listTopics();
  const sorted = topics.toSorted((a, b) => (a.topic < b.topic ? -1 : 1));
  const page = sequence === undefined ? sorted : sorted.slice(sequence, sequence + maxCount);
  const topicConfigTable = Object.fromEntries(
    page.map((config) => [config.topic, topicConfigToJson(config)]),
  );
  return {
    extFields: { totalTopicNum: String(topics.length) },
    body: jsonBody({
      dataVersion: context.broker.dataVersion,
      mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: 0 },
      topicConfigTable,
      topicQueueMappingDetailMap: {},
    }),
  };
}

async function stats(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { topic } = topicHeader.decode(request.extFields);
  await requireTopic(context.broker, topic);
  const { brokerName } = context.broker;
  const queues = await context.broker.topicQueues(topic);
  const offsetTable = objectKeyMap(
    queues.map(({ queueId, minOffset, maxOffset, lastStoreTimestampMs }) => [
      { brokerName, queueId, topic },
      { lastUpdateTimestamp: lastStoreTimestampMs, maxOffset, minOffset },
    ]),
  );
  return { body: Buffer.from(`{"offsetTable":${offsetTable},"topicPutTps":0.0}`, 'utf8') };
}

async function remove(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { topic } = topicHeader.decode(request.extFields);
  if (isSystemTopic(topic)) {
    throw new RmqError('ILLEGAL_TOPIC', `The topic[${topic}] is conflict with system topic.`);
  }
  await context.broker.deleteTopic(topic);
  return {};
}

function groupsOf(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { topic } = topicHeader.decode(request.extFields);
  const groups = new Set<string>();
  for (const entry of context.broker.listOffsets(undefined)) {
    if (entry.topic === topic) groups.add(entry.group);
  }
  for (const [group, state] of context.clients.consumerGroups()) {
    if (state.subscriptions.has(topic)) groups.add(group);
  }
  return { body: jsonBody({ groupList: [...groups].toSorted() }) };
}

async function systemTopics(context: RemotingContext): Promise<AnswerParts> {
  const { brokerName, clusterName } = context.broker;
  const topics = (await context.broker.listTopics()).map((config) => config.topic);
  const topicList = topics.filter(
    (topic) => isSystemTopic(topic) || topic === brokerName || topic === clusterName,
  );
  return { body: jsonBody({ topicList }) };
}

async function show(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { topic } = topicHeader.decode(request.extFields);
  const config = await context.broker.getTopic(topic);
  if (config === undefined) {
    throw new RmqError('TOPIC_NOT_FOUND', `No topic in this broker. topic: ${topic}`);
  }
  return { body: jsonBody(topicConfigToJson(config)) };
}
