/**
 * The library: a server inside a test or a program.
 *
 *   await using rmq = await startRmq({ topics: { orders: { type: 'FIFO', queues: 4 } } });
 *   rmq.endpoints.grpc;                                   // for any official client
 *   await rmq.send('orders', { body: 'x', group: 'u1', key: 'k1' });
 *   const message = await rmq.waitFor('orders', { key: 'k1', within: '2s' });
 *   rmq.clock.advance('1h');                              // delayed messages, retries, transaction checks
 *
 * Faults to inject are not part of this version.
 */
import { formatHostPort } from './platform/host-port.ts';
import { MovableClock } from './platform/movable-clock.ts';
import { nodeClock } from './platform/node-clock.ts';
import { RmqError } from './protocol/errors.ts';
import { javaHashCode } from './protocol/message/java-hash.ts';
import type { MessageDraft, QueueOffset, StoredMessage } from './protocol/message/message.ts';
import { deadLetterTopicOf } from './protocol/message/names.ts';
import { decodeProperties, encodeProperties } from './protocol/message/properties.ts';
import { type FlagValues, loadConfig } from './server/shared/config.ts';
import { type LocalBroker, nodePorts, type RunningServer, startServer } from './server/start.ts';
import { parseDuration } from './util/values.ts';

export { RmqError } from './protocol/errors.ts';

export interface TopicOptions {
  /** NORMAL when left out. */
  readonly type?: 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION' | 'PRIORITY' | 'LITE' | 'MIXED';
  /** 4 when left out. */
  readonly queues?: number;
}

export interface StartRmqOptions {
  /** Folder to keep everything in; left out: in memory. */
  readonly dataDir?: string;
  /** Topics made before it resolves. */
  readonly topics?: Readonly<Record<string, TopicOptions>>;
  /** Further settings by their flag names, such as `{ flush: 'async', 'grpc-port': '8081' }`. */
  readonly settings?: FlagValues;
}

export interface OutgoingMessage {
  readonly body: string | Uint8Array;
  readonly tag?: string;
  readonly key?: string;
  /** Message group of a FIFO topic. */
  readonly group?: string;
  readonly properties?: Readonly<Record<string, string>>;
}

export interface SentMessage {
  readonly messageId: string;
  readonly queueId: number;
  readonly queueOffset: number;
}

export interface ReceivedMessage {
  readonly topic: string;
  readonly messageId: string | undefined;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly group: string | undefined;
  /** All properties as stored. */
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The body as UTF-8. */
  readonly text: string;
}

/** What to wait for. Everything given has to match; nothing given: the first message. */
export interface MessageMatch {
  readonly key?: string;
  readonly tag?: string;
  readonly group?: string;
  readonly where?: (message: ReceivedMessage) => boolean;
  /** Such as `500ms` or `2s`; 5 s when left out. */
  readonly within?: string;
}

const queueCountDefault = 4;
const waitMsDefault = 5_000;
const pullCount = 32;
const readWrite = 6;
/** Reading by offset needs a name and leaves nothing behind under it. */
const readerGroup = 'TOOLS_CONSUMER';
const loopback = { address: Uint8Array.of(127, 0, 0, 1), port: 0 };

/** Ready when it resolves: NameServer, broker and proxy on free ports of 127.0.0.1. */
export async function startRmq(options: StartRmqOptions = {}): Promise<Rmq> {
  const { dataDir, topics = {} } = options;
  const place: FlagValues = dataDir === undefined ? { memory: true } : { data: dataDir };
  const { server: settings } = await loadConfig({
    flags: { ports: 'auto', ...place, ...options.settings },
    environment: {},
    readFile: () => Promise.reject(new Error('no config file is read here')),
    defaultDataDir: '',
  });
  const messageClock = new MovableClock(nodeClock);
  const ports = {
    ...(await nodePorts(settings, (line) => void process.stderr.write(line))),
    messageClock,
  };
  const server = await startServer(settings, ports);
  const { broker } = server;
  if (broker === undefined) {
    await server.stop();
    throw new RmqError('ILLEGAL_CONFIG', 'startRmq needs the broker role');
  }
  const rmq = new Rmq(server, broker, messageClock);
  for (const [topic, topicOptions] of Object.entries(topics)) {
    await rmq.createTopic(topic, topicOptions);
  }
  return rmq;
}

export interface MessageClock {
  now(): Date;
  /**
   * Makes it that much later (milliseconds, or `90s`, `1h`): what was to happen meanwhile happens at once.
   * A delivery time that a program computes from its own clock may then have passed.
   */
  advance(by: string | number): void;
}

/** @throws RmqError USAGE */
function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new RmqError('USAGE', `advance: "${text}" is not allowed: 90s, 10m, 1h`);
}

/** A running server; made by `startRmq`. */
export class Rmq implements AsyncDisposable {
  /** host:port of each role. */
  readonly endpoints: { readonly grpc: string; readonly namesrv: string; readonly broker: string };
  /** The time of messages: when they are stored, delivered, seen again. */
  readonly clock: MessageClock;
  readonly #server: RunningServer;
  readonly #broker: LocalBroker;
  #turn = 0;

  constructor(server: RunningServer, broker: LocalBroker, clock: MovableClock) {
    this.clock = {
      now: () => new Date(clock.nowMs()),
      advance: (by) => clock.advance(typeof by === 'number' ? by : durationOf(by)),
    };
    this.#server = server;
    this.#broker = broker;
    const { grpc, nameserver, broker: remoting } = server.endpoints;
    this.endpoints = {
      grpc: grpc === undefined ? '' : formatHostPort(grpc),
      namesrv: nameserver === undefined ? '' : formatHostPort(nameserver),
      broker: remoting === undefined ? '' : formatHostPort(remoting),
    };
  }

  /** Creates the topic, or changes it. */
  async createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    const queueCount = options.queues ?? queueCountDefault;
    await this.#broker.putTopic({
      topic,
      readQueueCount: queueCount,
      writeQueueCount: queueCount,
      permission: readWrite,
      filterType: 'SINGLE_TAG',
      systemFlag: 0,
      isOrdered: false,
      attributes: { 'message.type': options.type ?? 'NORMAL' },
    });
  }

  /** Resolves when the message is kept. @throws RmqError TOPIC_NOT_FOUND, MESSAGE_TOO_LARGE … */
  async send(topic: string, message: OutgoingMessage): Promise<SentMessage> {
    const config = await this.#broker.getTopic(topic);
    const queueCount = config?.writeQueueCount ?? 1;
    const { group, body } = message;
    const turn = group === undefined ? this.#turn++ : javaHashCode(group) >>> 0;
    const draft: MessageDraft = {
      topic,
      queueId: turn % queueCount,
      flag: 0,
      sysFlag: 0,
      bornTimestampMs: nodeClock.nowMs(),
      bornHost: loopback,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      body: typeof body === 'string' ? Buffer.from(body) : body,
      properties: encodeProperties(propertiesOf(message)),
    };
    const request = {
      drafts: [draft],
      producerGroup: 'rmq',
      createFrom: { topic: 'TBW102', queueCount: queueCountDefault },
    };
    return new Promise((resolve, reject) => {
      this.#broker.send(request, (sent) => {
        if (sent instanceof RmqError) return reject(sent);
        const [result] = sent;
        if (result === undefined)
          return reject(new RmqError('INTERNAL', 'a send without a result'));
        const { messageId, queueId, queueOffset } = result;
        return resolve({ messageId, queueId, queueOffset });
      });
    });
  }

  /**
   * The first stored message that matches, whether it is there already or arrives in time. Reads by
   * offset: no group consumes it.
   * @throws RmqError TIMEOUT, TOPIC_NOT_FOUND
   */
  async waitFor(topic: string, match: MessageMatch = {}): Promise<ReceivedMessage> {
    const withinMs = match.within === undefined ? waitMsDefault : parseDuration(match.within);
    if (withinMs === undefined) {
      throw new RmqError('USAGE', `within: "${match.within}" is not allowed: such as 500ms or 2s`);
    }
    const deadlineMs = nodeClock.monotonicMs() + withinMs;
    const config = await this.#broker.getTopic(topic);
    if (config === undefined) throw new RmqError('TOPIC_NOT_FOUND', `there is no topic ${topic}`);
    const cancels = new Set<() => void>();
    const found = new AbortController();
    const queueIds = Array.from({ length: config.readQueueCount }, (_, queueId) => queueId);
    const readings = queueIds.map((queueId) =>
      this.#findIn({ topic, queueId, match, deadlineMs, cancels, signal: found.signal }),
    );
    try {
      return await Promise.any(readings);
    } catch (error) {
      const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
      throw first;
    } finally {
      found.abort();
      for (const cancel of cancels) cancel();
    }
  }

  async #findIn(search: {
    readonly topic: string;
    readonly queueId: number;
    readonly match: MessageMatch;
    readonly deadlineMs: number;
    readonly cancels: Set<() => void>;
    readonly signal: AbortSignal;
  }): Promise<ReceivedMessage> {
    const { topic, queueId, match, deadlineMs, cancels, signal } = search;
    let offset = 0 as QueueOffset; // clamped to the queue's first by the pull
    while (!signal.aborted) {
      const pollingTimeMs = Math.max(0, deadlineMs - nodeClock.monotonicMs());
      const result = await this.#pull({ topic, queueId, offset, pollingTimeMs }, cancels);
      for (const stored of result.messages) {
        const message = receivedOf(stored);
        if (matches(message, match)) return message;
      }
      offset = result.nextOffset;
      if (result.messages.length === 0 && nodeClock.monotonicMs() >= deadlineMs) break;
    }
    const { within = `${waitMsDefault}ms` } = match;
    throw new RmqError('TIMEOUT', `no such message in topic ${topic} within ${within}`);
  }

  #pull(
    read: {
      readonly topic: string;
      readonly queueId: number;
      readonly offset: QueueOffset;
      readonly pollingTimeMs: number;
    },
    cancels?: Set<() => void>,
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly nextOffset: QueueOffset }> {
    return new Promise((resolve, reject) => {
      const request = {
        ...read,
        group: readerGroup,
        maxCount: pullCount,
        maxSizeBytes: 4 << 20,
        filter: { type: 'TAG', expression: '*' } as const,
      };
      let parked: (() => void) | undefined;
      let isAnswered = false;
      const cancel = this.#broker.pull(request, (result) => {
        isAnswered = true; // Maybe before `pull` has returned.
        if (parked !== undefined) cancels?.delete(parked);
        if (result instanceof RmqError) reject(result);
        else resolve(result);
      });
      if (isAnswered) return;
      parked = cancel;
      cancels?.add(cancel);
    });
  }

  /** Messages that the group has not yet consumed. */
  async lag(topic: string, group: string): Promise<number> {
    let lag = 0;
    for (const { queueId, minOffset, maxOffset } of await this.#broker.topicQueues(topic)) {
      const committed = await this.#broker.getOffset(group, topic, queueId);
      lag += maxOffset - Math.max(committed ?? minOffset, minOffset);
    }
    return lag;
  }

  /** The group's dead letters, oldest first in each queue. */
  async deadLetters(group: string): Promise<readonly ReceivedMessage[]> {
    const topic = deadLetterTopicOf(group);
    if ((await this.#broker.getTopic(topic)) === undefined) return [];
    const messages: ReceivedMessage[] = [];
    for (const { queueId, minOffset, maxOffset } of await this.#broker.topicQueues(topic)) {
      for (let offset = minOffset; offset < maxOffset; ) {
        const batch = await this.#pull({ topic, queueId, offset, pollingTimeMs: 0 });
        messages.push(...batch.messages.map(receivedOf));
        if (batch.nextOffset <= offset) break;
        offset = batch.nextOffset;
      }
    }
    return messages;
  }

  /** Forgets all messages and groups; the topics stay as they are. For use between tests. */
  async reset(): Promise<void> {
    for (const { group } of await this.#broker.listGroups()) {
      await this.#broker.deleteGroup(group, { cleanOffsets: true });
    }
    for (const topic of await this.#broker.listTopics()) {
      const { topic: name } = topic;
      const queues = await this.#broker.topicQueues(name);
      if (queues.every(({ maxOffset }) => maxOffset === 0)) continue;
      await this.#broker.deleteTopic(name);
      await this.#broker.putTopic(topic);
    }
  }

  /** Drains and closes everything. Idempotent. */
  stop(): Promise<void> {
    return this.#server.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function propertiesOf(message: OutgoingMessage): Map<string, string> {
  const properties = new Map(Object.entries(message.properties ?? {}));
  if (message.tag !== undefined) properties.set('TAGS', message.tag);
  if (message.key !== undefined) properties.set('KEYS', message.key);
  if (message.group !== undefined) properties.set('__SHARDINGKEY', message.group);
  return properties;
}

function receivedOf(stored: StoredMessage): ReceivedMessage {
  const properties = Object.fromEntries(decodeProperties(stored.properties));
  // A copy: the store's view keeps a whole block in memory.
  const body = Buffer.from(stored.body);
  return {
    topic: stored.topic,
    messageId: properties['UNIQ_KEY'],
    queueId: stored.queueId,
    queueOffset: stored.queueOffset,
    tag: properties['TAGS'],
    keys: (properties['KEYS'] ?? '').split(' ').filter((key) => key !== ''),
    group: properties['__SHARDINGKEY'],
    properties,
    body,
    text: body.toString('utf8'),
  };
}

function matches(message: ReceivedMessage, match: MessageMatch): boolean {
  return (
    (match.key === undefined || message.keys.includes(match.key)) &&
    (match.tag === undefined || message.tag === match.tag) &&
    (match.group === undefined || message.group === match.group) &&
    (match.where === undefined || match.where(message))
  );
}
