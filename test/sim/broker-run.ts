/**
 * One run of the whole broker behind `BrokerApi` from a seed: producers (normal, FIFO, transactional),
 * consumers that acknowledge, forget, prolong and vanish, faults of the disk, deaths of the process; at
 * the end all faults off, and everything acknowledged must have been delivered and done with.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import type { BrokerApi, PoppedMessage, SendResult } from '../../src/server/broker/api.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { defaultGroup } from '../../src/server/broker/groups/group-table.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import { BrokerModel, isTakenBack, type MessageKind, type SimMessage } from './broker-model.ts';
import { type DiskFaults, drawFaults, noFaults } from './faults.ts';
import { Machine, type SimPorts } from './machine.ts';
import { drawBodySize, makeDraft, readBody } from './payload.ts';
import { SimRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { check } from './store-model.ts';
import type { RunOutcome } from './store-run.ts';
import { Trace } from './trace.ts';

/** Changes made on purpose, so that the checker is seen to fail; `planted.ts`. */
export interface PlantedInBroker {
  wrapBroker(broker: BrokerApi): BrokerApi;
}

interface BrokerConfig {
  readonly flush: 'sync' | 'async';
  readonly queueCount: number;
  readonly producerCount: number;
  readonly consumerCount: number;
  readonly roundCount: number;
  readonly retryCountMax: number;
  readonly invisibleMs: number;
  readonly groupCount: number;
  /** How often a consumer does not acknowledge. */
  readonly forgets: number;
  readonly faults: DiskFaults;
  readonly hasPowerCuts: boolean;
  readonly losesIndex: boolean;
}

const kinds: readonly MessageKind[] = ['normal', 'fifo', 'transaction', 'delay'];
const host = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };
const consumerGroup = 'consumers';
/** Producers over gRPC have their topic for a group. */
const producerGroup = 'producers';

function drawConfig(random: SimRandom): BrokerConfig {
  const flush = random.chance(0.7) ? 'sync' : 'async';
  return {
    flush,
    queueCount: random.between(1, 3),
    producerCount: random.between(1, 3),
    consumerCount: random.between(1, 4),
    roundCount: random.between(1, 4),
    retryCountMax: random.pick([2, 5, 16]),
    invisibleMs: random.pick([200, 2_000, 30_000]),
    groupCount: random.between(1, 6),
    forgets: random.pick([0, 0.05, 0.3]),
    faults: drawFaults(random),
    // What asynchronous flush gives up is the store's part of the simulator.
    hasPowerCuts: flush === 'sync' && random.chance(0.6),
    losesIndex: random.chance(0.15),
  };
}

interface Up {
  readonly broker: Broker;
  readonly api: BrokerApi;
  readonly store: LogStore;
  readonly ports: SimPorts;
}

export class BrokerRun {
  readonly trace: Trace;
  readonly #random: SimRandom;
  readonly #scheduler = new Scheduler({ quantumUs: 100 });
  readonly #machine: Machine;
  readonly #config: BrokerConfig;
  readonly #model: BrokerModel;
  readonly #planted: PlantedInBroker | undefined;
  readonly #topicByKind = new Map<MessageKind, string>();
  #deaths = 0;
  #failure: Error | undefined;

  constructor(
    seed: number,
    options: { readonly print?: (line: string) => void; readonly planted?: PlantedInBroker } = {},
  ) {
    this.trace = new Trace(options.print);
    this.#random = new SimRandom(`broker ${seed}`);
    this.#planted = options.planted;
    this.#config = drawConfig(this.#random.fork('config'));
    this.#model = new BrokerModel({
      attemptsMax: this.#config.retryCountMax + 1,
      isAnsweredFirst: true,
    });
    this.#machine = new Machine({
      scheduler: this.#scheduler,
      random: this.#random.fork('machine'),
      trace: this.trace,
    });
    for (const kind of kinds) this.#topicByKind.set(kind, `topic-${kind}`);
  }

  async run(): Promise<RunOutcome> {
    this.trace.note(0, JSON.stringify(this.#config));
    let isOver = false;
    void this.#story().then(
      () => (isOver = true),
      (error: unknown) => {
        this.#failure ??= toError(error);
        isOver = true;
      },
    );
    const dayUs = 24 * 3_600_000_000;
    await this.#scheduler.runUntil(dayUs, () => isOver || this.#failure !== undefined);
    if (this.#failure !== undefined) throw this.#failure;
    check(isOver, 'the run is stuck: a day has passed');
    return {
      traceHash: this.trace.hash(),
      simulatedMs: this.#scheduler.nowUs / 1000,
      events: this.#scheduler.eventCount,
      acked: this.#model.messages.filter((message) => message.state === 'acked').length,
      deaths: this.#deaths,
    };
  }

  async #story(): Promise<void> {
    for (let round = 0; round < this.#config.roundCount; round += 1) {
      this.#machine.setFaults(noFaults);
      const up = await this.#boot();
      await this.#setUp(up);
      this.#machine.setFaults(this.#config.faults);
      await this.#load(up, this.#random.between(100, 20_000));
      await this.#end(up);
    }
    this.#machine.setFaults(noFaults);
    const up = await this.#boot();
    await this.#setUp(up);
    await this.#drain(up);
    this.#model.checkComplete();
    await this.#checkOffsets(up);
    up.broker.stop();
    await up.store.stop();
  }

  async #boot(): Promise<Up> {
    const ports = this.#machine.boot();
    const { clock, files, logger, random } = ports;
    const store = new LogStore({
      files,
      clock,
      logger,
      openDatabase: () => ports.openDatabase(),
      databaseFolder: undefined,
      folder: 'store',
      flush: this.#config.flush,
      segmentSizeBytes: 256 << 10,
      retentionMs: 1e12,
      minFreeBytes: 0,
      storeHost: host,
      tuning: { allocateStepMinBytes: 16 << 10, allocateStepMaxBytes: 128 << 10 },
    });
    const broker = new Broker({
      store,
      clock,
      random,
      logger,
      storeHost: host,
      settings: {
        clusterName: 'cluster',
        brokerName: 'broker-a',
        isAutoCreateTopicEnabled: true,
        isAutoCreateGroupEnabled: true,
        defaultTopicQueueCount: 4,
        delayMaxMs: 259_200_000,
      },
    });
    await store.start();
    await broker.start();
    const api = this.#planted?.wrapBroker(broker) ?? broker;
    const up = { broker, api, store, ports };
    await this.#checkOffsets(up);
    this.#addChecker(up);
    return up;
  }

  /** Topics and group; made again when the index was lost with them. */
  async #setUp({ broker }: Up): Promise<void> {
    for (const topic of this.#topicByKind.values()) {
      if ((await broker.getTopic(topic)) !== undefined) continue;
      await broker.putTopic(topicOf(topic, this.#config.queueCount));
    }
    const group = { ...defaultGroup(consumerGroup), retryCountMax: this.#config.retryCountMax };
    await broker.putGroup(group);
  }

  /** The producers' half of the check-back: each stands by its decision. */
  #addChecker({ api, ports }: Up): void {
    const byId = (id: string): SimMessage | undefined =>
      this.#model.messages.find((message) => `sim-${message.number}` === id);
    api.addTransactionChecker({
      producerGroups: () => [producerGroup],
      hasProducer: (group) => group === producerGroup,
      check: (asked) => {
        const message = byId(asked.transactionId);
        check(message !== undefined, `${asked.transactionId} was never sent`);
        if (this.#random.chance(0.3)) return true; // the answer is lost
        this.#decide({ api, ports }, message, asked);
        return true;
      },
    });
  }

  async #load(up: Up, forMs: number): Promise<void> {
    const endUs = this.#scheduler.nowUs + forMs * 1_000;
    const { incarnation } = up.ports;
    if (this.#random.chance(0.5)) {
      incarnation.dieAtCall = incarnation.callCount + this.#random.between(1, 500);
    }
    for (let index = 0; index < this.#config.consumerCount; index += 1) {
      const kind = kinds[index % kinds.length] as MessageKind;
      this.#consume(up, kind, this.#config.forgets);
      this.#consume(up, this.#random.pick(kinds), this.#config.forgets);
    }
    const producers: Promise<void>[] = [];
    for (let index = 0; index < this.#config.producerCount; index += 1) {
      producers.push(this.#produce(up, endUs));
    }
    await Promise.all(producers);
    await this.#sleep(this.#random.below(this.#random.pick([1, 50, 5_000]) * 1_000));
    if (!incarnation.isAlive) return;
    // The process may die in the middle of being asked.
    const died = new Promise<void>((resolve) => incarnation.onDeath(resolve));
    await Promise.race([this.#checkOffsets(up), died]);
  }

  async #produce(up: Up, endUs: number): Promise<void> {
    const random = this.#random.fork('producer');
    const pauseUs = random.pick([500, 20_000, 300_000]);
    for (let left = random.between(3, 40); left > 0; left -= 1) {
      if (this.#scheduler.nowUs >= endUs || !up.ports.incarnation.isAlive) return;
      this.#send(up, random);
      await this.#sleep(random.below(pauseUs * 2) + 20);
    }
  }

  #send({ api, ports }: Up, random: SimRandom): void {
    const kind = random.pick(kinds);
    const groupNumber = random.below(this.#config.groupCount);
    const topic = this.#topicByKind.get(kind) ?? '';
    const { queueCount } = this.#config;
    const queueId = kind === 'fifo' ? groupNumber % queueCount : random.below(queueCount);
    const decision = random.chance(0.5) ? 'COMMIT' : 'ROLLBACK';
    const group = kind === 'fifo' ? `group-${groupNumber}` : '';
    const message = this.#model.sent({ kind, topic, queueId, group, decision });
    const properties: Record<string, string> = { UNIQ_KEY: `sim-${message.number}` };
    if (kind === 'fifo') properties['__SHARDINGKEY'] = group;
    if (kind === 'transaction') properties['TRAN_MSG'] = 'true';
    if (kind === 'delay') Object.assign(properties, this.#delay(message, ports, random));
    const bodySizeBytes = drawBodySize(random, 3_000);
    const draft = makeDraft({ topic, queueId, number: message.number, bodySizeBytes, properties });
    api.send({ drafts: [draft], producerGroup, createFrom: undefined }, (result) => {
      if (!ports.incarnation.isAlive) return;
      if (result instanceof RmqError) {
        message.state = result.code === 'STORE_FAILED' ? 'unknown' : 'refused';
        return;
      }
      message.state = 'acked';
      const one = result[0];
      check(one !== undefined, 'an answer a message');
      if (kind === 'delay') return this.#recallMaybe({ api, ports }, message, one, random);
      if (kind !== 'transaction') {
        message.queueOffset = one.queueOffset;
        return;
      }
      // A third leaves the decision to the check.
      if (!random.chance(0.67)) return;
      this.#scheduler.plan(random.below(50_000), () => this.#decide({ api, ports }, message, one));
    });
  }

  /** Properties of a delay by time or level; at times none that matters. */
  #delay(message: SimMessage, { clock }: SimPorts, random: SimRandom): Record<string, string> {
    // The clock has whole milliseconds, cut off.
    const nowUs = Math.floor(this.#scheduler.nowUs / 1_000) * 1_000;
    if (random.chance(0.3)) {
      const level = random.between(1, 3);
      message.dueUs = nowUs + [0, 1, 5, 10][level]! * 1_000_000;
      return { DELAY: String(level) };
    }
    const delayMs = random.below(random.pick([3, 300, 30_000]));
    message.dueUs = nowUs + delayMs * 1_000;
    return { TIMER_DELIVER_MS: String(clock.nowMs() + delayMs) };
  }

  #recallMaybe(
    { api, ports }: Pick<Up, 'api' | 'ports'>,
    message: SimMessage,
    { recallHandle }: SendResult,
    random: SimRandom,
  ): void {
    if (recallHandle === undefined || !random.chance(0.3)) return;
    this.#scheduler.plan(random.below(random.pick([100, 20_000, 2_000_000])), () => {
      if (!ports.incarnation.isAlive) return;
      const { topic } = message;
      const isSeen = message.deliveryCount > 0;
      message.recall = isSeen ? 'none' : 'asked';
      api.recall({ topic, recallHandle, producerGroup }, (result) => {
        if (!ports.incarnation.isAlive) return;
        this.#guard(() => {
          if (!(result instanceof RmqError)) {
            check(message.deliveryCount === 0, `message ${message.number} came and was recalled`);
            message.recall = 'kept';
          } else if (result.code !== 'STORE_FAILED') {
            message.recall = 'none';
          }
        });
      });
    });
  }

  #decide(
    { api, ports }: Pick<Up, 'api' | 'ports'>,
    message: SimMessage,
    half: Parameters<BrokerApi['endTransaction']>[0]['half'],
  ): void {
    if (!ports.incarnation.isAlive) return;
    const request = {
      topic: message.topic,
      producerGroup,
      transactionId: `sim-${message.number}`,
      half: this.#random.chance(0.5) ? half : undefined,
      resolution: message.decision,
      isFromCheck: false,
    };
    api.endTransaction(request, () => {});
  }

  /** Receives until its process dies. */
  #consume(up: Up, kind: MessageKind, forgets: number): void {
    const { api, ports } = up;
    const { incarnation } = ports;
    const random = this.#random.fork('consumer');
    const topic = this.#topicByKind.get(kind) ?? '';
    const invisibleMs = this.#config.invisibleMs;
    const again = (delayUs: number): void => {
      this.#scheduler.plan(delayUs, () => {
        if (incarnation.isAlive) receive();
      });
    };
    const receive = (): void => {
      const request = {
        group: consumerGroup,
        topic,
        queueId: random.chance(0.7) ? -1 : random.below(this.#config.queueCount),
        maxCount: random.pick([1, 3, 32]),
        invisibleTimeMs: invisibleMs,
        pollingTimeMs: random.pick([0, 1_000, 15_000]),
        filter: { type: 'TAG', expression: '*' },
        startFrom: 'MIN',
        isOrdered: kind === 'fifo',
        attemptId: undefined,
      } as const;
      api.pop(request, (result) => {
        if (!incarnation.isAlive || this.#failure !== undefined) return;
        this.#guard(() => {
          if (result instanceof RmqError) return again(1_000_000);
          const batch = result.messages.map((popped) => this.#deliveryOf(popped));
          const at = { incarnation: incarnation.number, nowUs: this.#scheduler.nowUs, invisibleMs };
          this.#model.delivered(batch, at);
          for (const [index, popped] of result.messages.entries()) {
            const { message } = batch[index] as { message: SimMessage }; // one a message
            this.#handle(up, popped, message, random, forgets);
          }
          again(random.below(20_000) + 100);
        });
      });
    };
    receive();
  }

  #deliveryOf(popped: PoppedMessage): {
    message: SimMessage;
    attempt: number;
    queueOffset: number;
  } {
    const number = readBody(popped.message.body);
    check(typeof number === 'number', String(number));
    const message = this.#model.messages[number];
    check(message !== undefined, `message ${number} was never sent`);
    check(message.topic === popped.message.topic, `message ${number} came from another topic`);
    return { message, attempt: popped.deliveryAttempt, queueOffset: popped.message.queueOffset };
  }

  /** What a consumer does with a message, after a while. */
  #handle(
    { api, ports }: Up,
    { receiptHandle }: PoppedMessage,
    message: SimMessage,
    random: SimRandom,
    forgets: number,
  ): void {
    const { incarnation } = ports;
    const { topic } = message;
    const { seenBy, attempt } = message;
    const isMine = (): boolean => message.seenBy === seenBy && message.attempt === attempt;
    const delayUs = random.below(random.pick([100, 10_000, 500_000]));
    this.#scheduler.plan(delayUs, () => {
      if (!incarnation.isAlive || this.#failure !== undefined || random.chance(forgets)) return;
      if (random.chance(0.05)) {
        const invisibleTimeMs = random.pick([500, 5_000]);
        const request = { group: consumerGroup, topic, receiptHandle, invisibleTimeMs };
        const atUs = this.#scheduler.nowUs;
        // Until it is answered either time may count.
        message.visibleAtUs = Math.min(message.visibleAtUs, atUs + invisibleTimeMs * 1_000);
        const isSuspend = random.chance(0.5);
        api.changeInvisibleTime({ ...request, isSuspend }, () => {
          // A suspension does not count as an attempt.
          if (isSuspend && isMine()) message.attempt = Math.max(0, message.attempt - 1);
        });
        return;
      }
      message.isDone = true;
      api.ack({ group: consumerGroup, topic, receiptHandles: [receiptHandle] }, (outcomes) => {
        if (!incarnation.isAlive || outcomes instanceof RmqError) return;
        if (outcomes[0] === undefined) message.ackedBy = incarnation.number;
      });
    });
  }

  async #checkOffsets({ broker }: Up): Promise<void> {
    await this.#noteDeadLetters(broker);
    for (const topic of this.#topicByKind.values()) {
      for (let queueId = 0; queueId < this.#config.queueCount; queueId += 1) {
        const committed = await broker.getOffset(consumerGroup, topic, queueId);
        if (committed !== undefined) this.#model.checkCommitted(topic, queueId, committed);
      }
    }
  }

  async #noteDeadLetters(broker: Broker): Promise<void> {
    const topic = `%DLQ%${consumerGroup}`;
    if ((await broker.getTopic(topic)) === undefined) return;
    for (let offset = 0; ; ) {
      const request = {
        group: consumerGroup,
        topic,
        queueId: 0,
        offset: offset as never,
        maxCount: 32,
        maxSizeBytes: 1 << 20,
        filter: { type: 'TAG', expression: '*' },
        pollingTimeMs: 0,
      } as const;
      const result = await new Promise<Parameters<Parameters<Broker['pull']>[1]>[0]>((resolve) => {
        broker.pull(request, resolve);
      });
      if (result instanceof RmqError || result.messages.length === 0) return;
      for (const stored of result.messages) {
        const number = readBody(stored.body);
        check(typeof number === 'number', `dead letter: ${String(number)}`);
        const message = this.#model.messages[number];
        check(message !== undefined, `dead letter ${number} was never sent`);
        message.isDeadLetter = true;
        message.isDone = true;
      }
      offset = result.nextOffset;
    }
  }

  async #end({ store, broker, ports }: Up): Promise<void> {
    if (ports.incarnation.isAlive && this.#random.chance(0.2)) {
      broker.stop();
      await Promise.race([store.stop().catch(() => undefined), this.#sleep(300_000_000)]);
    }
    this.#deaths += 1;
    if (this.#config.hasPowerCuts && this.#random.chance(0.6)) this.#machine.cutPower();
    else this.#machine.kill();
    this.#model.processDied();
    if (this.#config.losesIndex && this.#random.chance(0.5)) {
      this.trace.note(this.#scheduler.nowUs, 'index deleted');
      this.#machine.database.wipe();
    }
  }

  /** Faults are off and consumers diligent: in the end nothing is left. */
  async #drain(up: Up): Promise<void> {
    for (const kind of kinds) {
      this.#consume(up, kind, 0);
      this.#consume(up, kind, 0);
    }
    for (let round = 0; round < 60; round += 1) {
      await this.#sleep(60_000_000);
      await this.#noteDeadLetters(up.broker);
      const isLeft = this.#model.messages.some(
        (message) => message.state === 'acked' && !message.isDone && !isTakenBack(message),
      );
      if (!isLeft) return;
    }
  }

  /** A failed check in a callback ends the run. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#failure ??= toError(error);
    }
  }

  #sleep(us: number): Promise<void> {
    return new Promise((resolve) => this.#scheduler.plan(us, resolve));
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
