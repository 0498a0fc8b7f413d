/** Consumer groups, for tools: DescribeGroupAccumulation, ListConsumerConnection, ResetGroupOffset. */
import {
  Code,
  decodeDescribeGroupAccumulationRequest,
  decodeListConsumerConnectionRequest,
  decodeResetGroupOffsetRequest,
  encodeDescribeGroupAccumulationResponse,
  encodeListConsumerConnectionResponse,
  encodeResetGroupOffsetResponse,
  type GroupAccumulationInit,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../../transport/grpc/call.ts';
import { groupName, topicName } from '../names.ts';
import type { ServiceContext } from '../service-context.ts';
import { okStatus, StatusError } from '../status.ts';
import { adminMethod, topicOnBrokers } from './admin-method.ts';
import { clientInfo, consumersOf, subscriptionsOf } from './known-clients.ts';

export function groupMethods(context: ServiceContext): UnaryMethod[] {
  return [
    adminMethod(context, {
      name: 'DescribeGroupAccumulation',
      decode: decodeDescribeGroupAccumulationRequest,
      encode: encodeDescribeGroupAccumulationResponse,
      run: async (request) => {
        const group = groupName(request.group);
        const named = request.topics.map(topicName);
        const topics = named.length > 0 ? named : subscribedTopics(context, group);
        const topicAccumulation = new Map<string, GroupAccumulationInit>();
        for (const topic of topics) {
          topicAccumulation.set(topic, await accumulation(context, group, topic));
        }
        return {
          status: okStatus,
          accumulation: sumOf([...topicAccumulation.values()]),
          topicAccumulation,
        };
      },
    }),
    adminMethod(context, {
      name: 'ListConsumerConnection',
      decode: decodeListConsumerConnectionRequest,
      encode: encodeListConsumerConnectionResponse,
      run: (request) => {
        const group = groupName(request.group);
        const topic = request.topic === undefined ? undefined : topicName(request.topic);
        const clients = consumersOf(context, group).filter(
          (client) =>
            topic === undefined || subscriptionsOf(client).some((one) => one.topic === topic),
        );
        return { status: okStatus, clientInfo: clients.map(clientInfo) };
      },
    }),
    adminMethod(context, {
      name: 'ResetGroupOffset',
      decode: decodeResetGroupOffsetRequest,
      encode: encodeResetGroupOffsetResponse,
      run: async (request) => {
        const group = groupName(request.group);
        const topic = topicName(request.topic);
        const timestampMs = request.resetTimestampMs;
        if (timestampMs === undefined) {
          throw new StatusError(Code.BAD_REQUEST, 'reset_timestamp is missing');
        }
        for (const { broker } of await topicOnBrokers(context, topic)) {
          for (const { queueId } of await broker.topicQueues(topic)) {
            const offset = await broker.offsetByTime(topic, queueId, Math.floor(timestampMs));
            await broker.putOffset(group, topic, queueId, offset);
          }
        }
        return { status: okStatus };
      },
    }),
  ];
}

function subscribedTopics(context: ServiceContext, group: string): readonly string[] {
  const topics = consumersOf(context, group).flatMap((client) =>
    subscriptionsOf(client).map(({ topic }) => topic),
  );
  return [...new Set(topics)];
}

async function accumulation(
  context: ServiceContext,
  group: string,
  topic: string,
): Promise<GroupAccumulationInit> {
  let behind = 0;
  for (const { broker } of await topicOnBrokers(context, topic)) {
    for (const { queueId, minOffset, maxOffset } of await broker.topicQueues(topic)) {
      const committed = (await broker.getOffset(group, topic, queueId)) ?? minOffset;
      behind += Math.max(0, maxOffset - committed);
    }
  }
  // Brokers do not tell what of it is in flight.
  return { inflightMessages: 0, readyMessages: behind, accumulation: behind };
}

/** Of several topics. */
export function sumOf(parts: readonly GroupAccumulationInit[]): GroupAccumulationInit {
  const add = (pick: (part: GroupAccumulationInit) => number | undefined): number =>
    parts.reduce((total, part) => total + (pick(part) ?? 0), 0);
  return {
    inflightMessages: add((part) => part.inflightMessages),
    readyMessages: add((part) => part.readyMessages),
    accumulation: add((part) => part.accumulation),
  };
}
