/** A broker over the real store in memory, on a clock that stands still. May be restarted. */
import type { Random } from '../../src/platform/random.ts';
import type { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import type {
  Cancel,
  PoppedMessage,
  PopRequest,
  PopResult,
  PullRequest,
  PullResult,
  SendResult,
} from '../../src/server/broker/api.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { defaultGroup } from '../../src/server/broker/groups/group-table.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import type { DatabaseFactory } from '../../src/server/store/index/database.ts';
import { memoryDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import type { LogStoreOptions, StoreTuning } from '../../src/server/store/options.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { mortal, UnlockedFiles } from './mortal.ts';
import { localHost, plainDraft } from './plain-draft.ts';

/** Not random at all: tests want to know the queue. */
const firstChoice: Random = {
  below: () => 0,
  fraction: () => 0,
  bytes: (size) => Buffer.alloc(size, 7),
};

export type Parked<T> = {
  readonly cancel: Cancel;
  readonly answer: Promise<T>;
  isAnswered: boolean;
};

export class TestBroker {
  readonly clock = new ManualClock();
  /** What the broker warned of. */
  readonly warnings: string[] = [];
  readonly files: UnlockedFiles = new UnlockedFiles();
  #life = { isAlive: true };
  readonly #tuning: Partial<StoreTuning>;
  readonly #isAutoCreate: boolean;
  readonly #nearTimerCount: number | undefined;
  readonly #storeOptions: Partial<LogStoreOptions>;
  #openDatabase: DatabaseFactory | undefined;
  #store: LogStore | undefined;
  #broker: Broker | undefined;

  constructor(
    options: {
      readonly tuning?: Partial<StoreTuning>;
      readonly isAutoCreate?: boolean;
      readonly nearTimerCount?: number;
      readonly store?: Partial<LogStoreOptions>;
    } = {},
  ) {
    this.#tuning = options.tuning ?? {};
    this.#isAutoCreate = options.isAutoCreate ?? true;
    this.#nearTimerCount = options.nearTimerCount;
    this.#storeOptions = options.store ?? {};
  }

  get broker(): Broker {
    if (this.#broker === undefined) throw new Error('start() first');
    return this.#broker;
  }

  get store(): LogStore {
    if (this.#store === undefined) throw new Error('start() first');
    return this.#store;
  }

  async start(): Promise<this> {
    this.#openDatabase ??= await memoryDatabaseFactory();
    this.#life = { isAlive: true };
    const clock = mortal(this.clock, this.#life);
    this.#store = new LogStore({
      files: this.files,
      clock,
      logger: silentLogger,
      openDatabase: this.#openDatabase,
      databaseFolder: undefined,
      folder: '/store',
      flush: 'sync',
      segmentSizeBytes: 1 << 20,
      retentionMs: 3_600_000_000,
      minFreeBytes: 0,
      storeHost: localHost,
      ...this.#storeOptions,
      tuning: this.#tuning,
    });
    this.#broker = new Broker({
      store: this.#store,
      clock,
      random: firstChoice,
      logger: { ...silentLogger, warn: (text) => this.warnings.push(text) },
      storeHost: localHost,
      nearTimerCount: this.#nearTimerCount,
      settings: {
        clusterName: 'TestCluster',
        brokerName: 'broker-t',
        isAutoCreateTopicEnabled: this.#isAutoCreate,
        isAutoCreateGroupEnabled: true,
        defaultTopicQueueCount: 4,
        delayMaxMs: 259_200_000,
      },
    });
    await this.#store.start();
    await this.#broker.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#broker?.stop();
    await this.#store?.stop();
    this.#broker = undefined;
    this.#store = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.#openDatabase = this.#openDatabase ?? (await memoryDatabaseFactory());
    await this.start();
  }

  /**
   * The process dies: its timers and ticks never run again, what only memory knew is gone. What was
   * written stays (a disk that loses writes is the simulator's).
   */
  async crash(): Promise<void> {
    await settle();
    this.#life.isAlive = false;
    this.#broker = undefined;
    this.#store = undefined;
    await this.start();
  }

  /** Restarts with the log alone: the database with index and state is gone. */
  async restartWithoutIndex(): Promise<void> {
    await this.stop();
    this.#openDatabase = undefined;
    await this.start();
  }

  async topic(topic: string, queueCount = 1): Promise<void> {
    await this.broker.putTopic(topicOf(topic, queueCount));
  }

  async group(group: string, retryCountMax: number): Promise<void> {
    await this.broker.putGroup({ ...defaultGroup(group), retryCountMax });
  }

  /** From now on nobody gets the records that he reads, until the call of what it returns. */
  holdReading(): () => void {
    const { store } = this;
    const read = store.readMessages.bind(store);
    const held: (() => void)[] = [];
    store.readMessages = (...asked) => void held.push(() => read(...asked));
    return () => {
      store.readMessages = read;
      for (const one of held) one();
    };
  }

  /** Sends bodies to queue 0 unless said; resolves once they are kept. */
  async send(
    topic: string,
    bodies: readonly string[],
    options: {
      readonly queueId?: number;
      readonly properties?: Record<string, string>;
      readonly createFrom?: { readonly topic: string; readonly queueCount: number };
    } = {},
  ): Promise<readonly SendResult[]> {
    const drafts = bodies.map((body) => draftOf(topic, body, options.queueId, options.properties));
    const { createFrom } = options;
    return new Promise((resolve, reject) => {
      this.broker.send({ drafts, producerGroup: 'p', createFrom }, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
  }

  /** A receive; `isAnswered` tells whether it waits. */
  async pop(request: Partial<PopRequest> = {}): Promise<Parked<PopResult>> {
    const parked = this.popNow(request);
    await settle();
    return parked;
  }

  /** The same, while it may still be reading. */
  popNow(request: Partial<PopRequest> = {}): Parked<PopResult> {
    const full: PopRequest = {
      group: 'G',
      topic: 'T',
      queueId: -1,
      maxCount: 32,
      invisibleTimeMs: 10_000,
      pollingTimeMs: 0,
      filter: { type: 'TAG', expression: '*' },
      startFrom: 'MAX',
      isOrdered: false,
      attemptId: undefined,
      ...request,
    };
    return this.#ask((reply) => this.broker.pop(full, reply));
  }

  /** The messages of a receive that does not wait. */
  async receive(request: Partial<PopRequest> = {}): Promise<readonly PoppedMessage[]> {
    const { answer } = await this.pop(request);
    return (await answer).messages;
  }

  async pull(request: Partial<PullRequest> = {}): Promise<Parked<PullResult>> {
    const full: PullRequest = {
      group: 'G',
      topic: 'T',
      queueId: 0,
      offset: 0 as PullRequest['offset'],
      maxCount: 32,
      maxSizeBytes: 1 << 20,
      filter: { type: 'TAG', expression: '*' },
      pollingTimeMs: 0,
      ...request,
    };
    const parked = this.#ask<PullResult>((reply) => this.broker.pull(full, reply));
    await settle();
    return parked;
  }

  #ask<T>(call: (reply: (result: T | RmqError) => void) => Cancel): Parked<T> {
    const parked = { isAnswered: false } as { -readonly [K in keyof Parked<T>]: Parked<T>[K] };
    parked.answer = new Promise<T>((resolve, reject) => {
      parked.cancel = call((result) => {
        if (parked.isAnswered) reject(new Error('answered twice'));
        parked.isAnswered = true;
        if (result instanceof Error) reject(result);
        else resolve(result as T);
      });
    });
    parked.answer.catch(() => undefined); // a test that expects the error awaits `answer` itself
    return parked;
  }

  /** Outcomes: 'OK' or the error's code, a handle each. */
  async ack(receiptHandles: readonly string[], group = 'G', topic = 'T'): Promise<string[]> {
    const outcomes = await new Promise<readonly (RmqError | undefined)[]>((resolve, reject) => {
      this.broker.ack({ group, topic, receiptHandles }, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
    await settle();
    return outcomes.map((one) => one?.code ?? 'OK');
  }

  async changeInvisible(
    receiptHandle: string,
    invisibleTimeMs: number,
    isSuspend = false,
  ): Promise<string> {
    const request = { group: 'G', topic: 'T', receiptHandle, invisibleTimeMs, isSuspend };
    const handle = await new Promise<string>((resolve, reject) => {
      this.broker.changeInvisibleTime(request, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
    await settle();
    return handle;
  }
}

export function draftOf(
  topic: string,
  body: string,
  queueId = 0,
  properties: Record<string, string> = {},
): MessageDraft {
  return plainDraft({
    topic,
    queueId,
    bornTimestampMs: 0,
    body: Buffer.from(body),
    properties: encodeProperties(properties),
  });
}

export function bodies(
  messages: readonly { readonly message?: { readonly body: Uint8Array } }[],
): string[] {
  return messages.map((one) => Buffer.from(one.message?.body ?? []).toString());
}
