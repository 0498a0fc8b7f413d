/**
 * The topics of a broker: configuration, rules for names and attributes, automatic creation. A change
 * is answered once it survives a power cut (`writeStateNow`).
 */
import { RmqError } from '../../../protocol/errors.ts';
import { isLiteQueueTopic } from '../../../protocol/message/lite-topic.ts';
import { isSystemTopic, topicNameProblem } from '../../../protocol/message/names.ts';
import { limits } from '../../shared/limits.ts';
import type { Logger } from '../../shared/logger.ts';
import type { MessageStore, StateBatch, StateSource } from '../../store/message-store.ts';
import { Permission, type TopicConfig } from '../api.ts';

const prefix = 'topic/';
const changeable: Readonly<Record<string, readonly string[] | undefined>> = {
  'message.type': [
    'UNSPECIFIED',
    'NORMAL',
    'FIFO',
    'DELAY',
    'TRANSACTION',
    'PRIORITY',
    'LITE',
    'MIXED',
  ],
  'cleanup.policy': ['DELETE', 'COMPACTION'],
};

/** How long messages of the topic are kept, in ms; -1: as long as all others; facts/broker.md 1.4. */
const reserveTime = 'reserve.time';

/** Read and write, which is what users' topics have. */
export const readWrite: number = Permission.read | Permission.write;

export function topicOf(
  topic: string,
  queueCount: number,
  permission: number = readWrite,
  attributes: Readonly<Record<string, string>> = {},
): TopicConfig {
  return {
    topic,
    readQueueCount: queueCount,
    writeQueueCount: queueCount,
    permission,
    filterType: 'SINGLE_TAG',
    systemFlag: 0,
    isOrdered: false,
    attributes,
  };
}

/** Whether only the newest message of each key is kept; facts/store.md §13. */
export function isCompacted({ attributes }: TopicConfig): boolean {
  return attributes['cleanup.policy'] === 'COMPACTION';
}

export class TopicTable implements StateSource {
  readonly #topics = new Map<string, TopicConfig>();
  readonly #dirty = new Set<string>();
  readonly #store: MessageStore;
  readonly #logger: Logger;
  readonly #changed: (changed: readonly TopicConfig[]) => void;
  /** Grows with every change. */
  changeCount = 0;

  constructor(options: {
    readonly store: MessageStore;
    readonly logger: Logger;
    readonly changed: (changed: readonly TopicConfig[]) => void;
  }) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#changed = options.changed;
  }

  async load(): Promise<void> {
    for await (const [key, value] of this.#store.loadState(prefix)) {
      const config = JSON.parse(Buffer.from(value).toString('utf8')) as TopicConfig; // our own
      this.#topics.set(key.slice(prefix.length), config);
    }
    this.#recoverFromQueues();
  }

  /** Topics that have messages and no configuration: the index was deleted. */
  #recoverFromQueues(): void {
    const counts = new Map<string, number>();
    for (const queue of this.#store.queues()) {
      if (this.#topics.has(queue.topic) || isLiteQueueTopic(queue.topic)) continue;
      counts.set(queue.topic, Math.max(counts.get(queue.topic) ?? 0, queue.queueId + 1));
    }
    for (const [topic, queueCount] of counts) {
      this.#logger.warn('topic has messages and no configuration, defaults are used', {
        topic,
        queueCount,
      });
      this.set(topicOf(topic, queueCount));
    }
  }

  collect(batch: StateBatch): void {
    for (const topic of this.#dirty) {
      const config = this.#topics.get(topic);
      if (config === undefined) batch.delete(prefix + topic);
      else batch.put(prefix + topic, Buffer.from(JSON.stringify(config)));
    }
    this.#dirty.clear();
  }

  get(topic: string): TopicConfig | undefined {
    return this.#topics.get(topic);
  }

  /** How long messages of a topic are kept, in ms, where it says so itself. */
  retentionOf(topic: string): number | undefined {
    const text = this.#topics.get(topic)?.attributes[reserveTime];
    return text === undefined || text === '-1' ? undefined : Number(text);
  }

  isCompacted(topic: string): boolean {
    const config = this.#topics.get(topic);
    return config !== undefined && isCompacted(config);
  }

  all(): readonly TopicConfig[] {
    return [...this.#topics.values()];
  }

  /** Why there can be no further topic, if so. */
  get full(): RmqError | undefined {
    if (this.#topics.size < limits.topicCountMax) return undefined;
    return new RmqError('BUSY', `the broker has ${limits.topicCountMax} topics, the limit`);
  }

  /** Puts a configuration without checks and without waiting for the disk. */
  set(config: TopicConfig): void {
    this.#topics.set(config.topic, config);
    this.#dirty.add(config.topic);
    this.changeCount++;
    this.#store.requestStateWrite();
    this.#changed([config]);
  }

  /** @throws RmqError ILLEGAL_TOPIC, BAD_REQUEST */
  async put(config: TopicConfig): Promise<void> {
    checkTopic(config);
    const full = this.#topics.has(config.topic) ? undefined : this.full;
    if (full !== undefined) throw full;
    this.set(config);
    await this.#store.writeStateNow();
  }

  async delete(topic: string): Promise<void> {
    if (!this.#topics.delete(topic)) return;
    this.#dirty.add(topic);
    this.changeCount++;
    this.#changed([]);
    await this.#store.writeStateNow();
  }

  /** The existing topic whose name is nearest, for the warning about a likely typo. */
  nearest(topic: string): string | undefined {
    let best: string | undefined;
    let bestDistance = Math.min(3, Math.ceil(topic.length / 4) + 1);
    for (const known of this.#topics.keys()) {
      if (isSystemTopic(known) || Math.abs(known.length - topic.length) >= bestDistance) continue;
      const distance = editDistance(known, topic);
      if (distance < bestDistance) {
        best = known;
        bestDistance = distance;
      }
    }
    return best;
  }
}

/** @throws RmqError ILLEGAL_TOPIC, BAD_REQUEST when the configuration breaks a rule. */
export function checkTopic(config: TopicConfig): void {
  const problem = topicNameProblem(config.topic);
  if (problem !== undefined) throw new RmqError('ILLEGAL_TOPIC', problem);
  if (isSystemTopic(config.topic)) {
    throw new RmqError(
      'ILLEGAL_TOPIC',
      `The topic[${config.topic}] is conflict with system topic.`,
    );
  }
  for (const count of [config.readQueueCount, config.writeQueueCount]) {
    if (!Number.isInteger(count) || count < 1 || count > limits.topicQueueCountMax) {
      throw new RmqError(
        'BAD_REQUEST',
        `topic ${config.topic} wants ${count} queues, 1 to ${limits.topicQueueCountMax} are allowed`,
      );
    }
  }
  for (const [name, value] of Object.entries(config.attributes)) {
    const allowed = changeable[name];
    if (allowed !== undefined && !allowed.includes(value)) {
      throw new RmqError(
        'BAD_REQUEST',
        `attribute ${name} is ${value}, allowed are ${allowed.join(', ')}`,
      );
    }
  }
  const retention = config.attributes[reserveTime] ?? '-1';
  if (!/^(-1|\d{1,15})$/.test(retention)) {
    throw new RmqError(
      'BAD_REQUEST',
      `attribute ${reserveTime} is ${retention}, allowed are milliseconds, or -1`,
    );
  }
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1); // in range
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
