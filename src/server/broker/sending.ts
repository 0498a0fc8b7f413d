/** Sending: the broker's checks in Apache's order (facts/broker.md §2), queue choice, properties. */
import type { Clock } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { MessageDraft, RecordHost } from '../../protocol/message/message.ts';
import { encodeOffsetMessageId, UniqueKeyMaker } from '../../protocol/message/message-id.ts';
import {
  isSendForbidden,
  retryTopicPrefix,
  topicNameProblem,
} from '../../protocol/message/names.ts';
import { findProperty, withProperties } from '../../protocol/message/properties.ts';
import type { Reply } from '../../util/reply.ts';
import type { Logger } from '../shared/logger.ts';
import type { Appended, MessageStore } from '../store/message-store.ts';
import { Permission, type SendRequest, type SendResult, type TopicConfig } from './api.ts';
import type { BrokerOptions } from './broker.ts';
import { type TopicTable, topicOf } from './topics/topic-table.ts';
import { isTransactional, type Transactions } from './transactions/transactions.ts';

export class Sending {
  readonly #store: MessageStore;
  readonly #topics: TopicTable;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #storeHost: RecordHost;
  readonly #clusterName: string;
  readonly #uniqueKeys: UniqueKeyMaker;
  readonly #transactions: Transactions;

  constructor(
    options: BrokerOptions & {
      readonly topics: TopicTable;
      readonly transactions: Transactions;
    },
  ) {
    this.#transactions = options.transactions;
    this.#store = options.store;
    this.#topics = options.topics;
    this.#random = options.random;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#storeHost = options.storeHost;
    this.#clusterName = options.settings.clusterName;
    this.#uniqueKeys = new UniqueKeyMaker({
      address: options.storeHost.address,
      pid: options.storeHost.port,
      makerId: options.random.below(2 ** 32),
      nowMs: () => options.clock.nowMs(),
    });
  }

  send(request: SendRequest, reply: Reply<readonly SendResult[], RmqError>): void {
    const first = request.drafts[0];
    if (first === undefined) return reply(new RmqError('MESSAGE_ILLEGAL', 'no message to send'));
    const config = this.#topicFor(first.topic, request);
    if (config instanceof RmqError) return reply(config);
    const queueId = this.#queueFor(first, config);
    if (queueId instanceof RmqError) return reply(queueId);
    const drafts: MessageDraft[] = [];
    const ids: string[] = [];
    for (const draft of request.drafts) {
      if (draft.topic !== first.topic) {
        return reply(new RmqError('MESSAGE_ILLEGAL', 'the messages have different topics'));
      }
      if (draft.body.length === 0) {
        return reply(new RmqError('MESSAGE_EMPTY', 'the message body is empty'));
      }
      const unsupported = unsupportedKind(draft, this.#clock.nowMs());
      if (unsupported !== undefined) {
        return reply(
          new RmqError('NOT_SUPPORTED', `${unsupported} messages are not supported yet`),
        );
      }
      const messageId = findProperty(draft.properties, 'UNIQ_KEY') ?? this.#uniqueKeys.next();
      ids.push(messageId);
      const complete = this.#complete(draft, queueId, messageId);
      const isParked = isTransactional(draft);
      if (isParked && request.drafts.length > 1) {
        return reply(new RmqError('MESSAGE_ILLEGAL', 'a batch cannot hold transactional messages'));
      }
      drafts.push(isParked ? this.#transactions.park(complete, request.producerGroup) : complete);
    }
    this.#store.append(drafts, (appended) => {
      if (appended instanceof Error) return reply(appended);
      reply(appended.map((one, index) => this.#result(one, queueId, ids[index] ?? '')));
    });
  }

  /** The draft as it is stored: its queue, and the properties that a broker adds. */
  #complete(draft: MessageDraft, queueId: number, messageId: string): MessageDraft {
    const added = new Map([
      ['UNIQ_KEY', messageId],
      ['CLUSTER', this.#clusterName],
      ['MSG_REGION', 'DefaultRegion'],
      ['TRACE_ON', 'true'],
    ]);
    return {
      topic: draft.topic,
      queueId,
      flag: draft.flag,
      sysFlag: draft.sysFlag,
      bornTimestampMs: draft.bornTimestampMs,
      bornHost: draft.bornHost,
      reconsumeTimes: draft.reconsumeTimes,
      preparedTransactionOffset: draft.preparedTransactionOffset,
      body: draft.body,
      properties: withProperties(draft.properties, added),
    };
  }

  #result(one: Appended, queueId: number, messageId: string): SendResult {
    return {
      queueId,
      queueOffset: one.queueOffset,
      physicalOffset: one.physicalOffset,
      offsetMessageId: encodeOffsetMessageId(this.#storeHost, one.physicalOffset),
      messageId,
      transactionId: messageId,
      recallHandle: undefined,
    };
  }

  #topicFor(topic: string, request: SendRequest): TopicConfig | RmqError {
    const problem = topicNameProblem(topic);
    if (problem !== undefined) return new RmqError('ILLEGAL_TOPIC', problem);
    if (isSendForbidden(topic)) {
      return new RmqError('NO_PERMISSION', `Sending message to topic[${topic}] is forbidden.`);
    }
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const made = this.#autoCreate(topic, request);
    if (made !== undefined) return made;
    const near = this.#topics.nearest(topic);
    return new RmqError('TOPIC_NOT_FOUND', `topic[${topic}] not exist, apply first please!`, {
      hint:
        near === undefined
          ? `create it: rmq topic create ${topic}`
          : `is ${near} meant? else create it: rmq topic create ${topic}`,
    });
  }

  #autoCreate(topic: string, request: SendRequest): TopicConfig | undefined {
    if (topic.startsWith(retryTopicPrefix)) {
      const retry = topicOf(topic, 1);
      this.#topics.set(retry);
      return retry;
    }
    if (request.createFrom === undefined) return undefined;
    const template = this.#topics.get(request.createFrom.topic);
    if (template === undefined || (template.permission & Permission.inherit) === 0) {
      return undefined;
    }
    const near = this.#topics.nearest(topic);
    const { queueCount } = request.createFrom;
    const count = Math.max(1, Math.min(queueCount, template.writeQueueCount));
    const config = topicOf(topic, count, template.permission & ~Permission.inherit);
    this.#logger.warn('topic made by a first send', { topic, queues: count, similarTopic: near });
    this.#topics.set(config);
    return config;
  }

  #queueFor(draft: MessageDraft, config: TopicConfig): number | RmqError {
    if (draft.queueId < 0) return this.#random.below(config.writeQueueCount);
    const count = Math.max(config.readQueueCount, config.writeQueueCount);
    if (draft.queueId < count) return draft.queueId;
    return new RmqError(
      'ILLEGAL_QUEUE',
      `request queueId[${draft.queueId}] is illegal, topic ${config.topic} has ${count} queues`,
    );
  }
}

/**
 * Delivering these like any other message would be wrong: too early. So they are refused until the broker
 * can park them.
 */
function unsupportedKind(draft: MessageDraft, nowMs: number): string | undefined {
  const { properties } = draft;
  if (isTransactional(draft)) return undefined;
  // A delivery time that has passed means now, which needs no timer.
  const deliverMs = findProperty(properties, 'TIMER_DELIVER_MS');
  if (deliverMs !== undefined && !(Number(deliverMs) <= nowMs)) return 'delayed';
  for (const name of ['TIMER_DELAY_SEC', 'TIMER_DELAY_MS']) {
    if (findProperty(properties, name) !== undefined) return 'delayed';
  }
  return Number(findProperty(properties, 'DELAY') ?? '0') > 0 ? 'delayed' : undefined;
}
