/** QueryRoute: the queues of a topic and where to reach them; facts/grpc-v2.md 5.1. */
import {
  decodeQueryRouteRequest,
  encodeQueryRouteResponse,
  Permission as GrpcPermission,
  type MessageQueueInit,
  MessageType,
  type Resource,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import { Permission, type MessageType as TopicType } from '../../broker/api.ts';
import type { RouteQueues, TopicRoute } from '../cluster-view.ts';
import { type Spread, spreadOver } from './endpoints.ts';
import { topicName } from './names.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus } from './status.ts';

export function queryRoute({ cluster, self, logger }: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'QueryRoute',
    decode: decodeQueryRouteRequest,
    encode: encodeQueryRouteResponse,
    logger,
    handle: ({ call }, request, reply) => {
      const topic = topicName(request.topic);
      const endpoints = spreadOver(cluster, self, call, request.endpoints);
      cluster.route(topic, (route) => {
        if (route instanceof Error) return reply(route);
        reply({ status: okStatus, messageQueues: queuesOf(route, request.topic, endpoints) });
      });
    },
  });
}

/**
 * Writable queues come first, so that queue 0 can be written to: the Node client takes queue ids for
 * broker ids (facts/grpc-v2.md 10.2).
 */
function queuesOf(
  route: TopicRoute,
  topic: Resource | undefined,
  endpoints: Spread,
): MessageQueueInit[] {
  const queues: MessageQueueInit[] = [];
  const acceptMessageTypes = acceptedTypes(route.messageType);
  // Neighbouring brokers begin with different proxies: who uses the first queue of each has several.
  for (const [index, share] of route.queues.entries()) {
    permissionsOf(share).forEach((permission, id) => {
      const broker = { name: share.brokerName, id: 0, endpoints: endpoints(index + id) };
      queues.push({ topic, id, permission, broker, acceptMessageTypes });
    });
  }
  return queues;
}

function permissionsOf({ permission, readQueueCount, writeQueueCount }: RouteQueues): number[] {
  const isReadable = (permission & Permission.read) !== 0;
  const isWritable = (permission & Permission.write) !== 0;
  const reads = isReadable ? readQueueCount : 0;
  const writes = isWritable ? writeQueueCount : 0;
  if (reads === 0 && writes === 0) return [GrpcPermission.NONE];
  const both = Math.min(reads, writes);
  return [
    ...Array<number>(both).fill(GrpcPermission.READ_WRITE),
    ...Array<number>(writes - both).fill(GrpcPermission.WRITE),
    ...Array<number>(reads - both).fill(GrpcPermission.READ),
  ];
}

function acceptedTypes(type: TopicType): number[] {
  if (type === 'MIXED') {
    const { NORMAL, FIFO, DELAY, TRANSACTION } = MessageType;
    return [NORMAL, FIFO, DELAY, TRANSACTION];
  }
  return type === 'UNSPECIFIED' ? [MessageType.MESSAGE_TYPE_UNSPECIFIED] : [MessageType[type]];
}
