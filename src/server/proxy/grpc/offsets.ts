/** GetOffset, UpdateOffset, QueryOffset: what pull consumers keep and ask; facts/grpc-v2.md 1.3. */
import { asRmqError } from '../../../protocol/errors.ts';
import {
  Code,
  decodeGetOffsetRequest,
  decodeQueryOffsetRequest,
  decodeUpdateOffsetRequest,
  encodeGetOffsetResponse,
  encodeQueryOffsetResponse,
  encodeUpdateOffsetResponse,
  QueryOffsetPolicy,
  type QueryOffsetRequest,
} from '../../../protocol/grpc/generated/messages.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import type { Reply } from '../../../util/reply.ts';
import { groupName } from './names.ts';
import { type NamedQueue, namedQueue } from './queue-broker.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, type RpcError, StatusError } from './status.ts';

export function getOffset(context: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'GetOffset',
    decode: decodeGetOffsetRequest,
    encode: encodeGetOffsetResponse,
    logger: context.logger,
    handle: (_caller, request, reply) => {
      const group = groupName(request.group);
      const { topic, queueId, broker } = namedQueue(context, request.messageQueue);
      answer(reply, async () => {
        const offset = await broker.getOffset(group, topic, queueId);
        if (offset !== undefined) return { status: okStatus, offset };
        const text = `group ${group} has no offset in queue ${queueId} of ${topic}`;
        throw new StatusError(Code.OFFSET_NOT_FOUND, text);
      });
    },
  });
}

export function updateOffset(context: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'UpdateOffset',
    decode: decodeUpdateOffsetRequest,
    encode: encodeUpdateOffsetResponse,
    logger: context.logger,
    handle: (_caller, request, reply) => {
      const group = groupName(request.group);
      const { topic, queueId, broker } = namedQueue(context, request.messageQueue);
      const { offset } = request;
      if (offset < 0) throw new StatusError(Code.ILLEGAL_OFFSET, `offset ${offset} is negative`);
      answer(reply, async () => {
        await broker.putOffset(group, topic, queueId, offset as QueueOffset); // of that queue
        return { status: okStatus };
      });
    },
  });
}

export function queryOffset(context: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'QueryOffset',
    decode: decodeQueryOffsetRequest,
    encode: encodeQueryOffsetResponse,
    logger: context.logger,
    handle: (_caller, request, reply) => {
      const queue = namedQueue(context, request.messageQueue);
      answer(reply, async () => ({
        status: okStatus,
        offset: await offsetOf(queue, request),
      }));
    },
  });
}

/** @throws StatusError BAD_REQUEST; RmqError of the broker */
async function offsetOf(
  { topic, queueId, broker }: NamedQueue,
  { queryOffsetPolicy, timestampMs }: QueryOffsetRequest,
): Promise<number> {
  if (queryOffsetPolicy === QueryOffsetPolicy.TIMESTAMP) {
    if (timestampMs === undefined) {
      throw new StatusError(Code.BAD_REQUEST, 'policy TIMESTAMP needs a timestamp');
    }
    return broker.offsetByTime(topic, queueId, Math.floor(timestampMs));
  }
  const queue = (await broker.topicQueues(topic)).find((one) => one.queueId === queueId);
  if (queue === undefined) {
    const text = `topic ${topic} has no queue ${queueId} on broker ${broker.brokerName}`;
    throw new StatusError(Code.BAD_REQUEST, text);
  }
  const isEnd = queryOffsetPolicy === QueryOffsetPolicy.END;
  return isEnd ? queue.maxOffset : queue.minOffset;
}

function answer<T>(reply: Reply<T, RpcError>, run: () => Promise<T>): void {
  run().then(
    (result) => reply(result),
    (error: unknown) => reply(error instanceof StatusError ? error : asRmqError(error)),
  );
}
