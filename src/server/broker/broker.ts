/**
 * The broker in this process: `BrokerApi` over a store. Topics, groups and delivery have their own
 * files; sending is in `sending.ts`, reading by offset in `pulling.ts`.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import { RmqError } from '../../protocol/errors.ts';
import type {
  PhysicalOffset,
  QueueOffset,
  RecordHost,
  StoredMessage,
} from '../../protocol/message/message.ts';
import type { Reply } from '../../util/reply.ts';
import { limits } from '../shared/limits.ts';
import type { Logger } from '../shared/logger.ts';
import type { MessageStore, StoredQueue } from '../store/message-store.ts';
import type { Origin } from '../store/origin.ts';
import type {
  AckRequest,
  BrokerApi,
  Cancel,
  ChangeInvisibleTimeRequest,
  DeadLetterRequest,
  EndTransactionRequest,
  GroupConfig,
  HalfMessage,
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
} from './api.ts';
import { Permission } from './api.ts';
import { DeadLetters } from './delivery/dead-letters.ts';
import { type AdoptedConsumption, Delivery } from './delivery/delivery.ts';
import { PopTopicType, popTopicOf } from './delivery/pop-retry.ts';
import type { CommittedOffset } from './delivery/state-table.ts';
import { Forbidden } from './groups/forbidden.ts';
import { GroupTable } from './groups/group-table.ts';
import { isLite, LiteTopics } from './lite/lite-topics.ts';
import { priorityPercent } from './priority.ts';
import { Pulling } from './pulling.ts';
import { Recalls } from './schedule/recalls.ts';
import { Schedule } from './schedule/schedule.ts';
import { levelCount, levelTopic, wheelTopic } from './schedule/timer-record.ts';
import { Sending } from './sending.ts';
import { readWrite, TopicTable, topicOf } from './topics/topic-table.ts';
import { halfTopic, opTopic } from './transactions/open-transactions.ts';
import { Transactions } from './transactions/transactions.ts';

/** Topics are made from this one. */
const autoCreateTopic = 'TBW102';

export interface BrokerOptions {
  readonly store: MessageStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly storeHost: RecordHost;
  /** What the store was taken over with, if it was. */
  readonly origin?: Origin | undefined;
  /** Timers in memory, the nearest ones; changed by tests. */
  readonly nearTimerCount?: number | undefined;
  readonly settings: {
    readonly clusterName: string;
    readonly brokerName: string;
    readonly isAutoCreateTopicEnabled: boolean;
    readonly isAutoCreateGroupEnabled: boolean;
    readonly defaultTopicQueueCount: number;
    /** Delivery times further ahead are refused. */
    readonly delayMaxMs: number;
  };
}

/** What another broker knew beside its log. */
export interface AdoptedState {
  readonly topics: readonly TopicConfig[];
  readonly groups: readonly GroupConfig[];
  readonly forbidden: readonly { readonly group: string; readonly topic: string }[];
  readonly consumed: readonly AdoptedConsumption[];
}

/** What NameServers compare to see whether a broker's topics changed; facts/store.md §9. */
export interface DataVersion {
  readonly counter: number;
  readonly stateVersion: number;
  readonly timestamp: number;
}

/** Made before its store is started, started after it: the store's recovery fills derived states. */
export class Broker implements BrokerApi {
  readonly clusterName: string;
  readonly brokerName: string;
  /** Bits of `Permission` of the broker itself. */
  readonly permission: number = Permission.read | Permission.write;
  readonly store: MessageStore;
  readonly #options: BrokerOptions;
  readonly #topics: TopicTable;
  readonly #groups: GroupTable;
  readonly #forbidden: Forbidden;
  readonly #delivery: Delivery;
  readonly #lite: LiteTopics;
  readonly #sending: Sending;
  readonly #pulling: Pulling;
  readonly #transactions: Transactions;
  readonly #schedule: Schedule;
  readonly #recalls: Recalls;
  readonly #listeners: ((changed: readonly TopicConfig[]) => void)[] = [];
  readonly #startedMs: number;

  constructor(options: BrokerOptions) {
    const { store, clock, settings, logger } = options;
    this.#options = options;
    this.clusterName = settings.clusterName;
    this.brokerName = settings.brokerName;
    this.store = store;
    this.#startedMs = clock.nowMs();
    this.#topics = new TopicTable({ store, logger, changed: (changed) => this.#announce(changed) });
    this.#groups = new GroupTable({ store, isAutoCreate: settings.isAutoCreateGroupEnabled });
    this.#forbidden = new Forbidden(store);
    const deadLetters = new DeadLetters({ store, topics: this.#topics, logger });
    const brokerName = settings.brokerName;
    this.#delivery = new Delivery({ store, clock, logger, brokerName, deadLetters });
    this.#transactions = new Transactions({
      store,
      topics: this.#topics,
      clock,
      logger,
      brokerName,
      origin: options.origin,
    });
    const transactions = this.#transactions;
    const { delayMaxMs } = settings;
    const shared = { ...options, topics: this.#topics, brokerName, delayMaxMs };
    const schedule = new Schedule(shared);
    this.#schedule = schedule;
    this.#recalls = new Recalls({ ...shared, pending: schedule.pending });
    this.#lite = new LiteTopics({
      store,
      clock,
      logger,
      topics: this.#topics,
      delivery: this.#delivery,
    });
    this.#sending = new Sending({
      ...options,
      lite: this.#lite,
      topics: this.#topics,
      transactions,
      schedule,
    });
    this.#pulling = new Pulling({ store, clock });
    const sources = [this.#topics, this.#groups, this.#forbidden, this.#delivery];
    for (const source of sources) store.addStateSource(source);
    store.retainTopics((topic) => this.#topics.retentionOf(topic));
    store.compactTopics((topic) => this.#topics.isCompacted(topic));
    store.addDerivedState(transactions.open);
    store.addDerivedState(schedule.pending);
  }

  /** Loads its state; the store has been started. Nothing is delivered yet. */
  async load(): Promise<void> {
    await this.#topics.load();
    await this.#groups.load();
    await this.#forbidden.load();
    await this.#delivery.load();
  }

  /** Loads its state and serves; the store has been started. */
  async start(): Promise<void> {
    await this.load();
    this.#makeSystemTopics();
    this.#transactions.start();
    this.#lite.start();
    this.#schedule.start();
  }

  /** Takes over what another broker knew; the store has been started, the broker has not. */
  async adopt(known: AdoptedState): Promise<void> {
    for (const topic of known.topics) this.#topics.set(topic);
    for (const group of known.groups) this.#groups.set(group);
    for (const consumed of known.consumed) this.#delivery.adopt(consumed);
    for (const { group, topic } of known.forbidden) await this.#forbidden.set(group, topic, true);
    await this.store.writeStateNow();
  }

  /** Messages of the queue that the group was shown and has not finished. */
  inFlightCount(group: string, topic: string, queueId: number): number {
    return this.#delivery.find(group, topic, queueId)?.openCount ?? 0;
  }

  get openTransactionCount(): number {
    return this.#transactions.open.size;
  }

  /** Nobody has decided about these. */
  openTransactions(): Iterable<HalfMessage> {
    return this.#transactions.open.all();
  }

  /** What groups may not consume. */
  listForbidden(): readonly { readonly group: string; readonly topic: string }[] {
    return this.#forbidden.all();
  }

  /** What groups were shown and have not finished. */
  *inFlight(): Iterable<
    CommittedOffset & { readonly visibleAtMs: number; readonly attempt: number }
  > {
    for (const { state, one } of this.#delivery.inFlight()) {
      const { group, topic, queueId } = state;
      const offset = one.offset as QueueOffset; // of that queue
      const { visibleAtMs, attempt } = one;
      yield { group, topic, queueId, offset, visibleAtMs, attempt };
    }
  }

  /** Ends all waiting receives. The store is stopped by whoever started it. */
  stop(): void {
    this.#lite.stop();
    this.#delivery.releaseAll();
    this.#pulling.releaseAll();
    this.#transactions.stop();
    this.#schedule.stop();
  }

  #makeSystemTopics(): void {
    const { clusterName, brokerName, isAutoCreateTopicEnabled } = this.#options.settings;
    const inherit = Permission.inherit | Permission.read | Permission.write;
    const wanted = [
      topicOf('SELF_TEST_TOPIC', 1),
      topicOf('OFFSET_MOVED_EVENT', 1),
      topicOf(`${clusterName}_REPLY_TOPIC`, 1),
      topicOf(clusterName, 16, inherit),
      topicOf(brokerName, 1, inherit),
      topicOf(halfTopic, 1),
      topicOf(opTopic, 1),
      topicOf(wheelTopic, 1),
      topicOf(levelTopic, levelCount),
    ];
    if (isAutoCreateTopicEnabled) wanted.push(topicOf(autoCreateTopic, 8, inherit));
    for (const topic of wanted) {
      if (this.#topics.get(topic.topic) === undefined) this.#topics.set(topic);
    }
  }

  get dataVersion(): DataVersion {
    return { counter: this.#topics.changeCount, stateVersion: 0, timestamp: this.#startedMs };
  }

  /** Hears of every change of topics; an empty list after a deletion. */
  onTopicsChanged(listener: (changed: readonly TopicConfig[]) => void): void {
    this.#listeners.push(listener);
  }

  #announce(changed: readonly TopicConfig[]): void {
    for (const listener of this.#listeners) listener(changed);
  }

  send(request: SendRequest, reply: Reply<readonly SendResult[], RmqError>): void {
    this.#sending.send(request, reply);
  }

  pop(request: PopRequest, reply: Reply<PopResult, RmqError>): Cancel {
    try {
      const topic = this.#readable(request.topic, request.queueId);
      const group = this.#groups.require(request.group);
      if (!group.isConsumeEnabled) {
        throw new RmqError('NO_PERMISSION', `group ${request.group} may not consume`);
      }
      this.#requireAllowed(request.group, request.topic);
      if (request.liteClientId !== undefined && isLite(topic)) {
        return this.#popLite(request, request.liteClientId, group, reply);
      }
      const isAny = request.queueId < 0;
      const ids = isAny ? range(topic.readQueueCount) : [request.queueId];
      const percent = request.isOrdered ? 0 : priorityPercent(topic, group);
      const isByPriority = percent > 0 && this.#options.random.below(100) < percent;
      if (isByPriority) ids.reverse();
      const queues = ids.map((id) => this.store.queue(request.topic, id));
      if (!request.isOrdered) queues.push(...this.#popRetryQueues(request));
      const { retryCountMax } = group;
      return this.#delivery.pop({ request, queues, isByPriority, retryCountMax }, reply);
    } catch (error) {
      reply(error as RmqError); // only those two functions throw, and only RmqErrors
      return () => undefined;
    }
  }

  /** What an Apache broker had copied for redelivery, if the store was taken over from one. */
  #popRetryQueues({ group, topic }: PopRequest): StoredQueue[] {
    const queues: StoredQueue[] = [];
    for (const type of [PopTopicType.retryV1, PopTopicType.retryV2]) {
      const config = this.#topics.get(popTopicOf(group, topic, type));
      if (config === undefined) continue;
      for (const id of range(config.readQueueCount)) {
        const queue = this.store.queue(config.topic, id);
        if (queue.maxOffset > 0) queues.push(queue);
      }
    }
    return queues;
  }

  #popLite(
    request: PopRequest,
    clientId: string,
    group: GroupConfig,
    reply: Reply<PopResult, RmqError>,
  ): Cancel {
    const plan = {
      request: { ...request, queueId: -1, isOrdered: true, startFrom: 'MIN' },
      queues: this.#lite.queuesFor(request.group, clientId),
      watched: () => this.#lite.activeQueues(request.group, clientId),
      isByPriority: false,
      retryCountMax: group.retryCountMax,
    } as const;
    return this.#delivery.pop(plan, reply);
  }

  syncLiteSubscription(request: LiteSubscriptionRequest, reply: Reply<undefined, RmqError>): void {
    const group = this.#groups.get(request.group);
    if (group !== undefined) return reply(this.#lite.sync(request, group));
    reply(new RmqError('GROUP_NOT_FOUND', `subscription group [${request.group}] does not exist`));
  }

  onLiteUnsubscribed(listener: (gone: LiteUnsubscribed) => void): Cancel {
    return this.#lite.onUnsubscribed(listener);
  }

  #readable(topic: string, queueId: number): TopicConfig {
    const config = this.#topics.get(topic);
    if (config === undefined) {
      throw new RmqError('TOPIC_NOT_FOUND', `topic ${topic} does not exist on ${this.brokerName}`, {
        hint: `create it: rmq topic create ${topic}`,
      });
    }
    if ((config.permission & Permission.read) === 0) {
      throw new RmqError('NO_PERMISSION', `topic ${topic} may not be read`);
    }
    if (queueId >= config.readQueueCount) {
      throw new RmqError(
        'ILLEGAL_QUEUE',
        `topic ${topic} has read queues 0 to ${config.readQueueCount - 1}, not ${queueId}`,
      );
    }
    return config;
  }

  #requireAllowed(group: string, topic: string): void {
    if (!this.#forbidden.has(group, topic)) return;
    throw new RmqError('NO_PERMISSION', `group ${group} is forbidden to consume topic ${topic}`);
  }

  isReadForbidden(group: string, topic: string): boolean {
    return this.#forbidden.has(group, topic);
  }

  /** Whether a group may consume a topic; kept when it resolves. */
  setReadForbidden(group: string, topic: string, isForbidden: boolean): Promise<void> {
    return this.#forbidden.set(group, topic, isForbidden);
  }

  recall(request: RecallRequest, reply: Reply<string, RmqError>): void {
    this.#recalls.recall(request, reply);
  }

  /** Delayed messages that wait, by the topic they are for. */
  get delayedByTopic(): ReadonlyMap<string, number> {
    return this.#schedule.pending.countByTopic;
  }

  endTransaction(request: EndTransactionRequest, reply: Reply<undefined, RmqError>): void {
    this.#transactions.end(request, reply);
  }

  addTransactionChecker(checker: TransactionChecker): Cancel {
    return this.#transactions.addChecker(checker);
  }

  ack(request: AckRequest, reply: Reply<readonly (RmqError | undefined)[], RmqError>): void {
    this.#delivery.ack(request, reply);
  }

  changeInvisibleTime(request: ChangeInvisibleTimeRequest, reply: Reply<string, RmqError>): void {
    this.#delivery.changeInvisibleTime(request, reply);
  }

  sendToDeadLetters(request: DeadLetterRequest, reply: Reply<undefined, RmqError>): void {
    this.#delivery.sendToDeadLetters(request, reply);
  }

  pull(request: PullRequest, reply: Reply<PullResult, RmqError>): Cancel {
    try {
      this.#readable(request.topic, request.queueId);
      this.#requireAllowed(request.group, request.topic);
      return this.#pulling.pull(request, reply);
    } catch (error) {
      reply(error as RmqError); // as above
      return () => undefined;
    }
  }

  getTopic(topic: string): Promise<TopicConfig | undefined> {
    return Promise.resolve(this.#topics.get(topic));
  }

  listTopics(): Promise<readonly TopicConfig[]> {
    return Promise.resolve(this.#topics.all());
  }

  async putTopic(config: TopicConfig): Promise<void> {
    this.#checkOwn(config.topic);
    await this.#topics.put(config);
  }

  /** The topics named after the cluster and the broker are the system's as well. */
  #checkOwn(topic: string): void {
    const { clusterName, brokerName } = this;
    if (topic !== clusterName && topic !== brokerName && topic !== `${clusterName}_REPLY_TOPIC`) {
      return;
    }
    throw new RmqError('ILLEGAL_TOPIC', `The topic[${topic}] is conflict with system topic.`);
  }

  async deleteTopic(topic: string): Promise<void> {
    this.#checkOwn(topic);
    this.#lite.dropParent(topic);
    this.#delivery.dropTopic(topic);
    this.store.dropTopic(topic);
    await this.#topics.delete(topic);
  }

  async topicQueues(topic: string): Promise<readonly QueueRange[]> {
    const config = this.#topics.get(topic);
    if (config === undefined) return [];
    const ranges: QueueRange[] = [];
    for (const queueId of range(Math.max(config.readQueueCount, config.writeQueueCount))) {
      const { minOffset, maxOffset } = this.store.queue(topic, queueId);
      const last = await this.#newest(topic, queueId);
      const lastStoreTimestampMs = last?.storeTimestampMs ?? 0;
      ranges.push({ queueId, minOffset, maxOffset, lastStoreTimestampMs });
    }
    return ranges;
  }

  #newest(topic: string, queueId: number): Promise<StoredMessage | undefined> {
    const queue = this.store.queue(topic, queueId);
    if (queue.maxOffset === queue.minOffset) return Promise.resolve(undefined);
    const offset = (queue.maxOffset - 1) as QueueOffset; // of this queue
    return new Promise((resolve, reject) => {
      this.store.readEntries(queue, offset, 1, (entries) => {
        if (entries instanceof Error) return reject(entries);
        this.store.readMessages(entries, (messages) => {
          if (messages instanceof Error) reject(messages);
          else resolve(messages[0]);
        });
      });
    });
  }

  getGroup(group: string, options?: { readonly isMade: false }): Promise<GroupConfig | undefined> {
    const groups = this.#groups;
    return Promise.resolve(options === undefined ? groups.get(group) : groups.peek(group));
  }

  listGroups(): Promise<readonly GroupConfig[]> {
    return Promise.resolve(this.#groups.all());
  }

  putGroup(config: GroupConfig): Promise<void> {
    return this.#groups.put(config);
  }

  async deleteGroup(group: string, options: { readonly cleanOffsets: boolean }): Promise<void> {
    if (options.cleanOffsets) this.#delivery.dropGroup(group);
    await this.#groups.delete(group);
  }

  /** Whether the group could pop something of the queue now. */
  hasVisible(group: string, topic: string, queueId: number): boolean {
    return this.#delivery.hasWork(group, this.store.queue(topic, queueId));
  }

  /** Receives of the group that wait for the queue (-1: for any). */
  waitingReceives(group: string, topic: string, queueId: number): number {
    return this.#delivery.waiting.countOf(group, topic, queueId);
  }

  get isAutoCreateTopicEnabled(): boolean {
    return ((this.#topics.get(autoCreateTopic)?.permission ?? 0) & Permission.inherit) !== 0;
  }

  /** Until the broker stops: the topic that others are made from gets or loses its inherit bit. */
  set isAutoCreateTopicEnabled(isEnabled: boolean) {
    const { defaultTopicQueueCount } = this.#options.settings;
    const permission = readWrite | (isEnabled ? Permission.inherit : 0);
    const known =
      this.#topics.get(autoCreateTopic) ?? topicOf(autoCreateTopic, defaultTopicQueueCount);
    if (known.permission !== permission) this.#topics.set({ ...known, permission });
  }

  get isAutoCreateGroupEnabled(): boolean {
    return this.#groups.isAutoCreate;
  }

  set isAutoCreateGroupEnabled(isEnabled: boolean) {
    this.#groups.isAutoCreate = isEnabled;
  }

  getOffset(group: string, topic: string, queueId: number): Promise<QueueOffset | undefined> {
    const problem = queueProblem(topic, queueId);
    if (problem !== undefined) return Promise.reject(problem);
    return Promise.resolve(this.#delivery.offsetOf(group, topic, queueId));
  }

  /** Committed offsets of a group, of all groups when undefined. */
  listOffsets(group: string | undefined): readonly CommittedOffset[] {
    return this.#delivery.listOffsets(group);
  }

  putOffset(group: string, topic: string, queueId: number, offset: QueueOffset): Promise<void> {
    const problem = offsetProblem(topic, queueId, offset);
    if (problem !== undefined) return Promise.reject(problem);
    this.#delivery.commit(group, topic, queueId, offset);
    return Promise.resolve();
  }

  /** An operator has the group go on at `offset`: what it has in flight is delivered again from there. */
  resetOffset(group: string, topic: string, queueId: number, offset: QueueOffset): Promise<void> {
    const problem = offsetProblem(topic, queueId, offset);
    if (problem !== undefined) return Promise.reject(problem);
    this.#delivery.reset(group, topic, queueId, offset);
    this.#lite.activate(topic);
    return Promise.resolve();
  }

  offsetByTime(topic: string, queueId: number, timestampMs: number): Promise<QueueOffset> {
    const problem = queueProblem(topic, queueId);
    if (problem !== undefined) return Promise.reject(problem);
    return this.store.offsetByTime(this.store.queue(topic, queueId), timestampMs);
  }

  findByKey(query: KeyQuery): Promise<readonly StoredMessage[]> {
    return this.store.findByKey(query);
  }

  messageAt(offset: PhysicalOffset): Promise<StoredMessage | undefined> {
    return this.store.readAt(offset);
  }
}

function offsetProblem(topic: string, queueId: number, offset: number): RmqError | undefined {
  const problem = queueProblem(topic, queueId);
  if (problem !== undefined) return problem;
  if (Number.isSafeInteger(offset) && offset >= 0) return undefined;
  return new RmqError(
    'ILLEGAL_OFFSET',
    `offset ${offset} of queue ${queueId} of ${topic} is not one`,
  );
}

/** Queues are kept in lists by their id: one that no topic can have must not get that far. */
function queueProblem(topic: string, queueId: number): RmqError | undefined {
  const isPossible =
    Number.isInteger(queueId) && queueId >= 0 && queueId < limits.topicQueueCountMax;
  if (isPossible) return undefined;
  return new RmqError('ILLEGAL_QUEUE', `topic ${topic} cannot have a queue ${queueId}`);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
