/** SendMessage: one message or several of one topic; facts/grpc-v2.md 7.4, 7.5. */

import { RmqError } from '../../../protocol/errors.ts';
import {
  Code,
  decodeSendMessageRequest,
  encodeSendMessageResponse,
  type Message,
  type SendMessageRequest,
  type SendMessageResponseInit,
} from '../../../protocol/grpc/generated/messages.ts';
import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import { type MessageDraft, placedDraft } from '../../../protocol/message/message.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import type { Reply } from '../../../util/reply.ts';
import { type BrokerApi, Permission, type SendResult } from '../../broker/api.ts';
import type { RouteQueues, TopicRoute } from '../cluster-view.ts';
import { checkMessage, draftOf, recordHost, storedProperties } from './incoming-message.ts';
import { jumpHash } from './jump-hash.ts';
import { derivedType, typeProblem } from './message-type.ts';
import { topicName } from './names.ts';
import { type Caller, unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { commonStatus, okStatus, type RpcError, StatusError } from './status.ts';
import { sendAttemptCount } from './times.ts';

/** A broker and one of its queues; -1: the broker chooses. */
interface Target {
  readonly share: RouteQueues;
  readonly queueId: number;
}

export function sendMessage(context: ServiceContext): UnaryMethod {
  const sender = new Sender(context);
  return unaryMethod({
    name: 'SendMessage',
    decode: decodeSendMessageRequest,
    encode: encodeSendMessageResponse,
    logger: context.logger,
    handle: (caller, request, reply) => sender.send(caller, request, reply),
  });
}

class Sender {
  readonly #context: ServiceContext;
  readonly #writables = new WeakMap<TopicRoute, readonly RouteQueues[]>();
  #turn = 0;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  send(
    caller: Caller,
    request: SendMessageRequest,
    reply: Reply<SendMessageResponseInit, RpcError>,
  ): void {
    const { cluster, clock, delayMaxMs } = this.#context;
    const first = request.messages[0];
    if (first === undefined) throw new StatusError(Code.MESSAGE_CORRUPTED, 'no message to send');
    const topic = topicName(first.topic);
    const nowMs = clock.nowMs();
    for (const message of request.messages) checkMessage(message, topic, nowMs, delayMaxMs);
    cluster.route(topic, (route) => {
      if (route instanceof Error) return reply(route);
      try {
        const properties = propertiesOf(caller, request.messages, route);
        const targets = this.#targets(route, request.messages);
        const { queueId } = targets[0] as Target; // there is at least one
        const { host, port } = caller.call.peer;
        const options = { bornHost: recordHost(host, port), nowMs, queueId };
        const drafts = request.messages.map((message, index) =>
          draftOf(message, topic, properties[index] as Properties, options),
        );
        this.#sendTo(topic, drafts, targets, 0, reply);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        reply(error);
      }
    });
  }

  /** Where to send, best first. A message group, or lite topic, always goes to the same queue. */
  #targets(route: TopicRoute, messages: readonly Message[]): Target[] {
    const writable = this.#writable(route);
    if (writable.length === 0) throw new StatusError(Code.FORBIDDEN, 'no writable queue');
    const system = messages.length === 1 ? messages[0]?.systemProperties : undefined;
    const group = system?.liteTopic ?? system?.messageGroup;
    if (group !== undefined && group !== '') return [groupTarget(writable, group)];
    const turn = this.#turn++;
    const targets: Target[] = [];
    for (let index = 0; index < writable.length; index++) {
      const share = writable[(turn + index) % writable.length] as RouteQueues; // in range
      const round = Math.floor(turn / writable.length);
      targets.push({ share, queueId: round % share.writeQueueCount });
    }
    return targets;
  }

  /** Routes stay the same object until something changes. */
  #writable(route: TopicRoute): readonly RouteQueues[] {
    let writable = this.#writables.get(route);
    if (writable === undefined) {
      writable = route.queues.filter(
        (share) => (share.permission & Permission.write) !== 0 && share.writeQueueCount > 0,
      );
      this.#writables.set(route, writable);
    }
    return writable;
  }

  /** Half messages: their decision will come by their id. */
  #remember(
    topic: string,
    drafts: readonly MessageDraft[],
    results: readonly SendResult[],
    brokerName: string,
  ): void {
    results.forEach(({ transactionId, queueOffset, physicalOffset }, index) => {
      const draft = drafts[index];
      if (draft === undefined || !isHalf(draft)) return;
      const sent = { brokerName, queueOffset, physicalOffset };
      this.#context.transactions.add(topic, transactionId, sent);
    });
  }

  #sendTo(
    topic: string,
    drafts: readonly MessageDraft[],
    targets: readonly Target[],
    attempt: number,
    reply: Reply<SendMessageResponseInit, RpcError>,
  ): void {
    const target = targets[attempt % targets.length] as Target; // there is at least one
    const broker: BrokerApi | undefined = this.#context.cluster.broker(target.share.brokerName);
    const next = (error: RmqError): void => {
      const isLast = attempt + 1 >= Math.min(sendAttemptCount, targets.length);
      // Another broker is tried only where nothing can have been stored.
      if (isLast || !isUntouched(error)) return reply(error);
      this.#sendTo(topic, drafts, targets, attempt + 1, reply);
    };
    if (broker === undefined) {
      const name = target.share.brokerName;
      return next(new RmqError('BROKER_NOT_FOUND', `broker ${name} has left the cluster`));
    }
    // They were made for the first one.
    const placed =
      attempt === 0
        ? drafts
        : drafts.map((draft) => placedDraft(draft, target.queueId, draft.properties));
    const request = { drafts: placed, producerGroup: topic, createFrom: undefined };
    broker.send(request, (results) => {
      if (results instanceof Error) return next(results);
      this.#context.rates.sent(results.length);
      this.#remember(topic, drafts, results, target.share.brokerName);
      reply(answerOf(results));
    });
  }
}

type Properties = ReadonlyMap<string, string>;

/** Of each message as they are stored. @throws StatusError for a type that the topic does not take */
function propertiesOf(
  { call }: Caller,
  messages: readonly Message[],
  route: TopicRoute,
): Properties[] {
  return messages.map((message) => {
    const properties = storedProperties(message, route.topic, call.peer.host);
    const problem = typeProblem(route, derivedType(properties));
    if (problem !== undefined) throw problem;
    return properties;
  });
}

function isHalf(draft: MessageDraft): boolean {
  return (draft.sysFlag & SysFlag.transactionMask) === SysFlag.transactionPrepared;
}

function isUntouched(error: RmqError): boolean {
  return (
    error.code === 'CANNOT_CONNECT' ||
    error.code === 'BROKER_NOT_FOUND' ||
    error.code === 'DISK_FULL'
  );
}

/** The queue of a message group, as Apache's proxy chooses it; facts/grpc-v2.md 6.8. */
function groupTarget(writable: readonly RouteQueues[], group: string): Target {
  const targets = writable.flatMap((share) =>
    Array.from({ length: share.writeQueueCount }, (_, queueId) => ({ share, queueId })),
  );
  return targets[jumpHash(javaHashCode(group), targets.length)] as Target; // in range
}

function answerOf(results: readonly SendResult[]): SendMessageResponseInit {
  const entries = results.map((result) => ({
    status: okStatus,
    messageId: result.messageId,
    transactionId: result.transactionId,
    offset: result.queueOffset,
    recallHandle: result.recallHandle,
  }));
  return { status: commonStatus(entries.map((entry) => entry.status)), entries };
}
