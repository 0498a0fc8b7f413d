/** QueryRoute: the queues of a topic, and where they are served; facts/grpc-v2.md 5.1. */
import {
  type MessageQueueInit,
  MessageType as GrpcMessageType,
  Permission as GrpcPermission,
  type QueryRouteRequest,
  type QueryRouteResponseInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { Reply } from '../../../util/reply.ts';
import { Permission, type MessageType } from '../../broker/api.ts';
import type { RouteQueues, TopicRoute } from '../cluster-view.ts';
import type { ProxyContext } from './context.ts';
import { topicOf } from './names.ts';
import type { Caller } from './rpc.ts';
import { okStatus, type RpcError } from './status.ts';

/** Message types that clients may send to a topic of the type. PRIORITY is none of MIXED's, as in Apache. */
export const acceptedTypes: Readonly<Record<MessageType, readonly number[]>> = {
  NORMAL: [GrpcMessageType.NORMAL],
  FIFO: [GrpcMessageType.FIFO],
  DELAY: [GrpcMessageType.DELAY],
  TRANSACTION: [GrpcMessageType.TRANSACTION],
  PRIORITY: [GrpcMessageType.PRIORITY],
  LITE: [GrpcMessageType.LITE],
  MIXED: [
    GrpcMessageType.NORMAL,
    GrpcMessageType.FIFO,
    GrpcMessageType.DELAY,
    GrpcMessageType.TRANSACTION,
  ],
  UNSPECIFIED: [GrpcMessageType.MESSAGE_TYPE_UNSPECIFIED],
};

export function queryRoute(
  context: ProxyContext,
  caller: Caller,
  request: QueryRouteRequest,
  reply: Reply<QueryRouteResponseInit, RpcError>,
): void {
  const topic = topicOf(request.topic);
  context.cluster.route(topic, (route) => {
    if (route instanceof Error) reply(route);
    else reply(routeAnswer(context, caller, request, route));
  });
}

function routeAnswer(
  context: ProxyContext,
  caller: Caller,
  request: QueryRouteRequest,
  route: TopicRoute,
): QueryRouteResponseInit {
  const rotation = context.endpoints.rotation(caller.call, request.endpoints, route.topic);
  const acceptMessageTypes = acceptedTypes[route.messageType];
  const messageQueues: MessageQueueInit[] = [];
  for (const share of route.queues) {
    for (const [id, permission] of queuePermissions(share).entries()) {
      const endpoints = rotation.next();
      const broker = { name: share.brokerName, id: 0, endpoints };
      messageQueues.push({ topic: request.topic, id, permission, broker, acceptMessageTypes });
    }
  }
  return { status: okStatus, messageQueues };
}

/**
 * Permissions of a broker's queues by queue id. Writable queues come first, unlike Apache's: the Node
 * client sends to queues with id 0 only (facts/grpc-v2.md 10.2), and so the ids are the real ones.
 */
export function queuePermissions(share: RouteQueues): readonly number[] {
  const readCount = share.permission & Permission.read ? share.readQueueCount : 0;
  const writeCount = share.permission & Permission.write ? share.writeQueueCount : 0;
  const count = Math.max(readCount, writeCount);
  // A topic that permits nothing is still shown, as in Apache.
  if (count === 0) return [GrpcPermission.NONE];
  const permissions: number[] = [];
  for (let id = 0; id < count; id++) {
    if (id >= readCount) permissions.push(GrpcPermission.WRITE);
    else if (id >= writeCount) permissions.push(GrpcPermission.READ);
    else permissions.push(GrpcPermission.READ_WRITE);
  }
  return permissions;
}
