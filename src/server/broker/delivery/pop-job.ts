/**
 * One receive: collects messages from its queues, one after the other, waits when there are none, and
 * answers once. Whatever it awaits, the state may have changed afterwards: messages are reserved
 * before they are read, so that no two receives get the same one.
 */

import type { RmqError } from '../../../protocol/errors.ts';
import type { MessageFilter } from '../../../protocol/filter/message-filter.ts';
import { parseLiteQueueTopic } from '../../../protocol/message/lite-topic.ts';
import type { StoredMessage } from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import type { Reply } from '../../../util/reply.ts';
import type { WheelTimer } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';
import type { QueueEntry, StoredQueue } from '../../store/message-store.ts';
import type { PoppedMessage, PopRequest, PopResult } from '../api.ts';
import { asSubscribed } from './as-subscribed.ts';
import { attemptKeyOf, type Repeat } from './attempts.ts';
import type { Delivery, PopPlan } from './delivery.ts';
import type { InFlight } from './in-flight.ts';
import { isPopRetry, parsePopRetryTopic } from './pop-retry.ts';
import type { QueueState } from './queue-state.ts';
import { readOffsets } from './read-offsets.ts';
import { formatReceiptHandle, orderedReviveQueueId } from './receipt-handle.ts';

/** How long a message rests that could not be read or copied. */
const failurePauseMs = 1_000;
/** Index entries read at once where some may not be for us. */
const pickyReadCount = 64;

/** A message of the answer; reserved until then. */
interface Found {
  /** Delivered once more as it was, for an answer that was lost. */
  readonly isRepeat: boolean;
  readonly state: QueueState;
  readonly one: InFlight;
  readonly message: StoredMessage;
}

export class PopJob {
  readonly request: PopRequest;
  /** Names the client's question, if it said so. */
  readonly attemptKey: string | undefined;
  /** Later receives have higher numbers. */
  readonly turn: number;
  readonly #delivery: Delivery;
  readonly #plan: PopPlan;
  readonly #filter: MessageFilter;
  readonly #reply: Reply<PopResult, RmqError>;
  readonly #first: number;
  readonly #deadlineMs: number;
  #found: Found[] = [];
  /** Of ordered delivery: what is in `#found`, and messages that were read and not yet handed out. */
  readonly #mine = new Set<InFlight>();
  readonly #loaded = new Map<InFlight, StoredMessage>();
  #sizeBytes = 0;
  #isAnswered = false;
  #isCancelled = false;
  #isRunning = false;
  #isParked = false;
  #runAgain = false;
  #deadlineTimer: WheelTimer | undefined = undefined;
  /** Where it looks, and how many messages these queues had had when it began to. */
  #queues: readonly StoredQueue[] = [];
  #seenCount = 0;

  constructor(options: {
    readonly delivery: Delivery;
    readonly plan: PopPlan;
    readonly filter: MessageFilter;
    readonly turn: number;
    /** Which of the queues comes first. */
    readonly first: number;
    readonly reply: Reply<PopResult, RmqError>;
  }) {
    this.#delivery = options.delivery;
    this.#plan = options.plan;
    this.request = options.plan.request;
    this.attemptKey = attemptKeyOf(this.request);
    this.turn = options.turn;
    this.#filter = options.filter;
    this.#reply = options.reply;
    this.#first = options.first;
    this.#deadlineMs = this.#delivery.clock.monotonicMs() + this.request.pollingTimeMs;
  }

  /** Looks for messages in all its queues. */
  run(): void {
    if (!this.#begin()) return;
    this.#queues = this.#watched();
    this.#seenCount = countOf(this.#queues);
    const repeats = this.#delivery.repeatOf(this);
    if (repeats.length > 0) this.#repeat(repeats);
    else this.#nextQueue(0);
  }

  /** Looks at one queue, in which a message became visible while the job waited for all. */
  runQueue(queue: StoredQueue): void {
    if (this.#begin()) this.#visit(queue, () => this.#settle([queue]));
  }

  /** While it waits there may be others than those of the plan, where it looks first. */
  #watched(): readonly StoredQueue[] {
    return (this.#isParked ? this.#plan.watched?.() : undefined) ?? this.#plan.queues;
  }

  #begin(): boolean {
    if (this.#isAnswered) return false;
    if (this.#isRunning) {
      this.#runAgain = true;
      return false;
    }
    this.#isRunning = true;
    this.#runAgain = false;
    return true;
  }

  /** Ends a wait with an error. */
  fail(error: RmqError): void {
    if (this.#isAnswered || this.#isRunning) return;
    this.#end();
    this.#reply(error);
  }

  /** The client is gone: what was found is for others. */
  cancel(): void {
    if (this.#isAnswered) return;
    this.#isCancelled = true;
    if (!this.#isRunning) this.#answer();
  }

  #nextQueue(from: number): void {
    const queues = this.#queues;
    // Passed over in a loop: there may be thousands that have nothing.
    for (let index = from; index < queues.length && !this.#isOver; index++) {
      const queue = queues[(this.#first + index) % queues.length] as StoredQueue; // in range
      if (!this.#delivery.isWorthALook(this.request.group, queue)) continue;
      return this.#visit(queue, () => this.#nextQueue(index + 1));
    }
    this.#settle(queues);
  }

  /** First what became visible again, then what nobody of the group has had. */
  #visit(queue: StoredQueue, then: () => void): void {
    const state = this.#delivery.stateOf(this.request.group, queue, this.request.startFrom);
    if (this.request.isOrdered) return this.#deliverOrdered(queue, state, 0, then);
    this.#deliverVisible(queue, state, () => this.#deliverNew(queue, state, 0, then));
  }

  get #isOver(): boolean {
    return this.#isCancelled || this.#isFull;
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
  #settle(visited: readonly StoredQueue[]): void {
    this.#isRunning = false;
    this.#loaded.clear();
    // An offset may have been reset while others were read.
    this.#found = this.#found.filter(({ one }) => one.isOpen);
    if (this.#isCancelled || this.#found.length > 0) return this.#answer();
    const leftMs = this.#deadlineMs - this.#delivery.clock.monotonicMs();
    const isLate = leftMs <= 0 && this.request.pollingTimeMs > 0;
    if (this.#runAgain && !isLate) {
      // Not at once: a long run of messages that do not match must not hold the loop.
      this.#delivery.clock.afterTick(() => this.run());
      return;
    }
    if (leftMs <= 0 || this.#delivery.isStopped) return this.#answer();
    if (!this.#isParked) {
      const refused = this.#delivery.waiting.add(this);
      if (refused !== undefined) {
        this.#isAnswered = true;
        return this.#reply(refused);
      }
      this.#isParked = true;
      this.#deadlineTimer = this.#delivery.wheel.set(leftMs, () => this.#answer());
      // Nobody knew of it while it was reading.
      if (countOf(this.#watched()) !== this.#seenCount) {
        this.#delivery.clock.afterTick(() => this.run());
        return;
      }
    }
    this.#delivery.armQueues(this.request.group, this.#plan.watched?.() ?? visited);
  }

  #answer(): void {
    if (this.#isAnswered) return;
    if (this.#isRunning) {
      return; // Something is being read: the reading's end answers.
    }
    this.#end();
    const nowMs = this.#delivery.clock.nowMs();
    const messages: PoppedMessage[] = [];
    if (this.#isCancelled) this.#giveBack();
    else for (const found of this.#found) messages.push(this.#deliver(found, nowMs));
    if (messages.length > 0 && this.attemptKey !== undefined) this.#remember(this.attemptKey);
    this.#reply({ messages, poppedAtMs: nowMs, restCount: this.#restCount() });
  }

  #remember(key: string): void {
    const batch: Repeat[] = this.#found.map(({ state, one }) => {
      return { state, offset: one.offset, deliveredAtMs: one.deliveredAtMs };
    });
    this.#delivery.attempts.remember(key, this.request, batch);
  }

  #end(): void {
    this.#isAnswered = true;
    if (this.#isParked) this.#delivery.waiting.remove(this);
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
    for (const { isRepeat, state, one } of this.#found) {
      if (isRepeat) continue;
      state.release(one);
      this.#delivery.changed(state);
      this.#delivery.wake(state);
    }
  }

  /** Messages whose invisible time has passed, and ordered ones whose turn it is. */
  #deliverVisible(queue: StoredQueue, state: QueueState, then: () => void): void {
    const taken = state.take(this.#delivery.clock.nowMs(), this.#room);
    if (taken.length === 0) return then();
    const missing = taken.filter((one) => !this.#loaded.has(one));
    const { store } = this.#delivery;
    readOffsets(store, queue, missing, (messages) => {
      let next = 0;
      for (const one of taken) {
        const message = this.#loaded.get(one) ?? messages[next++];
        this.#loaded.delete(one);
        this.#handOut(state, one, message);
      }
      then();
    });
  }

  #handOut(state: QueueState, one: InFlight, message: StoredMessage | Error | undefined): void {
    if (!one.isOpen) return; // reset or acknowledged meanwhile
    if (message instanceof Error) return this.#pause(state, one);
    if (message === undefined) return this.#delivery.finish(state, one);
    const isNext = one.earlier === undefined || this.#mine.has(one.earlier);
    if (this.#isOver || !isNext) {
      state.release(one);
      return this.#delivery.changed(state);
    }
    const attempts = earlierAttempts(state, message) + one.attempt;
    // Below 0 means none as well: nothing is a dead letter before it was delivered.
    if (attempts > Math.max(0, this.#plan.retryCountMax)) return this.#bury(state, one, message);
    this.#find(state, one, message, false);
  }

  #pause(state: QueueState, one: InFlight): void {
    state.hide(one, this.#delivery.clock.nowMs() + failurePauseMs);
    this.#delivery.changed(state);
  }

  /** Past its last attempt: into the dead letters, and only then done. */
  #bury(state: QueueState, one: InFlight, message: StoredMessage): void {
    one.isReserved = true;
    const attempts = earlierAttempts(state, message) + one.attempt;
    const subscribed = asSubscribed(message, state.group);
    this.#delivery.deadLetters.add(state.group, subscribed, attempts, (error) => {
      if (!one.isOpen) return; // the offset was reset
      if (error !== undefined) return this.#pause(state, one);
      this.#delivery.finish(state, one);
    });
  }

  #find(state: QueueState, one: InFlight, message: StoredMessage, isRepeat: boolean): void {
    this.#sizeBytes += message.storeSizeBytes;
    this.#found.push({ isRepeat, state, one, message });
    if (one.messageGroup !== undefined) this.#mine.add(one);
  }

  /** The invisible time begins with the answer, however long the reading took. */
  #deliver({ isRepeat, state, one, message }: Found, nowMs: number): PoppedMessage {
    if (!isRepeat) {
      one.attempt++;
      one.deliveredAtMs = Math.max(nowMs, one.deliveredAtMs + 1);
      state.hide(one, one.deliveredAtMs + this.request.invisibleTimeMs);
      this.#delivery.changed(state);
    }
    const { deliveredAtMs } = one;
    const invisibleTimeMs = one.visibleAtMs - deliveredAtMs;
    const { queueId, topic } = state;
    return {
      message: asSubscribed(message, state.group),
      deliveryAttempt: earlierAttempts(state, message) + one.attempt,
      invisibleTimeMs,
      receiptHandle: formatReceiptHandle({
        popTimeMs: deliveredAtMs,
        invisibleTimeMs,
        reviveQueueId: one.messageGroup === undefined ? 0 : orderedReviveQueueId,
        topicType: parsePopRetryTopic(state.group, topic)?.type ?? 0,
        brokerName: this.#delivery.brokerName,
        queueId,
        queueOffset: one.offset,
        physicalOffset: message.physicalOffset,
        liteTopic: parseLiteQueueTopic(topic)?.liteTopic,
      }),
    };
  }

  /** Whether new messages of the queue are to be looked at. */
  #mayGoOn(queue: StoredQueue, state: QueueState, examinedCount: number): boolean {
    if (this.#isOver || state.isDropped || state.next >= queue.maxOffset) return false;
    if (examinedCount >= limits.examinedEntryCountMax) {
      this.#runAgain = true;
      return false;
    }
    if (!state.isFull) return true;
    this.#delivery.paused(state);
    return false;
  }

  /** Messages that nobody of the group has had, without order. */
  #deliverNew(queue: StoredQueue, state: QueueState, examined: number, then: () => void): void {
    if (!this.#mayGoOn(queue, state, examined)) return then();
    const from = Math.max(state.next, queue.minOffset) as QueueEntry['queueOffset']; // of this queue
    const readCount = this.#filter.isAll ? this.#room : Math.max(this.#room, pickyReadCount);
    this.#delivery.store.readEntries(queue, from, readCount, (entries) => {
      if (entries instanceof Error) this.#delivery.wakeLater(state, failurePauseMs);
      if (entries instanceof Error || entries.length === 0) return then();
      // Somebody else may have gone on while this was read, or back.
      if (state.isDropped || Math.max(state.next, queue.minOffset) !== from) {
        return this.#deliverNew(queue, state, examined + 1, then);
      }
      let wanted = entries.filter((entry) => this.#filter.mayMatch(entry.tagsCode));
      let next = (entries[entries.length - 1] as QueueEntry).queueOffset + 1; // not empty
      if (wanted.length > this.#room) {
        next = (wanted[this.#room] as QueueEntry).queueOffset; // in range
        wanted = wanted.slice(0, this.#room);
      }
      const reserved = wanted.map((entry) => state.reserve(entry.queueOffset));
      state.moveTo(next);
      this.#delivery.changed(state);
      this.#deliverReserved(state, wanted, reserved, () => {
        this.#deliverNew(queue, state, examined + entries.length, then);
      });
    });
  }

  #deliverReserved(
    state: QueueState,
    wanted: readonly QueueEntry[],
    reserved: readonly InFlight[],
    then: () => void,
  ): void {
    if (wanted.length === 0) return then();
    this.#delivery.store.readMessages(wanted, (messages) => {
      for (let index = 0; index < reserved.length; index++) {
        const one = reserved[index] as InFlight; // index < length
        const message = messages instanceof Error ? messages : messages[index];
        const isRead = message !== undefined && !(message instanceof Error);
        if (isRead && !this.#isWanted(state, message)) this.#delivery.finish(state, one);
        else this.#handOut(state, one, message);
      }
      then();
    });
  }

  #isWanted({ group, topic }: QueueState, message: StoredMessage): boolean {
    if (!this.#filter.matches(message.properties)) return false;
    return parsePopRetryTopic(group, topic) === undefined || isPopRetry(message, group);
  }

  /** In order: what is visible, and as long as there is room, new messages put into their groups. */
  #deliverOrdered(queue: StoredQueue, state: QueueState, examined: number, then: () => void): void {
    this.#deliverVisible(queue, state, () => {
      if (!this.#mayGoOn(queue, state, examined)) return then();
      if (state.isLoading) {
        return state.afterLoading(() => this.#deliverOrdered(queue, state, examined, then));
      }
      // Only if nothing of the first few can be had, it pays to read more than asked for.
      const readCount = examined === 0 ? this.#room : pickyReadCount;
      this.#load(queue, state, readCount, (count) => {
        if (count === 0) return then();
        this.#deliverOrdered(queue, state, examined + count, then);
      });
    });
  }

  /** Reads new messages and puts them into their message groups; `then` is told how many. */
  #load(
    queue: StoredQueue,
    state: QueueState,
    readCount: number,
    then: (count: number) => void,
  ): void {
    const { store } = this.#delivery;
    const from = Math.max(state.next, queue.minOffset) as QueueEntry['queueOffset']; // of this queue
    const end = (count: number): void => {
      // This job goes on first, then those that waited for its reading.
      then(count);
      state.endLoading();
    };
    state.beginLoading();
    store.readEntries(queue, from, readCount, (entries) => {
      if (entries instanceof Error) this.#delivery.wakeLater(state, failurePauseMs);
      if (entries instanceof Error || entries.length === 0) return end(0);
      const wanted = entries.filter((entry) => this.#filter.mayMatch(entry.tagsCode));
      store.readMessages(wanted, (messages) => {
        if (messages instanceof Error) {
          this.#delivery.wakeLater(state, failurePauseMs);
          return end(0);
        }
        // The offset may have been reset meanwhile: then this is not what comes next.
        if (state.isDropped || Math.max(state.next, queue.minOffset) !== from) return end(1);
        for (const message of messages) {
          if (message === undefined || !this.#isWanted(state, message)) continue;
          const groupName = findProperty(message.properties, '__SHARDINGKEY') ?? '';
          this.#loaded.set(state.hold(message.queueOffset, groupName), message);
        }
        state.moveTo((entries[entries.length - 1] as QueueEntry).queueOffset + 1); // not empty
        this.#delivery.changed(state);
        end(entries.length);
      });
    });
  }

  /** The same batch again, for an answer that was lost on the way. */
  #repeat(repeats: readonly Repeat[]): void {
    const read = new Map<InFlight, StoredMessage>();
    const step = (index: number): void => {
      const one = repeats[index];
      if (one === undefined) return this.#findAgain(read);
      const open = one.state.find(one.offset);
      if (open === undefined) return step(index + 1);
      const { store } = this.#delivery;
      readOffsets(store, store.queue(one.state.topic, one.state.queueId), [open], ([message]) => {
        if (message !== undefined && !(message instanceof Error)) read.set(open, message);
        step(index + 1);
      });
    };
    step(0);
  }

  /** While they were read some may have been acknowledged, or have become visible to others. */
  #findAgain(read: ReadonlyMap<InFlight, StoredMessage>): void {
    for (const { state, offset } of this.#delivery.repeatOf(this)) {
      const one = state.find(offset);
      const message = one === undefined ? undefined : read.get(one);
      if (one !== undefined && message !== undefined) this.#find(state, one, message, true);
    }
    if (this.#found.length > 0) this.#settle(this.#queues);
    else this.#nextQueue(0);
  }
}

/** Messages that queues have had. */
function countOf(queues: readonly StoredQueue[]): number {
  let count = 0;
  for (const queue of queues) count += queue.maxOffset;
  return count;
}

/** A copy in a pop retry topic has been delivered before, as often as it says. */
function earlierAttempts(state: QueueState, message: StoredMessage): number {
  const isRetry = parsePopRetryTopic(state.group, state.topic) !== undefined;
  return isRetry ? message.reconsumeTimes : 0;
}
