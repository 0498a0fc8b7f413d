/**
 * Delivery by pop: who gets which message, what is in flight, what comes back (design.md, "Delivery").
 * One state per (group, topic, queue). A receive that finds nothing parks; an append to one of its
 * queues, a message becoming visible again, or its deadline wakes it. Nothing polls.
 */
import type { Clock } from '../../../platform/clock.ts';
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import type { PhysicalOffset, QueueOffset } from '../../../protocol/message/message.ts';
import { TagFilter } from '../../../protocol/filter/tag-filter.ts';
import type { Reply } from '../../../util/reply.ts';
import { TimerWheel } from '../../../util/timer-wheel.ts';
import { limits } from '../../shared/limits.ts';
import type { MessageStore, StateBatch, StateSource, StoredQueue } from '../../store/message-store.ts';
import type {
  AckRequest,
  Cancel,
  ChangeInvisibleTimeRequest,
  DeadLetterRequest,
  PopRequest,
  PopResult,
} from '../api.ts';
import type { DeadLetters } from './dead-letters.ts';
import { decodeState, QueueState, encodeState, type InFlight } from './queue-state.ts';
import { PopJob } from './pop-job.ts';
import { formatReceiptHandle, parseReceiptHandle, type ReceiptHandle } from './receipt-handle.ts';

const prefix = 'delivery/';
const repeatCountMax = 20_000;

/** A batch that may be asked for again by its attempt id. */
export interface Repeat {
  readonly state: QueueState;
  readonly offset: number;
  readonly deliveredAtMs: number;
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
  readonly #parked = new Map<string, Set<PopJob>>();
  #parkedCount = 0;
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
    if (!state.isDirty) return;
    this.#dirty.add(state);
    this.store.requestStateWrite();
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
      if (known.committed < queue.minOffset) known.clamp(queue.minOffset, queue.maxOffset);
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
    job.run();
    return () => job.cancel();
  }

  /** Lets the job wait for its queues. @returns an error when too many wait already. */
  park(job: PopJob): RmqError | undefined {
    if (this.#parkedCount >= limits.parkedReceiveCountMax) {
      return new RmqError('POLLING_FULL', `${this.#parkedCount} receives are waiting, the limit`);
    }
    const { topic } = job.request;
    let jobs = this.#parked.get(topic);
    if (jobs === undefined) {
      jobs = new Set();
      this.#parked.set(topic, jobs);
    }
    jobs.add(job);
    this.#parkedCount++;
    return undefined;
  }

  unpark(job: PopJob): void {
    const jobs = this.#parked.get(job.request.topic);
    if (jobs?.delete(job) !== true) return;
    this.#parkedCount--;
    if (jobs.size === 0) this.#parked.delete(job.request.topic);
  }

  #wake(topic: string, queueId: number, group?: string): void {
    const jobs = this.#parked.get(topic);
    if (jobs === undefined) return;
    for (const job of [...jobs]) {
      const wanted = job.request.queueId;
      if (wanted >= 0 && wanted !== queueId) continue;
      if (group !== undefined && group !== job.request.group) continue;
      job.run();
    }
  }

  /** Ends every wait with an empty result: the broker stops. */
  releaseAll(): void {
    for (const jobs of [...this.#parked.values()]) for (const job of [...jobs]) job.cancel();
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
    state.remove(offset);
    this.changed(state);
    if (isOrdered) this.wakeWaiting(state);
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
      formatReceiptHandle({ ...handle, popTimeMs: nowMs, invisibleTimeMs: request.invisibleTimeMs }),
    );
    for (const job of [...(this.#parked.get(state.topic) ?? [])]) {
      if (job.request.group === state.group) job.armVisible();
    }
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
          if (error === undefined) this.finish(state, entry.offset);
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

  /** An operator or a pull consumer sets the offset; what was in flight is forgotten. */
  reset(group: string, topic: string, queueId: number, offset: number): void {
    const state = this.find(group, topic, queueId) ?? this.#make(group, topic, queueId);
    state.reset(offset);
    this.changed(state);
    this.#wake(topic, queueId, group);
  }

  dropTopic(topic: string): void {
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
