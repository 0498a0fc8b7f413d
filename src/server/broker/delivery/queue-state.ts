/**
 * What one group has consumed of one queue: everything below `committed` is done; above it, up to
 * `next`, are the messages in flight or held back (and done ones that wait for an older). Pure data;
 * who waits, who wakes and when it is stored is decided elsewhere.
 *
 * Each change takes at most logarithmic time, whatever is in flight. Two heaps hold what may be
 * delivered: those visible now, by offset, and those that become visible, by time. Of a message group
 * only the oldest is ever in a heap, so what waits behind it costs nothing but its memory.
 */

import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import type { WheelTimer } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';
import { InFlight, MessageGroup } from './in-flight.ts';
import { InFlightHeap } from './in-flight-heap.ts';

/** Messages in flight or held back are stored in blocks of so many offsets. */
export const stateBlockOffsets = 64;
/** Messages that one receive moves from those that become visible to those that are. */
const ripenCountMax = 1_024;
/** Longer names of message groups are kept as their hash: names that share it wait for each other. */
const groupNameMax = 128;

/** Messages in flight and held back of all states together. */
export interface OpenBudget {
  count: number;
}

/** A message that was delivered by another broker and not acknowledged; Unix milliseconds. */
export interface AdoptedMessage {
  readonly offset: number;
  readonly deliveredAtMs: number;
  readonly visibleAtMs: number;
}

const byTime = (a: InFlight, b: InFlight): boolean =>
  a.visibleAtMs < b.visibleAtMs || (a.visibleAtMs === b.visibleAtMs && a.offset < b.offset);
const byOffset = (a: InFlight, b: InFlight): boolean => a.offset < b.offset;

export class QueueState {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  committed = 0;
  /** The first offset that no delivery has looked at. */
  next = 0;
  readonly #budget: OpenBudget;
  readonly #open = new Map<number, InFlight>();
  readonly #groups = new Map<string, MessageGroup>();
  /** All of `#open` by offset from `#oldest` on, with done ones in between until they are swept. */
  #byAge: InFlight[] = [];
  #oldest = 0;
  readonly #ready = new InFlightHeap(byOffset);
  readonly #timed = new InFlightHeap(byTime);
  isDirty = false;
  /** Numbers of the blocks that changed since they were stored, and of those that are stored. */
  readonly dirtyBlocks = new Set<number>();
  readonly storedBlocks = new Set<number>();
  /** Ordered delivery: somebody reads new messages; the others do what is here when that is done. */
  #afterLoading: (() => void)[] | undefined = undefined;
  /** Wakes the receives that wait, at `timerDueMs`. Set only while there are some. */
  timer: WheelTimer | undefined = undefined;
  timerDueMs = Number.POSITIVE_INFINITY;
  /** Its topic or group was deleted: nothing of it is stored any more. */
  isDropped = false;

  constructor(group: string, topic: string, queueId: number, budget: OpenBudget) {
    this.group = group;
    this.topic = topic;
    this.queueId = queueId;
    this.#budget = budget;
  }

  /** Messages in flight and held back. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Nothing new is delivered before some of it is done. */
  get isFull(): boolean {
    return (
      this.#open.size >= limits.openMessageCountMax ||
      this.#budget.count >= limits.openMessageTotalMax
    );
  }

  /** When the next message becomes visible; infinity when none does by itself. */
  get nextVisibleMs(): number {
    if (this.#ready.size > 0) return 0;
    return this.#timed.first?.visibleAtMs ?? Number.POSITIVE_INFINITY;
  }

  find(offset: number): InFlight | undefined {
    return this.#open.get(offset);
  }

  /** The messages that are not done, of one block of offsets. */
  openOf(block: number): InFlight[] {
    const found: InFlight[] = [];
    const begin = block * stateBlockOffsets;
    for (let offset = begin; offset < begin + stateBlockOffsets; offset++) {
      const one = this.#open.get(offset);
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  /** All that is not done. */
  open(): Iterable<InFlight> {
    return this.#open.values();
  }

  /** A new message, to be delivered as soon as it is read. Offsets come in rising order. */
  reserve(offset: number): InFlight {
    const one = new InFlight(offset, undefined);
    one.isReserved = true;
    this.#add(one);
    return one;
  }

  /** A new message of an ordered queue: it takes its place in its message group. */
  hold(offset: number, groupName: string): InFlight {
    const one = new InFlight(offset, this.#groupOf(groupName));
    this.#add(one);
    this.#place(one);
    return one;
  }

  /** What a stored block says. Offsets come in rising order. */
  restore(stored: {
    readonly offset: number;
    readonly attempt: number;
    readonly deliveredAtMs: number;
    readonly visibleAtMs: number;
    readonly groupName: string | undefined;
  }): void {
    const { groupName } = stored;
    const group = groupName === undefined ? undefined : this.#groupOf(groupName);
    const one = new InFlight(stored.offset, group);
    one.attempt = stored.attempt;
    one.deliveredAtMs = stored.deliveredAtMs;
    one.visibleAtMs = stored.visibleAtMs;
    this.#add(one);
    this.#place(one);
  }

  #groupOf(name: string): MessageGroup {
    const key = name.length <= groupNameMax ? name : `\u0000${javaHashCode(name)}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new MessageGroup(key);
      this.#groups.set(key, group);
    }
    return group;
  }

  #add(one: InFlight): void {
    this.#open.set(one.offset, one);
    this.#byAge.push(one);
    this.#budget.count++;
    const group = one.messageGroup;
    if (group !== undefined) {
      one.earlier = group.last;
      if (group.last === undefined) group.first = one;
      else group.last.later = one;
      group.last = one;
    }
    this.#touch(one);
  }

  #touch(one: InFlight): void {
    this.dirtyBlocks.add(Math.floor(one.offset / stateBlockOffsets));
    this.isDirty = true;
  }

  /** Puts it where it belongs after a change: into a heap, when it is the next of its group. */
  #place(one: InFlight): void {
    this.#unplace(one);
    if (one.isReserved || !one.isOpen || one.earlier !== undefined) return;
    one.isReady = one.visibleAtMs === 0;
    (one.isReady ? this.#ready : this.#timed).push(one);
  }

  #unplace(one: InFlight): void {
    if (one.heapIndex >= 0) (one.isReady ? this.#ready : this.#timed).remove(one);
  }

  /** The message is handed out, or given another invisible time; nobody reads it any more. */
  hide(one: InFlight, visibleAtMs: number): void {
    one.visibleAtMs = visibleAtMs;
    this.release(one);
    this.#touch(one);
  }

  /** It was reserved and is not delivered: whoever comes next may have it. */
  release(one: InFlight): void {
    one.isReserved = false;
    this.#place(one);
  }

  /**
   * Reserves visible messages, oldest first, at most `maxCount`: the oldest of each message group, and
   * those behind it as long as they are visible too. Of very many that became visible at once some
   * are taken before older ones.
   */
  take(nowMs: number, maxCount: number): InFlight[] {
    const found: InFlight[] = [];
    this.#ripen(nowMs);
    // What follows in a message group may go with those before it, but with them only.
    const followers: InFlight[] = [];
    while (found.length < maxCount) {
      const one = this.#ready.pop();
      if (one === undefined) break;
      one.isReserved = true;
      found.push(one);
      const { later } = one;
      if (later === undefined || later.isReserved || later.visibleAtMs > nowMs) continue;
      later.isReady = true;
      this.#ready.push(later);
      followers.push(later);
    }
    for (const one of followers) if (!one.isReserved) this.#ready.remove(one);
    return found;
  }

  #ripen(nowMs: number): void {
    for (let count = 0; count < ripenCountMax; count++) {
      const one = this.#timed.first;
      if (one === undefined || one.visibleAtMs > nowMs) return;
      this.#timed.remove(one);
      one.isReady = true;
      this.#ready.push(one);
    }
  }

  /** Done with that message: the committed offset follows as far as it can. */
  remove(one: InFlight): void {
    if (!one.isOpen) return;
    this.#close(one);
    this.#touch(one);
    this.advance();
    if (this.#byAge.length > 2 * this.#open.size + stateBlockOffsets) this.#sweep();
  }

  #close(one: InFlight): void {
    one.isOpen = false;
    this.#open.delete(one.offset);
    this.#budget.count--;
    this.#unplace(one);
    const group = one.messageGroup;
    if (group === undefined) return;
    const { earlier, later } = one;
    if (earlier === undefined) group.first = later;
    else earlier.later = later;
    if (later === undefined) group.last = earlier;
    else later.earlier = earlier;
    if (group.first === undefined) this.#groups.delete(group.name);
    else if (earlier === undefined && later !== undefined) this.#place(later);
  }

  /** Forgets the done ones among the messages by age. */
  #sweep(): void {
    const kept: InFlight[] = [];
    for (let index = this.#oldest; index < this.#byAge.length; index++) {
      const one = this.#byAge[index] as InFlight; // in range
      if (one.isOpen) kept.push(one);
    }
    this.#byAge = kept;
    this.#oldest = 0;
  }

  /** All below `next` has been looked at. */
  moveTo(next: number): void {
    this.next = next;
    this.isDirty = true;
    this.advance();
  }

  /** Moves `committed` to the first message that is not done. */
  advance(): void {
    let first = this.#byAge[this.#oldest];
    while (first !== undefined && !first.isOpen) first = this.#byAge[++this.#oldest];
    const committed = first?.offset ?? this.next;
    if (committed === this.committed) return;
    this.committed = committed;
    this.isDirty = true;
  }

  /**
   * The wall clock was set back by `ms`: what is in flight becomes visible when it would have. Handles of
   * earlier attempts are good for these, too.
   */
  setBack(ms: number): void {
    for (const one of this.#open.values()) {
      if (one.visibleAtMs === 0) continue;
      one.deliveredAtMs -= ms;
      one.visibleAtMs -= ms; // of all in a heap, which keeps their order
      this.#touch(one);
    }
  }

  /** Starts over at `offset`: an operator or a pull consumer said so. */
  reset(offset: number): void {
    this.forget();
    this.committed = offset;
    this.next = offset;
    this.isDirty = true;
  }

  /**
   * A consumer that keeps its own offset is done with everything below `offset`. What is in flight above
   * stays; a step back starts over there.
   */
  commit(offset: number): void {
    if (offset < this.committed) return this.reset(offset);
    if (offset === this.committed) return;
    this.#dropBelow(offset);
    this.next = Math.max(this.next, offset);
    this.isDirty = true;
    this.advance();
  }

  /** Drops everything that is open. */
  forget(): void {
    for (const one of this.#open.values()) {
      one.isOpen = false;
      this.#touch(one);
    }
    this.#budget.count -= this.#open.size;
    this.#open.clear();
    this.#groups.clear();
    this.#ready.clear();
    this.#timed.clear();
    this.#byAge = [];
    this.#oldest = 0;
  }

  /** Never past the log's end, never before its begin. */
  clamp(min: number, max: number): void {
    this.#dropBelow(min);
    for (;;) {
      const last = this.#byAge[this.#byAge.length - 1];
      if (last === undefined || this.#byAge.length === this.#oldest || last.offset < max) break;
      this.#byAge.pop();
      this.#drop(last);
    }
    this.next = Math.min(Math.max(this.next, min), max);
    this.isDirty = true;
    this.advance();
  }

  #dropBelow(min: number): void {
    for (;;) {
      const first = this.#byAge[this.#oldest];
      if (first === undefined || first.offset >= min) return;
      this.#oldest++;
      this.#drop(first);
    }
  }

  #drop(one: InFlight): void {
    if (!one.isOpen) return;
    this.#close(one);
    this.#touch(one);
  }

  /** As another broker left it: all below `next` was delivered, all but `inFlight` of that is done. */
  adopt(next: number, inFlight: readonly AdoptedMessage[]): void {
    this.reset(next);
    const open = inFlight.filter(({ offset }) => offset < next).sort((a, b) => a.offset - b.offset);
    for (const one of open) {
      if (!this.#open.has(one.offset)) this.restore({ ...one, attempt: 1, groupName: undefined });
    }
    this.advance();
  }

  get isLoading(): boolean {
    return this.#afterLoading !== undefined;
  }

  /** New messages are being read and will be `hold`; nobody else may meanwhile. */
  beginLoading(): void {
    this.#afterLoading = [];
  }

  /** Calls `then` when the reading under way has ended. */
  afterLoading(then: () => void): void {
    this.#afterLoading?.push(then);
  }

  endLoading(): void {
    const waiting = this.#afterLoading ?? [];
    this.#afterLoading = undefined;
    for (const then of waiting) then();
  }
}
