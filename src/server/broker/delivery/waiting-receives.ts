/**
 * Receives that found nothing and wait, by topic, group and queue: whoever makes a message of a queue
 * visible finds exactly those that wait for it, in the order of their arrival. Bounded, each
 * (topic, group) by itself and all together.
 */
import { RmqError } from '../../../protocol/errors.ts';
import { isLiteQueueTopic } from '../../../protocol/message/lite-topic.ts';
import { limits } from '../../shared/limits.ts';
import { LiteSubscriptions } from '../lite/lite-subscriptions.ts';
import type { PopJob } from './pop-job.ts';
import { parsePopRetryTopic } from './pop-retry.ts';

/** Those of one group and topic. */
class Waiting {
  count = 0;
  /** Key -1: for any queue. */
  readonly byQueue = new Map<number, Set<PopJob>>();
}

export class WaitingReceives {
  /** Who waits for which lite topics. */
  readonly lite: LiteSubscriptions = new LiteSubscriptions();
  /** Receives of lite topics, by group and client. */
  readonly #ofClient = new Map<string, Set<PopJob>>();
  readonly #topics = new Map<string, Map<string, Waiting>>();
  /** By `attemptKey`: a client that asks again has given its earlier question up. */
  readonly #byAttempt = new Map<string, PopJob>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** @returns an error when too many wait already. */
  add(job: PopJob): RmqError | undefined {
    const { topic, group, queueId } = job.request;
    if (job.attemptKey !== undefined) this.#byAttempt.get(job.attemptKey)?.cancel();
    let groups = this.#topics.get(topic);
    if (groups === undefined) {
      groups = new Map();
      this.#topics.set(topic, groups);
    }
    let waiting = groups.get(group);
    if (waiting === undefined) {
      waiting = new Waiting();
      groups.set(group, waiting);
    }
    const full = this.#problem(waiting, job);
    if (full !== undefined) return full;
    let jobs = waiting.byQueue.get(Math.max(-1, queueId));
    if (jobs === undefined) {
      jobs = new Set();
      waiting.byQueue.set(Math.max(-1, queueId), jobs);
    }
    jobs.add(job);
    waiting.count++;
    this.#addOfClient(job);
    this.#count++;
    if (job.attemptKey !== undefined) this.#byAttempt.set(job.attemptKey, job);
    return undefined;
  }

  #problem(waiting: Waiting, { request }: PopJob): RmqError | undefined {
    if (this.#count >= limits.parkedReceiveCountMax) {
      return new RmqError('POLLING_FULL', `${this.#count} receives are waiting, the limit`);
    }
    if (waiting.count < limits.parkedReceivesOfGroupMax) return undefined;
    const what = `${waiting.count} receives of group ${request.group} are waiting for ${request.topic}`;
    return new RmqError('POLLING_FULL', `${what}, the limit`);
  }

  remove(job: PopJob): void {
    const { topic, group, queueId } = job.request;
    const groups = this.#topics.get(topic);
    const waiting = groups?.get(group);
    const jobs = waiting?.byQueue.get(Math.max(-1, queueId));
    if (groups === undefined || waiting === undefined || jobs?.delete(job) !== true) return;
    const { attemptKey } = job;
    if (attemptKey !== undefined && this.#byAttempt.get(attemptKey) === job) {
      this.#byAttempt.delete(attemptKey);
    }
    this.#removeOfClient(job);
    this.#count--;
    waiting.count--;
    if (jobs.size === 0) waiting.byQueue.delete(Math.max(-1, queueId));
    if (waiting.count > 0) return;
    groups.delete(group);
    if (groups.size === 0) this.#topics.delete(topic);
  }

  #addOfClient(job: PopJob): void {
    const { group, liteClientId } = job.request;
    if (liteClientId === undefined) return;
    const key = `${group}\n${liteClientId}`;
    const jobs = this.#ofClient.get(key) ?? new Set();
    jobs.add(job);
    this.#ofClient.set(key, jobs);
  }

  #removeOfClient(job: PopJob): void {
    const { group, liteClientId } = job.request;
    if (liteClientId === undefined) return;
    const key = `${group}\n${liteClientId}`;
    const jobs = this.#ofClient.get(key);
    jobs?.delete(job);
    if (jobs?.size === 0) this.#ofClient.delete(key);
  }

  *#ofLite(group: string, topic: string): Iterable<PopJob> {
    for (const { clientId } of this.lite.of(topic, group)) {
      yield* this.#ofClient.get(`${group}\n${clientId}`) ?? [];
    }
  }

  isWaitedFor(group: string, topic: string, queueId: number): boolean {
    if (isLiteQueueTopic(topic)) {
      for (const _job of this.#ofLite(group, topic)) return true;
      return false;
    }
    const retry = parsePopRetryTopic(group, topic);
    if (retry !== undefined) return this.#topics.get(retry.topic)?.has(group) === true;
    const byQueue = this.#topics.get(topic)?.get(group)?.byQueue;
    return byQueue !== undefined && (byQueue.has(-1) || byQueue.has(queueId));
  }

  /** How many wait for the queue; -1: for any. */
  countOf(group: string, topic: string, queueId: number): number {
    return this.#topics.get(topic)?.get(group)?.byQueue.get(Math.max(-1, queueId))?.size ?? 0;
  }

  /** Groups that wait for messages of the topic. */
  groupsOf(topic: string): readonly string[] {
    if (isLiteQueueTopic(topic)) return [...this.lite.groupsOf(topic)];
    return [...(this.#topics.get(topic)?.keys() ?? [])];
  }

  /** Those that wait for that queue, the longest first; they may leave while somebody iterates. */
  *of(group: string, topic: string, queueId: number): Iterable<PopJob> {
    if (isLiteQueueTopic(topic)) return yield* this.#ofLite(group, topic);
    const retry = parsePopRetryTopic(group, topic);
    if (retry !== undefined) return yield* this.#ofAnyQueue(group, retry.topic);
    const byQueue = this.#topics.get(topic)?.get(group)?.byQueue;
    const any = byQueue?.get(-1)?.values();
    const own = byQueue?.get(queueId)?.values();
    let nextAny = any?.next();
    let nextOwn = own?.next();
    for (;;) {
      const one = nextAny?.done === false ? nextAny.value : undefined;
      const other = nextOwn?.done === false ? nextOwn.value : undefined;
      if (one !== undefined && (other === undefined || one.turn < other.turn)) {
        yield one;
        nextAny = any?.next();
      } else if (other !== undefined) {
        yield other;
        nextOwn = own?.next();
      } else return;
    }
  }

  *#ofAnyQueue(group: string, topic: string): Iterable<PopJob> {
    const byQueue = this.#topics.get(topic)?.get(group)?.byQueue;
    for (const jobs of byQueue?.values() ?? []) yield* [...jobs];
  }

  /** All, or those of one topic. */
  all(topic?: string): readonly PopJob[] {
    const found: PopJob[] = [];
    const topics = topic === undefined ? [...this.#topics.keys()] : [topic];
    for (const one of topics) {
      for (const { byQueue } of this.#topics.get(one)?.values() ?? []) {
        for (const jobs of byQueue.values()) found.push(...jobs);
      }
    }
    return found;
  }
}
