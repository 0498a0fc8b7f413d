/**
 * Delivery by pop: who gets which message, what is in flight, what comes back (design.md, "Delivery").
 * One state per (group, topic, queue). A receive that finds nothing parks; an append to one of its
 * queues, a message becoming visible again, or its deadline wakes it. Nothing polls.
 */
import type { Clock } from '../../../platform/clock.ts';
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import { TagFilter } from '../../../protocol/filter/tag-filter.ts';
import type { PhysicalOffset, QueueOffset } from '../../../protocol/message/message.ts';
import type { Reply } from '../../../util/reply.ts';
import { TimerWheel } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';
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
import type { DeadLetters } from './dead-letters.ts';
import { PopJob } from './pop-job.ts';
import { decodeState, encodeState, type InFlight, QueueState } from './queue-state.ts';
import { formatReceiptHandle, parseReceiptHandle, type ReceiptHandle } from './receipt-handle.ts';

const prefix = 'delivery/';
const repeatCountMax = 20_000;

/** A batch that may be asked for again by its attempt id. */
export interface Repeat {
  readonly state: QueueState;
  readonly offset: number;
  readonly deliveredAtMs: number;
}

export interface CommittedOffset {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: QueueOffset;
}

export interface PopPlan {
  readonly request: PopRequest;
  readonly queues: readonly StoredQueue[];
  readonly retryCountMax: number;
}

export class Delivery implements StateSource {
  readonly store: MessageStore;
  readonly clock: Clock;
  readonly brokerName: string;
  readonly deadLetters: DeadLetters;
  readonly wheel: TimerWheel;
  readonly #states = new Map<string, Map<string, QueueState[]>>();
  readonly #dirty = new Set<QueueState>();
  #deleted: string[] = [];
  /** Receives that wait, by topic and group. */
  readonly #parked = new Map<string, Map<string, Set<PopJob>>>();
  #parkedCount = 0;
  /** Nobody waits any more. */
  isStopped = false;
  readonly #repeats = new Map<string, readonly Repeat[]>();
  #turn = 0;

  constructor(options: {
    readonly store: MessageStore;
    readonly clock: Clock;
    readonly brokerName: string;
    readonly deadLetters: DeadLetters;
  }) {
    this.store = options.store;
    this.clock = options.clock;
    this.brokerName = options.brokerName;
    this.deadLetters = options.deadLetters;
    this.wheel = new TimerWheel(options.clock, { resolutionMs: 5 });
    this.store.onVisible((queue) => this.#wake(queue.topic, queue.queueId));
  }

  async load(): Promise<void> {
    for await (const [key, value] of this.store.loadState(prefix)) {
      const [group, topic, queueId] = key.slice(prefix.length).split('/');
      if (group === undefined || topic === undefined || queueId === undefined) continue;
      const state = this.#make(group, topic, Number(queueId));
      decodeState(state, value);
      const queue = this.store.queue(topic, state.queueId);
      state.clamp(queue.minOffset, queue.maxOffset);
    }
  }

  collect(batch: StateBatch): void {
    for (const key of this.#deleted) batch.delete(key);
    this.#deleted = [];
    for (const state of this.#dirty) {
      state.isDirty = false;
      batch.put(keyOf(state), encodeState(state));
    }
    this.#dirty.clear();
  }

  /** To be called after every change of a state. */
  changed(state: QueueState): void {
    if (!state.isDirty || state.isDropped) return;
    this.#dirty.add(state);
    this.store.requestStateWrite();
    if (this.#parkedCount > 0) this.#arm(state);
  }

  /** Sets the timer for the next message that becomes visible, if somebody waits for one. */
  #arm(state: QueueState): void {
    if (state.isDropped || state.inFlight.size === 0) return;
    if (this.#parked.get(state.topic)?.has(state.group) !== true) return;
    if (state.nextVisibleMs >= state.timerDueMs) return;
    if (state.timer !== undefined) this.wheel.cancel(state.timer);
    state.timerDueMs = state.nextVisibleMs;
    const delayMs = Math.max(1, state.nextVisibleMs - this.clock.nowMs());
    state.timer = this.wheel.set(delayMs, () => {
      state.timer = undefined;
      state.timerDueMs = Number.POSITIVE_INFINITY;
      this.#wake(state.topic, state.queueId, state.group);
      // In the past: nobody waits for this very queue. The next who does sets the timer.
      if (state.nextVisibleMs > this.clock.nowMs()) this.#arm(state);
    });
  }

  #make(group: string, topic: string, queueId: number): QueueState {
    let topics = this.#states.get(group);
    if (topics === undefined) {
      topics = new Map();
      this.#states.set(group, topics);
    }
    let list = topics.get(topic);
    if (list === undefined) {
      list = [];
      topics.set(topic, list);
    }
    const state = new QueueState(group, topic, queueId);
    list[queueId] = state;
    return state;
  }

  find(group: string, topic: string, queueId: number): QueueState | undefined {
    return this.#states.get(group)?.get(topic)?.[queueId];
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
    const state = this.#make(group, queue.topic, queue.queueId);
    const isWhole = queue.minOffset === 0;
    state.reset(startFrom === 'MIN' || isWhole ? queue.minOffset : queue.maxOffset);
    this.changed(state);
    return state;
  }

  pop(plan: PopPlan, reply: Reply<PopResult, RmqError>): Cancel {
    const { request } = plan;
    if (request.filter.type !== 'TAG') {
      reply(new RmqError('ILLEGAL_FILTER', 'SQL92 filters are not supported yet'));
      return () => undefined;
    }
    const filter = new TagFilter(request.filter.expression);
    const turn = this.#turn++;
    const job = new PopJob({ delivery: this, plan, filter, turn, reply });
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

  /** Lets the job wait for its queues. @returns an error when too many wait already. */
  park(job: PopJob): RmqError | undefined {
    if (this.#parkedCount >= limits.parkedReceiveCountMax) {
      return new RmqError('POLLING_FULL', `${this.#parkedCount} receives are waiting, the limit`);
    }
    const { topic, group } = job.request;
    let groups = this.#parked.get(topic);
    if (groups === undefined) {
      groups = new Map();
      this.#parked.set(topic, groups);
    }
    let jobs = groups.get(group);
    if (jobs === undefined) {
      jobs = new Set();
      groups.set(group, jobs);
    }
    jobs.add(job);
    this.#parkedCount++;
    return undefined;
  }

  /** Has those wake a parked receive that become visible in its queues. */
  armQueues(group: string, queues: readonly StoredQueue[]): void {
    for (const queue of queues) {
      const state = this.find(group, queue.topic, queue.queueId);
      if (state !== undefined) this.#arm(state);
    }
  }

  unpark(job: PopJob): void {
    const { topic, group } = job.request;
    const groups = this.#parked.get(topic);
    const jobs = groups?.get(group);
    if (jobs?.delete(job) !== true) return;
    this.#parkedCount--;
    if (jobs.size === 0) groups?.delete(group);
    if (groups?.size === 0) this.#parked.delete(topic);
  }

  /** Runs those that wait for that queue, of one group or all, for as long as it has something. */
  #wake(topic: string, queueId: number, group?: string): void {
    const groups = this.#parked.get(topic);
    if (groups === undefined) return;
    for (const one of group === undefined ? [...groups.keys()] : [group]) {
      const state = this.find(one, topic, queueId);
      // In the order of their arrival; who is answered leaves the set.
      for (const job of groups.get(one) ?? []) {
        const wanted = job.request.queueId;
        if (wanted >= 0 && wanted !== queueId) continue;
        if (state !== undefined && !this.#hasWork(state)) break;
        job.run();
      }
    }
  }

  /** Whether looking at that queue may bring something. */
  #hasWork(state: QueueState): boolean {
    if (state.waiting.size > 0) return true;
    if (state.inFlight.size > 0 && state.nextVisibleMs <= this.clock.nowMs()) return true;
    if (state.isFull) return false;
    return state.next < this.store.queue(state.topic, state.queueId).maxOffset;
  }

  /** Ends every wait with an empty result: the broker stops. */
  releaseAll(): void {
    this.isStopped = true;
    for (const groups of [...this.#parked.values()]) {
      for (const jobs of [...groups.values()]) for (const job of [...jobs]) job.cancel();
    }
    this.wheel.clear();
  }

  remember(request: PopRequest, batch: readonly Repeat[]): void {
    if (request.attemptId === undefined || batch.length === 0) return;
    this.#repeats.set(repeatKey(request), batch);
    if (this.#repeats.size <= repeatCountMax) return;
    const oldest = this.#repeats.keys().next();
    if (oldest.done !== true) this.#repeats.delete(oldest.value);
  }

  /** What is still in flight of the batch that this attempt id got. */
  repeatOf(request: PopRequest): readonly Repeat[] {
    if (request.attemptId === undefined) return [];
    const nowMs = this.clock.nowMs();
    return (this.#repeats.get(repeatKey(request)) ?? []).filter((one) => {
      const entry = one.state.inFlight.get(one.offset);
      return entry?.deliveredAtMs === one.deliveredAtMs && entry.visibleAtMs > nowMs;
    });
  }

  ack(request: AckRequest, reply: Reply<readonly (RmqError | undefined)[], RmqError>): void {
    reply(request.receiptHandles.map((text) => this.#ackOne(request, text)));
  }

  #ackOne(request: AckRequest, text: string): RmqError | undefined {
    const found = this.#resolve(request, text);
    if (found instanceof RmqError) return found;
    if (found === undefined) return undefined;
    this.finish(found.state, found.entry.offset);
    return undefined;
  }

  /** Done with a message: committed, and whoever waits behind it goes on. */
  finish(state: QueueState, offset: number): void {
    const isOrdered = state.inFlight.get(offset)?.messageGroup !== undefined;
    const wasFull = state.isFull;
    state.remove(offset);
    this.changed(state);
    if (isOrdered) this.wakeWaiting(state);
    else if (wasFull) this.wake(state);
  }

  /** Something of that queue may be had again. */
  wake(state: QueueState): void {
    this.#wake(state.topic, state.queueId, state.group);
  }

  /** Ordered delivery: a message group may have become free. */
  wakeWaiting(state: QueueState): void {
    if (state.waiting.size > 0 || state.inFlight.size > 0) {
      this.#wake(state.topic, state.queueId, state.group);
    }
  }

  /**
   * The delivery that a handle names; undefined when that message is done already. A handle is good for
   * the attempt in which it was given out, also after later changes of the invisible time.
   */
  #resolve(
    request: { readonly group: string; readonly topic: string },
    text: string,
  ): { state: QueueState; entry: InFlight; handle: ReceiptHandle } | RmqError | undefined {
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
    const state = this.find(request.group, request.topic, handle.queueId);
    if (state === undefined || handle.queueOffset >= state.next) {
      return new RmqError('INVALID_RECEIPT_HANDLE', 'receipt handle is unknown');
    }
    const entry = state.inFlight.get(handle.queueOffset);
    if (entry === undefined) {
      if (state.isDone(handle.queueOffset)) return undefined;
      return new RmqError('INVALID_RECEIPT_HANDLE', 'receipt handle is expired');
    }
    const isCurrent = handle.popTimeMs >= entry.deliveredAtMs;
    if (!isCurrent || entry.visibleAtMs <= this.clock.nowMs()) {
      return new RmqError('INVALID_RECEIPT_HANDLE', 'receipt handle is expired');
    }
    return { state, entry, handle };
  }

  changeInvisibleTime(request: ChangeInvisibleTimeRequest, reply: Reply<string, RmqError>): void {
    const found = this.#resolve(request, request.receiptHandle);
    if (found instanceof RmqError) return reply(found);
    if (found === undefined) return reply(request.receiptHandle);
    const { state, entry, handle } = found;
    const nowMs = Math.max(this.clock.nowMs(), entry.deliveredAtMs);
    if (request.isSuspend && entry.attempt > 0) entry.attempt--;
    state.hide(entry, nowMs + request.invisibleTimeMs);
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
    const { state, entry, handle } = found;
    const offset = handle.physicalOffset as PhysicalOffset; // the field's meaning
    this.store.readAt(offset).then(
      (message) => {
        if (message === undefined || message.queueOffset !== entry.offset) {
          return reply(new RmqError('MESSAGE_NOT_FOUND', `no message at offset ${offset}`));
        }
        this.deadLetters.add(state.group, message, entry.attempt, (error) => {
          const isThere = state.inFlight.get(entry.offset) === entry;
          if (error === undefined && isThere) this.finish(state, entry.offset);
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
    const offsets: CommittedOffset[] = [];
    for (const [name, topics] of this.#states) {
      if (group !== undefined && group !== name) continue;
      for (const list of topics.values()) {
        for (const state of list) {
          if (state === undefined) continue;
          const offset = state.committed as QueueOffset; // counted in offsets
          offsets.push({ group: name, topic: state.topic, queueId: state.queueId, offset });
        }
      }
    }
    return offsets;
  }

  /** An operator or a pull consumer sets the offset; what was in flight is forgotten. */
  reset(group: string, topic: string, queueId: number, offset: number): void {
    const state = this.find(group, topic, queueId) ?? this.#make(group, topic, queueId);
    state.reset(offset);
    this.changed(state);
    this.#wake(topic, queueId, group);
  }

  dropTopic(topic: string): void {
    for (const jobs of [...(this.#parked.get(topic)?.values() ?? [])]) {
      const gone = new RmqError('TOPIC_NOT_FOUND', `topic ${topic} was deleted`);
      for (const job of [...jobs]) job.fail(gone);
    }
    for (const [group, topics] of this.#states) {
      const list = topics.get(topic);
      if (list === undefined) continue;
      topics.delete(topic);
      this.#forget(list);
      if (topics.size === 0) this.#states.delete(group);
    }
  }

  dropGroup(group: string): void {
    for (const list of this.#states.get(group)?.values() ?? []) this.#forget(list);
    this.#states.delete(group);
  }

  #forget(list: readonly (QueueState | undefined)[]): void {
    for (const state of list) {
      if (state === undefined) continue;
      state.isDropped = true;
      if (state.timer !== undefined) this.wheel.cancel(state.timer);
      this.#dirty.delete(state);
      this.#deleted.push(keyOf(state));
    }
    this.store.requestStateWrite();
  }
}

function keyOf(state: QueueState): string {
  return `${prefix}${state.group}/${state.topic}/${state.queueId}`;
}

function repeatKey(request: PopRequest): string {
  return `${request.group}\n${request.topic}\n${request.attemptId ?? ''}`;
}
