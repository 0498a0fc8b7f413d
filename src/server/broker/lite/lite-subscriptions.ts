/**
 * Who subscribes to which lite topics: a client of a group has a set of them under the group's parent
 * topic. Kept in memory: clients say their whole set every 30 s (facts/grpc-v2.md §12), and one
 * that falls silent is forgotten. Data only; what follows from a change is `lite-topics.ts`'s.
 */

import { anyLiteTopicOf } from '../../../protocol/message/lite-topic.ts';

/** One client of a group. */
export class LiteSubscriber {
  readonly group: string;
  readonly clientId: string;
  readonly topic: string;
  /** Stored topics (`%LMQ%$parent$lite`) that it wants. */
  readonly topics = new Set<string>();
  /** Of these, those that may have messages; in the order in which they get their turn. */
  readonly active = new Set<string>();
  syncedMs = 0;

  constructor(group: string, topic: string, clientId: string) {
    this.group = group;
    this.topic = topic;
    this.clientId = clientId;
  }
}

const nobody: ReadonlySet<LiteSubscriber> = new Set();

export class LiteSubscriptions {
  readonly #subscribers = new Map<string, LiteSubscriber>();
  /** By stored topic and group. */
  readonly #byTopic = new Map<string, Map<string, Set<LiteSubscriber>>>();
  /** Subscriptions of all clients. */
  count = 0;

  find(group: string, clientId: string): LiteSubscriber | undefined {
    return this.#subscribers.get(`${group}\n${clientId}`);
  }

  /** The client's, made when it is new. */
  get(group: string, topic: string, clientId: string): LiteSubscriber {
    const known = this.find(group, clientId);
    if (known !== undefined && known.topic === topic) return known;
    if (known !== undefined) this.drop(known);
    const made = new LiteSubscriber(group, topic, clientId);
    this.#subscribers.set(`${group}\n${clientId}`, made);
    return made;
  }

  all(): Iterable<LiteSubscriber> {
    return this.#subscribers.values();
  }

  add(subscriber: LiteSubscriber, topic: string): void {
    if (subscriber.topics.has(topic)) return;
    subscriber.topics.add(topic);
    this.count++;
    let groups = this.#byTopic.get(topic);
    if (groups === undefined) {
      groups = new Map();
      this.#byTopic.set(topic, groups);
    }
    let list = groups.get(subscriber.group);
    if (list === undefined) {
      list = new Set();
      groups.set(subscriber.group, list);
    }
    list.add(subscriber);
  }

  remove(subscriber: LiteSubscriber, topic: string): void {
    if (!subscriber.topics.delete(topic)) return;
    if (topic === anyLiteTopicOf(topic)) {
      for (const one of subscriber.active) {
        if (!subscriber.topics.has(one)) subscriber.active.delete(one);
      }
    } else if (!subscriber.topics.has(anyLiteTopicOf(topic))) subscriber.active.delete(topic);
    this.count--;
    const groups = this.#byTopic.get(topic);
    const list = groups?.get(subscriber.group);
    list?.delete(subscriber);
    if (list?.size === 0) groups?.delete(subscriber.group);
    if (groups?.size === 0) this.#byTopic.delete(topic);
  }

  /** The client is gone. */
  drop(subscriber: LiteSubscriber): void {
    for (const topic of [...subscriber.topics]) this.remove(subscriber, topic);
    this.#subscribers.delete(`${subscriber.group}\n${subscriber.clientId}`);
  }

  /** Groups with a client that gets the topic's messages, by its name or with all others. */
  groupsOf(topic: string): ReadonlySet<string> {
    const named = this.#byTopic.get(topic)?.keys() ?? [];
    const any = this.#byTopic.get(anyLiteTopicOf(topic))?.keys() ?? [];
    return new Set([...named, ...any]);
  }

  of(topic: string, group: string): ReadonlySet<LiteSubscriber> {
    const named = this.named(topic, group);
    const any = this.named(anyLiteTopicOf(topic), group);
    if (any.size === 0) return named;
    return named.size === 0 ? any : new Set([...named, ...any]);
  }

  /** Those that subscribe to it by its name. */
  named(topic: string, group: string): ReadonlySet<LiteSubscriber> {
    return this.#byTopic.get(topic)?.get(group) ?? nobody;
  }
}
