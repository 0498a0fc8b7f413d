/**
 * Runs work under load: `workers` at a time, each beginning anew when it is done, or so many a second. At a fixed
 * rate the latency counts from when a piece of work was due, so that a stall of the server is not hidden.
 */
import type { Clock } from '../../platform/clock.ts';
import { RmqError } from '../../protocol/errors.ts';
import { RingQueue } from '../../util/ring-queue.ts';
import { Histogram } from './histogram.ts';

/** `messageCount`: messages of the piece of work that is done. */
export type Done = (result: RmqError | { readonly messageCount: number }) => void;

/** Does one piece of work. `dueMs` is when it was to begin, monotonic; `done` comes once. */
export type Work = (worker: number, dueMs: number, done: Done) => void;

export interface LoadPlan {
  readonly workers: number;
  /** Pieces a second; undefined: as many as it goes. */
  readonly ratePerSecond: number | undefined;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Ends after so many messages, if that is earlier. */
  readonly messageCountMax: number;
  /** Called at the end: work that waits for something is to be given up. */
  readonly giveUp?: () => void;
  /** Messages of a piece of work, where that is known before; else 0. */
  readonly messagesPerPiece: number;
}

const rateTickMs = 2;
/** A worker whose work failed pauses: a server that is away is not hammered. */
const failurePauseMs = 100;
/** How long the last answers are waited for. */
const drainMs = 5_000;

export class Load {
  readonly #clock: Clock;
  readonly #plan: LoadPlan;
  readonly #work: Work;
  readonly #free: number[] = [];
  /** When those were due that no worker has begun. */
  readonly #due = new RingQueue<number>();
  readonly #beganMs: number;
  #measuredFromMs = 0;
  #nextDueMs: number;
  #begun = 0;
  #underWay = 0;
  #isStopping = false;
  #finish: () => void = () => {};
  #lastMs: number;
  latency = new Histogram();
  messageCount = 0;
  failedCount = 0;
  firstError: RmqError | undefined = undefined;

  constructor(clock: Clock, plan: LoadPlan, work: Work) {
    this.#clock = clock;
    this.#plan = plan;
    this.#work = work;
    this.#beganMs = clock.monotonicMs();
    this.#nextDueMs = this.#beganMs;
    this.#measuredFromMs = this.#beganMs;
    this.#lastMs = this.#beganMs;
  }

  /** Seconds that were measured, until the last answer. */
  get seconds(): number {
    return Math.max(0, this.#lastMs - this.#measuredFromMs) / 1000;
  }

  /** Until the plan is over or `signal` says so; resolves when the last answers have come. */
  run(signal: AbortSignal): Promise<void> {
    const { workers, ratePerSecond, warmupMs, durationMs } = this.#plan;
    return new Promise((resolve) => {
      this.#finish = resolve;
      const stop = (): void => this.#stop();
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) return stop();
      if (warmupMs > 0) this.#clock.setTimer(warmupMs, () => this.#measure());
      this.#clock.setTimer(warmupMs + durationMs, stop);
      for (let worker = 0; worker < workers; worker++) this.#idle(worker);
      if (ratePerSecond !== undefined) this.#tick(1000 / ratePerSecond);
    });
  }

  /** The warm-up is over. */
  #measure(): void {
    this.latency = new Histogram();
    this.messageCount = 0;
    this.#measuredFromMs = this.#clock.monotonicMs();
    this.#lastMs = this.#measuredFromMs;
  }

  #tick(stepMs: number): void {
    if (this.#isStopping) return;
    for (
      const nowMs = this.#clock.monotonicMs();
      this.#nextDueMs <= nowMs;
      this.#nextDueMs += stepMs
    ) {
      this.#due.push(this.#nextDueMs);
    }
    while (this.#free.length > 0 && this.#due.length > 0) this.#idle(this.#free.pop() as number); // not empty
    this.#clock.setTimer(rateTickMs, () => this.#tick(stepMs));
  }

  #idle(worker: number): void {
    if (this.#isStopping) return this.#stopped();
    const isPaced = this.#plan.ratePerSecond !== undefined;
    const dueMs = isPaced ? this.#due.shift() : this.#clock.monotonicMs();
    if (dueMs === undefined) {
      this.#free.push(worker);
      return;
    }
    if (this.#begun >= this.#plan.messageCountMax) return this.#stop();
    this.#begun += this.#plan.messagesPerPiece;
    this.#underWay++;
    this.#work(worker, dueMs, (result) => this.#done(worker, dueMs, result));
  }

  #done(worker: number, dueMs: number, result: Parameters<Done>[0]): void {
    this.#underWay--;
    if (!(result instanceof RmqError)) {
      // A receive that found nothing says nothing of speed.
      if (result.messageCount > 0) {
        this.#lastMs = this.#clock.monotonicMs();
        this.messageCount += result.messageCount;
        this.latency.recordMs(this.#lastMs - dueMs);
      }
      if (this.messageCount >= this.#plan.messageCountMax) this.#stop();
      this.#idle(worker);
      return;
    }
    // What is cut off at the end has not failed.
    if (this.#isStopping) return this.#stopped();
    this.failedCount++;
    this.firstError ??= result;
    this.#clock.setTimer(failurePauseMs, () => this.#idle(worker));
  }

  #stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#plan.giveUp?.();
    this.#stopped();
    this.#clock.setTimer(drainMs, () => this.#finish());
  }

  #stopped(): void {
    if (this.#underWay === 0) this.#finish();
  }
}
