/**
 * Delivery by pop: who gets which message, what is in flight, what comes back (design.md, "Delivery").
 * One state per (group, topic, queue). A receive that finds nothing parks; an append to one of its
 * queues, a message becoming visible again, or its deadline wakes it. Nothing polls.
 */
import type { Clock } from '../../../platform/clock.ts';
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import { tryCompileFilter } from '../../../protocol/filter/message-filter.ts';
import { liteQueueTopic } from '../../../protocol/message/lite-topic.ts';
import type { PhysicalOffset, QueueOffset } from '../../../protocol/message/message.ts';
import type { Reply } from '../../../util/reply.ts';
import { TimerWheel } from '../../../util/timer-wheel.ts';
import type { Logger } from '../../shared/logger.ts';
import type {
  MessageStore,
  StateBatch,
  StateSource,
  StoredQueue,
} from '../../store/message-store.ts';
import type {
  AckRequest,
  Cancel,
  ChangeInvisibleTimeRequest,
  DeadLetterRequest,
  PopRequest,
  PopResult,
} from '../api.ts';
import { ClockWatch, setBackMinMs } from '../clock-watch.ts';
import { asSubscribed } from './as-subscribed.ts';
import { Attempts, attemptPrefix, type Repeat } from './attempts.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { InFlight } from './in-flight.ts';
import { PopJob } from './pop-job.ts';
import { parsePopRetryTopic, popTopicOf } from './pop-retry.ts';
import type { AdoptedMessage, QueueState } from './queue-state.ts';
import { formatReceiptHandle, parseReceiptHandle, type ReceiptHandle } from './receipt-handle.ts';
import { type CommittedOffset, StateTable } from './state-table.ts';
import { WaitingReceives } from './waiting-receives.ts';

/** What a group had consumed of a queue at another broker. */
export interface AdoptedConsumption {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  /** The first offset that was not delivered. */
  readonly next: number;
  readonly inFlight: readonly AdoptedMessage[];
}

export interface PopPlan {
  readonly request: PopRequest;
  readonly queues: readonly StoredQueue[];
  /** While it waits, of more queues than those at which it looked. */
  readonly watched?: () => readonly StoredQueue[];
  /** The first queue comes first each time, not one after the other. */
  readonly isByPriority: boolean;
  readonly retryCountMax: number;
}

export class Delivery implements StateSource {
  readonly store: MessageStore;
  readonly clock: Clock;
  readonly brokerName: string;
  readonly deadLetters: DeadLetters;
  readonly wheel: TimerWheel;
  readonly waiting: WaitingReceives = new WaitingReceives();
  readonly #logger: Logger;
  readonly #clockWatch: ClockWatch;
  readonly #states: StateTable;
  readonly attempts: Attempts = new Attempts();
  /** States that are full and get nothing new. */
  readonly #paused = new Set<QueueState>();
  #turn = 0;
  /** Nobody waits any more. */
  isStopped = false;

  constructor(options: {
    readonly store: MessageStore;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly brokerName: string;
    readonly deadLetters: DeadLetters;
  }) {
    this.store = options.store;
    this.#states = new StateTable(options.store);
    this.clock = options.clock;
    this.#clockWatch = new ClockWatch(options.clock);
    this.#logger = options.logger;
    this.brokerName = options.brokerName;
    this.deadLetters = options.deadLetters;
    this.wheel = new TimerWheel(options.clock, { resolutionMs: 5 });
    this.store.onVisible((queue) => this.#wakeAll(queue));
  }

  async load(): Promise<void> {
    await this.#states.load();
    this.#watchClock();
    // Of what was delivered in times to come, the last was it before the clock was set back.
    let aheadMs = 0;
    for (const { one } of this.inFlight()) {
      aheadMs = Math.max(aheadMs, one.deliveredAtMs - this.clock.nowMs());
    }
    if (aheadMs > setBackMinMs) this.#setBack(aheadMs);
    const find = (group: string, topic: string, queueId: number): QueueState | undefined =>
      this.find(group, topic, queueId);
    for await (const [key, value] of this.store.loadState(attemptPrefix)) {
      this.attempts.restore(key, value, find);
    }
  }

  /** Invisible times are durations: nobody waits longer because the wall clock was set back. */
  #watchClock(): void {
    const backMs = this.#clockWatch.setBackMs();
    if (backMs > 0) this.#setBack(backMs);
  }

  #setBack(ms: number): void {
    this.#logger.warn('the clock was set back', { ms });
    for (const state of this.#states.all()) {
      state.setBack(ms);
      this.changed(state);
    }
  }

  collect(batch: StateBatch): void {
    this.#states.collect(batch);
    this.attempts.collect(batch);
  }

  /** To be called after every change of a state. */
  changed(state: QueueState): void {
    if (state.isDropped) return;
    this.#states.changed(state);
    // What was reserved and is visible again changes nothing that is stored.
    if (this.waiting.count > 0) this.#arm(state);
  }

  /** Sets the timer for the next message that becomes visible, if somebody waits for one. */
  #arm(state: QueueState): void {
    const dueMs = state.nextVisibleMs;
    if (dueMs >= state.timerDueMs || state.isDropped) return;
    if (!this.waiting.isWaitedFor(state.group, state.topic, state.queueId)) return;
    if (state.timer !== undefined) this.wheel.cancel(state.timer);
    state.timerDueMs = dueMs;
    const delayMs = Math.max(1, dueMs - this.clock.nowMs());
    state.timer = this.wheel.set(delayMs, () => {
      state.timer = undefined;
      state.timerDueMs = Number.POSITIVE_INFINITY;
      this.#watchClock();
      this.wake(state);
      // In the past: those that wait are reading already, and look again before they wait.
      if (state.nextVisibleMs > this.clock.nowMs()) this.#arm(state);
    });
  }

  find(group: string, topic: string, queueId: number): QueueState | undefined {
    return this.#states.find(group, topic, queueId);
  }

  /** The state, made on first use: a new group starts at the oldest message of a queue that is whole. */
  stateOf(group: string, queue: StoredQueue, startFrom: 'MIN' | 'MAX'): QueueState {
    const known = this.find(group, queue.topic, queue.queueId);
    if (known !== undefined) {
      const isBehind = known.committed < queue.minOffset;
      // An offset past the end (somebody put it there) must not hide what comes.
      if (isBehind || known.next > queue.maxOffset) {
        known.clamp(queue.minOffset, queue.maxOffset);
        this.changed(known);
      }
      return known;
    }
    const state = this.#states.make(group, queue.topic, queue.queueId);
    const isWhole = queue.minOffset === 0;
    state.reset(startFrom === 'MIN' || isWhole ? queue.minOffset : queue.maxOffset);
    this.changed(state);
    return state;
  }

  pop(plan: PopPlan, reply: Reply<PopResult, RmqError>): Cancel {
    this.#watchClock();
    const { request } = plan;
    const filter = tryCompileFilter(request.filter);
    if (filter instanceof RmqError) {
      reply(filter);
      return () => undefined;
    }
    const turn = this.#states.turnOf(request.group, request.topic);
    const first = plan.isByPriority || plan.watched !== undefined ? 0 : turn % plan.queues.length;
    const job = new PopJob({ delivery: this, plan, filter, turn: this.#turn++, first, reply });
    const begin = (): void => job.run();
    // A group that starts behind the newest message must find that place again after a crash, or it
    // would skip what came in between. When the write fails, reading goes on (nothing new comes in).
    if (this.#startGroup(plan)) this.store.writeStateNow().then(begin, begin);
    else begin();
    return () => job.cancel();
  }

  /** Makes the states that are missing. True when one of them starts behind a message. */
  #startGroup({ request, queues }: PopPlan): boolean {
    let isBehind = false;
    for (const queue of queues) {
      if (this.find(request.group, queue.topic, queue.queueId) !== undefined) continue;
      const state = this.stateOf(request.group, queue, request.startFrom);
      if (state.next > queue.minOffset) isBehind = true;
    }
    return isBehind;
  }

  /** Has those wake a parked receive that become visible in its queues. */
  armQueues(group: string, queues: readonly StoredQueue[]): void {
    for (const queue of queues) {
      const state = this.find(group, queue.topic, queue.queueId);
      if (state !== undefined) this.#arm(state);
    }
  }

  /** A queue has new messages. */
  #wakeAll(queue: StoredQueue): void {
    if (this.waiting.count === 0) return;
    for (const group of this.waiting.groupsOf(queue.topic)) this.#wake(group, queue);
  }

  /** Something of that queue may be had again. */
  wake(state: QueueState): void {
    if (this.waiting.count === 0) return;
    this.#wake(state.group, this.store.queue(state.topic, state.queueId));
  }

  wakeQueue(group: string, queue: StoredQueue): void {
    if (this.waiting.count > 0) this.#wake(group, queue);
  }

  /** Runs those that wait for the queue, for as long as it has something. */
  #wake(group: string, queue: StoredQueue): void {
    for (const job of this.waiting.of(group, queue.topic, queue.queueId)) {
      if (!this.hasWork(group, queue)) return;
      job.runQueue(queue);
    }
  }

  /** Whether looking at that queue may bring something. */
  hasWork(group: string, queue: StoredQueue): boolean {
    const state = this.find(group, queue.topic, queue.queueId);
    if (state === undefined) return queue.maxOffset > queue.minOffset;
    if (state.nextVisibleMs <= this.clock.nowMs()) return true;
    return state.next < queue.maxOffset && !state.isFull;
  }

  /** The same, and queues that are full, which is to be said, or shorter than the group thinks. */
  isWorthALook(group: string, queue: StoredQueue): boolean {
    const state = this.find(group, queue.topic, queue.queueId);
    return state === undefined || state.next !== queue.maxOffset || this.hasWork(group, queue);
  }

  /** Whether the group is done with everything in that queue. */
  isDrained(group: string, queue: StoredQueue): boolean {
    const state = this.find(group, queue.topic, queue.queueId);
    if (state === undefined) return queue.maxOffset === queue.minOffset;
    return state.openCount === 0 && state.next >= queue.maxOffset;
  }

  /** Something could not be read: whoever waits tries again after a while. */
  wakeLater(state: QueueState, delayMs: number): void {
    if (!this.isStopped) this.wheel.set(delayMs, () => this.wake(state));
  }

  /** A receive found the state full: nothing new is delivered until some of it is done. */
  paused(state: QueueState): void {
    if (this.#paused.has(state)) return;
    this.#paused.add(state);
    const { group, topic, queueId, openCount } = state;
    this.#logger.warn('too much in flight or held back: the queue gets nothing new', {
      group,
      topic,
      queueId,
      messages: openCount,
      messagesOfAllGroups: this.#states.openCount,
    });
  }

  #resume(): void {
    for (const state of this.#paused) {
      if (state.isFull) continue;
      this.#paused.delete(state);
      const { group, topic, queueId } = state;
      this.#logger.info('the queue gets new messages again', { group, topic, queueId });
      this.wake(state);
    }
  }

  /** Ends every wait with an empty result: the broker stops. */
  releaseAll(): void {
    this.isStopped = true;
    for (const job of this.waiting.all()) job.cancel();
    this.wheel.clear();
  }

  /** What is still in flight of the answer that the job's question got before. */
  repeatOf(job: PopJob): readonly Repeat[] {
    return job.attemptKey === undefined
      ? []
      : this.attempts.find(job.attemptKey, this.clock.nowMs());
  }

  ack(request: AckRequest, reply: Reply<readonly (RmqError | undefined)[], RmqError>): void {
    reply(request.receiptHandles.map((text) => this.#ackOne(request, text)));
  }

  #ackOne(request: AckRequest, text: string): RmqError | undefined {
    const found = this.#resolve(request, text);
    if (found instanceof RmqError) return found;
    if (found === undefined) return undefined;
    this.finish(found.state, found.one);
    return undefined;
  }

  /** Done with a message: committed, and whoever waits behind it goes on. */
  finish(state: QueueState, one: InFlight): void {
    const wasFull = state.isFull;
    state.remove(one);
    this.changed(state);
    if (one.messageGroup !== undefined) this.wake(state);
    if (wasFull && this.#paused.size > 0) this.#resume();
  }

  /**
   * The delivery that a handle names; undefined when that message is done already. A handle is good for
   * the attempt in which it was given out, also after later changes of the invisible time.
   */
  #resolve(
    request: { readonly group: string; readonly topic: string },
    text: string,
  ): { state: QueueState; one: InFlight; handle: ReceiptHandle } | RmqError | undefined {
    let handle: ReceiptHandle;
    try {
      handle = parseReceiptHandle(text);
    } catch (error) {
      if (error instanceof RmqError) return error;
      throw error;
    }
    if (handle.brokerName !== this.brokerName) {
      return new RmqError('INVALID_RECEIPT_HANDLE', `cannot find broker ${handle.brokerName}`);
    }
    const { liteTopic } = handle;
    const topic =
      liteTopic === undefined
        ? popTopicOf(request.group, request.topic, handle.topicType)
        : liteQueueTopic(request.topic, liteTopic);
    const state = this.find(request.group, topic, handle.queueId);
    if (state === undefined || handle.queueOffset >= state.next) {
      return new RmqError('INVALID_RECEIPT_HANDLE', 'receipt handle is unknown');
    }
    const one = state.find(handle.queueOffset);
    if (one === undefined) return undefined; // done
    const isCurrent = handle.popTimeMs >= one.deliveredAtMs;
    if (!isCurrent || one.visibleAtMs <= this.clock.nowMs()) {
      return new RmqError('INVALID_RECEIPT_HANDLE', 'receipt handle is expired');
    }
    return { state, one, handle };
  }

  changeInvisibleTime(request: ChangeInvisibleTimeRequest, reply: Reply<string, RmqError>): void {
    const found = this.#resolve(request, request.receiptHandle);
    if (found instanceof RmqError) return reply(found);
    if (found === undefined) return reply(request.receiptHandle);
    const { state, one, handle } = found;
    const nowMs = Math.max(this.clock.nowMs(), one.deliveredAtMs);
    if (request.isSuspend && one.attempt > 0) one.attempt--;
    state.hide(one, nowMs + request.invisibleTimeMs);
    this.changed(state);
    reply(
      formatReceiptHandle({
        ...handle,
        popTimeMs: nowMs,
        invisibleTimeMs: request.invisibleTimeMs,
      }),
    );
    if (request.invisibleTimeMs === 0) this.wake(state);
  }

  /** Copies the message that a handle names to the dead letters; done only once the copy is kept. */
  sendToDeadLetters(request: DeadLetterRequest, reply: Reply<undefined, RmqError>): void {
    const found = this.#resolve(request, request.receiptHandle);
    if (found === undefined || found instanceof RmqError) return reply(found);
    const { state, one, handle } = found;
    const offset = handle.physicalOffset as PhysicalOffset; // the field's meaning
    this.store.readAt(offset).then(
      (message) => {
        if (message === undefined || message.queueOffset !== one.offset) {
          return reply(new RmqError('MESSAGE_NOT_FOUND', `no message at offset ${offset}`));
        }
        const { reconsumeTimes } = message;
        const isRetry = parsePopRetryTopic(state.group, state.topic) !== undefined;
        const attempts = (isRetry ? reconsumeTimes : 0) + one.attempt;
        this.deadLetters.add(state.group, asSubscribed(message, state.group), attempts, (error) => {
          if (error === undefined) this.finish(state, one);
          reply(error);
        });
      },
      (error: unknown) => reply(asRmqError(error)),
    );
  }

  offsetOf(group: string, topic: string, queueId: number): QueueOffset | undefined {
    const state = this.find(group, topic, queueId);
    return state === undefined ? undefined : (state.committed as QueueOffset); // counted in offsets
  }

  /** Committed offsets of a group, of all groups when undefined. */
  listOffsets(group: string | undefined): CommittedOffset[] {
    return this.#states.listOffsets(group);
  }

  /** A consumer that pulls has come so far; what pop has in flight above that stays. */
  commit(group: string, topic: string, queueId: number, offset: number): void {
    const known = this.find(group, topic, queueId);
    if (known === undefined) return this.reset(group, topic, queueId, offset);
    known.commit(offset);
    this.changed(known);
    this.wake(known);
  }

  /** An operator sets the offset; what was in flight is forgotten. */
  reset(group: string, topic: string, queueId: number, offset: number): void {
    const state = this.find(group, topic, queueId) ?? this.#states.make(group, topic, queueId);
    state.reset(offset);
    this.changed(state);
    this.wake(state);
  }

  /** As another broker left it. Only while nobody consumes. */
  adopt(consumed: AdoptedConsumption): void {
    const { group, topic, queueId } = consumed;
    const state = this.#states.make(group, topic, queueId);
    state.adopt(consumed.next, consumed.inFlight);
    this.changed(state);
  }

  /** What is in flight, or held back, of all groups. */
  inFlight(): Iterable<{ readonly state: QueueState; readonly one: InFlight }> {
    return this.#states.inFlight();
  }

  dropTopic(topic: string): void {
    const gone = new RmqError('TOPIC_NOT_FOUND', `topic ${topic} was deleted`);
    for (const job of this.waiting.all(topic)) job.fail(gone);
    this.#forget(this.#states.dropTopic(topic));
  }

  dropGroup(group: string): void {
    this.#forget(this.#states.dropGroup(group));
  }

  #forget(states: readonly QueueState[]): void {
    for (const state of states) {
      if (state.timer !== undefined) this.wheel.cancel(state.timer);
      this.#paused.delete(state);
    }
  }
}
