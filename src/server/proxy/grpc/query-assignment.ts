/** QueryAssignment: what a push consumer asks for messages; facts/grpc-v2.md 5.3. */
import {
  type AssignmentInit,
  Code,
  decodeQueryAssignmentRequest,
  encodeQueryAssignmentResponse,
  Permission as GrpcPermission,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import { Permission } from '../../broker/api.ts';
import { allQueuesId, spreadOver } from './endpoints.ts';
import { groupName, topicName } from './names.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, StatusError } from './status.ts';

export function queryAssignment({ cluster, self, logger }: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'QueryAssignment',
    decode: decodeQueryAssignmentRequest,
    encode: encodeQueryAssignmentResponse,
    logger,
    handle: ({ call }, request, reply) => {
      const topic = topicName(request.topic);
      groupName(request.group);
      const endpoints = spreadOver(cluster, self, call, request.endpoints);
      cluster.route(topic, (route) => {
        if (route instanceof Error) return reply(route);
        const assignments: AssignmentInit[] = [];
        for (const [index, share] of route.queues.entries()) {
          const { brokerName, permission, readQueueCount } = share;
          if ((permission & Permission.read) === 0 || readQueueCount === 0) continue;
          const isWritable = (permission & Permission.write) !== 0;
          const granted = isWritable ? GrpcPermission.READ_WRITE : GrpcPermission.READ;
          // One for all queues of the broker: consumers compete for messages, not for queues. Message
          // groups are kept in order by the broker, so that FIFO needs no queue of its own.
          const proxy = endpoints(index);
          const broker = { name: brokerName, id: 0, endpoints: proxy };
          const id = allQueuesId(call, proxy);
          const messageQueue = { topic: request.topic, id, permission: granted, broker };
          assignments.push({ messageQueue });
        }
        if (assignments.length === 0)
          return reply(new StatusError(Code.FORBIDDEN, 'no readable queue'));
        reply({ status: okStatus, assignments });
      });
    },
  });
}
