/** ForwardMessageToDeadLetterQueue: the consumer has given a message up; facts/grpc-v2.md §8. */
import {
  decodeForwardMessageToDeadLetterQueueRequest,
  encodeForwardMessageToDeadLetterQueueResponse,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import { groupName, topicName } from './names.ts';
import { brokerOfReceipt } from './receipt-broker.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus } from './status.ts';

export function forwardToDeadLetters({ cluster, receipts, logger }: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'ForwardMessageToDeadLetterQueue',
    decode: decodeForwardMessageToDeadLetterQueueRequest,
    encode: encodeForwardMessageToDeadLetterQueueResponse,
    logger,
    handle: (_caller, request, reply) => {
      const group = groupName(request.group);
      const topic = topicName(request.topic);
      const { messageId } = request;
      const broker = brokerOfReceipt(cluster, request.receiptHandle);
      const receiptHandle = receipts.release(request.receiptHandle);
      broker.sendToDeadLetters({ group, topic, receiptHandle, messageId }, (error) => {
        reply(error ?? { status: okStatus });
      });
    },
  });
}
