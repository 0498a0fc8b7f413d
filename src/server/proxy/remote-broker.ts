/**
 * A broker of another process behind `BrokerApi`: every call becomes a Remoting request. Works with our
 * brokers and with Apache's; where only ours tell something (which error, an attempt count beside a
 * message), the other way of finding out stays. The message path has no promise of its own.
 */
import type { RemotingAnswer, RemotingClient } from '../../client/remoting-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
  StoredMessage,
} from '../../protocol/message/message.ts';
import { findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { answerError } from '../../protocol/remoting/answer-error.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import type { Reply } from '../../util/reply.ts';
import type {
  AckRequest,
  BrokerApi,
  Cancel,
  ChangeInvisibleTimeRequest,
  DeadLetterRequest,
  EndTransactionRequest,
  GroupConfig,
  KeyQuery,
  LiteSubscriptionRequest,
  LiteUnsubscribed,
  PopRequest,
  PopResult,
  PullRequest,
  PullResult,
  QueueRange,
  RecallRequest,
  SendRequest,
  SendResult,
  TopicConfig,
  TransactionChecker,
} from '../broker/api.ts';
import * as admin from './remote-broker-admin.ts';
import {
  decodePopAnswer,
  decodePullAnswer,
  decodeRecallAnswer,
  decodeSendAnswer,
  encodePop,
  encodePull,
  encodeRecall,
  encodeSend,
} from './remote-broker-messages.ts';
import {
  changedHandle,
  encodeAck,
  encodeChange,
  encodeDeadLetter,
} from './remote-broker-receipts.ts';
import { encodeEndTransaction, transactionError } from './remote-broker-transactions.ts';
import type { RemoteChecks } from './remote-checks.ts';
import { encodeLitePop, encodeLiteSync, type RemoteLite } from './remote-lite.ts';

const timeoutMs = 6_000;
const delayProperties: readonly string[] = [
  PropertyName.delayLevel,
  PropertyName.timerDelaySeconds,
  PropertyName.timerDelayMs,
  PropertyName.timerDeliverMs,
];
/** Under the 3 s after which clients give up by themselves, so that they hear why (facts/grpc-v2.md 10.1). */
const sendTimeoutMs = 2_500;
/** On top of the polling time: the broker answers at its end, the network takes its share. */
const pollingMarginMs = 5_000;
/** When a message that nobody waits for any more is seen again. */
const giveBackMs = 1_000;

export class RemoteBroker implements BrokerApi {
  readonly clusterName: string;
  readonly brokerName: string;
  /** host:port; may change when the broker moves. */
  address: string;
  readonly #client: RemotingClient;
  readonly #unreachable: (brokerName: string, how: 'refused' | 'silent') => void;
  readonly #checks: RemoteChecks | undefined;
  readonly #lite: RemoteLite | undefined;

  /** `unreachable` hears of every refused or lost connection and of every send without an answer. */
  constructor(options: {
    readonly clusterName: string;
    readonly brokerName: string;
    readonly address: string;
    readonly client: RemotingClient;
    /** Without it transaction checks of this broker reach nobody here. */
    readonly checks?: RemoteChecks;
    /** Without it ends of lite subscriptions are not heard of. */
    readonly lite?: RemoteLite;
    readonly unreachable?: (brokerName: string, how: 'refused' | 'silent') => void;
  }) {
    this.clusterName = options.clusterName;
    this.brokerName = options.brokerName;
    this.address = options.address;
    this.#client = options.client;
    this.#checks = options.checks;
    this.#lite = options.lite;
    this.#unreachable = options.unreachable ?? ((): void => {});
  }

  #request(
    code: number,
    extFields: ExtFields,
    body: Uint8Array | undefined,
    waitMs: number,
    reply: Reply<RemotingAnswer, RmqError>,
  ): void {
    this.#client.request(this.address, code, extFields, body, waitMs, (answer) => {
      if (answer instanceof RmqError && isConnectionError(answer))
        this.#unreachable(this.brokerName, 'refused');
      reply(answer);
    });
  }

  /** One request with an answer of any code. @throws RmqError of the connection. */
  call(code: number, extFields: ExtFields, body?: Uint8Array): Promise<RemotingAnswer> {
    return new Promise((resolve, reject) => {
      this.#request(code, extFields, body, timeoutMs, (answer) => {
        if (answer instanceof RmqError) reject(answer);
        else resolve(answer);
      });
    });
  }

  syncLiteSubscription(request: LiteSubscriptionRequest, reply: Reply<undefined, RmqError>): void {
    const body = encodeLiteSync(request);
    this.#request(RequestCode.LITE_SUBSCRIPTION_CTL, {}, body, timeoutMs, (answer) => {
      if (answer instanceof RmqError) reply(answer);
      else reply(answer.code === 0 ? undefined : answerError(answer));
    });
  }

  onLiteUnsubscribed(listener: (gone: LiteUnsubscribed) => void): Cancel {
    return this.#lite?.listen(this.address, listener) ?? ((): void => {});
  }

  send(request: SendRequest, reply: Reply<readonly SendResult[], RmqError>): void {
    if (request.drafts.length > 1 && request.drafts.some(isDelayed)) {
      return this.#sendApart(request, reply);
    }
    const { code, extFields, body } = encodeSend(request, this.brokerName);
    this.#request(code, extFields, body, sendTimeoutMs, (answer) => {
      if (answer instanceof RmqError && answer.code === 'TIMEOUT')
        this.#unreachable(this.brokerName, 'silent');
      reply(answer instanceof RmqError ? answer : decodeSendAnswer(request, answer));
    });
  }

  /** Apache's brokers do not look into a batch for delays. */
  #sendApart(request: SendRequest, reply: Reply<readonly SendResult[], RmqError>): void {
    const results: SendResult[] = [];
    let failure: RmqError | undefined;
    let waiting = request.drafts.length;
    for (const [index, draft] of request.drafts.entries()) {
      this.send({ ...request, drafts: [draft] }, (answer) => {
        if (answer instanceof RmqError) failure = answer;
        else if (answer[0] !== undefined) results[index] = answer[0];
        if (--waiting === 0) reply(failure ?? results);
      });
    }
  }

  recall(request: RecallRequest, reply: Reply<string, RmqError>): void {
    const fields = encodeRecall(request, this.brokerName);
    this.#request(RequestCode.RECALL_MESSAGE, fields, undefined, timeoutMs, (answer) => {
      reply(answer instanceof RmqError ? answer : decodeRecallAnswer(answer));
    });
  }

  pop(request: PopRequest, reply: Reply<PopResult, RmqError>): Cancel {
    let isAnswered = false;
    const waitMs = request.pollingTimeMs + pollingMarginMs;
    const { liteClientId } = request;
    const isLite = liteClientId !== undefined;
    const fields = isLite
      ? encodeLitePop(request, liteClientId, this.brokerName)
      : encodePop(request, this.brokerName);
    const code = isLite ? RequestCode.POP_LITE_MESSAGE : RequestCode.POP_MESSAGE;
    // Of lite topics each record says its deliveries, not the answer.
    const asked = isLite ? { ...request, isOrdered: false } : request;
    this.#request(code, fields, undefined, waitMs, (answer) => {
      const result =
        answer instanceof RmqError ? answer : decodePopAnswer(asked, this.brokerName, answer);
      this.#withoutExhausted(request, result, (left) => {
        if (!isAnswered) {
          isAnswered = true;
          reply(left);
        } else if (!(left instanceof RmqError)) {
          this.#giveBack(request, left);
        }
      });
    });
    return () => {
      if (isAnswered) return;
      isAnswered = true;
      reply({ messages: [], poppedAtMs: 0, restCount: 0 });
    };
  }

  /**
   * Apache's brokers hand out a message that was retried too often, and leave it to the proxy to make it a
   * dead letter (facts/grpc-v2.md §8). Ours never do.
   */
  #withoutExhausted(
    request: PopRequest,
    result: PopResult | RmqError,
    reply: Reply<PopResult, RmqError>,
  ): void {
    const isFresh =
      result instanceof RmqError ||
      result.messages.every(({ message }) => message.reconsumeTimes === 0);
    if (isFresh) return reply(result);
    const { group, topic } = request;
    this.getGroup(group).then(
      (config) => {
        const retryCountMax = config?.retryCountMax ?? Number.POSITIVE_INFINITY;
        const messages = result.messages.filter(({ message, receiptHandle }) => {
          if (message.reconsumeTimes <= retryCountMax) return true;
          const messageId = findProperty(message.properties, PropertyName.uniqueKey) ?? '';
          // Should it fail, the message is handed out once more, and tried again then.
          this.sendToDeadLetters({ group, topic, receiptHandle, messageId }, () => {});
          return false;
        });
        reply(messages.length === result.messages.length ? result : { ...result, messages });
      },
      () => reply(result), // one delivery too many is better than none
    );
  }

  /** Remoting cannot take a request back: what it brings after a cancel returns to the queue. */
  #giveBack(request: PopRequest, result: PopResult): void {
    const { group, topic } = request;
    for (const { receiptHandle } of result.messages) {
      this.changeInvisibleTime(
        { group, topic, receiptHandle, invisibleTimeMs: giveBackMs, isSuspend: true },
        () => {}, // should it fail, the invisible time of the pop brings it back
      );
    }
  }

  ack(request: AckRequest, reply: Reply<readonly (RmqError | undefined)[], RmqError>): void {
    const { receiptHandles, group, topic } = request;
    const outcomes: (RmqError | undefined)[] = receiptHandles.map(() => undefined);
    let waiting = receiptHandles.length;
    if (waiting === 0) {
      reply(outcomes);
      return;
    }
    // A request a handle: a batch has one answer for all of them, and they leave in one write anyway.
    for (const [index, receiptHandle] of receiptHandles.entries()) {
      this.#ackOne({ group, topic, receiptHandle }, (outcome) => {
        outcomes[index] = outcome;
        if (--waiting === 0) reply(outcomes);
      });
    }
  }

  #ackOne(
    request: { readonly group: string; readonly topic: string; readonly receiptHandle: string },
    reply: (outcome: RmqError | undefined) => void,
  ): void {
    const fields = encodeAck(request);
    if (fields instanceof RmqError) {
      reply(fields);
      return;
    }
    this.#request(RequestCode.ACK_MESSAGE, fields, undefined, timeoutMs, (answer) => {
      if (answer instanceof RmqError) reply(answer);
      else reply(answer.code === 0 ? undefined : answerError(answer));
    });
  }

  changeInvisibleTime(request: ChangeInvisibleTimeRequest, reply: Reply<string, RmqError>): void {
    const fields = encodeChange(request);
    if (fields instanceof RmqError) {
      reply(fields);
      return;
    }
    const code = RequestCode.CHANGE_MESSAGE_INVISIBLETIME;
    this.#request(code, fields, undefined, timeoutMs, (answer) => {
      if (answer instanceof RmqError) reply(answer);
      else if (answer.code !== 0) reply(answerError(answer));
      else reply(changedHandle(request, answer));
    });
  }

  sendToDeadLetters(request: DeadLetterRequest, reply: Reply<undefined, RmqError>): void {
    const fields = encodeDeadLetter(request);
    if (fields instanceof RmqError) {
      reply(fields);
      return;
    }
    this.#request(RequestCode.CONSUMER_SEND_MSG_BACK, fields, undefined, timeoutMs, (answer) => {
      if (answer instanceof RmqError) reply(answer);
      else if (answer.code !== 0) reply(answerError(answer));
      else if (answer.extFields['acked'] === 'true') reply(undefined);
      else this.#ackOne(request, reply);
    });
  }

  endTransaction(request: EndTransactionRequest, reply: Reply<undefined, RmqError>): void {
    const fields = encodeEndTransaction(request, this.brokerName);
    this.#request(RequestCode.END_TRANSACTION, fields, undefined, timeoutMs, (answer) => {
      if (answer instanceof RmqError) reply(answer);
      else reply(answer.code === 0 ? undefined : transactionError(answer));
    });
  }

  addTransactionChecker(checker: TransactionChecker): Cancel {
    const watched = { brokerName: this.brokerName, checker };
    return this.#checks?.watch(this.address, watched) ?? ((): void => {});
  }

  pull(request: PullRequest, reply: Reply<PullResult, RmqError>): Cancel {
    let isAnswered = false;
    const waitMs = request.pollingTimeMs + pollingMarginMs;
    const fields = encodePull(request, this.brokerName);
    this.#request(RequestCode.PULL_MESSAGE, fields, undefined, waitMs, (answer) => {
      if (isAnswered) return;
      isAnswered = true;
      reply(answer instanceof RmqError ? answer : decodePullAnswer(request, answer));
    });
    return () => {
      if (isAnswered) return;
      isAnswered = true;
      const { offset: nextOffset } = request;
      const zero = 0 as QueueOffset; // not known
      reply({
        status: 'OFFSET_OVERFLOW_ONE',
        messages: [],
        nextOffset,
        minOffset: zero,
        maxOffset: zero,
      });
    };
  }

  getTopic(topic: string): Promise<TopicConfig | undefined> {
    return admin.getTopic(this, topic);
  }

  listTopics(): Promise<readonly TopicConfig[]> {
    return admin.listTopics(this);
  }

  putTopic(config: TopicConfig): Promise<void> {
    return admin.putTopic(this, config);
  }

  deleteTopic(topic: string): Promise<void> {
    return admin.deleteTopic(this, topic);
  }

  topicQueues(topic: string): Promise<readonly QueueRange[]> {
    return admin.topicQueues(this, topic);
  }

  getGroup(group: string): Promise<GroupConfig | undefined> {
    return admin.getGroup(this, group);
  }

  listGroups(): Promise<readonly GroupConfig[]> {
    return admin.listGroups(this);
  }

  putGroup(config: GroupConfig): Promise<void> {
    return admin.putGroup(this, config);
  }

  deleteGroup(group: string, options: { readonly cleanOffsets: boolean }): Promise<void> {
    return admin.deleteGroup(this, group, options.cleanOffsets);
  }

  getOffset(group: string, topic: string, queueId: number): Promise<QueueOffset | undefined> {
    return admin.getOffset(this, { group, topic, queueId });
  }

  putOffset(group: string, topic: string, queueId: number, offset: QueueOffset): Promise<void> {
    return admin.putOffset(this, { group, topic, queueId, offset });
  }

  offsetByTime(topic: string, queueId: number, timestampMs: number): Promise<QueueOffset> {
    return admin.offsetByTime(this, { topic, queueId, timestampMs });
  }

  findByKey(query: KeyQuery): Promise<readonly StoredMessage[]> {
    return admin.findByKey(this, query);
  }

  messageAt(offset: PhysicalOffset): Promise<StoredMessage | undefined> {
    return admin.messageAt(this, offset);
  }
}

function isDelayed({ properties }: MessageDraft): boolean {
  return delayProperties.some((name) => findProperty(properties, name) !== undefined);
}

function isConnectionError(error: RmqError): boolean {
  return error.code === 'CANNOT_CONNECT' || error.code === 'CONNECTION_LOST';
}
