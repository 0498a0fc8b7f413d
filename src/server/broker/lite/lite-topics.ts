/**
 * Lite topics: light queues under a parent topic of type LITE, by the hundred thousand (facts/grpc-v2.md
 * §12). Each has a queue of its own, made by its first message and forgotten when nothing came for the
 * parent's `lite.topic.expiration` minutes. A client receives in order from those that it subscribes to;
 * of a group that is Exclusive, the last subscriber has a lite topic alone.
 */
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import {
  anyLiteTopic,
  anyLiteTopicOf,
  isLiteQueueTopic,
  liteQueueTopic,
  liteTopicProblem,
  parseLiteQueueTopic,
} from '../../../protocol/message/lite-topic.ts';
import type { MessageDraft } from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import type { TimerWheel, WheelTimer } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';
import type { Logger } from '../../shared/logger.ts';
import type { MessageStore, StoredQueue } from '../../store/message-store.ts';
import type {
  Cancel,
  GroupConfig,
  LiteStart,
  LiteSubscriptionRequest,
  LiteUnsubscribed,
  TopicConfig,
} from '../api.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { TopicTable } from '../topics/topic-table.ts';
import type { LiteSubscriber, LiteSubscriptions } from './lite-subscriptions.ts';

const minuteMs = 60_000;
/** A client that has not said its subscriptions for so long is gone; they do every 30 s. */
const silenceMaxMs = 180_000;
/** Queues that one receive looks at. */
const visitedQueueMax = 64;
const clientQuotaDefault = 2_000;

export function isLite(topic: TopicConfig): boolean {
  return topic.attributes['message.type'] === 'LITE';
}

export class LiteTopics {
  readonly #store: MessageStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #topics: TopicTable;
  readonly #delivery: Delivery;
  readonly #subscriptions: LiteSubscriptions;
  readonly #wheel: TimerWheel;
  /** Stored topics of all lite topics, and when each had its last message. */
  readonly #lastMs = new Map<string, number>();
  readonly #listeners = new Set<(gone: LiteUnsubscribed) => void>();
  #timer: WheelTimer | undefined = undefined;

  constructor(options: {
    readonly store: MessageStore;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly topics: TopicTable;
    readonly delivery: Delivery;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#topics = options.topics;
    this.#delivery = options.delivery;
    this.#subscriptions = options.delivery.waiting.lite;
    this.#wheel = options.delivery.wheel;
    this.#store.onVisible((queue) => this.#came(queue.topic));
  }

  /** Finds the lite topics that are stored. Each counts as just used: none expires by a long stop. */
  start(): void {
    const nowMs = this.#clock.nowMs();
    for (const { topic } of this.#store.queues()) {
      if (parseLiteQueueTopic(topic) !== undefined) this.#lastMs.set(topic, nowMs);
    }
    this.#sweepLater();
  }

  #sweepLater(): void {
    this.#timer = this.#wheel.set(minuteMs, () => {
      this.#sweep();
      this.#sweepLater();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#wheel.cancel(this.#timer);
  }

  /** The draft where its lite topic has it; drafts for other topics as they are. */
  place(draft: MessageDraft, config: TopicConfig): MessageDraft | RmqError {
    if (!isLite(config)) return draft;
    const name = findProperty(draft.properties, PropertyName.liteTopic) ?? '';
    const problem = liteTopicProblem(name);
    if (problem !== undefined) return new RmqError('ILLEGAL_LITE_TOPIC', problem);
    const topic = liteQueueTopic(config.topic, name);
    if (!this.#lastMs.has(topic) && this.#lastMs.size >= limits.liteTopicCountMax) {
      const text = `the broker has ${limits.liteTopicCountMax} lite topics, the limit`;
      return new RmqError('LITE_TOPIC_QUOTA_EXCEEDED', text);
    }
    this.#lastMs.set(topic, this.#clock.nowMs());
    return { ...draft, topic, queueId: 0 };
  }

  #came(topic: string): void {
    // Sent with a delay, and forgotten meanwhile, or not known since the start.
    if (isLiteQueueTopic(topic) && !this.#lastMs.has(topic)) {
      this.#lastMs.set(topic, this.#clock.nowMs());
    }
    this.activate(topic);
  }

  /** It may have messages: those that subscribe will look. Parked receives are woken by delivery. */
  activate(topic: string): void {
    for (const group of this.#subscriptions.groupsOf(topic)) {
      for (const one of this.#subscriptions.of(topic, group)) one.active.add(topic);
    }
  }

  /** The queues at which a receive of that client looks, those first that waited longest. */
  queuesFor(group: string, clientId: string): StoredQueue[] {
    const subscriber = this.#subscriptions.find(group, clientId);
    const found: StoredQueue[] = [];
    if (subscriber === undefined) return found;
    for (const topic of [...subscriber.active]) {
      if (found.length >= visitedQueueMax) break;
      const queue = this.#store.queue(topic, 0);
      if (!this.#delivery.hasWork(group, queue)) continue;
      found.push(queue);
      subscriber.active.delete(topic);
      subscriber.active.add(topic);
    }
    return found;
  }

  /** All queues whose messages that client may still get; forgets the ones that have none. */
  activeQueues(group: string, clientId: string): StoredQueue[] {
    const subscriber = this.#subscriptions.find(group, clientId);
    const found: StoredQueue[] = [];
    for (const topic of subscriber?.active ?? []) {
      const queue = this.#store.queue(topic, 0);
      if (this.#delivery.isDrained(group, queue)) subscriber?.active.delete(topic);
      else found.push(queue);
    }
    return found;
  }

  /** A client says what it wants. @returns why not, if so. */
  sync(request: LiteSubscriptionRequest, group: GroupConfig): RmqError | undefined {
    const topic = this.#topics.get(request.topic);
    if (topic === undefined || !isLite(topic)) {
      return new RmqError('ILLEGAL_TOPIC', `${request.topic} is no topic of type LITE`);
    }
    const bound = group.attributes['lite.bind.topic'];
    if (bound !== undefined && bound !== topic.topic) {
      const text = `group ${group.group} is bound to topic ${bound}, not ${topic.topic}`;
      return new RmqError('ILLEGAL_GROUP', text);
    }
    if (request.action === 'COMPLETE_REMOVE') {
      const gone = this.#subscriptions.find(group.group, request.clientId);
      if (gone !== undefined) this.#subscriptions.drop(gone);
      return undefined;
    }
    const isAnyAllowed = isSet(group, 'lite.sub.wildcard');
    for (const name of request.liteTopics) {
      if (name === anyLiteTopic && isAnyAllowed) continue;
      const problem = liteTopicProblem(name);
      if (problem !== undefined) return new RmqError('ILLEGAL_LITE_TOPIC', problem);
    }
    const subscriber = this.#subscriptions.get(group.group, topic.topic, request.clientId);
    subscriber.syncedMs = this.#clock.monotonicMs();
    const wanted = request.liteTopics.map((name) => liteQueueTopic(topic.topic, name));
    return this.#change(subscriber, request, wanted, group);
  }

  #change(
    subscriber: LiteSubscriber,
    request: LiteSubscriptionRequest,
    wanted: readonly string[],
    group: GroupConfig,
  ): RmqError | undefined {
    if (request.action === 'PARTIAL_REMOVE') {
      for (const topic of wanted) {
        this.#subscriptions.remove(subscriber, topic);
        if (isSet(group, 'lite.sub.reset.offset.unsubscribe')) this.#reset(group.group, topic, 0);
      }
      return undefined;
    }
    const isWhole = request.action === 'COMPLETE_ADD';
    const full = this.#quotaProblem(subscriber, wanted, isWhole, group);
    if (full !== undefined) return full;
    if (isWhole) {
      const set = new Set(wanted);
      for (const topic of [...subscriber.topics]) {
        if (!set.has(topic)) this.#subscriptions.remove(subscriber, topic);
      }
    }
    for (const topic of wanted) {
      const isNew = !subscriber.topics.has(topic);
      if (isNew && !isWhole) this.#exclude(subscriber, topic, group);
      this.#subscriptions.add(subscriber, topic);
      if (!isWhole) this.#startAt(group.group, topic, request.startFrom);
      if (isNew || !isWhole) this.#begin(subscriber, topic);
    }
    return undefined;
  }

  #quotaProblem(
    subscriber: LiteSubscriber,
    wanted: readonly string[],
    isWhole: boolean,
    group: GroupConfig,
  ): RmqError | undefined {
    const quota = Number(group.attributes['lite.sub.client.quota'] ?? clientQuotaDefault);
    const added = wanted.filter((topic) => !subscriber.topics.has(topic)).length;
    const count = isWhole ? new Set(wanted).size : subscriber.topics.size + added;
    if (count <= quota && this.#subscriptions.count + added <= limits.liteSubscriptionCountMax) {
      return undefined;
    }
    const text = `client ${subscriber.clientId} would have ${count} lite subscriptions, ${quota} are allowed`;
    return new RmqError('LITE_SUBSCRIPTION_QUOTA_EXCEEDED', text);
  }

  /** Whoever else of an exclusive group has it loses it, and is told. */
  #exclude(subscriber: LiteSubscriber, topic: string, group: GroupConfig): void {
    if (group.attributes['lite.sub.model']?.toLowerCase() !== 'exclusive') return;
    for (const other of [...this.#subscriptions.named(topic, group.group)]) {
      if (other === subscriber) continue;
      this.#unsubscribe(other, topic);
      if (isSet(group, 'lite.sub.reset.offset.exclusive')) this.#reset(group.group, topic, 0);
    }
  }

  #unsubscribe(subscriber: LiteSubscriber, topic: string): void {
    this.#subscriptions.remove(subscriber, topic);
    const parts = parseLiteQueueTopic(topic);
    if (parts === undefined) return;
    const { group, clientId } = subscriber;
    const gone = { group, clientId, topic: parts.parent, liteTopic: parts.liteTopic };
    for (const listener of this.#listeners) listener(gone);
  }

  #begin(subscriber: LiteSubscriber, topic: string): void {
    if (topic !== anyLiteTopicOf(topic)) return this.#beginOne(subscriber, topic);
    for (const one of this.#lastMs.keys()) {
      if (anyLiteTopicOf(one) === topic) this.#beginOne(subscriber, one);
    }
  }

  #beginOne(subscriber: LiteSubscriber, topic: string): void {
    if (!this.#lastMs.has(topic)) return; // its first message will do it
    subscriber.active.add(topic);
    this.#delivery.wakeQueue(subscriber.group, this.#store.queue(topic, 0));
  }

  #startAt(group: string, topic: string, start: LiteStart | undefined): void {
    if (start === undefined || !this.#lastMs.has(topic)) return;
    const queue = this.#store.queue(topic, 0);
    if (start.type === 'MIN') this.#reset(group, topic, queue.minOffset);
    else if (start.type === 'MAX') this.#reset(group, topic, queue.maxOffset);
    else if (start.type === 'OFFSET') {
      this.#reset(group, topic, Math.min(Math.max(start.offset, queue.minOffset), queue.maxOffset));
    } else if (start.type === 'TAIL') {
      const committed = this.#delivery.offsetOf(group, topic, 0);
      if (committed === undefined) return; // as Apache: only a group that was there goes back
      this.#reset(group, topic, Math.max(queue.minOffset, committed - start.count));
    } else {
      this.#store.offsetByTime(queue, start.timestampMs).then(
        (offset) => this.#reset(group, topic, offset),
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          this.#logger.warn('no offset by time, the lite topic goes on where it was', { reason });
        },
      );
    }
  }

  #reset(group: string, topic: string, offset: number): void {
    if (!this.#lastMs.has(topic)) return; // nothing has come yet
    this.#delivery.reset(group, topic, 0, offset);
    for (const one of this.#subscriptions.of(topic, group)) one.active.add(topic);
  }

  /** Hears of subscriptions that ended without the client's doing. */
  onUnsubscribed(listener: (gone: LiteUnsubscribed) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const [topic, lastMs] of this.#lastMs) {
      const parent = this.#topics.get(parseLiteQueueTopic(topic)?.parent ?? '');
      const minutes = Number(parent?.attributes['lite.topic.expiration'] ?? -1);
      if (minutes > 0 && nowMs - lastMs > minutes * minuteMs) this.#drop(topic);
    }
    const sinceMs = this.#clock.monotonicMs() - silenceMaxMs;
    for (const one of [...this.#subscriptions.all()]) {
      if (one.syncedMs < sinceMs) this.#subscriptions.drop(one);
    }
  }

  /** The parent topic is deleted. */
  dropParent(parent: string): void {
    for (const topic of this.#lastMs.keys()) {
      if (parseLiteQueueTopic(topic)?.parent === parent) this.#drop(topic);
    }
  }

  #drop(topic: string): void {
    for (const group of this.#subscriptions.groupsOf(topic)) {
      for (const one of this.#subscriptions.of(topic, group)) one.active.delete(topic);
      for (const one of [...this.#subscriptions.named(topic, group)]) this.#unsubscribe(one, topic);
    }
    this.#lastMs.delete(topic);
    this.#delivery.dropTopic(topic);
    this.#store.dropTopic(topic);
  }
}

function isSet(group: GroupConfig, attribute: string): boolean {
  return group.attributes[attribute] === 'true';
}
