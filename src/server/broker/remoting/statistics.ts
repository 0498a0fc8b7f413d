/**
 * Messages put and got per minute, hour and day, as 28 and 315 show them. Nothing is counted on a message's
 * way: every ten seconds the offsets of queues and groups are looked at. facts/broker.md §22.
 */
import type { Clock, Timer } from '../../../platform/clock.ts';
import type { HostedBroker } from './context.ts';

const sampleIntervalMs = 10_000;
/** How long one part of a look may hold up the loop. */
const stepMaxMs = 2;
/** Queues that one request may go through. */
const liveQueueCountMax = 10_000;
/** Names are dropped, oldest first, beyond this. */
const nameCountMax = 50_000;

/** One look at a total, now and then. */
class Series {
  readonly #stepSamples: number;
  readonly #lengthMax: number;
  readonly #totals: number[] = [];

  constructor(stepSamples: number, lengthMax: number) {
    this.#stepSamples = stepSamples;
    this.#lengthMax = lengthMax;
  }

  add(total: number, sampleNumber: number): void {
    if (this.#totals.length > 0 && sampleNumber % this.#stepSamples !== 0) return;
    this.#totals.push(total);
    if (this.#totals.length > this.#lengthMax) this.#totals.shift();
  }

  /** What came since the oldest look. */
  window(total: number): { readonly sum: number; readonly tps: number; readonly avgpt: number } {
    const sum = Math.max(0, total - (this.#totals[0] ?? total));
    const seconds = Math.max(1, this.#totals.length * this.#stepSamples * 10);
    return { sum, tps: Math.round((sum / seconds) * 100) / 100, avgpt: sum === 0 ? 0 : 1 };
  }
}

/** A total that only grows, with its last minute, hour and day. */
class Item {
  total = 0;
  /** The newest look that saw it. */
  seenAt = 0;
  readonly minute = new Series(1, 6);
  readonly hour = new Series(60, 6);
  readonly day = new Series(360, 24);
}

export type WindowName = 'minute' | 'hour' | 'day';

export class Statistics {
  readonly #broker: HostedBroker;
  readonly #clock: Clock;
  readonly #items = new Map<string, Item>();
  #timer: Timer | undefined = undefined;
  #sampleNumber = 0;
  /** As of the last look. */
  #queueCount = 0;
  #isStopped = false;

  constructor(broker: HostedBroker, clock: Clock) {
    this.#broker = broker;
    this.#clock = clock;
  }

  start(): void {
    void this.#broker.listGroups().then((groups) => {
      if (this.#isStopped) return;
      this.#sampleNumber++;
      const totals = new Map<string, number>([
        ['BROKER_PUT_NUMS all', 0],
        ['BROKER_GET_NUMS all', 0],
      ]);
      this.#continue(this.#walk(totals, groups), totals);
    });
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** undefined: nothing of that name was ever seen. */
  find(name: string, key: string): Item | undefined {
    return this.#items.get(`${name} ${key}`);
  }

  /** Messages that all topics have taken, and all groups have got. */
  get totals(): { readonly put: Item; readonly got: Item } {
    return { put: this.#item('BROKER_PUT_NUMS all'), got: this.#item('BROKER_GET_NUMS all') };
  }

  /** The same as of now; of a broker with very many queues as of the last look. */
  liveTotals(): { readonly put: number; readonly got: number } {
    const { put, got } = this.totals;
    if (this.#queueCount > liveQueueCountMax) return { put: put.total, got: got.total };
    const live = { put: 0, got: 0 };
    for (const { maxOffset } of this.#broker.store.queues()) live.put += maxOffset;
    for (const { offset } of this.#broker.listOffsets(undefined)) live.got += offset;
    return live;
  }

  /** A few milliseconds at a time: there may be a million queues. */
  #continue(steps: Iterator<undefined>, totals: ReadonlyMap<string, number>): void {
    const untilMs = this.#clock.monotonicMs() + stepMaxMs;
    while (steps.next().done !== true) {
      if (this.#clock.monotonicMs() < untilMs) continue;
      this.#timer = this.#clock.setTimer(1, () => this.#continue(steps, totals));
      return;
    }
    for (const [name, total] of totals) this.#put(name, total);
    for (const [name, item] of this.#items) {
      if (item.seenAt !== this.#sampleNumber) this.#items.delete(name);
    }
    this.#timer = this.#clock.setTimer(sampleIntervalMs, () => this.start());
  }

  *#walk(
    totals: Map<string, number>,
    groups: readonly { readonly group: string }[],
  ): Generator<undefined> {
    const add = (name: string, value: number): void => {
      totals.set(name, (totals.get(name) ?? 0) + value);
    };
    let queueCount = 0;
    for (const { topic, maxOffset } of this.#broker.store.queues()) {
      queueCount++;
      add(`TOPIC_PUT_NUMS ${topic}`, maxOffset);
      add('BROKER_PUT_NUMS all', maxOffset);
      yield;
    }
    this.#queueCount = queueCount;
    for (const { group } of groups) {
      for (const { topic, offset } of this.#broker.listOffsets(group)) {
        add(`GROUP_GET_NUMS ${topic}@${group}`, offset);
        add('BROKER_GET_NUMS all', offset);
      }
      yield;
    }
  }

  #item(name: string): Item {
    let item = this.#items.get(name);
    if (item === undefined) this.#items.set(name, (item = new Item()));
    return item;
  }

  #put(name: string, total: number): void {
    if (this.#items.size >= nameCountMax && !this.#items.has(name)) return;
    const item = this.#item(name);
    item.total = total;
    item.seenAt = this.#sampleNumber;
    for (const series of [item.minute, item.hour, item.day]) series.add(total, this.#sampleNumber);
  }
}
