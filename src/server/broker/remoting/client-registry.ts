/**
 * Which clients of the Remoting port belong to which group, from their heartbeats; facts/remoting.md
 * §5.1. A client leaves when it says so, when its connection closes, or after 120 s of silence; the
 * others of its consumer group are told at once (NOTIFY_CONSUMER_IDS_CHANGED, 40).
 */
import type { Clock, Timer } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type {
  ConsumerBody,
  HeartbeatBody,
  SubscriptionBody,
} from '../../../protocol/remoting/bodies/heartbeat.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import type { RemotingRequest, RemotingSession } from '../../remoting/handler.ts';
import { limits } from '../../shared/limits.ts';

const silenceMaxMs = 120_000;
const scanIntervalMs = 10_000;

export interface RegisteredClient {
  readonly clientId: string;
  readonly session: RemotingSession;
  readonly language: string;
  readonly version: number;
  heardAtMs: number;
}

export interface ConsumerGroup {
  consumeType: string;
  messageModel: string;
  consumeFromWhere: string;
  /** By client id. */
  readonly members: Map<string, RegisteredClient>;
  /** By topic; the newest heartbeat wins. */
  readonly subscriptions: Map<string, SubscriptionBody>;
}

export class ClientRegistry {
  readonly #clock: Clock;
  readonly #isNotified: (group: string) => Promise<boolean>;
  readonly #consumers = new Map<string, ConsumerGroup>();
  readonly #producers = new Map<string, Map<string, RegisteredClient>>();
  /** Of all groups together. */
  #memberCount = 0;
  readonly #sessions = new WeakSet<RemotingSession>();
  #timer: Timer | undefined;
  /** The last consumer of a group left. */
  emptied: (group: string) => void = () => {};

  /** `isNotified`: whether the group wants to hear of changes of its members. */
  constructor(clock: Clock, isNotified: (group: string) => Promise<boolean>) {
    this.#clock = clock;
    this.#isNotified = isNotified;
  }

  start(): void {
    this.#timer = this.#clock.setTimer(scanIntervalMs, () => {
      this.#dropSilent();
      this.start();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  consumerGroup(group: string): ConsumerGroup | undefined {
    return this.#consumers.get(group);
  }

  producers(group: string): readonly RegisteredClient[] {
    return [...(this.#producers.get(group)?.values() ?? [])];
  }

  producerGroups(): Iterable<string> {
    return this.#producers.keys();
  }

  /** A producer by its client id, of whatever group. */
  producer(clientId: string): RegisteredClient | undefined {
    for (const members of this.#producers.values()) {
      const client = members.get(clientId);
      if (client !== undefined) return client;
    }
    return undefined;
  }

  hasProducer(group: string): boolean {
    return this.#producers.has(group);
  }

  consumerGroups(): Iterable<readonly [group: string, state: ConsumerGroup]> {
    return this.#consumers;
  }

  /** Takes a heartbeat in; true when somebody's membership or subscription changed. */
  heartbeat(
    request: Pick<RemotingRequest, 'session' | 'language' | 'version'>,
    body: HeartbeatBody,
  ): boolean {
    this.#watch(request.session);
    const client: RegisteredClient = {
      clientId: body.clientId,
      session: request.session,
      language: request.language,
      version: request.version,
      heardAtMs: this.#clock.monotonicMs(),
    };
    for (const group of body.producerGroups) {
      let members = this.#producers.get(group);
      if (members?.has(client.clientId) !== true) this.#count();
      if (members === undefined) this.#producers.set(group, (members = new Map()));
      members.set(client.clientId, client);
    }
    let isChanged = false;
    for (const consumer of body.consumers) {
      if (!this.#registerConsumer(client, consumer, body.isWithoutSubscriptions)) continue;
      isChanged = true;
      this.#notify(consumer.group);
    }
    return isChanged;
  }

  /** One more member. @throws RmqError BUSY */
  #count(): void {
    if (this.#memberCount >= limits.registeredMemberCountMax) {
      throw new RmqError(
        'BUSY',
        `${this.#memberCount} members of groups are registered, the limit`,
      );
    }
    this.#memberCount++;
  }

  #registerConsumer(
    client: RegisteredClient,
    consumer: ConsumerBody,
    isWithoutSubscriptions: boolean,
  ): boolean {
    let state = this.#consumers.get(consumer.group);
    if (state?.members.has(client.clientId) !== true) this.#count();
    if (state === undefined) {
      state = {
        consumeType: consumer.consumeType,
        messageModel: consumer.messageModel,
        consumeFromWhere: consumer.consumeFromWhere,
        members: new Map(),
        subscriptions: new Map(),
      };
      this.#consumers.set(consumer.group, state);
    }
    state.consumeType = consumer.consumeType;
    state.messageModel = consumer.messageModel;
    state.consumeFromWhere = consumer.consumeFromWhere;
    let isChanged = state.members.get(client.clientId)?.session !== client.session;
    state.members.set(client.clientId, client);
    if (isWithoutSubscriptions) return isChanged;
    for (const subscription of consumer.subscriptions) {
      const before = state.subscriptions.get(subscription.topic);
      if (before?.expression !== subscription.expression) isChanged = true;
      state.subscriptions.set(subscription.topic, subscription);
    }
    const topics = new Set(consumer.subscriptions.map((subscription) => subscription.topic));
    for (const topic of state.subscriptions.keys()) {
      if (topics.has(topic)) continue;
      state.subscriptions.delete(topic);
      isChanged = true;
    }
    return isChanged;
  }

  /** Proxies have one client id as producers: none of them speaks for another's connection. */
  unregister(
    session: RemotingSession,
    clientId: string,
    groups: {
      readonly producerGroup: string | undefined;
      readonly consumerGroup: string | undefined;
    },
  ): void {
    const { producerGroup = '', consumerGroup } = groups;
    const producer = this.#producers.get(producerGroup)?.get(clientId);
    if (producer?.session === session) this.#dropProducer(producerGroup, clientId);
    if (consumerGroup !== undefined) this.#dropConsumer(consumerGroup, clientId);
  }

  #watch(session: RemotingSession): void {
    if (this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.onClose(() => this.#dropWhere((client) => client.session === session));
  }

  #dropSilent(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#dropWhere((client) => nowMs - client.heardAtMs > silenceMaxMs);
  }

  #dropWhere(isGone: (client: RegisteredClient) => boolean): void {
    for (const [group, members] of this.#producers) {
      for (const client of members.values()) {
        if (isGone(client)) this.#dropProducer(group, client.clientId);
      }
    }
    for (const [group, state] of this.#consumers) {
      for (const client of state.members.values()) {
        if (isGone(client)) this.#dropConsumer(group, client.clientId);
      }
    }
  }

  #dropProducer(group: string, clientId: string): void {
    const members = this.#producers.get(group);
    if (members?.delete(clientId) === true) this.#memberCount--;
    if (members?.size === 0) this.#producers.delete(group);
  }

  #dropConsumer(group: string, clientId: string): void {
    const state = this.#consumers.get(group);
    if (state === undefined || !state.members.delete(clientId)) return;
    this.#memberCount--;
    if (state.members.size > 0) return this.#notify(group);
    this.#consumers.delete(group);
    this.emptied(group);
  }

  #notify(group: string): void {
    if (this.#consumers.get(group)?.messageModel === 'BROADCASTING') return;
    void this.#isNotified(group).then((isNotified) => {
      const state = this.#consumers.get(group);
      if (!isNotified || state === undefined) return;
      for (const member of state.members.values()) {
        member.session.push(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, { consumerGroup: group });
      }
    });
  }
}
