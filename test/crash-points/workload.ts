/**
 * A workload is a text, a letter an operation. It is run once on a `JournalDisk`; what was promised at which
 * place of the journal is noted beside it.
 *
 * A workload after a crash begins with what was recovered: that stays, the rest never comes back.
 *
 * `a` one message · `b` three in one append, over two queues · `c` one that fills half a segment · `p` three
 * appends one after the other without waiting · `s` own state, durably · `t` time passes: batches, syncs
 * · `r` stopped in order and started again · `k` killed and started again · `e` old messages expire
 */
import type { Clock, Timer } from '../../src/platform/clock.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import { makeDraft } from '../sim/payload.ts';
import { check } from '../sim/store-model.ts';
import { type Image, JournalDisk, type PlantedInDisk } from './journal.ts';
import {
  Counter,
  folder,
  type Promised,
  type Said,
  type Sent,
  stateOf,
  Tally,
  verify,
} from './promises.ts';

export const operations = 'abcpstrke';
export type Flush = 'sync' | 'async';

const segmentSizeBytes = 4_096;
const retentionMs = 3_600_000;
const storeHost = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

/** Time stands still until somebody moves it; ticks end when nothing is left to do. */
class HandClock implements Clock {
  isAlive = true;
  #nowMs: number;
  #timers = new Set<{ readonly dueMs: number; readonly run: () => void }>();

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as { dueMs: number; run: () => void });
  }

  afterTick(run: () => void): void {
    queueMicrotask(() => this.isAlive && run());
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = [...this.#timers].filter((timer) => timer.dueMs <= this.#nowMs);
    for (const timer of due) {
      this.#timers.delete(timer);
      if (this.isAlive) timer.run();
    }
    await settled();
  }
}

/** Nothing here does I/O: after a turn of the loop all promises have settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface Opened {
  readonly store: LogStore;
  readonly disk: JournalDisk;
  readonly clock: HandClock;
  readonly tally: Tally;
  readonly counter: Counter;
}

/** A store over an image, not started. */
export function makeStore(
  disk: JournalDisk,
  { flush, nowMs }: { readonly flush: Flush; readonly nowMs: number },
): Opened {
  const clock = new HandClock(nowMs);
  const store = new LogStore({
    files: disk,
    clock,
    logger: silentLogger,
    openDatabase: () => disk.database,
    databaseFolder: undefined,
    folder,
    flush,
    segmentSizeBytes,
    retentionMs,
    minFreeBytes: 0,
    storeHost,
    tuning: {
      allocateStepMinBytes: 1_024,
      allocateStepMaxBytes: 1_024,
      tailCacheBytes: 0,
      journalEntryCount: 12,
      journalRowCount: 3,
      keyGenerationCount: 64,
    },
  });
  const tally = new Tally();
  const counter = new Counter();
  store.addDerivedState(tally);
  store.addStateSource(counter);
  return { store, disk, clock, tally, counter };
}

/** One run of a workload: its journal, and what was promised when. */
export class Recording {
  readonly image: Image;
  readonly flush: Flush;
  readonly sent: Sent[] = [];
  readonly said: Said[] = [];
  /** From this place in the journal on, what lies below the offset may be deleted. */
  readonly expired: { readonly at: number; readonly offset: number }[] = [];
  readonly disk: JournalDisk;
  /** From this place in the journal on, the promises are those of this run. */
  beginAt = 0;
  #opened: Opened;
  /** Of the next message; those that were lost are not sent again. */
  #nextNumber = 0;
  #nowMs = 1_735_689_600_000;

  constructor(image: Image, flush: Flush, planted: PlantedInDisk = {}) {
    this.image = image;
    this.flush = flush;
    this.disk = new JournalDisk(image, planted);
    this.#opened = makeStore(this.disk, { flush, nowMs: this.#nowMs });
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Goes on where a crash at that place of another run left the image. */
  async runAfter(crashed: Promised, before: Recording, workload: string): Promise<this> {
    const { nowMs } = before;
    this.#nowMs = nowMs;
    this.#nextNumber = before.#nextNumber;
    this.#opened = makeStore(this.disk, { flush: this.flush, nowMs });
    await this.#opened.store.start();
    const seen = await verify(this.#opened.store, this.#opened.tally, crashed);
    for (const sent of crashed.sent) {
      const message = seen.get(sent.number);
      if (message === undefined) continue;
      const ackedAt = this.disk.journal.length;
      this.sent.push({ ...sent, sentAt: 0, ackedAt, place: message });
    }
    const value = await stateOf(this.#opened.store);
    this.said.push({ value, askedAt: 0, answeredAt: this.disk.journal.length });
    this.expired.push({ at: 0, offset: crashed.expiredOffset });
    this.beginAt = this.disk.journal.length;
    return await this.#runOn(workload);
  }

  async run(workload: string): Promise<this> {
    await this.#opened.store.start();
    return await this.#runOn(workload);
  }

  async #runOn(workload: string): Promise<this> {
    for (const operation of workload) {
      this.disk.note(operation);
      await this.#operate(operation);
    }
    return this;
  }

  async #operate(operation: string): Promise<void> {
    switch (operation) {
      case 'a':
        return await this.#append([[0, 40]]);
      case 'b':
        return await this.#append([
          [0, 90],
          [1, 300],
          [0, 20],
        ]);
      case 'c':
        return await this.#append([[1, 1_900]]);
      case 'p': {
        const all = [this.#append([[0, 30]]), this.#append([[1, 500]]), this.#append([[0, 60]])];
        await Promise.all(all);
        return;
      }
      case 's':
        return await this.#say();
      case 't':
        return await this.#pass(600);
      case 'r':
        await this.#opened.store.stop();
        return await this.#startAgain();
      case 'k':
        return await this.#startAgain();
      case 'e': {
        const { maxPhysicalOffset } = this.#opened.store.status();
        this.expired.push({ at: this.disk.journal.length, offset: maxPhysicalOffset });
        await this.#pass(retentionMs + 1);
        return await this.#opened.store.deleteExpired();
      }
      default:
        throw new Error(`no operation ${operation}`);
    }
  }

  async #pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    await this.#opened.clock.pass(ms);
  }

  async #startAgain(): Promise<void> {
    this.#opened.clock.isAlive = false;
    this.#opened = makeStore(this.disk, { flush: this.flush, nowMs: this.#nowMs });
    await this.#opened.store.start();
  }

  #append(messages: readonly (readonly [queueId: number, bodySizeBytes: number])[]): Promise<void> {
    const sent: Sent[] = [];
    const drafts: MessageDraft[] = [];
    for (const [queueId, bodySizeBytes] of messages) {
      const number = this.#nextNumber++;
      const sentAt = this.disk.journal.length;
      const one = { number, topic: 'T', queueId, sentAt, ackedAt: Infinity, place: undefined };
      this.sent.push(one);
      sent.push(one);
      const properties = { KEYS: `k${number}` };
      drafts.push(makeDraft({ topic: 'T', queueId, number, bodySizeBytes, properties }));
    }
    return new Promise((resolve) => {
      this.#opened.store.append(drafts, (result) => {
        check(!(result instanceof Error), `refused: ${String(result)}`);
        for (const [index, one] of sent.entries()) {
          one.place = result[index];
          one.ackedAt = this.disk.journal.length;
        }
        resolve();
      });
    });
  }

  async #say(): Promise<void> {
    const said = {
      value: Math.max(0, ...this.said.map((one) => one.value)) + 1,
      askedAt: this.disk.journal.length,
      answeredAt: Infinity,
    };
    this.said.push(said);
    this.#opened.counter.set(said.value);
    await this.#opened.store.writeStateNow();
    said.answeredAt = this.disk.journal.length;
  }
}
