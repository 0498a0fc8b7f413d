/**
 * Keeps the deliveries of push consumers invisible while they are being consumed: such a consumer asks
 * for `auto_renew` and names no invisible time (facts/grpc-v2.md 6.5). Per delivery the handle that the
 * client holds and the one that is good now; one timer for all.
 *
 * What a lost proxy costs is a repeated delivery: nothing here is needed to acknowledge.
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Reply } from '../../util/reply.ts';
import type { GroupConfig, RetryPolicy } from '../broker/api.ts';
import type { Logger } from '../shared/logger.ts';
import type { ClusterView } from './cluster-view.ts';
import { giveBackInvisibleTimeMs } from './grpc/times.ts';

const sweepIntervalMs = 5_000;
const renewAheadMs = 10_000;
const renewLongestMs = 3 * 3_600_000;
const failureCountMax = 3;
/** The n-th renewal lasts that long; the last repeats. */
const renewStepsMs: readonly number[] = [60_000, 180_000, 300_000, 600_000, 1_800_000, 3_600_000];
/** Deliveries beyond this are not renewed: they come again after their first invisible time. */
const deliveryCountMax = 500_000;

export interface Delivery {
  readonly clientId: string;
  readonly group: string;
  readonly topic: string;
  readonly brokerName: string;
  /** What the client holds. */
  readonly receiptHandle: string;
  readonly deliveryAttempt: number;
  readonly invisibleTimeMs: number;
}

class Held {
  readonly delivery: Delivery;
  readonly poppedMs: number;
  handle: string;
  dueMs: number;
  renewCount = 0;
  failureCount = 0;
  isUnderWay = false;

  constructor(delivery: Delivery, nowMs: number) {
    this.delivery = delivery;
    this.poppedMs = nowMs;
    this.handle = delivery.receiptHandle;
    this.dueMs = nowMs + delivery.invisibleTimeMs;
  }
}

export class Receipts {
  readonly #held = new Map<string, Held>();
  /** How many, by client. */
  readonly #counts = new Map<string, number>();
  readonly #cluster: ClusterView;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | undefined = undefined;

  constructor(options: {
    readonly cluster: ClusterView;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  get count(): number {
    return this.#held.size;
  }

  /** Deliveries that the client holds. */
  countOf(clientId: string): number {
    return this.#counts.get(clientId) ?? 0;
  }

  #forget({ delivery }: Held): void {
    if (!this.#held.delete(delivery.receiptHandle)) return;
    const count = this.countOf(delivery.clientId) - 1;
    if (count > 0) this.#counts.set(delivery.clientId, count);
    else this.#counts.delete(delivery.clientId);
  }

  start(): void {
    this.#timer = this.#clock.setTimer(sweepIntervalMs, () => {
      this.#sweep();
      this.start();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Renews the delivery until it is released. */
  hold(delivery: Delivery): void {
    if (this.#held.size >= deliveryCountMax) {
      this.#logger.warn('too many deliveries to renew', { limit: deliveryCountMax });
      return;
    }
    const former = this.#held.get(delivery.receiptHandle);
    if (former !== undefined) this.#forget(former);
    this.#held.set(delivery.receiptHandle, new Held(delivery, this.#clock.monotonicMs()));
    this.#counts.set(delivery.clientId, this.countOf(delivery.clientId) + 1);
  }

  /** Renews no more; the handle that is good now, which is the given one for unknown deliveries. */
  release(receiptHandle: string): string {
    const held = this.#held.get(receiptHandle);
    if (held === undefined) return receiptHandle;
    this.#forget(held);
    return held.handle;
  }

  /** Makes everything that the client still holds visible again soon. */
  giveBackClient(clientId: string): void {
    for (const held of this.#held.values()) {
      if (held.delivery.clientId === clientId) this.#giveBack(held, undefined);
    }
  }

  /** The same for all clients; resolves when the brokers have answered. */
  giveBackAll(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      let leftCount = this.#held.size;
      for (const held of this.#held.values()) {
        this.#giveBack(held, () => {
          leftCount--;
          if (leftCount === 0) resolve();
        });
      }
    });
  }

  #giveBack(held: Held, done: (() => void) | undefined): void {
    this.#forget(held);
    this.#change(held, giveBackInvisibleTimeMs, () => done?.());
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const held of this.#held.values()) {
      if (held.isUnderWay || held.dueMs - nowMs > renewAheadMs) continue;
      if (nowMs - held.poppedMs >= renewLongestMs) this.#giveUp(held);
      else this.#renew(held);
    }
  }

  #renew(held: Held): void {
    const stepMs = renewStepsMs[Math.min(held.renewCount, renewStepsMs.length - 1)] ?? 60_000;
    held.isUnderWay = true;
    this.#change(held, stepMs, (answer) => {
      held.isUnderWay = false;
      if (typeof answer === 'string') {
        held.handle = answer;
        held.dueMs = this.#clock.monotonicMs() + stepMs;
        held.renewCount++;
        held.failureCount = 0;
        return;
      }
      held.failureCount++;
      const isHopeless = !answer.kind.retryable || held.failureCount >= failureCountMax;
      // Only if nobody has released it, and the handle was used again, in the meantime.
      if (isHopeless && this.#held.get(held.delivery.receiptHandle) === held) {
        this.#forget(held);
      }
    });
  }

  /** After three hours the message gets its retry delay and takes its chance again. */
  #giveUp(held: Held): void {
    this.#forget(held);
    this.#cluster.group(held.delivery.group, (group) => {
      const delayMs =
        group instanceof Error ? renewAheadMs : retryDelayMs(group, held.delivery.deliveryAttempt);
      this.#change(held, delayMs, () => {});
    });
  }

  #change(held: Held, invisibleTimeMs: number, done: Reply<string, RmqError>): void {
    const { group, topic, brokerName } = held.delivery;
    const broker = this.#cluster.broker(brokerName);
    if (broker === undefined) {
      done(new RmqError('BROKER_NOT_FOUND', `cannot find broker ${brokerName}`));
      return;
    }
    const request = { group, topic, receiptHandle: held.handle, invisibleTimeMs, isSuspend: false };
    broker.changeInvisibleTime(request, done);
  }
}

/** How long a message waits before its next delivery; facts/grpc-v2.md 8: `next[attempt + 1]`. */
function retryDelayMs(group: GroupConfig, deliveryAttempt: number): number {
  const policy: RetryPolicy = group.retryPolicy;
  if (policy.type === 'CUSTOMIZED') {
    const index = Math.min(deliveryAttempt + 1, policy.nextMs.length - 1);
    return policy.nextMs[index] ?? renewAheadMs;
  }
  const delayMs = policy.initialMs * policy.multiplier ** (deliveryAttempt - 1);
  return Math.min(delayMs, policy.maxMs);
}
