/**
 * The viewer's list: messages in a ring bounded by count and bytes, those that the filter shows, the cursor,
 * marks, counters. Knows no React, no clock, no network.
 */
import { RingQueue } from '../../util/ring-queue.ts';
import {
  type ListAction,
  type ListWindow,
  listStart,
  moveBy,
  moveTo,
} from '../terminal/list-window.ts';
import type { Condition } from './condition.ts';
import type { TailEntry } from './entry.ts';

export interface TailModelLimits {
  readonly countMax: number;
  readonly sizeMaxBytes: number;
}

export const defaultLimits: TailModelLimits = { countMax: 50_000, sizeMaxBytes: 64 << 20 };

/** Seconds of which the rate is remembered. */
const rateSeconds = 60;

export class TailModel {
  readonly #limits: TailModelLimits;
  readonly #entries = new RingQueue<TailEntry>();
  /** Those that the filter shows; the same as `#entries` while there is none. */
  #shown: RingQueue<TailEntry> = new RingQueue<TailEntry>();
  #sizeBytes = 0;
  #nextSequence = 0;
  #window: ListWindow = listStart;
  #height = 1;
  #condition: Condition | undefined = undefined;
  #found: Condition | undefined = undefined;
  readonly #marked = new Map<number, TailEntry>();
  readonly #rates: number[] = [];
  #rateSecond = 0;
  /** The newest stays in sight; false: the list stands still. */
  isFollowing = true;
  /** Messages that came by, filtered ones included. */
  seenCount = 0;
  /** Not read because too much came at once. */
  skippedCount = 0;
  /** Read, and gone to make room. */
  droppedCount = 0;

  constructor(limits: TailModelLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** Messages held. */
  get heldCount(): number {
    return this.#entries.length;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Messages that the filter shows. */
  get count(): number {
    return this.#shown.length;
  }

  /** Messages below the window. */
  get belowCount(): number {
    return Math.max(0, this.#shown.length - this.#window.top - this.#height);
  }

  get window(): ListWindow {
    return this.#window;
  }

  /** A list that stands still takes no more: somebody is looking at what would have to go. */
  get isFull(): boolean {
    const { countMax, sizeMaxBytes } = this.#limits;
    return this.#entries.length >= countMax || this.#sizeBytes >= sizeMaxBytes;
  }

  get marked(): readonly TailEntry[] {
    return [...this.#marked.values()].sort((a, b) => a.sequence - b.sequence);
  }

  /** Messages of each of the last seconds, the newest last. */
  get rates(): readonly number[] {
    return this.#rates;
  }

  /** Takes what was read. `nowMs` is for the rate alone. */
  take(entries: readonly TailEntry[], seenCount: number, nowMs: number): void {
    this.#countRate(seenCount, nowMs);
    this.seenCount += seenCount;
    for (const entry of entries) {
      if (this.#condition !== undefined && !this.#condition(entry)) continue;
      entry.keep();
      entry.sequence = this.#nextSequence++;
      this.#entries.push(entry);
      this.#shown.push(entry);
      this.#sizeBytes += entry.sizeBytes;
    }
    this.#makeRoom();
    if (this.isFollowing) this.#toEnd();
  }

  /** What the window shows, the first on top. */
  visible(): readonly TailEntry[] {
    const rows: TailEntry[] = [];
    const { top } = this.#window;
    for (let index = top; index < top + this.#height; index++) {
      const entry = this.#shown.at(index);
      if (entry === undefined) break;
      rows.push(entry);
    }
    return rows;
  }

  /** The one under the cursor; undefined in an empty list. */
  get selected(): TailEntry | undefined {
    return this.#shown.at(this.#window.cursor);
  }

  resize(height: number): void {
    if (height === this.#height) return;
    this.#height = Math.max(1, height);
    if (this.isFollowing) this.#toEnd();
    else this.#window = moveTo(this.#window, this.#window.cursor, this.#size);
  }

  /** Moves; a list that follows stands still from then on, unless it moved to its end. */
  move(action: ListAction): void {
    this.#window = moveBy(this.#window, action, this.#size);
    if (action === 'last') this.follow();
    else if (action !== 'down' || !this.isFollowing) this.isFollowing = false;
  }

  /** To the newest, and on with them. */
  follow(): void {
    this.isFollowing = true;
    this.#makeRoom();
    this.#toEnd();
  }

  pause(): void {
    this.isFollowing = false;
  }

  /** Shows only what holds; what comes from now on and does not hold is not kept. undefined: everything. */
  setFilter(condition: Condition | undefined): void {
    const { selected } = this;
    this.#condition = condition;
    this.#shown = new RingQueue<TailEntry>();
    let cursor = 0;
    for (const entry of this.#entries) {
      if (condition !== undefined && !holds(condition, entry)) continue;
      if (selected !== undefined && entry.sequence <= selected.sequence)
        cursor = this.#shown.length;
      this.#shown.push(entry);
    }
    if (this.isFollowing) this.#toEnd();
    else this.#window = moveTo(listStart, cursor, this.#size);
  }

  setSearch(condition: Condition | undefined): void {
    this.#found = condition;
  }

  /** True when the search finds it. */
  isFound(entry: TailEntry): boolean {
    return this.#found !== undefined && holds(this.#found, entry);
  }

  /** The cursor to the next that the search finds, round the end; false when there is none. */
  findNext(direction: 1 | -1): boolean {
    const { count } = this;
    for (let step = 1; step <= count; step++) {
      const index = (((this.#window.cursor + direction * step) % count) + count) % count;
      const entry = this.#shown.at(index);
      if (entry === undefined || !this.isFound(entry)) continue;
      this.isFollowing = false;
      this.#window = moveTo(this.#window, index, this.#size);
      return true;
    }
    return false;
  }

  isMarked(entry: TailEntry): boolean {
    return this.#marked.has(entry.sequence);
  }

  /** Marks the one under the cursor, or takes its mark. Marked ones stay at hand when they leave the list. */
  toggleMark(): void {
    const { selected } = this;
    if (selected === undefined) return;
    if (!this.#marked.delete(selected.sequence)) this.#marked.set(selected.sequence, selected);
  }

  clearMarks(): void {
    this.#marked.clear();
  }

  get #size(): { readonly count: number; readonly height: number } {
    return { count: this.#shown.length, height: this.#height };
  }

  #toEnd(): void {
    this.#window = moveTo(this.#window, this.#shown.length - 1, this.#size);
  }

  #makeRoom(): void {
    const { countMax, sizeMaxBytes } = this.#limits;
    let gone = 0;
    while (this.#entries.length > countMax || this.#sizeBytes > sizeMaxBytes) {
      const entry = this.#entries.shift();
      if (entry === undefined) break;
      this.#sizeBytes -= entry.sizeBytes;
      this.droppedCount++;
      if (this.#shown.peek() === entry) {
        this.#shown.shift();
        gone++;
      }
    }
    if (gone === 0) return;
    const { cursor, top } = this.#window;
    const moved = { cursor: Math.max(0, cursor - gone), top: Math.max(0, top - gone) };
    this.#window = moveTo(moved, moved.cursor, this.#size);
  }

  #countRate(count: number, nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    const passed = Math.min(rateSeconds, second - this.#rateSecond);
    for (let index = 0; index < passed; index++) this.#rates.push(0);
    this.#rates.splice(0, this.#rates.length - rateSeconds);
    this.#rateSecond = Math.max(second, this.#rateSecond);
    const last = this.#rates.length - 1;
    if (last >= 0) this.#rates[last] = (this.#rates[last] ?? 0) + count;
  }
}

/** Without keeping what had to be decoded for it. */
function holds(condition: Condition, entry: TailEntry): boolean {
  const isHolding = condition(entry);
  entry.forget();
  return isHolding;
}
