/** Topics, for tools: DescribeTopicStatus, GetTopicRoute, QueryTimeSpan. */
import {
  decodeDescribeTopicStatusRequest,
  decodeGetTopicRouteRequest,
  decodeQueryTimeSpanRequest,
  encodeDescribeTopicStatusResponse,
  encodeGetTopicRouteResponse,
  encodeQueryTimeSpanResponse,
  MessageType,
  type QueueTimeSpanInit,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { QueueOffset } from '../../../../protocol/message/message.ts';
import type { UnaryMethod } from '../../../../transport/grpc/call.ts';
import type { BrokerApi } from '../../../broker/api.ts';
import type { TopicRoute } from '../../cluster-view.ts';
import { groupName, topicName } from '../names.ts';
import type { ServiceContext } from '../service-context.ts';
import { okStatus } from '../status.ts';
import { adminMethod, topicOnBrokers } from './admin-method.ts';

export function topicMethods(context: ServiceContext): UnaryMethod[] {
  return [
    adminMethod(context, {
      name: 'DescribeTopicStatus',
      decode: decodeDescribeTopicStatusRequest,
      encode: encodeDescribeTopicStatusResponse,
      run: async (request) => {
        const topic = topicName(request.topic);
        const [first] = await topicOnBrokers(context, topic);
        const attributes = first?.config.attributes ?? {};
        const type = attributes['message.type'] ?? 'NORMAL';
        return {
          status: okStatus,
          topicMessageType: (MessageType as Readonly<Record<string, number>>)[type] ?? 0,
          tags: new Map(Object.entries(attributes)),
        };
      },
    }),
    adminMethod(context, {
      name: 'GetTopicRoute',
      decode: decodeGetTopicRouteRequest,
      encode: encodeGetTopicRouteResponse,
      run: async (request) => {
        const route = await routeOf(context, topicName(request.topic));
        return { status: okStatus, topicRouteData: JSON.stringify(route) };
      },
    }),
    adminMethod(context, {
      name: 'QueryTimeSpan',
      decode: decodeQueryTimeSpanRequest,
      encode: encodeQueryTimeSpanResponse,
      run: async (request) => {
        const group = groupName(request.group);
        const queueTimeSpanList: QueueTimeSpanInit[] = [];
        for (const topic of request.topics.map(topicName)) {
          for (const { broker } of await topicOnBrokers(context, topic)) {
            queueTimeSpanList.push(...(await timeSpans(context, broker, topic, group)));
          }
        }
        return { status: okStatus, queueTimeSpanList };
      },
    }),
  ];
}

function routeOf({ cluster }: ServiceContext, topic: string): Promise<TopicRoute> {
  return new Promise((resolve, reject) => {
    cluster.route(topic, (route) => {
      if (route instanceof Error) reject(route);
      else resolve(route);
    });
  });
}

async function timeSpans(
  { clock }: ServiceContext,
  broker: BrokerApi,
  topic: string,
  group: string,
): Promise<QueueTimeSpanInit[]> {
  const spans: QueueTimeSpanInit[] = [];
  for (const queue of await broker.topicQueues(topic)) {
    const { queueId, minOffset, maxOffset, lastStoreTimestampMs } = queue;
    const committed = (await broker.getOffset(group, topic, queueId)) ?? minOffset;
    const consumeTimestamp = await storeTime(broker, topic, queueId, committed - 1, minOffset);
    const nextTimestamp = await storeTime(broker, topic, queueId, committed, minOffset);
    spans.push({
      messageQueue: { topic: { name: topic }, id: queueId, broker: { name: broker.brokerName } },
      minTimestamp: await storeTime(broker, topic, queueId, minOffset, minOffset),
      maxTimestamp: lastStoreTimestampMs,
      consumeTimestamp,
      // How long the oldest message that is not consumed has waited.
      delayTimeMs:
        committed >= maxOffset || nextTimestamp === 0
          ? 0
          : Math.max(0, clock.nowMs() - nextTimestamp),
    });
  }
  return spans;
}

/** Store time of the message at an offset, Unix ms; 0 where there is none. */
async function storeTime(
  broker: BrokerApi,
  topic: string,
  queueId: number,
  offset: number,
  minOffset: number,
): Promise<number> {
  if (offset < minOffset) return 0;
  const request = {
    group: 'TOOLS_CONSUMER',
    topic,
    queueId,
    offset: offset as QueueOffset, // of this queue
    maxCount: 1,
    maxSizeBytes: 1,
    filter: { type: 'TAG', expression: '*' },
    pollingTimeMs: 0,
  } as const;
  return new Promise((resolve, reject) => {
    broker.pull(request, (result) => {
      if (result instanceof Error) return reject(result);
      const [message] = result.messages;
      resolve(message?.queueOffset === offset ? message.storeTimestampMs : 0);
    });
  });
}
