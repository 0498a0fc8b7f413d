/**
 * One run of the whole broker behind `BrokerApi` from a seed: clients (`broker-workload.ts`), faults of the
 * disk, deaths of the process at any call, stops in order; at the end all faults off, and everything
 * acknowledged must have been delivered and done with.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import type { BrokerApi } from '../../src/server/broker/api.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { defaultGroup } from '../../src/server/broker/groups/group-table.ts';
import { readWrite, topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import {
  attributesOf,
  type BrokerConfig,
  drawBrokerConfig,
  kinds,
  popGroup,
  poppedKinds,
  pullGroup,
  topicOfKind,
} from './broker-config.ts';
import { BrokerModel, type PoppedKind } from './broker-model.ts';
import { BrokerWorkload } from './broker-workload.ts';
import { noFaults } from './faults.ts';
import { Machine, type SimPorts } from './machine.ts';
import { readBody } from './payload.ts';
import { SimRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { check } from './store-model.ts';
import type { Overrides, RunOutcome } from './store-run.ts';
import { Trace } from './trace.ts';

/** Changes made on purpose, so that the checker is seen to fail; `planted.ts`. */
export interface PlantedInBroker {
  readonly wrapBroker?: (broker: BrokerApi) => BrokerApi;
  /** What the store is given in place of the retention time. */
  readonly retentionMs?: (retentionMs: number) => number;
}

const host = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

interface Up {
  readonly broker: Broker;
  readonly api: BrokerApi;
  readonly store: LogStore;
  readonly ports: SimPorts;
  readonly minOffset: (topic: string, queueId: number) => number;
}

/** Of a run without retention. */
const foreverMs = 1e12;

export class BrokerRun {
  readonly trace: Trace;
  readonly #random: SimRandom;
  readonly #scheduler = new Scheduler({ quantumUs: 100 });
  readonly #machine: Machine;
  readonly config: BrokerConfig;
  readonly #model: BrokerModel;
  readonly #planted: PlantedInBroker | undefined;
  readonly #workload: BrokerWorkload;
  #deaths = 0;
  #failure: Error | undefined;

  constructor(
    seed: number,
    options: {
      readonly print?: (line: string) => void;
      readonly planted?: PlantedInBroker;
      readonly overrides?: Overrides<BrokerConfig>;
    } = {},
  ) {
    const { salt, ...overrides } = options.overrides ?? {};
    this.trace = new Trace(options.print);
    this.#random = new SimRandom(`broker ${seed}`);
    this.#planted = options.planted;
    this.config = { ...drawBrokerConfig(this.#random.fork('config')), ...overrides };
    if (salt !== undefined) this.#random = this.#random.fork(`salt ${salt}`);
    this.#model = new BrokerModel({
      attemptsMax: this.config.retryCountMax + 1,
      isAnsweredFirst: true,
      ...(this.config.hasRetention ? { retentionMs: leastAgeMs(this.config) } : {}),
    });
    this.#machine = new Machine({
      scheduler: this.#scheduler,
      random: this.#random.fork('machine'),
      trace: this.trace,
    });
    this.#workload = new BrokerWorkload({
      config: this.config,
      model: this.#model,
      scheduler: this.#scheduler,
      random: this.#random,
      note: (text) => this.trace.note(this.#scheduler.nowUs, text),
      fail: (error) => (this.#failure ??= toError(error)),
    });
  }

  /** Events so far: how long the run is. */
  get eventCount(): number {
    return this.#scheduler.eventCount;
  }

  async run(): Promise<RunOutcome> {
    this.trace.note(0, JSON.stringify(this.config));
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
    for (let round = 0; round < this.config.roundCount; round += 1) {
      while (this.#random.chance(0.2)) await this.#bootAndDie();
      this.#machine.setFaults(noFaults);
      const up = await this.#boot();
      await this.#setUp(up);
      this.#machine.setFaults(this.config.faults);
      await this.#load(up, this.#random.between(100, 20_000));
      await this.#end(up);
    }
    this.#machine.setFaults(noFaults);
    const up = await this.#boot();
    await this.#setUp(up);
    await this.#drain(up);
    this.#model.checkComplete(this.#scheduler.nowUs);
    await this.#checkOffsets(up);
    up.broker.stop();
    await up.store.stop();
  }

  /** A start under faults that fails, or dies on the way or soon after. */
  async #bootAndDie(): Promise<void> {
    const ports = this.#machine.boot();
    this.#machine.setFaults(this.config.faults);
    if (this.#random.chance(0.7)) ports.incarnation.dieAtCall = this.#random.between(1, 60);
    await this.#orDeath(
      ports,
      this.#start(ports).then(
        () => undefined,
        (error: unknown) => {
          const isIo = error instanceof RmqError ? error.code !== 'STORE_CORRUPT' : isEio(error);
          check(isIo, `start failed: ${String(error)}`);
        },
      ),
    );
    this.#die();
  }

  async #boot(): Promise<Up> {
    const up = await this.#start(this.#machine.boot());
    await this.#checkOffsets(up);
    this.#workload.addChecker(up);
    return up;
  }

  async #start(ports: SimPorts): Promise<Up> {
    const { clock, files, logger, random } = ports;
    const { hasRetention, retentionBytes, retentionMs } = this.config;
    const store = new LogStore({
      files,
      clock,
      logger,
      openDatabase: () => ports.openDatabase(),
      databaseFolder: undefined,
      folder: 'store',
      flush: this.config.flush,
      segmentSizeBytes: hasRetention ? 16 << 10 : 256 << 10,
      retentionMs: hasRetention
        ? (this.#planted?.retentionMs?.(retentionMs) ?? retentionMs)
        : foreverMs,
      retentionBytes: hasRetention ? retentionBytes : undefined,
      minFreeBytes: 0,
      storeHost: host,
      tuning: {
        allocateStepMinBytes: 16 << 10,
        allocateStepMaxBytes: 128 << 10,
        journalEntryCount: 32,
        journalRowCount: 8,
        retentionIntervalMs: 1_000,
        compactionDelayMs: 3_000,
      },
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
    const api = this.#planted?.wrapBroker?.(broker) ?? broker;
    const minOffset = (topic: string, queueId: number): number =>
      store.queue(topic, queueId).minOffset;
    return { broker, api, store, ports, minOffset };
  }

  /** Topics and group; made again when the index was lost with them. */
  async #setUp({ broker }: Up): Promise<void> {
    for (const kind of kinds) {
      const topic = topicOfKind(kind);
      // A topic that came back without the index has as many queues as had messages.
      const known = await broker.getTopic(topic);
      const attributes = attributesOf(kind, this.config.keyCount);
      const isSame = known?.attributes['cleanup.policy'] === attributes['cleanup.policy'];
      if (isSame && known?.writeQueueCount === this.config.queueCount) continue;
      await broker.putTopic(topicOf(topic, this.config.queueCount, readWrite, attributes));
    }
    const group = { ...defaultGroup(popGroup), retryCountMax: this.config.retryCountMax };
    await broker.putGroup(group);
  }

  async #load(up: Up, forMs: number): Promise<void> {
    const endUs = this.#scheduler.nowUs + forMs * 1_000;
    const { incarnation } = up.ports;
    if (this.#random.chance(0.5)) {
      incarnation.dieAtCall = incarnation.callCount + this.#random.between(1, 500);
    }
    for (let index = 0; index < this.config.consumerCount; index += 1) {
      const kind = poppedKinds[index % poppedKinds.length] as PoppedKind;
      this.#workload.consume(up, kind, this.config.forgets);
      this.#workload.consume(up, this.#random.pick(poppedKinds), this.config.forgets);
    }
    if (this.#random.chance(0.7)) this.#pullAll(up);
    const producers: Promise<void>[] = [];
    for (let index = 0; index < this.config.producerCount; index += 1) {
      producers.push(this.#workload.produce(up, endUs));
    }
    await Promise.all(producers);
    const { hasRetention, retentionMs } = this.config;
    const rests = [1, 50, 5_000];
    if (hasRetention) rests.push(Math.min(1_200_000, retentionMs * 2));
    await this.#sleep(this.#random.below(this.#random.pick(rests) * 1_000));
    if (incarnation.isAlive) await this.#orDeath(up.ports, this.#checkOffsets(up));
  }

  #pullAll(up: Up): void {
    for (let queueId = 0; queueId < this.config.queueCount; queueId += 1) {
      this.#workload.pull(up, queueId);
    }
  }

  /** The work, or its end with the process that it asks. */
  async #orDeath({ incarnation }: SimPorts, work: Promise<void>): Promise<void> {
    const died = new Promise<void>((resolve) => {
      if (incarnation.isAlive) incarnation.onDeath(resolve);
      else resolve();
    });
    await Promise.race([work, died]);
  }

  async #checkOffsets(up: Up): Promise<void> {
    const { broker } = up;
    await this.#noteDeadLetters(broker);
    this.#noteExpired(up);
    for (const kind of kinds) {
      const topic = topicOfKind(kind);
      const group = kind === 'pull' ? pullGroup : popGroup;
      for (let queueId = 0; queueId < this.config.queueCount; queueId += 1) {
        const committed = await broker.getOffset(group, topic, queueId);
        if (committed !== undefined) this.#model.checkCommitted(topic, queueId, committed);
      }
    }
  }

  #noteExpired(up: Up): void {
    for (const kind of kinds) this.#workload.noteExpired(up, topicOfKind(kind));
  }

  async #noteDeadLetters(broker: Broker): Promise<void> {
    const topic = `%DLQ%${popGroup}`;
    if ((await broker.getTopic(topic)) === undefined) return;
    for (let offset = 0; ; ) {
      const request = {
        group: popGroup,
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
      if (result instanceof RmqError) return;
      if (result.messages.length === 0 && result.status !== 'OFFSET_TOO_SMALL') return;
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
    let remembered: (() => void) | undefined;
    if (ports.incarnation.isAlive && this.#random.chance(0.2)) {
      // An index that cannot be written stops all the same; what it did not keep comes again.
      const isKept = this.config.faults.databaseFails === 0;
      const remember = isKept ? this.#model.stopping(ports.incarnation.number) : undefined;
      this.trace.note(this.#scheduler.nowUs, 'stop');
      broker.stop();
      const stopped = store.stop().then(
        () => void (remembered = remember),
        () => undefined,
      );
      await Promise.race([stopped, this.#sleep(300_000_000)]);
    }
    if (this.#die()) remembered?.();
  }

  /** True: what was on the disk still is. */
  #die(): boolean {
    this.#deaths += 1;
    const isCut = this.config.hasPowerCuts && this.#random.chance(0.6);
    if (isCut) this.#machine.cutPower();
    else this.#machine.kill();
    this.#model.processDied();
    const isWiped = this.config.losesIndex && this.#random.chance(0.5);
    if (isWiped) {
      this.trace.note(this.#scheduler.nowUs, 'index deleted');
      this.#machine.database.wipe();
    }
    return !isCut && !isWiped;
  }

  /** Faults are off and consumers diligent: in the end nothing is left. */
  async #drain(up: Up): Promise<void> {
    for (const kind of poppedKinds) {
      this.#workload.consume(up, kind, 0);
      this.#workload.consume(up, kind, 0);
    }
    this.#pullAll(up);
    for (let round = 0; round < 60; round += 1) {
      await this.#sleep(60_000_000);
      await this.#noteDeadLetters(up.broker);
      this.#noteExpired(up);
      const { nowUs } = this.#scheduler;
      if (!this.#model.messages.some((message) => this.#model.isOwed(message, nowUs))) return;
    }
  }

  #sleep(us: number): Promise<void> {
    return new Promise((resolve) => this.#scheduler.plan(us, resolve));
  }
}

/** No message may be gone that is younger. */
function leastAgeMs({ retentionBytes, retentionMs }: BrokerConfig): number {
  return retentionBytes < 2 ** 40 ? 0 : retentionMs;
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function isEio(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'EIO'; // Node's errors carry a code
}
