/** Consumer groups: 200, 201, 207, 208, 225, 352; facts/remoting.md §8.1. */
import { RmqError } from '../../../protocol/errors.ts';
import { retryTopicOf } from '../../../protocol/message/names.ts';
import {
  groupConfigFromJson,
  groupConfigToJson,
} from '../../../protocol/remoting/bodies/group-config.ts';
import { jsonBody, listOf, parseJsonObject } from '../../../protocol/remoting/bodies/json.ts';
import { objectKeyMap } from '../../../protocol/remoting/bodies/object-keys.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import {
  consumeStatsHeader,
  deleteGroupHeader,
  groupHeader,
  groupPageHeader,
} from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireTopic } from './context.ts';
import { consumedTopics, topicConsumeStats } from './reports.ts';

export function groupHandlers(context: RemotingContext): Handlers {
  return [
    [
      RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
      answering((request) => putAll(context, [parseJsonObject(request.body)])),
    ],
    [
      RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST,
      answering((request) =>
        putAll(context, listOf(parseJsonObject(request.body), 'groupConfigList')),
      ),
    ],
    [RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, answering((request) => all(context, request))],
    [RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG, answering((request) => show(context, request))],
    [RequestCode.DELETE_SUBSCRIPTIONGROUP, answering((request) => remove(context, request))],
    [RequestCode.GET_CONSUME_STATS, answering((request) => stats(context, request))],
  ];
}

async function putAll(context: RemotingContext, values: readonly unknown[]): Promise<AnswerParts> {
  for (const value of values) {
    const config = groupConfigFromJson(value);
    if (config === undefined) throw new RmqError('BAD_REQUEST', 'a group without a name');
    await context.broker.putGroup(config);
  }
  return {};
}

async function all(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { sequence, maxCount } = groupPageHeader.decode(request.extFields);
  const groups = await context.broker.listGroups();
  const sorted = groups.toSorted((a, b) => (a.group < b.group ? -1 : 1));
  const page = sequence === undefined ? sorted : sorted.slice(sequence, sequence + maxCount);
  const subscriptionGroupTable = Object.fromEntries(
    page.map((config) => [config.group, groupConfigToJson(config)]),
  );
  return {
    extFields: { totalGroupNum: String(groups.length) },
    body: jsonBody({
      dataVersion: context.broker.dataVersion,
      forbiddenTable: {},
      subscriptionGroupTable,
    }),
  };
}

async function show(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group } = groupHeader.decode(request.extFields);
  const config = await context.broker.getGroup(group);
  if (config === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `No group in this broker. group: ${group}`);
  }
  return { body: jsonBody(groupConfigToJson(config)) };
}

async function remove(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, isOffsetsCleaned } = deleteGroupHeader.decode(request.extFields);
  await context.broker.deleteGroup(group, { cleanOffsets: isOffsetsCleaned });
  return {};
}

async function stats(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, topic, topicList } = consumeStatsHeader.decode(request.extFields);
  const named = [...(topicList?.split(';') ?? []), topic ?? ''].filter((name) => name !== '');
  for (const name of named) await requireTopic(context.broker, name);
  const topics = named.length > 0 ? named : consumedTopics(context, group);
  const table: [object, unknown][] = [];
  for (const name of topics) table.push(...(await topicConsumeStats(context, group, name)).table);
  return { body: Buffer.from(`{"consumeTps":0.0,"offsetTable":${objectKeyMap(table)}}`, 'utf8') };
}

/** Makes `%RETRY%group` for a group whose consumers pull it; facts/remoting.md §5.1. */
export async function ensureRetryTopic(context: RemotingContext, group: string): Promise<void> {
  const topic = retryTopicOf(group);
  const config = await context.broker.getGroup(group);
  if (config === undefined || (await context.broker.getTopic(topic)) !== undefined) return;
  const queueCount = Math.max(1, config.retryQueueCount);
  await ensureTopic(context, topic, queueCount);
}

/** A topic of the system's own making: read and write, no attributes. */
export async function ensureTopic(
  context: RemotingContext,
  topic: string,
  queueCount: number,
): Promise<void> {
  if ((await context.broker.getTopic(topic)) !== undefined) return;
  await context.broker.putTopic({
    topic,
    readQueueCount: queueCount,
    writeQueueCount: queueCount,
    permission: 6,
    filterType: 'SINGLE_TAG',
    systemFlag: 0,
    isOrdered: false,
    attributes: {},
  });
}
