/** Sending: the broker's checks in Apache's order (facts/broker.md §2), queue choice, properties. */
import type { Random } from '../../platform/random.ts';
import { RmqError } from '../../protocol/errors.ts';
import {
  type MessageDraft,
  type PhysicalOffset,
  placedDraft,
} from '../../protocol/message/message.ts';
import { offsetMessageIds, UniqueKeyMaker } from '../../protocol/message/message-id.ts';
import {
  isSendForbidden,
  retryTopicPrefix,
  topicNameProblem,
} from '../../protocol/message/names.ts';
import {
  encodeProperties,
  findProperty,
  withEncodedProperties,
  withoutProperties,
  withPairs,
  withProperties,
} from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { scanOf, textOf } from '../../protocol/message/property-scan.ts';
import type { Reply } from '../../util/reply.ts';
import type { Logger } from '../shared/logger.ts';
import type { Appended, MessageStore } from '../store/message-store.ts';
import { Permission, type SendRequest, type SendResult, type TopicConfig } from './api.ts';
import type { BrokerOptions } from './broker.ts';
import type { LiteTopics } from './lite/lite-topics.ts';
import { prioritized } from './priority.ts';
import type { Schedule } from './schedule/schedule.ts';
import { type Parked, withoutSource } from './schedule/timer-record.ts';
import { isCompacted, type TopicTable, topicOf } from './topics/topic-table.ts';
import { isTransactional, type Transactions } from './transactions/transactions.ts';

/** A draft on its way. */
interface Sent {
  readonly queueId: number;
  readonly messageId: string;
  readonly delayed: Parked | undefined;
}

export class Sending {
  readonly #store: MessageStore;
  readonly #topics: TopicTable;
  readonly #random: Random;
  readonly #logger: Logger;
  /** Properties that every message gets, encoded. */
  readonly #addedNames: readonly string[];
  readonly #added: Uint8Array;
  readonly #offsetMessageId: (offset: PhysicalOffset) => string;
  readonly #uniqueKeys: UniqueKeyMaker;
  readonly #transactions: Transactions;
  readonly #lite: LiteTopics;
  readonly #schedule: Schedule;

  constructor(
    options: BrokerOptions & {
      readonly topics: TopicTable;
      readonly transactions: Transactions;
      readonly lite: LiteTopics;
      readonly schedule: Schedule;
    },
  ) {
    this.#transactions = options.transactions;
    this.#lite = options.lite;
    this.#schedule = options.schedule;
    this.#store = options.store;
    this.#topics = options.topics;
    this.#random = options.random;
    this.#logger = options.logger;
    const added = {
      CLUSTER: options.settings.clusterName,
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
    };
    this.#addedNames = Object.keys(added);
    this.#added = encodeProperties(added);
    this.#offsetMessageId = offsetMessageIds(options.storeHost);
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
    const isKeyed = isCompacted(config);
    const drafts: MessageDraft[] = [];
    const sent: Sent[] = [];
    for (const draft of request.drafts) {
      if (draft.topic !== first.topic) {
        return reply(new RmqError('MESSAGE_ILLEGAL', 'the messages have different topics'));
      }
      const problem = contentProblemOf(draft, isKeyed);
      if (problem !== undefined) return reply(problem);
      const placed = this.#lite.place(draft, config);
      if (placed instanceof RmqError) return reply(placed);
      const { isPlain, uniqueKey } = scanOf(draft.properties);
      if (isPlain && uniqueKey.end > 0 && placed === draft) {
        // Nearly all messages: nothing to take away, to look for or to wait for.
        const messageId = textOf(draft.properties, uniqueKey.begin, uniqueKey.end);
        drafts.push(placedDraft(draft, queueId, withPairs(draft.properties, this.#added)));
        sent.push({ queueId, messageId, delayed: undefined });
        continue;
      }
      const own = findProperty(draft.properties, 'UNIQ_KEY');
      const messageId = own ?? this.#uniqueKeys.next();
      const chosen = placed === draft ? queueId : placed.queueId;
      const complete = prioritized(
        this.#complete(placed, chosen, { id: messageId, isOwn: own !== undefined }),
        config,
      );
      if (isTransactional(draft)) {
        if (request.drafts.length > 1) {
          const text = 'a batch cannot hold transactional messages';
          return reply(new RmqError('MESSAGE_ILLEGAL', text));
        }
        if (placed !== draft) {
          const text = `lite topics, as those of ${draft.topic}, take no transactional messages`;
          return reply(new RmqError('MESSAGE_ILLEGAL', text));
        }
        drafts.push(this.#transactions.park(complete, request.producerGroup));
        sent.push({ queueId: complete.queueId, messageId, delayed: undefined });
        continue;
      }
      const delayed = this.#schedule.park(complete);
      if (delayed instanceof RmqError) return reply(delayed);
      drafts.push(delayed?.draft ?? complete);
      sent.push({ queueId: complete.queueId, messageId, delayed });
    }
    this.#store.append(drafts, (appended) => {
      if (appended instanceof Error) return reply(appended);
      reply(appended.map((one, index) => this.#result(one, sent[index] as Sent))); // one a draft
    });
  }

  /** The draft as it is stored: its queue, and the properties that a broker adds. */
  #complete(
    draft: MessageDraft,
    queueId: number,
    message: { id: string; isOwn: boolean },
  ): MessageDraft {
    // A handle of an earlier life must not travel with the message; facts/remoting.md §4.1.
    const given = withoutProperties(withoutSource(draft.properties), [PropertyName.popCheckpoint]);
    const properties = message.isOwn
      ? given
      : withProperties(given, new Map([['UNIQ_KEY', message.id]]));
    const all = withEncodedProperties(properties, this.#addedNames, this.#added);
    return placedDraft(draft, queueId, all);
  }

  #result(one: Appended, { queueId, messageId, delayed }: Sent): SendResult {
    const recallHandle =
      delayed === undefined ? undefined : this.#schedule.recallHandle(delayed, one, messageId);
    return {
      queueId,
      queueOffset: one.queueOffset,
      physicalOffset: one.physicalOffset,
      offsetMessageId: this.#offsetMessageId(one.physicalOffset),
      messageId,
      transactionId: messageId,
      recallHandle,
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

  #autoCreate(topic: string, request: SendRequest): TopicConfig | RmqError | undefined {
    const { full } = this.#topics;
    if (topic.startsWith(retryTopicPrefix)) {
      if (full !== undefined) return full;
      const retry = topicOf(topic, 1);
      this.#topics.set(retry);
      return retry;
    }
    if (request.createFrom === undefined) return undefined;
    const template = this.#topics.get(request.createFrom.topic);
    if (template === undefined || (template.permission & Permission.inherit) === 0) {
      return undefined;
    }
    if (full !== undefined) return full;
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

/** `isKeyed`: of a topic that keeps the newest message of each key; without a body it deletes its key. */
function contentProblemOf(draft: MessageDraft, isKeyed: boolean): RmqError | undefined {
  if (isKeyed) {
    if ((findProperty(draft.properties, PropertyName.keys) ?? '') !== '') return undefined;
    const text = `topic ${draft.topic} keeps the newest message of each key, and this one has no key`;
    return new RmqError('MESSAGE_ILLEGAL', text);
  }
  if (draft.body.length > 0) return undefined;
  return new RmqError('MESSAGE_EMPTY', 'the message body is empty');
}
