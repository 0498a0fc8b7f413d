/** RecallMessage: a delayed message is taken back by the handle of its send; facts/grpc-v2.md §9. */
import {
  Code,
  decodeRecallMessageRequest,
  encodeRecallMessageResponse,
  type RecallMessageRequest,
  type RecallMessageResponseInit,
} from '../../../protocol/grpc/generated/messages.ts';
import { decodeRecallHandle } from '../../../protocol/message/recall-handle.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import type { Reply } from '../../../util/reply.ts';
import { typeProblem } from './message-type.ts';
import { topicName } from './names.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, type RpcError, StatusError } from './status.ts';

export function recallMessage(context: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'RecallMessage',
    decode: decodeRecallMessageRequest,
    encode: encodeRecallMessageResponse,
    logger: context.logger,
    handle: (_caller, request, reply) => recall(context, request, reply),
  });
}

function recall(
  { cluster }: ServiceContext,
  request: RecallMessageRequest,
  reply: Reply<RecallMessageResponseInit, RpcError>,
): void {
  const topic = topicName(request.topic);
  const { recallHandle } = request;
  cluster.route(topic, (route) => {
    if (route instanceof Error) return reply(route);
    const problem = typeProblem(route, 'DELAY');
    if (problem !== undefined) return reply(problem);
    const handle = decodeRecallHandle(recallHandle);
    if (handle === undefined) {
      return reply(new StatusError(Code.BAD_REQUEST, 'recall handle is invalid'));
    }
    const broker = cluster.broker(handle.brokerName);
    if (broker === undefined) {
      const text = `recall failed, there is no broker ${handle.brokerName}`;
      return reply(new StatusError(Code.BAD_REQUEST, text));
    }
    // A producer over gRPC has its topic for a group.
    broker.recall({ topic, recallHandle, producerGroup: topic }, (messageId) => {
      if (messageId instanceof Error) reply(messageId);
      else reply({ status: okStatus, messageId });
    });
  });
}
