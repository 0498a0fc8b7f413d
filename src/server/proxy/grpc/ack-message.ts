/** AckMessage; facts/grpc-v2.md 6.6. */

import { asRmqError } from '../../../protocol/errors.ts';
import {
  type AckMessageRequest,
  type AckMessageResponseInit,
  type AckMessageResultEntryInit,
  Code,
  decodeAckMessageRequest,
  encodeAckMessageResponse,
  type StatusInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import type { Reply } from '../../../util/reply.ts';
import type { BrokerApi } from '../../broker/api.ts';
import { groupName, topicName } from './names.ts';
import { brokerOfReceipt } from './receipt-broker.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { commonStatus, okStatus, type RpcError, StatusError, statusOf } from './status.ts';

export function ackMessage(context: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'AckMessage',
    decode: decodeAckMessageRequest,
    encode: encodeAckMessageResponse,
    logger: context.logger,
    handle: (_caller, request, reply) => ack(context, request, reply),
  });
}

function ack(
  { cluster, receipts }: ServiceContext,
  request: AckMessageRequest,
  reply: Reply<AckMessageResponseInit, RpcError>,
): void {
  const group = groupName(request.group);
  const topic = topicName(request.topic);
  const { entries } = request;
  if (entries.length === 0) {
    throw new StatusError(Code.INTERNAL_SERVER_ERROR, 'ack message result is empty');
  }
  const statuses: StatusInit[] = entries.map(() => okStatus);
  // Handles of one broker go in one request.
  const batches = new Map<BrokerApi, number[]>();
  entries.forEach((entry, index) => {
    try {
      const broker = brokerOfReceipt(cluster, entry.receiptHandle);
      const batch = batches.get(broker);
      if (batch === undefined) batches.set(broker, [index]);
      else batch.push(index);
    } catch (error) {
      statuses[index] = statusOf(error);
    }
  });
  let leftCount = batches.size + 1;
  const done = (): void => {
    if (--leftCount > 0) return;
    const results: AckMessageResultEntryInit[] = entries.map((entry, index) => ({
      messageId: entry.messageId,
      receiptHandle: entry.receiptHandle,
      status: statuses[index],
    }));
    reply({ status: commonStatus(statuses), entries: results });
  };
  for (const [broker, indexes] of batches) {
    const receiptHandles = indexes.map((index) =>
      receipts.release(entries[index]?.receiptHandle ?? ''),
    );
    broker.ack({ group, topic, receiptHandles }, (outcomes) => {
      indexes.forEach((index, at) => {
        const error = outcomes instanceof Error ? outcomes : outcomes[at];
        if (error !== undefined) statuses[index] = statusOf(asRmqError(error));
      });
      done();
    });
  }
  done();
}
