/**
 * What administrators ask about groups and clients: 303, 308, 317, 328, 343, 345; the shapes are those
 * of golden `admin.jsonl`.
 */
import { formatHostPort } from '../../../platform/host-port.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { jsonBody } from '../../../protocol/remoting/bodies/json.ts';
import { objectKeyMap } from '../../../protocol/remoting/bodies/object-keys.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import {
  correctionOffsetHeader,
  groupHeader,
  groupTopicHeader,
} from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { StoredQueue } from '../../store/message-store.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireTopic } from './context.ts';

export function reportHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.GET_BROKER_CONSUME_STATS, answering(() => consumeStats(context))],
    [RequestCode.GET_ALL_PRODUCER_INFO, answering(() => producers(context))],
    [RequestCode.QUERY_TOPICS_BY_CONSUMER, answering((request) => topicsOf(context, request))],
    [
      RequestCode.QUERY_SUBSCRIPTION_BY_CONSUMER,
      answering((request) => subscription(context, request)),
    ],
    [RequestCode.QUERY_CONSUME_TIME_SPAN, answering((request) => timeSpans(context, request))],
    [RequestCode.QUERY_CORRECTION_OFFSET, answering((request) => corrections(context, request))],
  ];
}

/** Of one group and topic, as in the answers of 208 and 317. */
export async function topicConsumeStats(
  { broker }: RemotingContext,
  group: string,
  topic: string,
): Promise<{ readonly table: [object, unknown][]; readonly lagMessages: number }> {
  const table: [object, unknown][] = [];
  let lagMessages = 0;
  for (const queue of await broker.topicQueues(topic)) {
    const { queueId, minOffset, maxOffset } = queue;
    // A group that has not read there yet has all of it before it.
    const consumerOffset = (await broker.getOffset(group, topic, queueId)) ?? minOffset;
    lagMessages += Math.max(0, maxOffset - consumerOffset);
    const stored = broker.store.queue(topic, queueId);
    const consumed = await storeTimestampAt({ broker }, stored, consumerOffset - 1);
    table.push([
      { brokerName: broker.brokerName, queueId, topic },
      {
        brokerOffset: maxOffset,
        consumerOffset,
        // Of the last consumed message; 0: there is none, or it is no longer stored.
        lastTimestamp: Math.max(0, consumed),
        // Tools show the difference as in flight.
        pullOffset: consumerOffset + broker.inFlightCount(group, topic, queueId),
      },
    ]);
  }
  return { table, lagMessages };
}

/** Topics that the group has offsets of or is subscribed to. */
export function consumedTopics({ broker, clients }: RemotingContext, group: string): string[] {
  const topics = new Set(broker.listOffsets(group).map((entry) => entry.topic));
  for (const topic of clients.consumerGroup(group)?.subscriptions.keys() ?? []) topics.add(topic);
  return [...topics];
}

async function consumeStats(context: RemotingContext): Promise<AnswerParts> {
  const { broker } = context;
  const groups: string[] = [];
  let totalDiff = 0;
  for (const { group } of await broker.listGroups()) {
    const rows: string[] = [];
    for (const topic of consumedTopics(context, group)) {
      if ((await broker.getTopic(topic)) === undefined) continue;
      const { table, lagMessages } = await topicConsumeStats(context, group, topic);
      rows.push(`{"consumeTps":0.0,"offsetTable":${objectKeyMap(table)}}`);
      totalDiff += lagMessages;
    }
    groups.push(`{${JSON.stringify(group)}:[${rows.join(',')}]}`);
  }
  const brokerAddr = JSON.stringify(context.address());
  const text = `{"brokerAddr":${brokerAddr},"consumeStatsList":[${groups.join(',')}],"totalDiff":${totalDiff}}`;
  return { body: Buffer.from(text, 'utf8') };
}

function producers({ clients, clock }: RemotingContext): AnswerParts {
  const toWallMs = clock.nowMs() - clock.monotonicMs();
  const data: [string, unknown][] = [];
  for (const group of clients.producerGroups()) {
    const rows = clients.producers(group).map((client) => ({
      clientId: client.clientId,
      language: client.language,
      lastUpdateTimestamp: Math.round(client.heardAtMs + toWallMs),
      remoteIP: `/${formatHostPort(client.session.remote)}`,
      version: client.version,
    }));
    data.push([group, rows]);
  }
  return { body: jsonBody({ data: Object.fromEntries(data) }) };
}

function topicsOf(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group } = groupHeader.decode(request.extFields);
  const topicList = consumedTopics(context, group);
  return { body: jsonBody({ brokerAddr: context.address(), topicList }) };
}

function subscription(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group, topic } = groupTopicHeader.decode(request.extFields);
  const subscriptionData = context.clients.consumerGroup(group)?.subscriptions.get(topic)?.json;
  return { body: jsonBody({ group, subscriptionData, topic }) };
}

/** Per queue: when its first and last messages came, and the one that the group is at. */
async function timeSpans(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, topic } = groupTopicHeader.decode(request.extFields);
  const { broker, clock } = context;
  const { readQueueCount } = await requireTopic(broker, topic);
  const consumeTimeSpanSet: unknown[] = [];
  for (let queueId = 0; queueId < readQueueCount; queueId++) {
    const queue = broker.store.queue(topic, queueId);
    if (queue.maxOffset === queue.minOffset) continue;
    const offset = (await broker.getOffset(group, topic, queueId)) ?? queue.minOffset;
    const at = Math.min(Math.max(offset - 1, queue.minOffset), queue.maxOffset - 1);
    const minTimeStamp = await storeTimestampAt(context, queue, queue.minOffset);
    const maxTimeStamp = await storeTimestampAt(context, queue, queue.maxOffset - 1);
    const consumeTimeStamp = await storeTimestampAt(context, queue, at);
    const isBehind = offset < queue.maxOffset;
    consumeTimeSpanSet.push({
      consumeTimeStamp,
      delayTime: isBehind && consumeTimeStamp > 0 ? clock.nowMs() - consumeTimeStamp : 0,
      maxTimeStamp,
      messageQueue: { brokerName: broker.brokerName, queueId, topic },
      minTimeStamp,
    });
  }
  return { body: jsonBody({ consumeTimeSpanSet }) };
}

/** When the message at an offset was stored; -1: there is none. */
export function storeTimestampAt(
  { broker: { store } }: Pick<RemotingContext, 'broker'>,
  queue: StoredQueue,
  offset: number,
): Promise<number> {
  // Reading below the begin would find the first message.
  if (offset < queue.minOffset) return Promise.resolve(-1);
  return new Promise((resolve, reject) => {
    store.readEntries(queue, offset as QueueOffset, 1, (entries) => {
      if (entries instanceof Error) return reject(entries);
      store.readMessages(entries, (messages) => {
        if (messages instanceof Error) reject(messages);
        else resolve(messages[0]?.storeTimestampMs ?? -1);
      });
    });
  });
}

/** Java's Long.MAX_VALUE, beyond what a JSON number of ours can say. */
const noOffset = '9223372036854775807';

/** Per queue of the compared group: how far all other groups but the filtered ones have got. */
function corrections({ broker }: RemotingContext, request: RemotingRequest): AnswerParts {
  const { filterGroups, compareGroup, topic } = correctionOffsetHeader.decode(request.extFields);
  const left = new Set((filterGroups ?? '').split(',').filter((group) => group !== ''));
  const lowest = new Map<number, number>();
  const compared = new Map<number, number>();
  for (const { group, topic: of, queueId, offset } of broker.listOffsets(undefined)) {
    if (of !== topic) continue;
    if (group === compareGroup) compared.set(queueId, offset);
    if (left.has(group)) continue;
    lowest.set(queueId, Math.min(lowest.get(queueId) ?? Number.POSITIVE_INFINITY, offset));
  }
  const pairs = [...compared].map(([queueId, offset]) => {
    const least = lowest.get(queueId) ?? Number.POSITIVE_INFINITY;
    return `"${queueId}":${least > offset ? noOffset : least}`;
  });
  return { body: Buffer.from(`{"correctionOffsets":{${pairs.join(',')}}}`, 'utf8') };
}
