/**
 * QueryAssignment: where a push consumer receives from; facts/grpc-v2.md 5.3. Consumers of a group all
 * get the same list; they compete when they receive.
 */
import {
  type AssignmentInit,
  Code,
  Permission as GrpcPermission,
  type QueryAssignmentRequest,
  type QueryAssignmentResponseInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { Reply } from '../../../util/reply.ts';
import { Permission } from '../../broker/api.ts';
import type { TopicRoute } from '../cluster-view.ts';
import type { ProxyContext } from './context.ts';
import { groupOf, topicOf } from './names.ts';
import type { Caller } from './rpc.ts';
import { okStatus, type RpcError, StatusError } from './status.ts';

/** A queue id that stands for all queues of a broker. */
const anyQueueId = -1;

export function queryAssignment(
  context: ProxyContext,
  caller: Caller,
  request: QueryAssignmentRequest,
  reply: Reply<QueryAssignmentResponseInit, RpcError>,
): void {
  const topic = topicOf(request.topic);
  const group = groupOf(request.group);
  context.cluster.route(topic, (route) => {
    if (route instanceof Error) {
      reply(route);
      return;
    }
    context.cluster.group(group, (config) => {
      const isOrdered = !(config instanceof Error) && config.isOrdered;
      const assignments = assign(context, caller, request, route, isOrdered);
      if (assignments.length > 0) reply({ status: okStatus, assignments });
      else reply(new StatusError(Code.FORBIDDEN, 'no readable queue'));
    });
  });
}

function assign(
  context: ProxyContext,
  caller: Caller,
  request: QueryAssignmentRequest,
  route: TopicRoute,
  isOrdered: boolean,
): AssignmentInit[] {
  // By client id, so that clients spread over the proxies and each always gets the same answer.
  const key = caller.clientId;
  const assignments: AssignmentInit[] = [];
  const rotation = context.endpoints.rotation(caller.call, request.endpoints, key);
  for (const share of route.queues) {
    if ((share.permission & Permission.read) === 0 || share.readQueueCount === 0) continue;
    const isWritable = (share.permission & Permission.write) !== 0;
    const permission = isWritable ? GrpcPermission.READ_WRITE : GrpcPermission.READ;
    const firstId = isOrdered ? 0 : anyQueueId;
    const endId = isOrdered ? share.readQueueCount : anyQueueId + 1;
    const broker = { name: share.brokerName, id: 0, endpoints: rotation.next() };
    for (let id = firstId; id < endId; id++) {
      assignments.push({ messageQueue: { topic: request.topic, id, permission, broker } });
    }
  }
  return assignments;
}
