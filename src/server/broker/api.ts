/**
 * `BrokerApi`: the whole surface of a broker. Nothing here knows of sockets or of a protocol. The
 * Broker implements it in the same process; `proxy/remote-broker.ts` implements it over Remoting for
 * our brokers and Apache's alike. The message path answers by `Reply`, everything else by promise.
 *
 * Errors are `RmqError` with the codes of `protocol/errors.ts`.
 */

import type { RmqError } from '../../protocol/errors.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
  StoredMessage,
} from '../../protocol/message/message.ts';
import type { Reply } from '../../util/reply.ts';
import type { KeyQuery } from '../store/message-store.ts';

export type { KeyQuery } from '../store/message-store.ts';

export type MessageType =
  | 'NORMAL'
  | 'FIFO'
  | 'DELAY'
  | 'TRANSACTION'
  | 'PRIORITY'
  | 'LITE'
  | 'MIXED'
  | 'UNSPECIFIED';

/** Permission bits of topics and brokers; facts/store.md §9. */
export const Permission = { inherit: 1, write: 2, read: 4, priority: 8 } as const;

export interface TopicConfig {
  readonly topic: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** Bits of `Permission`. */
  readonly permission: number;
  readonly filterType: 'SINGLE_TAG' | 'MULTI_TAG';
  readonly systemFlag: number;
  readonly isOrdered: boolean;
  /** Attributes without the `+`/`-` of an update, such as `message.type`; facts/broker.md 1.4. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface GroupConfig {
  readonly group: string;
  readonly isConsumeEnabled: boolean;
  readonly isConsumeFromMinEnabled: boolean;
  readonly isBroadcastEnabled: boolean;
  /** FIFO delivery. */
  readonly isOrdered: boolean;
  readonly retryQueueCount: number;
  /** Redeliveries after the first delivery before a message becomes a dead letter; 16 by default. */
  readonly retryCountMax: number;
  readonly retryPolicy: RetryPolicy;
  readonly consumeTimeoutMinutes: number;
  readonly isNotifyConsumersChangedEnabled: boolean;
  readonly brokerId: number;
  readonly whichBrokerWhenConsumeSlowly: number;
  readonly systemFlag: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export type RetryPolicy =
  | { readonly type: 'CUSTOMIZED'; readonly nextMs: readonly number[] }
  | {
      readonly type: 'EXPONENTIAL';
      readonly initialMs: number;
      readonly maxMs: number;
      readonly multiplier: number;
    };

export interface SendRequest {
  /** One topic for all. `queueId` of a draft -1: the broker chooses. */
  readonly drafts: readonly MessageDraft[];
  readonly producerGroup: string;
  /** Template topic for automatic creation (4.x: TBW102) and the queues wanted; undefined: none. */
  readonly createFrom: { readonly topic: string; readonly queueCount: number } | undefined;
}

export interface SendResult {
  readonly queueId: number;
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  /** Hex of store host, port and physical offset; facts/remoting.md 12.4. */
  readonly offsetMessageId: string;
  /** UNIQ_KEY of the message: as sent, or made by the broker. */
  readonly messageId: string;
  readonly transactionId: string;
  /** Delayed messages: what `recall` takes. */
  readonly recallHandle: string | undefined;
}

/** What a consumer wants of a topic. */
export interface Filter {
  readonly type: 'TAG' | 'SQL92';
  /** `*` or empty: everything. */
  readonly expression: string;
}

export interface PopRequest {
  readonly group: string;
  readonly topic: string;
  /** -1: any queue of this broker. */
  readonly queueId: number;
  /** 1 … 32. */
  readonly maxCount: number;
  readonly invisibleTimeMs: number;
  /** How long to wait for a first message; 0 answers at once. */
  readonly pollingTimeMs: number;
  readonly filter: Filter;
  /** Where a group without an offset starts: at the oldest message, or behind the newest. */
  readonly startFrom: 'MIN' | 'MAX';
  readonly isOrdered: boolean;
  /** A repeated id gets the batch of the first request again, at once. */
  readonly attemptId: string | undefined;
  /** Topics of type LITE: from the lite topics that this client of the group subscribes to. */
  readonly liteClientId?: string | undefined;
}

/** What a client of a group wants of the lite topics under a topic; facts/grpc-v2.md §12. */
export interface LiteSubscriptionRequest {
  readonly group: string;
  /** The parent topic. */
  readonly topic: string;
  readonly clientId: string;
  readonly action: 'PARTIAL_ADD' | 'PARTIAL_REMOVE' | 'COMPLETE_ADD' | 'COMPLETE_REMOVE';
  readonly liteTopics: readonly string[];
  /** PARTIAL_ADD: where the group begins; undefined: where it was, else at the oldest message. */
  readonly startFrom: LiteStart | undefined;
}

export type LiteStart =
  | { readonly type: 'MIN' }
  | { readonly type: 'MAX' }
  | { readonly type: 'OFFSET'; readonly offset: number }
  /** So many messages before the committed offset. */
  | { readonly type: 'TAIL'; readonly count: number }
  | { readonly type: 'TIME'; readonly timestampMs: number };

/** A subscription that ended without the client's doing: taken over, or its lite topic expired. */
export interface LiteUnsubscribed {
  readonly group: string;
  readonly topic: string;
  readonly clientId: string;
  readonly liteTopic: string;
}

export interface PoppedMessage {
  /** Topic as subscribed (a retry keeps the original topic). */
  readonly message: StoredMessage;
  /** Deliveries including this one; 1 at first. */
  readonly deliveryAttempt: number;
  /** Names this delivery; see `delivery/receipt-handle.ts`. No control characters. */
  readonly receiptHandle: string;
  readonly invisibleTimeMs: number;
}

export interface PopResult {
  /** Empty only when the polling time passed. */
  readonly messages: readonly PoppedMessage[];
  readonly poppedAtMs: number;
  /** Messages of the asked queues that are not yet delivered, as far as known. */
  readonly restCount: number;
}

export interface AckRequest {
  readonly group: string;
  readonly topic: string;
  readonly receiptHandles: readonly string[];
}

export interface ChangeInvisibleTimeRequest {
  readonly group: string;
  readonly topic: string;
  readonly receiptHandle: string;
  /** From now; 0 makes the message visible at once. */
  readonly invisibleTimeMs: number;
  /** Not counted as a delivery attempt. */
  readonly isSuspend: boolean;
}

export interface DeadLetterRequest {
  readonly group: string;
  readonly topic: string;
  readonly receiptHandle: string;
  readonly messageId: string;
}

export interface PullRequest {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: QueueOffset;
  readonly maxCount: number;
  readonly maxSizeBytes: number;
  readonly filter: Filter;
  /** 0: answer at once. */
  readonly pollingTimeMs: number;
}

export interface PullResult {
  /** FOUND, or why there is nothing; facts/broker.md §3. */
  readonly status:
    | 'FOUND'
    | 'NO_MATCHED_MESSAGE'
    | 'NO_MESSAGE_IN_QUEUE'
    | 'OFFSET_OVERFLOW_ONE'
    | 'OFFSET_OVERFLOW_BADLY'
    | 'OFFSET_TOO_SMALL'
    | 'OFFSET_RESET';
  readonly messages: readonly StoredMessage[];
  readonly nextOffset: QueueOffset;
  readonly minOffset: QueueOffset;
  readonly maxOffset: QueueOffset;
}

export interface EndTransactionRequest {
  /** The topic that the message is for, not that of the half messages. */
  readonly topic: string;
  readonly producerGroup: string;
  /** UNIQ_KEY of the half message. */
  readonly transactionId: string;
  /** Where the half message lies, as its send or a check said; undefined: found by its id. */
  readonly half: HalfMessage | undefined;
  /** UNKNOWN leaves the transaction open: it will be asked about again. */
  readonly resolution: 'COMMIT' | 'ROLLBACK' | 'UNKNOWN';
  readonly isFromCheck: boolean;
}

export interface RecallRequest {
  readonly topic: string;
  /** As the send said; `protocol/message/recall-handle.ts`. */
  readonly recallHandle: string;
  readonly producerGroup: string;
}

export interface HalfMessage {
  /** In the queue of the half messages. */
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
}

/** The question to a producer what became of its transaction. */
export interface TransactionCheck extends HalfMessage {
  readonly brokerName: string;
  readonly producerGroup: string;
  readonly transactionId: string;
  /** As its consumers would get it; TRANSACTION_CHECK_TIMES counts the checks, this one included. */
  readonly message: StoredMessage;
}

/** Somebody who can reach producers. */
export interface TransactionChecker {
  /** Groups of the producers that can be asked now; a producer over gRPC has its topics for groups. */
  producerGroups(): Iterable<string>;
  hasProducer(producerGroup: string): boolean;
  /** Asks one producer of the check's group. False: there is none here (any more). */
  check(check: TransactionCheck): boolean;
}

export interface QueueRange {
  readonly queueId: number;
  readonly minOffset: QueueOffset;
  readonly maxOffset: QueueOffset;
  /** Store time of the newest message; 0 when empty. */
  readonly lastStoreTimestampMs: number;
}

/** Stops waiting; the reply is then called with an empty result. Harmless when already answered. */
export type Cancel = () => void;

export interface BrokerApi {
  readonly clusterName: string;
  readonly brokerName: string;

  send(request: SendRequest, reply: Reply<readonly SendResult[], RmqError>): void;
  /** The result's messages are in flight for `invisibleTimeMs`; whoever cannot use them gives them back. */
  pop(request: PopRequest, reply: Reply<PopResult, RmqError>): Cancel;
  /** One outcome a handle, in order: undefined when done. */
  ack(request: AckRequest, reply: Reply<readonly (RmqError | undefined)[], RmqError>): void;
  /** Answers with the new receipt handle; the old one stays good for an ack. */
  changeInvisibleTime(request: ChangeInvisibleTimeRequest, reply: Reply<string, RmqError>): void;
  /** Appends a copy to `%DLQ%group`, then acknowledges. */
  sendToDeadLetters(request: DeadLetterRequest, reply: Reply<undefined, RmqError>): void;
  /**
   * Answers once the decision is kept. TRANSACTION_NOT_FOUND: no open transaction of that id, or
   * offsets or group that are not the half message's.
   */
  endTransaction(request: EndTransactionRequest, reply: Reply<undefined, RmqError>): void;
  /** Open transactions are asked about through `checker` until the cancel. */
  addTransactionChecker(checker: TransactionChecker): Cancel;
  /**
   * Takes a delayed message back before its time. Answers with its id (UNIQ_KEY) once it is certain not to
   * come, repeatedly if need be. TOPIC_NOT_FOUND; ILLEGAL_OPERATION: bad handle, too late.
   */
  recall(request: RecallRequest, reply: Reply<string, RmqError>): void;
  /**
   * Lite topics: changes what a client subscribes to. ILLEGAL_TOPIC, ILLEGAL_GROUP, ILLEGAL_LITE_TOPIC,
   * LITE_SUBSCRIPTION_QUOTA_EXCEEDED.
   */
  syncLiteSubscription(request: LiteSubscriptionRequest, reply: Reply<undefined, RmqError>): void;
  /** Hears of subscriptions that ended without the client's doing, until the cancel. */
  onLiteUnsubscribed(listener: (gone: LiteUnsubscribed) => void): Cancel;
  /** Reads by offset; no group state is touched. */
  pull(request: PullRequest, reply: Reply<PullResult, RmqError>): Cancel;

  getTopic(topic: string): Promise<TopicConfig | undefined>;
  listTopics(): Promise<readonly TopicConfig[]>;
  /** Creates or replaces. @throws RmqError ILLEGAL_TOPIC and what attributes break. */
  putTopic(config: TopicConfig): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  topicQueues(topic: string): Promise<readonly QueueRange[]>;

  /**
   * The group's configuration; made with defaults when that is allowed, else undefined. `isMade: false`
   * looks only, where the broker knows the difference: one that was deleted must not come back from a look.
   */
  getGroup(group: string, options?: { readonly isMade: false }): Promise<GroupConfig | undefined>;
  listGroups(): Promise<readonly GroupConfig[]>;
  putGroup(config: GroupConfig): Promise<void>;
  deleteGroup(group: string, options: { readonly cleanOffsets: boolean }): Promise<void>;

  getOffset(group: string, topic: string, queueId: number): Promise<QueueOffset | undefined>;
  /**
   * A consumer that keeps its own offset is done with everything below `offset`; what others of its group
   * have in flight above stays. A step back starts over there.
   */
  putOffset(group: string, topic: string, queueId: number, offset: QueueOffset): Promise<void>;
  offsetByTime(topic: string, queueId: number, timestampMs: number): Promise<QueueOffset>;
  /** Messages of a topic by KEYS, UNIQ_KEY or tag, newest first. */
  findByKey(query: KeyQuery): Promise<readonly StoredMessage[]>;
  messageAt(offset: PhysicalOffset): Promise<StoredMessage | undefined>;
}
