/**
 * One receive: collects messages from its queues, waits when there are none, answers once. Offsets are
 * reserved before anything is read, so that no two receives get the same message; what cannot be
 * handed out after all (cancelled, unreadable) goes back.
 */
import type { RmqError } from '../../../protocol/errors.ts';
import type { TagFilter } from '../../../protocol/filter/tag-filter.ts';
import type { StoredMessage } from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import type { Reply } from '../../../util/reply.ts';
import type { WheelTimer } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';
import type { QueueEntry, StoredQueue } from '../../store/message-store.ts';
import type { PoppedMessage, PopRequest, PopResult } from '../api.ts';
import type { Delivery, PopPlan, Repeat } from './delivery.ts';
import { InFlight, type QueueState } from './queue-state.ts';
import { formatReceiptHandle, orderedReviveQueueId } from './receipt-handle.ts';

const deadLetterRetryMs = 1_000;
/** Index entries read at once where some may not be for us. */
const pickyReadCount = 64;
/** Of a message that is being read: it may belong to any group. */
const unknownGroup = '\u0000';

export class PopJob {
  readonly request: PopRequest;
  readonly #delivery: Delivery;
  readonly #plan: PopPlan;
  readonly #filter: TagFilter;
  readonly #reply: Reply<PopResult, RmqError>;
  readonly #first: number;
  readonly #deadlineMs: number;
  readonly #found: PoppedMessage[] = [];
  readonly #batch: Repeat[] = [];
  #sizeBytes = 0;
  #isAnswered = false;
  #isCancelled = false;
  #isRunning = false;
  #isParked = false;
  #runAgain = false;
  #deadlineTimer: WheelTimer | undefined = undefined;

  constructor(options: {
    readonly delivery: Delivery;
    readonly plan: PopPlan;
    readonly filter: TagFilter;
    readonly turn: number;
    readonly reply: Reply<PopResult, RmqError>;
  }) {
    this.#delivery = options.delivery;
    this.#plan = options.plan;
    this.request = options.plan.request;
    this.#filter = options.filter;
    this.#reply = options.reply;
    this.#first = options.plan.queues.length === 0 ? 0 : options.turn % options.plan.queues.length;
    this.#deadlineMs = this.#delivery.clock.monotonicMs() + this.request.pollingTimeMs;
  }

  /** Looks for messages now; called again by whoever makes one visible. */
  run(): void {
    if (this.#isAnswered) return;
    if (this.#isRunning) {
      this.#runAgain = true;
      return;
    }
    this.#isRunning = true;
    this.#runAgain = false;
    const repeats = this.#delivery.repeatOf(this.request);
    if (repeats.length > 0) this.#repeat(repeats);
    else this.#nextQueue(0);
  }

  /** Ends a wait with an error. */
  fail(error: RmqError): void {
    if (this.#isAnswered || this.#isRunning) return;
    this.#end();
    this.#reply(error);
  }

  /** The client is gone: what was found goes back at once. */
  cancel(): void {
    if (this.#isAnswered) return;
    this.#isCancelled = true;
    if (!this.#isRunning) this.#answer();
  }

  #nextQueue(index: number): void {
    const { queues } = this.#plan;
    if (index >= queues.length || this.#isFull || this.#isCancelled) return this.#settle();
    const queue = queues[(this.#first + index) % queues.length] as StoredQueue; // in range
    const state = this.#delivery.stateOf(this.request.group, queue, this.request.startFrom);
    this.#redeliver(queue, state, () =>
      this.#deliverNew(queue, state, 0, () => this.#nextQueue(index + 1)),
    );
  }

  get #isFull(): boolean {
    return this.#found.length >= this.#maxCount || this.#sizeBytes >= limits.receiveSizeMaxBytes;
  }

  get #maxCount(): number {
    return Math.min(Math.max(1, this.request.maxCount), limits.receiveCountMax);
  }

  get #room(): number {
    return this.#maxCount - this.#found.length;
  }

  /** Everything has been looked at: answer, wait, or look again. */
  #settle(): void {
    this.#isRunning = false;
    if (this.#isCancelled || this.#found.length > 0) return this.#answer();
    if (this.#runAgain) {
      // Not at once: a long run of messages that do not match must not hold the loop.
      this.#delivery.clock.afterTick(() => this.run());
      return;
    }
    const leftMs = this.#deadlineMs - this.#delivery.clock.monotonicMs();
    if (leftMs <= 0 || this.#delivery.isStopped) return this.#answer();
    if (!this.#isParked) {
      const refused = this.#delivery.park(this);
      if (refused !== undefined) {
        this.#isAnswered = true;
        return this.#reply(refused);
      }
      this.#isParked = true;
      this.#deadlineTimer = this.#delivery.wheel.set(leftMs, () => this.#answer());
    }
    this.#delivery.armQueues(this.request.group, this.#plan.queues);
  }

  #answer(): void {
    if (this.#isAnswered) return;
    if (this.#isRunning) {
      return; // Something is being read: the reading's end answers.
    }
    this.#end();
    if (this.#isCancelled) this.#giveBack();
    else this.#delivery.remember(this.request, this.#batch);
    this.#reply({
      messages: this.#isCancelled ? [] : this.#found,
      poppedAtMs: this.#delivery.clock.nowMs(),
      restCount: this.#restCount(),
    });
  }

  #end(): void {
    this.#isAnswered = true;
    if (this.#isParked) this.#delivery.unpark(this);
    if (this.#deadlineTimer !== undefined) this.#delivery.wheel.cancel(this.#deadlineTimer);
  }

  #restCount(): number {
    let count = 0;
    for (const queue of this.#plan.queues) {
      const state = this.#delivery.find(this.request.group, queue.topic, queue.queueId);
      count += queue.maxOffset - (state?.next ?? queue.minOffset);
    }
    return count;
  }

  #giveBack(): void {
    for (const { state, offset, deliveredAtMs } of this.#batch) {
      const entry = state.inFlight.get(offset);
      if (entry?.deliveredAtMs !== deliveredAtMs) continue;
      entry.attempt--;
      state.hide(entry, this.#delivery.clock.nowMs());
      this.#delivery.changed(state);
      this.#delivery.wake(state);
    }
  }

  /** Messages whose invisible time has passed, and ordered ones whose group is free again. */
  #redeliver(queue: StoredQueue, state: QueueState, then: () => void): void {
    const nowMs = this.#delivery.clock.nowMs();
    const entries = state.visible(nowMs, this.#room);
    for (const offset of state.released(this.#room - entries.length)) {
      const entry = new InFlight(offset, state.waiting.get(offset) ?? '');
      state.waiting.delete(offset);
      state.add(entry);
      entries.push(entry);
    }
    if (entries.length === 0) return then();
    for (const entry of entries) entry.isReserved = true;
    this.#readEach(queue, entries, 0, [], (messages) => {
      for (let index = 0; index < entries.length; index++) {
        this.#handOut(state, entries[index] as InFlight, messages[index]); // index < length
      }
      then();
    });
  }

  /** Reads the records of single offsets, one after the other; undefined where there is none. */
  #readEach(
    queue: StoredQueue,
    entries: readonly InFlight[],
    index: number,
    found: (StoredMessage | Error | undefined)[],
    then: (messages: readonly (StoredMessage | Error | undefined)[]) => void,
  ): void {
    const entry = entries[index];
    if (entry === undefined) return then(found);
    const next = (message: StoredMessage | Error | undefined): void => {
      found.push(message);
      this.#readEach(queue, entries, index + 1, found, then);
    };
    const offset = entry.offset as QueueEntry['queueOffset']; // an offset of this queue
    this.#delivery.store.readEntries(queue, offset, 1, (indexed) => {
      if (indexed instanceof Error) return next(indexed);
      if (indexed[0]?.queueOffset !== offset) return next(undefined);
      this.#delivery.store.readMessages(indexed, (messages) => {
        next(messages instanceof Error ? messages : messages[0]);
      });
    });
  }

  #handOut(state: QueueState, entry: InFlight, message: StoredMessage | Error | undefined): void {
    entry.isReserved = false;
    if (state.inFlight.get(entry.offset) !== entry) return; // reset or acknowledged meanwhile
    if (message instanceof Error) return this.#comeBack(state, entry, 1_000);
    if (message === undefined) return this.#delivery.finish(state, entry.offset);
    const group = entry.messageGroup;
    const isBlocked = group !== undefined && this.#isBlocked(state, group, entry.offset);
    if (this.#isCancelled || this.#isFull || isBlocked) return this.#comeBack(state, entry, 0);
    if (entry.attempt > this.#plan.retryCountMax) return this.#bury(state, entry, message);
    this.#take(state, entry, message);
  }

  #comeBack(state: QueueState, entry: InFlight, delayMs: number): void {
    state.hide(entry, this.#delivery.clock.nowMs() + delayMs);
    this.#delivery.changed(state);
  }

  /** Past its last attempt: into the dead letters, and only then done. */
  #bury(state: QueueState, entry: InFlight, message: StoredMessage): void {
    entry.isReserved = true;
    this.#delivery.deadLetters.add(state.group, message, entry.attempt, (error) => {
      entry.isReserved = false;
      if (state.inFlight.get(entry.offset) !== entry) return; // the offset was reset
      if (error !== undefined) return this.#comeBack(state, entry, deadLetterRetryMs);
      this.#delivery.finish(state, entry.offset);
    });
  }

  #take(state: QueueState, entry: InFlight, message: StoredMessage): void {
    const nowMs = Math.max(this.#delivery.clock.nowMs(), entry.deliveredAtMs + 1);
    const { invisibleTimeMs } = this.request;
    entry.attempt++;
    entry.deliveredAtMs = nowMs;
    state.hide(entry, nowMs + invisibleTimeMs);
    this.#delivery.changed(state);
    this.#push(state, entry, message);
  }

  #push(state: QueueState, entry: InFlight, message: StoredMessage): void {
    const { deliveredAtMs } = entry;
    this.#sizeBytes += message.storeSizeBytes;
    this.#batch.push({ state, offset: entry.offset, deliveredAtMs });
    const invisibleTimeMs = entry.visibleAtMs - deliveredAtMs;
    this.#found.push({
      message,
      deliveryAttempt: entry.attempt,
      invisibleTimeMs,
      receiptHandle: formatReceiptHandle({
        popTimeMs: deliveredAtMs,
        invisibleTimeMs,
        reviveQueueId: entry.messageGroup === undefined ? 0 : orderedReviveQueueId,
        topicType: 0,
        brokerName: this.#delivery.brokerName,
        queueId: state.queueId,
        queueOffset: entry.offset,
        physicalOffset: message.physicalOffset,
      }),
    });
  }

  /** Messages that nobody of the group has had. */
  #deliverNew(queue: StoredQueue, state: QueueState, examined: number, then: () => void): void {
    const isOver = this.#isFull || this.#isCancelled || examined >= limits.examinedEntryCountMax;
    if (isOver || state.next >= queue.maxOffset || state.isFull) {
      if (examined >= limits.examinedEntryCountMax) this.#runAgain = true;
      return then();
    }
    const from = Math.max(state.next, queue.minOffset) as QueueEntry['queueOffset']; // of this queue
    const isPicky = this.request.isOrdered || !this.#filter.isAll;
    const readCount = isPicky ? Math.max(this.#room, pickyReadCount) : this.#room;
    this.#delivery.store.readEntries(queue, from, readCount, (entries) => {
      if (entries instanceof Error || entries.length === 0) return then();
      // Somebody else may have gone on while this was read, or back.
      if (Math.max(state.next, queue.minOffset) !== from) {
        return this.#deliverNew(queue, state, examined + 1, then);
      }
      let wanted = entries.filter((entry) => this.#filter.mayMatch(entry.tagsCode));
      const last = entries[entries.length - 1] as QueueEntry; // not empty
      state.next = last.queueOffset + 1;
      if (!this.request.isOrdered && wanted.length > this.#room) {
        state.next = (wanted[this.#room] as QueueEntry).queueOffset; // in range
        wanted = wanted.slice(0, this.#room);
      }
      state.isDirty = true;
      this.#deliverEntries(state, wanted, () => {
        this.#deliverNew(queue, state, examined + entries.length, then);
      });
    });
  }

  #deliverEntries(state: QueueState, wanted: readonly QueueEntry[], then: () => void): void {
    const { isOrdered } = this.request;
    const reserved = wanted.map((entry) => {
      const one = new InFlight(entry.queueOffset, isOrdered ? unknownGroup : undefined);
      one.isReserved = true;
      state.add(one);
      return one;
    });
    state.advance();
    this.#delivery.changed(state);
    if (wanted.length === 0) return then();
    this.#delivery.store.readMessages(wanted, (messages) => {
      for (let index = 0; index < reserved.length; index++) {
        const entry = reserved[index] as InFlight; // index < length
        const message = messages instanceof Error ? messages : messages[index];
        if (isOrdered) this.#deliverOrdered(state, entry, message);
        else this.#deliverOne(state, entry, message);
      }
      if (isOrdered) this.#delivery.wakeWaiting(state);
      then();
    });
  }

  #deliverOne(
    state: QueueState,
    entry: InFlight,
    message: StoredMessage | Error | undefined,
  ): void {
    if (message !== undefined && !(message instanceof Error) && !this.#isWanted(message)) {
      return this.#delivery.finish(state, entry.offset);
    }
    this.#handOut(state, entry, message);
  }

  #isWanted(message: StoredMessage): boolean {
    return this.#filter.matches(findProperty(message.properties, 'TAGS'));
  }

  /** With its message group known: delivered, or made to wait behind those of its group. */
  #deliverOrdered(
    state: QueueState,
    reserved: InFlight,
    message: StoredMessage | Error | undefined,
  ): void {
    if (state.inFlight.get(reserved.offset) !== reserved) return;
    if (message === undefined || message instanceof Error || !this.#isWanted(message)) {
      return this.#deliverOne(state, reserved, message);
    }
    const group = findProperty(message.properties, '__SHARDINGKEY') ?? '';
    state.inFlight.delete(reserved.offset);
    const isFull = this.#isFull || this.#isCancelled;
    if (isFull || this.#isBlocked(state, group, reserved.offset)) {
      state.waiting.set(reserved.offset, group);
      state.isDirty = true;
      this.#delivery.changed(state);
      return;
    }
    const entry = new InFlight(reserved.offset, group);
    state.add(entry);
    this.#handOut(state, entry, message);
  }

  /** Whether an older message of the group is with somebody else, or waits. */
  #isBlocked(state: QueueState, group: string, offset: number): boolean {
    for (const [waiting, its] of state.waiting) if (its === group && waiting < offset) return true;
    const mine = new Set<number>();
    for (const one of this.#batch) if (one.state === state) mine.add(one.offset);
    for (const entry of state.inFlight.values()) {
      if (entry.offset >= offset) continue;
      if (entry.messageGroup === unknownGroup) return true;
      if (entry.messageGroup !== group) continue;
      if (entry.isReserved || !mine.has(entry.offset)) return true;
    }
    return false;
  }

  /** The same batch again, for an answer that was lost on the way. */
  #repeat(repeats: readonly Repeat[]): void {
    const step = (index: number): void => {
      const one = repeats[index];
      if (one === undefined) return this.#settle();
      const entry = one.state.inFlight.get(one.offset);
      if (entry === undefined) return step(index + 1);
      const queue = this.#delivery.store.queue(one.state.topic, one.state.queueId);
      this.#readEach(queue, [entry], 0, [], ([message]) => {
        if (message !== undefined && !(message instanceof Error)) {
          this.#push(one.state, entry, message);
        }
        step(index + 1);
      });
    };
    step(0);
  }
}
