/**
 * Locks that ordered 4.x consumers hold on queues; facts/remoting.md §5.4. A lock not renewed for 60 s
 * is free. They are lost with the process, as Apache's are.
 */
import type { Clock } from '../../../platform/clock.ts';
import { limits } from '../../shared/limits.ts';

const lockLifeMs = 60_000;

export interface QueueName {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
}

export class QueueLocks {
  readonly #clock: Clock;
  #count = 0;
  readonly #groups = new Map<string, Map<string, { clientId: string; renewedAtMs: number }>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes or renews; the queues that the client holds now. */
  lock(group: string, clientId: string, queues: readonly QueueName[]): QueueName[] {
    const nowMs = this.#clock.monotonicMs();
    let held = this.#groups.get(group);
    if (this.#count >= limits.queueLockCountMax) this.#dropOld(nowMs);
    if (held === undefined) held = new Map();
    if (queues.length > 0) this.#groups.set(group, held);
    const locks = held;
    return queues.filter((queue) => {
      const key = keyOf(queue);
      const lock = locks.get(key);
      const isFree = lock === undefined || nowMs - lock.renewedAtMs > lockLifeMs;
      if (!isFree && lock.clientId !== clientId) return false;
      if (lock === undefined && this.#count >= limits.queueLockCountMax) return false;
      if (lock === undefined) this.#count++;
      locks.set(key, { clientId, renewedAtMs: nowMs });
      return true;
    });
  }

  #dropOld(nowMs: number): void {
    for (const [group, locks] of this.#groups) {
      for (const [key, lock] of locks) {
        if (nowMs - lock.renewedAtMs > lockLifeMs && locks.delete(key)) this.#count--;
      }
      if (locks.size === 0) this.#groups.delete(group);
    }
  }

  /** Whether somebody of the group holds a queue, so that it consumes in order. */
  isHeld(group: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const lock of this.#groups.get(group)?.values() ?? []) {
      if (nowMs - lock.renewedAtMs <= lockLifeMs) return true;
    }
    return false;
  }

  unlock(group: string, clientId: string, queues: readonly QueueName[]): void {
    const held = this.#groups.get(group);
    if (held === undefined) return;
    for (const queue of queues) {
      const key = keyOf(queue);
      if (held.get(key)?.clientId === clientId && held.delete(key)) this.#count--;
    }
    if (held.size === 0) this.#groups.delete(group);
  }
}

function keyOf(queue: QueueName): string {
  return `${queue.topic}@${queue.queueId}`;
}
