/**
 * PullMessage: reads a queue from an offset; whoever pulls keeps the offset (UpdateOffset). Apache's proxy
 * answers UNIMPLEMENTED; ours answers like its Remoting pull: status, messages, next offset, end.
 */
import {
  Code,
  decodePullMessageRequest,
  encodePullMessageResponse,
  FilterType,
  type PullMessageRequest,
  type StatusInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import type { OutStream, ServerStreamMethod } from '../../../transport/grpc/call.ts';
import type { Cancel, PullResult } from '../../broker/api.ts';
import { groupName } from './names.ts';
import { outgoingMessage } from './outgoing-message.ts';
import { namedQueue } from './queue-broker.ts';
import { type Caller, identify, logFailure } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, StatusError, statusOf } from './status.ts';
import { batchSizeMax, pollingMarginMs, pollingTimeMaxMs, pullSizeMaxBytes } from './times.ts';

export function pullMessage(context: ServiceContext): ServerStreamMethod {
  return {
    kind: 'server-stream',
    name: 'PullMessage',
    run: (call, message, out) => {
      try {
        pull(context, identify(call), decodePullMessageRequest(message), out);
      } catch (error) {
        fail(context, out, error);
      }
    },
  };
}

function pull(
  context: ServiceContext,
  caller: Caller,
  request: PullMessageRequest,
  out: OutStream,
): void {
  const group = groupName(request.group);
  const { topic, queueId, broker } = namedQueue(context, request.messageQueue);
  if (request.offset < 0) {
    throw new StatusError(Code.ILLEGAL_OFFSET, `offset ${request.offset} is negative`);
  }
  context.clients.touch(caller.clientId, caller.call);
  const { parked } = context;
  let isAnswered = false;
  let cancel: Cancel | undefined;
  caller.call.onCancel(() => cancel?.());
  cancel = broker.pull(
    {
      group,
      topic,
      queueId,
      offset: request.offset as QueueOffset, // as the client says, checked by the broker
      maxCount: Math.min(Math.max(request.batchSize, 1), batchSizeMax),
      maxSizeBytes: pullSizeMaxBytes,
      filter: {
        type: request.filterExpression?.type === FilterType.SQL ? 'SQL92' : 'TAG',
        expression: request.filterExpression?.expression ?? '*',
      },
      pollingTimeMs: pollingTime(caller, request),
    },
    (result) => {
      isAnswered = true;
      if (cancel !== undefined) parked.delete(cancel);
      if (result instanceof Error) fail(context, out, result);
      else answer(out, topic, result);
    },
  );
  if (!isAnswered) parked.add(cancel);
}

/** No time to wait: the answer comes at once. */
function pollingTime({ call }: Caller, request: PullMessageRequest): number {
  const asked = request.longPollingTimeoutMs ?? 0;
  const left = call.remainingMs() - pollingMarginMs;
  return Math.max(0, Math.min(asked, pollingTimeMaxMs, left));
}

function answer(out: OutStream, topic: string, result: PullResult): void {
  out.send(encodePullMessageResponse({ status: statusOfPull(result) }));
  for (const message of result.messages) {
    const delivery = { message, receiptHandle: '', deliveryAttempt: message.reconsumeTimes + 1 };
    out.send(encodePullMessageResponse({ message: outgoingMessage(delivery, topic) }));
  }
  out.send(encodePullMessageResponse({ nextOffset: result.nextOffset }));
  out.end();
}

function statusOfPull(result: PullResult): StatusInit {
  switch (result.status) {
    case 'FOUND':
      return okStatus;
    case 'NO_MATCHED_MESSAGE':
    case 'NO_MESSAGE_IN_QUEUE':
    case 'OFFSET_OVERFLOW_ONE':
      return { code: Code.MESSAGE_NOT_FOUND, message: 'no new message' };
    default: {
      const { minOffset, maxOffset } = result;
      const text = `the queue has offsets ${minOffset} to ${maxOffset}, go on at ${result.nextOffset}`;
      return { code: Code.ILLEGAL_OFFSET, message: text };
    }
  }
}

function fail(context: ServiceContext, out: OutStream, error: unknown): void {
  logFailure(context.logger, 'PullMessage', error);
  out.send(encodePullMessageResponse({ status: statusOf(error) }));
  out.end();
}
