/**
 * ReceiveMessage: one status, the messages, the time of delivery, end; facts/grpc-v2.md 6.1 to 6.3. What
 * a client that went away cannot take is given back.
 */

import { RmqError } from '../../../protocol/errors.ts';
import {
  Code,
  decodeReceiveMessageRequest,
  encodeReceiveMessageResponse,
  FilterType,
  type ReceiveMessageRequest,
} from '../../../protocol/grpc/generated/messages.ts';
import type { OutStream, ServerStreamMethod } from '../../../transport/grpc/call.ts';
import type {
  BrokerApi,
  Cancel,
  GroupConfig,
  PoppedMessage,
  PopRequest,
} from '../../broker/api.ts';
import { Permission } from '../../broker/api.ts';
import type { TopicRoute } from '../cluster-view.ts';
import { groupName, topicName } from './names.ts';
import { outgoingMessage } from './outgoing-message.ts';
import { type Caller, identify, logFailure } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, StatusError, statusOf } from './status.ts';
import {
  batchSizeMax,
  defaultInvisibleTimeMs,
  giveBackInvisibleTimeMs,
  invisibleTimeMaxMs,
  invisibleTimeMinMs,
  pollingMarginMs,
  pollingTimeMaxMs,
  pollingTimeMinMs,
} from './times.ts';

/** `maxLiteRenewNumPerChannel`; facts/grpc-v2.md §12, §13. */
const liteUnackedMax = 100;

export function receiveMessage(context: ServiceContext): ServerStreamMethod {
  const receiver = new Receiver(context);
  return {
    kind: 'server-stream',
    name: 'ReceiveMessage',
    run: (call, message, out) => {
      try {
        receiver.receive(identify(call), decodeReceiveMessageRequest(message), out);
      } catch (error) {
        receiver.fail(out, error);
      }
    },
  };
}

interface Wanted {
  readonly request: ReceiveMessageRequest;
  readonly group: string;
  readonly topic: string;
  readonly invisibleTimeMs: number;
  readonly pollingTimeMs: number;
}

class Receiver {
  readonly #context: ServiceContext;
  #turn = 0;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  receive(caller: Caller, request: ReceiveMessageRequest, out: OutStream): void {
    const { cluster, clients } = this.#context;
    const topic = topicName(request.messageQueue?.topic);
    const group = groupName(request.group);
    clients.touch(caller.clientId, caller.call);
    const wanted: Wanted = {
      request,
      group,
      topic,
      invisibleTimeMs: invisibleTime(request),
      pollingTimeMs: this.#pollingTime(caller, request),
    };
    cluster.route(topic, (route) => {
      if (route instanceof Error) return this.fail(out, route);
      cluster.group(group, (config) => {
        if (config instanceof Error) return this.fail(out, config);
        this.#pop(caller, wanted, route, config, out);
      });
    });
  }

  fail(out: OutStream, error: unknown): void {
    logFailure(this.#context.logger, 'ReceiveMessage', error);
    out.send(encodeReceiveMessageResponse({ status: statusOf(error) }));
    this.#end(out);
  }

  #end(out: OutStream): void {
    const deliveryTimestampMs = this.#context.clock.nowMs();
    out.send(encodeReceiveMessageResponse({ deliveryTimestampMs }));
    out.end();
  }

  /** @throws StatusError ILLEGAL_POLLING_TIME */
  #pollingTime({ clientId, call }: Caller, request: ReceiveMessageRequest): number {
    const remainingMs = call.remainingMs();
    const settings = this.#context.clients.get(clientId)?.settings;
    const requestTimeoutMs = settings?.requestTimeoutMs ?? 3_000;
    const asked = request.longPollingTimeoutMs ?? remainingMs - requestTimeoutMs / 2;
    const clamped = Math.min(Math.max(asked, pollingTimeMinMs), pollingTimeMaxMs);
    if (clamped <= remainingMs) return clamped - pollingMarginMs;
    if (remainingMs >= pollingTimeMinMs) return remainingMs - pollingMarginMs;
    const version = call.header('x-mq-client-version') ?? '';
    const code = version < '5.0.3' ? Code.BAD_REQUEST : Code.ILLEGAL_POLLING_TIME;
    const text = `the deadline time remaining is not enough for polling, please check network condition`;
    throw new StatusError(code, text);
  }

  #pop(
    caller: Caller,
    wanted: Wanted,
    route: TopicRoute,
    config: GroupConfig,
    out: OutStream,
  ): void {
    const { receipts } = this.#context;
    if (route.messageType === 'LITE' && receipts.countOf(caller.clientId) >= liteUnackedMax) {
      const text = `client ${caller.clientId} has ${liteUnackedMax} lite messages to acknowledge`;
      return this.fail(out, new StatusError(Code.FORBIDDEN, text));
    }
    const broker = this.#broker(wanted, route);
    if (broker instanceof Error) return this.fail(out, broker);
    const { request } = wanted;
    const popRequest: PopRequest = {
      group: wanted.group,
      topic: wanted.topic,
      queueId: -1,
      maxCount: Math.min(Math.max(request.batchSize, 1), batchSizeMax),
      invisibleTimeMs: wanted.invisibleTimeMs,
      pollingTimeMs: wanted.pollingTimeMs,
      filter: {
        type: request.filterExpression?.type === FilterType.SQL ? 'SQL92' : 'TAG',
        expression: request.filterExpression?.expression ?? '*',
      },
      startFrom: 'MAX',
      isOrdered: config.isOrdered,
      attemptId: request.attemptId,
      liteClientId: route.messageType === 'LITE' ? caller.clientId : undefined,
    };
    const { parked } = this.#context;
    let isGone = false;
    let isAnswered = false;
    let underWay: readonly PoppedMessage[] = [];
    let cancel: Cancel | undefined;
    caller.call.onCancel(() => {
      isGone = true;
      if (!isAnswered) cancel?.();
      this.#giveBack(broker, wanted, underWay);
    });
    // It would get messages that nobody takes.
    if (isGone) return;
    cancel = broker.pop(popRequest, (result) => {
      isAnswered = true;
      if (cancel !== undefined) parked.delete(cancel);
      if (result instanceof Error) return this.fail(out, result);
      const { messages } = result;
      if (isGone) return this.#giveBack(broker, wanted, messages);
      if (this.#context.clients.get(caller.clientId) === undefined) {
        // It said goodbye while it waited: nobody would ever give back what is held for it.
        this.#giveBack(broker, wanted, messages);
        return this.#deliver(caller, broker, wanted, [], out);
      }
      underWay = messages;
      this.#deliver(caller, broker, wanted, messages, out);
    });
    if (isGone) cancel();
    else if (!isAnswered) parked.add(cancel);
  }

  /** The queue in the request names a broker; an unknown one means any. */
  #broker(wanted: Wanted, route: TopicRoute): BrokerApi | RmqError | StatusError {
    const readable = route.queues.filter((share) => (share.permission & Permission.read) !== 0);
    if (readable.length === 0) return new StatusError(Code.FORBIDDEN, 'no readable queue');
    const name = wanted.request.messageQueue?.broker?.name;
    const share =
      readable.find((one) => one.brokerName === name) ?? readable[this.#turn++ % readable.length];
    const found = share === undefined ? undefined : this.#context.cluster.broker(share.brokerName);
    return found ?? new RmqError('BROKER_NOT_FOUND', `broker ${name ?? ''} has left the cluster`);
  }

  #deliver(
    caller: Caller,
    broker: BrokerApi,
    wanted: Wanted,
    messages: readonly PoppedMessage[],
    out: OutStream,
  ): void {
    if (messages.length === 0) {
      const status = { code: Code.MESSAGE_NOT_FOUND, message: 'no new message' };
      out.send(encodeReceiveMessageResponse({ status }));
      return this.#end(out);
    }
    this.#context.rates.delivered(messages.length);
    // All before the first can fail to leave: then they are given back.
    if (wanted.request.autoRenew) {
      for (const popped of messages) this.#hold(caller, broker, wanted, popped);
    }
    out.send(encodeReceiveMessageResponse({ status: okStatus }));
    for (const popped of messages) {
      const message = outgoingMessage(popped, wanted.topic);
      out.send(encodeReceiveMessageResponse({ message }));
    }
    this.#end(out);
  }

  #hold(caller: Caller, broker: BrokerApi, wanted: Wanted, popped: PoppedMessage): void {
    this.#context.receipts.hold({
      clientId: caller.clientId,
      group: wanted.group,
      topic: wanted.topic,
      brokerName: broker.brokerName,
      receiptHandle: popped.receiptHandle,
      deliveryAttempt: popped.deliveryAttempt,
      invisibleTimeMs: popped.invisibleTimeMs,
    });
  }

  #giveBack(broker: BrokerApi, wanted: Wanted, messages: readonly PoppedMessage[]): void {
    for (const { receiptHandle } of messages) {
      broker.changeInvisibleTime(
        {
          group: wanted.group,
          topic: wanted.topic,
          receiptHandle: this.#context.receipts.release(receiptHandle),
          invisibleTimeMs: giveBackInvisibleTimeMs,
          isSuspend: false,
        },
        () => undefined, // It comes back after its invisible time at the latest.
      );
    }
  }
}

/** @throws StatusError ILLEGAL_INVISIBLE_TIME */
function invisibleTime(request: ReceiveMessageRequest): number {
  if (request.autoRenew) return defaultInvisibleTimeMs;
  const askedMs = request.invisibleDurationMs ?? 0;
  if (askedMs >= invisibleTimeMinMs && askedMs <= invisibleTimeMaxMs) return askedMs;
  throw new StatusError(
    Code.ILLEGAL_INVISIBLE_TIME,
    `the invisible time ${askedMs} ms is not between ${invisibleTimeMinMs} and ${invisibleTimeMaxMs}`,
  );
}
