/**
 * One run of the store from a seed: rounds of boot, check, load under faults and a death of some
 * kind; at the end all faults off, and everything must be there and work again.
 */

import type { Files } from '../../src/platform/files.ts';
import { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import type { MessageStore } from '../../src/server/store/message-store.ts';
import type { LogStoreOptions } from '../../src/server/store/options.ts';
import { epochMs } from './clock.ts';
import { type DiskFaults, drawFaults, noFaults } from './faults.ts';
import { Machine, type SimPorts } from './machine.ts';
import { drawBodySize, makeDraft } from './payload.ts';
import { SimRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { check, doubledKey, type SentMessage, StoreModel, verifyStore } from './store-model.ts';
import { Trace } from './trace.ts';

/** Changes made on purpose, so that the checker is seen to fail; `planted.ts`. */
export interface Planted {
  readonly wrapFiles?: (files: Files) => Files;
  readonly wrapStore?: (store: MessageStore) => MessageStore;
  /** What the store is given in place of the retention time. */
  readonly retentionMs?: (retentionMs: number) => number;
  /** What the store takes for compacted. */
  readonly isCompacted?: (topic: string) => boolean;
}

export interface RunOutcome {
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly acked: number;
  readonly deaths: number;
}

/** What a run is given in place of what its seed says; a salt makes another run of the same configuration. */
export type Overrides<Config> = Partial<Config> & { readonly salt?: number };

export interface StoreConfig {
  readonly flush: 'sync' | 'async';
  readonly segmentSizeBytes: number;
  readonly topicCount: number;
  readonly queueCount: number;
  readonly producerCount: number;
  readonly largestBodyBytes: number;
  /**
   * Large batches of equal records, power cuts and short lives: what is left of an old record then begins
   * where a new one ends.
   */
  readonly isTearing: boolean;
  readonly roundCount: number;
  /** Sends of a whole run; a run that failed is made shorter by it. */
  readonly messageCountMax: number;
  readonly faults: DiskFaults;
  readonly hasPowerCuts: boolean;
  readonly hasDiskFull: boolean;
  readonly losesIndex: boolean;
  /** Old messages are deleted: after how long, and above which size of the log. */
  readonly hasRetention: boolean;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** How much longer than others the messages of the second topic are kept; 1: as long. */
  readonly ownRetentionFactor: number;
  /** The first topic keeps the newest message of each of so many keys; 0: it is like the others. */
  readonly keyCount: number;
}

const minFreeBytes = 300_000;
const compactionDelayMs = 1_500;
/** Of a run without retention. */
const foreverMs = 1e12;
const noBody = Buffer.alloc(0);

function drawConfig(random: SimRandom): StoreConfig {
  const segmentSizeBytes = random.pick([64 << 10, 256 << 10, 1 << 20]);
  const config = {
    flush: random.chance(0.7) ? ('sync' as const) : ('async' as const),
    segmentSizeBytes,
    topicCount: random.between(1, 3),
    queueCount: random.between(1, 4),
    producerCount: random.between(1, 4),
    largestBodyBytes: Math.min(segmentSizeBytes - 4_000, random.pick([2_000, 50_000, 300_000])),
    isTearing: random.chance(0.2),
    roundCount: random.between(2, 5),
    messageCountMax: Number.MAX_SAFE_INTEGER,
    faults: drawFaults(random),
    hasPowerCuts: random.chance(0.6),
    hasDiskFull: random.chance(0.3),
    losesIndex: random.chance(0.2),
  };
  const hasRetention = random.chance(0.5);
  return {
    ...config,
    hasRetention,
    retentionMs: random.pick([500, 5_000, 300_000, 3_600_000]),
    retentionBytes: segmentSizeBytes * random.pick([2, 4, 1e6, 1e6]),
    ownRetentionFactor: random.pick([0.3, 1, 3]),
    keyCount: random.chance(0.5) ? random.pick([1, 5, 40]) : 0,
  };
}

export class StoreRun {
  readonly trace: Trace;
  readonly #random: SimRandom;
  readonly #scheduler: Scheduler;
  readonly #machine: Machine;
  readonly #model: StoreModel;
  readonly config: StoreConfig;
  readonly #planted: Planted;
  #deaths = 0;
  /** Acknowledged before this time: not to be lost. Moves with power cuts in asynchronous mode. */
  #keptUntilUs = Infinity;
  /** Acknowledged before this time: on the disk itself, since no start has come to its end since. */
  #syncedUntilUs = Infinity;

  constructor(
    seed: number,
    options: {
      readonly print?: (line: string) => void;
      readonly planted?: Planted;
      readonly overrides?: Overrides<StoreConfig>;
    } = {},
  ) {
    const { salt, ...overrides } = options.overrides ?? {};
    this.trace = new Trace(options.print);
    this.#random = new SimRandom(seed);
    this.#planted = options.planted ?? {};
    this.#scheduler = new Scheduler({ quantumUs: this.#random.pick([1, 20, 200]) });
    this.config = { ...drawConfig(this.#random.fork('config')), ...overrides };
    if (salt !== undefined) this.#random = this.#random.fork(`salt ${salt}`);
    this.#model = new StoreModel(this.config, epochMs);
    this.#machine = new Machine({
      scheduler: this.#scheduler,
      random: this.#random.fork('machine'),
      trace: this.trace,
    });
  }

  /** Events so far: how long the run is. */
  get eventCount(): number {
    return this.#scheduler.eventCount;
  }

  async run(): Promise<RunOutcome> {
    this.trace.note(0, JSON.stringify(this.config));
    let isOver = false;
    let failure: Error | undefined;
    void this.#story().then(
      () => (isOver = true),
      (error: unknown) => {
        failure = error instanceof Error ? error : new Error(String(error));
        isOver = true;
      },
    );
    const hourUs = 3_600_000_000;
    await this.#scheduler.runUntil(24 * hourUs, () => isOver);
    if (failure !== undefined) throw failure;
    check(isOver, 'the run is stuck: a day has passed');
    return {
      traceHash: this.trace.hash(),
      simulatedMs: this.#scheduler.nowUs / 1000,
      events: this.#scheduler.eventCount,
      acked: this.#model.ackedCount(),
      deaths: this.#deaths,
    };
  }

  async #story(): Promise<void> {
    const { faults, isTearing } = this.config;
    const roundCount = this.config.roundCount * (isTearing ? 3 : 1);
    for (let round = 0; round < roundCount; round += 1) {
      await this.#bootUnderFaults();
      this.#machine.setFaults(noFaults);
      this.#machine.hardware.disk.ballastBytes = 0;
      const up = await this.#bootAndVerify();
      this.#machine.setFaults(faults);
      await this.#load(up.store, up.ports, this.#random.between(50, isTearing ? 200 : 3_000));
      await this.#end(up.store, up.ports);
    }
    this.#machine.setFaults(noFaults);
    this.#machine.hardware.disk.ballastBytes = 0;
    const { store } = await this.#bootAndVerify();
    await this.#mustWork(store);
    await this.#mustBeCompact(store);
    await store.stop();
    const last = await this.#bootAndVerify();
    await last.store.stop();
  }

  /** Sometimes a start or two that fail, or die on the way. */
  async #bootUnderFaults(): Promise<void> {
    while (this.#random.chance(0.3)) {
      const ports = this.#machine.boot();
      this.#machine.setFaults(this.config.faults);
      if (this.#random.chance(0.5)) ports.incarnation.dieAtCall = this.#random.between(1, 40);
      const died = new Promise<void>((resolve) => ports.incarnation.onDeath(resolve));
      const started = this.#open(ports)
        .start()
        .then(
          () => undefined,
          (error: unknown) => this.#mustBeIo(error),
        );
      await Promise.race([started, died, this.#sleep(120_000_000)]);
      this.#die(ports);
    }
  }

  #mustBeIo(error: unknown): void {
    check(!String(error).includes('assertion'), `start failed: ${String(error)}`);
    if (error instanceof RmqError)
      check(error.code !== 'STORE_CORRUPT', `start failed: ${error.message}`);
  }

  async #bootAndVerify(): Promise<{ store: MessageStore; ports: SimPorts }> {
    const ports = this.#machine.boot();
    const store = this.#open(ports);
    await store.start();
    await verifyStore(store, this.#model, {
      nowUs: this.#scheduler.nowUs,
      keptUntilUs: this.#keptUntilUs,
    });
    this.#keptUntilUs = Infinity;
    this.#syncedUntilUs = Infinity;
    return { store, ports };
  }

  #open(ports: SimPorts): MessageStore {
    const { flush, segmentSizeBytes, hasRetention, retentionBytes } = this.config;
    const retentionMs = hasRetention ? this.config.retentionMs : foreverMs;
    const options: LogStoreOptions = {
      files: this.#planted.wrapFiles?.(ports.files) ?? ports.files,
      clock: ports.clock,
      logger: ports.logger,
      openDatabase: () => ports.openDatabase(),
      databaseFolder: undefined,
      folder: 'store',
      flush,
      segmentSizeBytes,
      retentionMs: this.#planted.retentionMs?.(retentionMs) ?? retentionMs,
      retentionBytes: hasRetention ? retentionBytes : undefined,
      minFreeBytes,
      storeHost: { address: Buffer.from([127, 0, 0, 1]), port: 10_911 },
      tuning: {
        allocateStepMinBytes: 16 << 10,
        allocateStepMaxBytes: 128 << 10,
        tailCacheBytes: 300_000,
        retentionIntervalMs: this.#retentionIntervalMs,
        compactionDelayMs,
        compactionKeyCount: 10,
        journalEntryCount: 64,
        journalRowCount: 8,
      },
    };
    const store = new LogStore(options);
    store.retainTopics((topic) => this.#model.ownRetentionMs(topic));
    store.compactTopics(this.#planted.isCompacted ?? ((topic) => this.#model.isCompacted(topic)));
    return this.#planted.wrapStore?.(store) ?? store;
  }

  get #retentionIntervalMs(): number {
    const { hasRetention, keyCount, retentionMs } = this.config;
    if (hasRetention) return Math.min(60_000, retentionMs / 4);
    return keyCount > 0 ? 1_000 : 60_000;
  }

  async #load(store: MessageStore, ports: SimPorts, forMs: number): Promise<void> {
    const endUs = this.#scheduler.nowUs + forMs * 1000;
    const { isTearing } = this.config;
    if (this.#random.chance(isTearing ? 0.9 : 0.5)) {
      const calls = this.#random.between(1, isTearing ? 30 : 400);
      ports.incarnation.dieAtCall = ports.incarnation.callCount + calls;
    }
    if (this.config.hasDiskFull) this.#planDiskFull(ports, forMs);
    const producers: Promise<void>[] = [];
    for (let index = 0; index < this.config.producerCount; index += 1) {
      producers.push(this.#produce(store, ports, endUs));
    }
    await Promise.all(producers);
    const { hasRetention, retentionMs } = this.config;
    const rests = [0, 300, 3_000, 600_000];
    const restUs = this.#random.pick(hasRetention ? [...rests, retentionMs * 1_500] : rests);
    await this.#sleep(this.#random.below(restUs + 1));
  }

  #planDiskFull(ports: SimPorts, forMs: number): void {
    const { disk } = this.#machine.hardware;
    const fullAtUs = this.#random.below(forMs * 500);
    const left = this.#random.pick([0, 5_000, 100_000, minFreeBytes - 1]);
    this.#scheduler.plan(fullAtUs, () => {
      if (!ports.incarnation.isAlive) return;
      disk.ballastBytes = Math.max(0, disk.freeBytes() - left);
    });
    this.#scheduler.plan(fullAtUs + this.#random.below(forMs * 500), () => {
      disk.ballastBytes = 0;
    });
  }

  async #produce(store: MessageStore, ports: SimPorts, endUs: number): Promise<void> {
    const random = this.#random.fork('producer');
    const pauseUs = random.pick([300, 3_000, 30_000, 200_000]);
    let left = random.between(5, 60);
    while (this.#scheduler.nowUs < endUs && ports.incarnation.isAlive && left > 0) {
      left -= 1;
      if (this.#model.messages.length >= this.config.messageCountMax) return;
      const burstMax = this.config.isTearing ? 40 : 10;
      const burst = random.chance(0.2) ? random.between(2, burstMax) : 1;
      for (let index = 0; index < burst; index += 1) this.#append(store, ports, random);
      await this.#sleep(random.below(pauseUs * 2) + 20);
    }
  }

  #append(store: MessageStore, ports: SimPorts, random: SimRandom): void {
    const topic = `topic-${random.below(this.config.topicCount)}`;
    const count = random.chance(0.1) ? random.between(2, 4) : 1;
    const queueId = random.below(this.config.queueCount);
    const messages: SentMessage[] = [];
    const drafts: MessageDraft[] = [];
    for (let index = 0; index < count; index += 1) {
      const message = this.#model.sent(topic, queueId, this.#keyOf(topic, random));
      const limit = Math.floor(this.config.largestBodyBytes / count);
      messages.push(message);
      const draft = makeDraft({
        topic,
        queueId,
        number: message.number,
        bodySizeBytes: this.config.isTearing ? 300 : drawBodySize(random, Math.max(200, limit)),
        properties: {
          UNIQ_KEY: uniqueKey(message.number),
          TAGS: `tag${message.number % 5}`,
          ...(message.key === '' ? {} : { KEYS: message.key }),
        },
      });
      message.isDeletion = message.key !== '' && random.chance(0.1);
      drafts.push(message.isDeletion ? { ...draft, body: noBody } : draft);
    }
    store.append(drafts, (result) => {
      if (!ports.incarnation.isAlive) return;
      if (result instanceof RmqError) {
        this.#note(`refused ${messages[0]?.number}+${count} ${result.code}`);
        const isOpen = result.code === 'STORE_FAILED';
        for (const message of messages) message.state = isOpen ? 'unknown' : 'refused';
        return;
      }
      check(result.length === messages.length, 'an answer a message');
      this.#note(`acked ${messages[0]?.number}+${count} at ${result[0]?.physicalOffset}`);
      for (const [index, message] of messages.entries()) {
        const one = result[index];
        check(one !== undefined, 'an answer a message');
        this.#model.acked(message, one, this.#scheduler.nowUs);
      }
    });
  }

  /** Nearly all messages of a compacted topic have a key. */
  #keyOf(topic: string, random: SimRandom): string {
    const { keyCount } = this.config;
    if (!this.#model.isCompacted(topic) || random.chance(0.05)) return '';
    return `key-${random.below(keyCount)}`;
  }

  async #end(store: MessageStore, ports: SimPorts): Promise<void> {
    if (ports.incarnation.isAlive && this.#random.chance(0.2)) {
      // Stopped in order, unless the disk says otherwise or it takes too long.
      await Promise.race([
        store.stop().catch((error: unknown) => this.#mustBeIo(error)),
        this.#sleep(300_000_000),
      ]);
    }
    this.#die(ports);
    // Without its index a queue of which nothing is left begins at 0 again.
    if (this.config.losesIndex && !this.config.hasRetention && this.#random.chance(0.5)) {
      this.#note('index deleted');
      this.#machine.database.wipe();
    }
  }

  #die(ports: SimPorts): void {
    // Who died at a call, or while it was stopping, has synced nothing since.
    const isAlive = ports.incarnation.isAlive;
    const diedAtUs = isAlive ? this.#scheduler.nowUs : this.#machine.diedAtUs;
    this.#deaths += 1;
    const { hasPowerCuts, isTearing } = this.config;
    if (this.config.flush === 'async') {
      // Synced within 500 ms, if the disk is neither slow nor failing.
      const isSound = this.config.faults.isSlow === 0 && this.config.faults.syncFails === 0;
      this.#syncedUntilUs = Math.min(this.#syncedUntilUs, isSound ? diedAtUs - 2_000_000 : 0);
    }
    if ((hasPowerCuts || isTearing) && this.#random.chance(0.6)) {
      this.#keptUntilUs = this.#syncedUntilUs;
      this.#machine.cutPower();
    } else {
      this.#machine.kill();
    }
    check(!ports.incarnation.isAlive, 'a dead process is dead');
    this.#model.processDied();
  }

  /** Faults are off: everything sent is acknowledged. */
  async #mustWork(store: MessageStore): Promise<void> {
    const ports = { incarnation: this.#machine.incarnation } as SimPorts;
    const first = this.#model.messages.length;
    const random = this.#random.fork('liveness');
    for (let index = 0; index < 20; index += 1) {
      this.#append(store, ports, random);
      await this.#sleep(random.below(10_000));
    }
    await this.#sleep(5_000_000);
    for (const message of this.#model.messages.slice(first)) {
      check(
        message.state === 'acked',
        `message ${message.number} is ${message.state} with all faults off`,
      );
    }
  }

  /** With time enough each key of a compacted queue has one message. */
  async #mustBeCompact(store: MessageStore): Promise<void> {
    if (this.config.keyCount === 0) return;
    let doubled = 'nothing';
    // A look may come while messages move.
    for (let tries = 0; tries < 5; tries += 1) {
      await this.#sleep(2 * compactionDelayMs * 1_000 + 60_000_000);
      doubled = await doubledKey(store, this.#model);
      if (doubled === '') return;
    }
    check(false, `${doubled} is there twice, though its topic is compacted`);
  }

  #sleep(us: number): Promise<void> {
    return new Promise((resolve) => this.#scheduler.plan(us, resolve));
  }

  #note(text: string): void {
    this.trace.note(this.#scheduler.nowUs, text);
  }
}

/** Of one length, so that records of equal bodies have equal sizes. */
export function uniqueKey(number: number): string {
  return `sim-${String(number).padStart(6, '0')}`;
}
