/**
 * The timers that wait, derived from the log: a parked record opens one, the record that names it as its
 * TIMER_SOURCE ends it. Kept in the database by due time, together with the dispatch position, so no crash can
 * forget one or deliver one twice. Memory holds the nearest ones only, and what no batch has taken yet.
 */
import type { MessageDraft, PhysicalOffset } from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { Heap } from '../../../util/heap.ts';
import type {
  Appended,
  DerivedState,
  MessageStore,
  StateBatch,
  StateRange,
  StateRows,
} from '../../store/message-store.ts';
import type { Origin } from '../../store/origin.ts';
import { decodeTimer, encodeTimer, Timer } from './timer.ts';
import { TimerCounts } from './timer-counts.ts';
import {
  dueOf,
  levelDelayMs,
  levelTopic,
  timerKey,
  timerKeyStart,
  timerSource,
  wheelTopic,
} from './timer-record.ts';

const prefix = 'timer/';
/** Behind every key. */
const end = 'g';
/** The heap may hold as many timers that have ended, besides as many again as are in memory. */
const heapRestCount = 1_024;

/** Before all timers and behind the counts. */
const start = '0';
/** Half a second of deliveries, and no more than the loop can sort in 10 ms. */
const nearCountDefault = 8_192;
/** Timers that are read from the database at a time: a few milliseconds of the loop. */
const fillCountMax = 2_048;

export class PendingTimers implements DerivedState {
  readonly prefix = prefix;
  readonly #nearCount: number;
  readonly #origin: Origin | undefined;
  /** Those in memory: all with a key below `#nearEnd`, and a few others. */
  readonly #near = new Map<string, Timer>();
  readonly #heap = new Heap<Timer>(isSooner);
  #nearEnd = end;
  /** Not in the database yet. */
  #unwritten = new Map<string, Timer>();
  /** Ended, and maybe still in the database. */
  #ended = new Set<string>();
  readonly #counts = new TimerCounts();
  /** No timer's record lies below this offset of the log; 0: not looked yet. */
  #lowestOffset = 0;
  #store: MessageStore | undefined = undefined;
  #isFilling = false;
  /** Called when the soonest may have changed. */
  changed: () => void = () => {};
  /** Appends these timers' records anew; resolves when all have been tried. */
  roll: (timers: readonly Timer[]) => Promise<void> = () => Promise.resolve();

  /** `nearCount`: timers in memory, twice as many at most. */
  constructor(nearCount: number = nearCountDefault, origin?: Origin) {
    this.#nearCount = nearCount;
    this.#origin = origin;
  }

  /** Whether the database has more than memory. */
  get isPartial(): boolean {
    return this.#nearEnd !== end;
  }

  /** Waiting messages by the topic they are for. */
  get countByTopic(): ReadonlyMap<string, number> {
    return this.#counts.byTopic;
  }

  /** The store has been started: from now on memory is filled from it. */
  start(store: MessageStore): void {
    this.#store = store;
    this.#fillWhenLow();
  }

  /** The latest time at which a message is known to have been parked by level. */
  get newestLevelMs(): number {
    return this.#counts.newestLevelMs;
  }

  /** The counts come first, then the nearest timers; starting costs no more than these. */
  restore(key: string, value: Uint8Array): boolean {
    const name = key.slice(prefix.length);
    if (this.#counts.restore(name, value)) return true;
    if (this.#near.size < this.#nearCount) {
      this.#hold(decodeTimer(name, value));
      return true;
    }
    this.#nearEnd = name;
    return false;
  }

  clear(): void {
    this.#near.clear();
    this.#heap.reset([]);
    this.#nearEnd = end;
    this.#unwritten.clear();
    this.#ended.clear();
    this.#counts.clear();
    this.#lowestOffset = 0;
  }

  dispatched(message: MessageDraft, place: Appended): void {
    const { topic, properties } = message;
    const isParked = topic === wheelTopic || topic === levelTopic;
    const { physicalOffset } = place;
    if (this.#origin?.covers(physicalOffset) === true) {
      // What ended there was looked up once, by who took the store over.
      if (isParked && this.#origin.isTimerWaiting(physicalOffset)) this.#park(message, place);
      return;
    }
    const source = timerSource(properties);
    if (!isParked) {
      if (source !== undefined) this.#end(source, topic);
      return;
    }
    const realTopic = findProperty(properties, PropertyName.realTopic) ?? '';
    if (source !== undefined) this.#end(source, realTopic);
    const recalled = findProperty(properties, PropertyName.timerDeleteUniqueKey);
    if (recalled === undefined) this.#park(message, place);
    else if (source === undefined) this.#endForeign(recalled, message);
  }

  #park(message: MessageDraft, place: Appended): void {
    const { properties } = message;
    const realTopic = findProperty(properties, PropertyName.realTopic) ?? '';
    const due = dueOf(message, place.storeTimestampMs);
    if (due === undefined || realTopic === '') return;
    const uniqueKey = findProperty(properties, PropertyName.uniqueKey) ?? '';
    const key = timerKey(due.dueMs, uniqueKey, place.physicalOffset);
    const { storeSizeBytes } = place;
    const content = { storeSizeBytes, level: due.level, topic: realTopic, uniqueKey };
    this.#open(new Timer(key, content));
  }

  #open(timer: Timer): void {
    this.#counted(timer);
    this.#unwritten.set(timer.key, timer);
    if (timer.key >= this.#nearEnd) return;
    this.#hold(timer);
    if (this.#near.size > 2 * this.#nearCount) this.#shrink();
    if (this.#heap.peek() === timer) this.changed();
  }

  #counted(timer: Timer): void {
    this.#counts.opened(timer);
    this.#lowestOffset = Math.min(this.#lowestOffset, timer.physicalOffset);
  }

  #hold(timer: Timer): void {
    this.#near.set(timer.key, timer);
    this.#heap.push(timer);
  }

  /** Leaves the farther half to the database. */
  #shrink(): void {
    const waiting = [...this.#near.values()].filter((timer) => timer.phase === 'waiting');
    waiting.sort((a, b) => (a.key < b.key ? -1 : 1));
    const far = waiting.splice(this.#nearCount);
    const [first] = far;
    if (first === undefined) return;
    for (const timer of far) this.#near.delete(timer.key);
    this.#heap.reset(waiting);
    if (first.key < this.#nearEnd) this.#nearEnd = first.key;
  }

  /** A record has ended the timer of a message for `topic`. */
  #end(key: string, topic: string): void {
    const timer = this.#near.get(key) ?? this.#unwritten.get(key);
    this.#near.delete(key);
    if (this.#heap.size > 2 * this.#near.size + heapRestCount) this.#sortAgain();
    // What no batch has taken never reaches the database.
    if (!this.#unwritten.delete(key)) this.#ended.add(key);
    if (timer !== undefined) {
      timer.phase = 'gone';
      this.#counts.ended(timer.topic);
    } else if (this.#store === undefined) {
      // At opening: one of those that only the database has.
      this.#counts.ended(topic);
    }
    this.#fillWhenLow();
  }

  /**
   * A recall that an Apache broker wrote names second and message only. Such records come with a whole log
   * that is dispatched anew, so what it means is in memory.
   */
  #endForeign(recalled: string, message: MessageDraft): void {
    const topic = findProperty(message.properties, PropertyName.realTopic) ?? '';
    const outMs = Number(findProperty(message.properties, PropertyName.timerOutMs) ?? Number.NaN);
    for (const timer of [...this.#near.values(), ...this.#unwritten.values()]) {
      const isMeant = recalled === timer.uniqueKey || recalled === topic + timer.uniqueKey;
      const isThen = timer.dueMs > outMs && timer.dueMs <= outMs + 1_000;
      if (isMeant && isThen && timer.topic === topic && timer.phase !== 'gone') {
        this.#end(timer.key, topic);
      }
    }
  }

  collect(batch: StateBatch): void {
    for (const key of this.#ended) batch.delete(prefix + key);
    for (const timer of this.#unwritten.values()) batch.put(prefix + timer.key, encodeTimer(timer));
    this.#ended = new Set();
    this.#unwritten = new Map();
    this.#counts.collect(batch, prefix);
  }

  /** When the soonest in memory is to be delivered; undefined: there is none. */
  nextMs(): number | undefined {
    for (;;) {
      const timer = this.#heap.peek();
      if (timer === undefined) return undefined;
      if (timer.phase === 'waiting') return timer.readyMs;
      this.#heap.pop();
    }
  }

  /** Those that are due, the soonest first, as busy. At most so many, and bytes of records beyond the first. */
  takeDue(nowMs: number, maxCount: number, maxBytes: number): Timer[] {
    const taken: Timer[] = [];
    let bytes = 0;
    while (taken.length < maxCount) {
      const nextMs = this.nextMs();
      if (nextMs === undefined || nextMs > nowMs) break;
      const timer = this.#heap.peek() as Timer; // nextMs saw it
      bytes += timer.storeSizeBytes;
      if (taken.length > 0 && bytes > maxBytes) break;
      this.#heap.pop();
      timer.phase = 'busy';
      taken.push(timer);
    }
    this.#fillWhenLow();
    return taken;
  }

  /** It goes on waiting. `readyMs` when it is to be tried again; its own time when left out. */
  putBack(timer: Timer, readyMs: number = timer.dueMs): void {
    if (timer.phase !== 'busy') return;
    timer.phase = 'waiting';
    timer.readyMs = readyMs;
    this.#heap.push(timer);
    this.changed();
  }

  /** Its record cannot be read any more: nobody can deliver it. */
  forget(timer: Timer): void {
    this.#end(timer.key, timer.topic);
    this.#store?.requestStateWrite();
  }

  /** The timers with keys in the range, at most `maxCount` of the database; `use` may make them busy. */
  async find(
    range: StateRange,
    maxCount: number,
    use: (timers: readonly Timer[], last: string | undefined) => void,
  ): Promise<void> {
    const { from, until } = range;
    const keys = { from: prefix + from, until: prefix + until };
    await this.#store?.readState(keys, maxCount, (rows) => {
      const found = new Map<string, Timer>();
      for (const timer of this.#present(rows)) found.set(timer.key, timer);
      for (const timer of this.#unwritten.values()) {
        if (timer.key >= from && timer.key < until)
          found.set(timer.key, this.#near.get(timer.key) ?? timer);
      }
      use(
        [...found.values()],
        rows.length < maxCount ? undefined : rows.at(-1)?.[0].slice(prefix.length),
      );
    });
  }

  /** Rows of the database that are still timers, as the objects that memory has of them. */
  *#present(rows: StateRows): Iterable<Timer> {
    for (const [key, value] of rows) {
      const timer = decodeTimer(key.slice(prefix.length), value);
      if (!this.#ended.has(timer.key)) yield this.#near.get(timer.key) ?? timer;
    }
  }

  /** From here on there is one object of it, which nobody delivers meanwhile. False: somebody has it. */
  take(timer: Timer): boolean {
    const known = this.#near.get(timer.key);
    if (known !== undefined && known !== timer) return false;
    if (timer.phase !== 'waiting') return false;
    timer.phase = 'busy';
    this.#near.set(timer.key, timer);
    return true;
  }

  #fillWhenLow(): void {
    const wanted = Math.min(fillCountMax, Math.ceil(this.#nearCount / 4));
    if (this.#store === undefined || this.#isFilling || this.#nearEnd === end) return;
    if (this.#near.size > this.#nearCount - wanted) return;
    this.#isFilling = true;
    const from = this.#nearEnd;
    this.find({ from, until: end }, wanted, (timers, last) => {
      // Beyond the last row the database may have more that is sooner than what is not written yet.
      this.#nearEnd = after(last) ?? end;
      for (const timer of timers) {
        if (timer.key < this.#nearEnd && !this.#near.has(timer.key)) this.#hold(timer);
      }
    }).then(
      () => {
        this.#isFilling = false;
        this.changed();
        this.#fillWhenLow();
      },
      () => {
        // The store says why and takes nothing more until it is opened again.
        this.#isFilling = false;
        this.changed();
      },
    );
  }

  /** See `DerivedState`: timers below are appended anew first, and the segments go a round later. */
  async isDeletable(offset: PhysicalOffset): Promise<boolean> {
    if (this.#store === undefined) return false;
    if (this.#lowestOffset >= offset) return true;
    let lowest = this.#lowestOffset;
    // What is parked from now on is counted beside the search.
    this.#lowestOffset = Number.POSITIVE_INFINITY;
    try {
      const found = await this.#rollBelow(offset);
      lowest = found;
    } finally {
      this.#lowestOffset = Math.min(this.#lowestOffset, lowest);
    }
    return lowest >= offset;
  }

  /** Looks at all timers and moves those below; the lowest offset seen. */
  async #rollBelow(offset: PhysicalOffset): Promise<number> {
    let lowest = Number.POSITIVE_INFINITY;
    let from: string | undefined = start;
    while (from !== undefined) {
      const below: Timer[] = [];
      await this.find({ from, until: end }, searchCount, (timers, last) => {
        for (const timer of timers) {
          lowest = Math.min(lowest, timer.physicalOffset);
          if (timer.physicalOffset < offset && this.take(timer)) below.push(timer);
        }
        from = after(last);
      });
      if (below.length > 0) await this.roll(below);
    }
    return lowest;
  }

  /**
   * The clock has gone back: levels mean a delay, not a time, so nobody waits longer than that from now on.
   * (Apache's brokers deliver these at once, which may be early.) True: there are more; call again later.
   */
  async pullIn(nowMs: number): Promise<boolean> {
    let from: string | undefined = timerKeyStart(nowMs, '');
    let count = 0;
    while (from !== undefined && count < this.#nearCount) {
      await this.find({ from, until: end }, searchCount, (timers, last) => {
        for (const timer of timers) {
          const isLate = timer.level > 0 && timer.dueMs > nowMs + levelDelayMs(timer.level);
          if (!isLate || timer.readyMs < timer.dueMs || !this.take(timer)) continue;
          timer.readyMs = nowMs + levelDelayMs(timer.level);
          timer.phase = 'waiting';
          count++;
        }
        from = after(last);
      });
    }
    this.#sortAgain();
    this.changed();
    return from !== undefined;
  }

  #sortAgain(): void {
    this.#heap.reset([...this.#near.values()].filter((timer) => timer.phase === 'waiting'));
  }
}

/** Timers looked at, and moved, in one go. */
const searchCount = 512;

function after(last: string | undefined): string | undefined {
  return last === undefined ? undefined : `${last}\u0000`;
}

function isSooner(a: Timer, b: Timer): boolean {
  if (a.readyMs !== b.readyMs) return a.readyMs < b.readyMs;
  return a.physicalOffset < b.physicalOffset;
}
