/**
 * What one group has consumed of one queue: everything below `committed` is done; above it, up to
 * `next`, are the messages in flight (and done ones that wait for an older). Pure data; who waits, who
 * wakes and what is stored is decided elsewhere.
 */

import type { WheelTimer } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';

/** A message that has been delivered and is not done. One shape. */
export class InFlight {
  readonly offset: number;
  /** Deliveries so far. */
  attempt = 0;
  /** When the current attempt was handed out; handles of earlier attempts are older. */
  deliveredAtMs = 0;
  visibleAtMs = 0;
  /** Message group of ordered delivery; '' for messages without one; undefined when not ordered. */
  readonly messageGroup: string | undefined;
  /** Being read for a delivery right now. */
  isReserved = false;

  constructor(offset: number, messageGroup: string | undefined) {
    this.offset = offset;
    this.messageGroup = messageGroup;
  }
}

export class QueueState {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  committed = 0;
  /** The first offset that no delivery has looked at. */
  next = 0;
  /** By offset; without order, Map order is offset order. */
  readonly inFlight = new Map<number, InFlight>();
  /** Ordered delivery: messages looked at whose group is blocked, in queue order. */
  readonly waiting = new Map<number, string>();
  isDirty = false;
  /** No message in flight becomes visible before this; may be too early, never too late. */
  nextVisibleMs = 0;
  /** Wakes the receives that wait, at `timerDueMs`. Set only while there are some. */
  timer: WheelTimer | undefined = undefined;
  timerDueMs = Number.POSITIVE_INFINITY;
  /** Its topic or group was deleted: nothing of it is stored any more. */
  isDropped = false;

  constructor(group: string, topic: string, queueId: number) {
    this.group = group;
    this.topic = topic;
    this.queueId = queueId;
  }

  /** Offsets at or above `committed` and below `next` that are not here are done. */
  isDone(offset: number): boolean {
    if (offset < this.committed) return true;
    return offset < this.next && !this.inFlight.has(offset) && !this.waiting.has(offset);
  }

  /** Nothing new is delivered before some of it is done. */
  get isFull(): boolean {
    return (
      this.inFlight.size >= limits.inFlightCountMax || this.waiting.size >= limits.heldBackCountMax
    );
  }

  add(entry: InFlight): void {
    this.inFlight.set(entry.offset, entry);
    this.isDirty = true;
  }

  /** The message is handed out, or given another invisible time. */
  hide(entry: InFlight, visibleAtMs: number): void {
    entry.visibleAtMs = visibleAtMs;
    if (visibleAtMs < this.nextVisibleMs) this.nextVisibleMs = visibleAtMs;
    this.isDirty = true;
  }

  /**
   * Messages whose invisible time has passed, oldest first, at most `maxCount`. Of an ordered group only
   * those with no older one of their message group still invisible.
   */
  visible(nowMs: number, maxCount: number): InFlight[] {
    const found: InFlight[] = [];
    if (nowMs < this.nextVisibleMs) return found;
    let nextVisibleMs = Number.POSITIVE_INFINITY;
    const blocked = new Set<string>();
    for (const entry of this.#inQueueOrder()) {
      const isVisible = !entry.isReserved && entry.visibleAtMs <= nowMs;
      const group = entry.messageGroup;
      const isBlocked = group !== undefined && blocked.has(group);
      if (isVisible && !isBlocked && found.length < maxCount) {
        found.push(entry);
        continue;
      }
      if (group !== undefined) blocked.add(group);
      // A reserved one is hidden again when it has been read; a blocked one waits for its head.
      if (entry.isReserved || (isVisible && isBlocked)) continue;
      nextVisibleMs = Math.min(nextVisibleMs, entry.visibleAtMs);
    }
    // What was found may come back at once when it cannot be read.
    this.nextVisibleMs = found.length > 0 ? nowMs : nextVisibleMs;
    return found;
  }

  #inQueueOrder(): Iterable<InFlight> {
    const first = this.inFlight.values().next();
    const isOrdered = first.done !== true && first.value.messageGroup !== undefined;
    if (!isOrdered) return this.inFlight.values();
    return [...this.inFlight.values()].sort((a, b) => a.offset - b.offset);
  }

  /** Ordered delivery: the first waiting messages of groups that have none in flight, in queue order. */
  released(maxCount: number): number[] {
    const found: number[] = [];
    if (this.waiting.size === 0) return found;
    const blocked = new Set<string>();
    for (const entry of this.inFlight.values()) blocked.add(entry.messageGroup ?? '');
    for (const [offset, group] of this.waiting) {
      if (found.length >= maxCount) break;
      if (!blocked.has(group)) found.push(offset);
    }
    return found;
  }

  /** Done with that message: the committed offset follows as far as it can. */
  remove(offset: number): void {
    // Messages of its group that are visible, but had to wait for it, count from now on.
    if (this.inFlight.get(offset)?.messageGroup !== undefined) this.nextVisibleMs = 0;
    this.inFlight.delete(offset);
    this.waiting.delete(offset);
    this.isDirty = true;
    if (offset === this.committed) this.advance();
  }

  /** Moves `committed` to the first message that is not done. */
  advance(): void {
    let oldest = this.next;
    for (const entry of this.inFlight.values()) {
      if (entry.offset < oldest) oldest = entry.offset;
      // Without order, messages enter by offset and keep their place: the first is the oldest.
      if (entry.messageGroup === undefined) break;
    }
    for (const offset of this.waiting.keys()) {
      if (offset < oldest) oldest = offset;
      break; // in queue order
    }
    if (oldest === this.committed) return;
    this.committed = oldest;
    this.isDirty = true;
  }

  /** Starts over at `offset`: an operator or a pull consumer said so. */
  reset(offset: number): void {
    this.committed = offset;
    this.next = offset;
    this.inFlight.clear();
    this.waiting.clear();
    this.nextVisibleMs = 0;
    this.isDirty = true;
  }

  /** Never past the log's end, never before its begin. */
  clamp(min: number, max: number): void {
    for (const offset of [...this.inFlight.keys()]) {
      if (offset < min || offset >= max) this.inFlight.delete(offset);
    }
    for (const offset of [...this.waiting.keys()]) {
      if (offset < min || offset >= max) this.waiting.delete(offset);
    }
    this.next = Math.min(Math.max(this.next, min), max);
    this.committed = Math.min(Math.max(this.committed, min), this.next);
    this.isDirty = true;
    this.advance();
  }
}

type StoredEntry = readonly [
  offset: number,
  attempt: number,
  deliveredAtMs: number,
  visibleAtMs: number,
  messageGroup?: string,
];

interface StoredState {
  readonly committed: number;
  readonly next: number;
  readonly inFlight: readonly StoredEntry[];
  readonly waiting: readonly (readonly [offset: number, messageGroup: string])[];
}

export function encodeState(state: QueueState): Buffer {
  const inFlight: StoredEntry[] = [];
  for (const one of state.inFlight.values()) {
    const { offset, attempt, deliveredAtMs, visibleAtMs, messageGroup } = one;
    inFlight.push(
      messageGroup === undefined
        ? [offset, attempt, deliveredAtMs, visibleAtMs]
        : [offset, attempt, deliveredAtMs, visibleAtMs, messageGroup],
    );
  }
  const { committed, next } = state;
  const stored: StoredState = { committed, next, inFlight, waiting: [...state.waiting] };
  return Buffer.from(JSON.stringify(stored));
}

export function decodeState(state: QueueState, value: Uint8Array): void {
  const stored = JSON.parse(Buffer.from(value).toString('utf8')) as StoredState; // our own
  state.committed = stored.committed;
  state.next = stored.next;
  for (const [offset, attempt, deliveredAtMs, visibleAtMs, messageGroup] of stored.inFlight) {
    const entry = new InFlight(offset, messageGroup);
    entry.attempt = attempt;
    entry.deliveredAtMs = deliveredAtMs;
    entry.visibleAtMs = visibleAtMs;
    state.inFlight.set(offset, entry);
  }
  const waiting = new Map(stored.waiting);
  for (const { offset, attempt, messageGroup } of state.inFlight.values()) {
    // Was only being read for a delivery: it waits its turn again, behind older ones of its group.
    if (attempt > 0 || messageGroup === undefined) continue;
    state.inFlight.delete(offset);
    waiting.set(offset, messageGroup);
  }
  for (const [offset, group] of [...waiting].sort(([a], [b]) => a - b)) {
    state.waiting.set(offset, group);
  }
}
