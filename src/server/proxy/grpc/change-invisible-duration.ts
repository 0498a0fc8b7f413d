/** ChangeInvisibleDuration: later, sooner or now; facts/grpc-v2.md 6.7. */
import {
  type ChangeInvisibleDurationRequest,
  Code,
  decodeChangeInvisibleDurationRequest,
  encodeChangeInvisibleDurationResponse,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import { groupName, topicName } from './names.ts';
import { brokerOfReceipt } from './receipt-broker.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, StatusError, statusOf } from './status.ts';
import { giveBackInvisibleTimeMs, invisibleTimeMaxMs } from './times.ts';

export function changeInvisibleDuration({
  cluster,
  receipts,
  logger,
}: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'ChangeInvisibleDuration',
    decode: decodeChangeInvisibleDurationRequest,
    encode: encodeChangeInvisibleDurationResponse,
    logger,
    handle: (_caller, request: ChangeInvisibleDurationRequest, reply) => {
      const group = groupName(request.group);
      const topic = topicName(request.topic);
      const askedMs = request.invisibleDurationMs ?? 0;
      // Node's push consumer asks for 0 after each failure: a short pause keeps it from spinning, as
      // Apache's revive does (facts/grpc-v2.md 6.7, 10.2).
      const invisibleTimeMs = askedMs === 0 ? giveBackInvisibleTimeMs : askedMs;
      if (invisibleTimeMs < 0 || invisibleTimeMs > invisibleTimeMaxMs) {
        const text = `the invisible time ${invisibleTimeMs} ms is not between 0 and ${invisibleTimeMaxMs}`;
        throw new StatusError(Code.ILLEGAL_INVISIBLE_TIME, text);
      }
      const broker = brokerOfReceipt(cluster, request.receiptHandle);
      const receiptHandle = receipts.release(request.receiptHandle);
      const isSuspend = request.suspend === true;
      const change = { group, topic, receiptHandle, invisibleTimeMs, isSuspend };
      broker.changeInvisibleTime(change, (handle) => {
        // Clients take over the handle of a failure as well: give theirs back.
        if (handle instanceof Error) {
          reply({ status: statusOf(handle), receiptHandle: request.receiptHandle });
        } else reply({ status: okStatus, receiptHandle: handle });
      });
    },
  });
}
