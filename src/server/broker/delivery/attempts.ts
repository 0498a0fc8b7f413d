/**
 * What each attempt id got: a client whose answer was lost asks with the same id and gets the same
 * messages again, without waiting for their invisible time. The latest are remembered, over restarts
 * too, in a ring of slots: `attempt/<slot>` holds JSON `[group, topic, id, [[queue id, offset, delivered
 * at, topic of the queue], …]]`.
 */
import type { StateBatch } from '../../store/message-store.ts';
import type { PopRequest } from '../api.ts';
import type { InFlight } from './in-flight.ts';
import type { QueueState } from './queue-state.ts';

export const attemptPrefix = 'attempt/';
const slotCount = 8_192;

/** One message of a remembered answer. */
export interface Repeat {
  readonly state: QueueState;
  readonly offset: number;
  readonly deliveredAtMs: number;
}

interface Attempt {
  readonly key: string;
  readonly group: string;
  readonly topic: string;
  readonly attemptId: string;
  readonly batch: readonly Repeat[];
}

type StoredAttempt = readonly [
  group: string,
  topic: string,
  attemptId: string,
  batch: readonly (readonly [
    queueId: number,
    offset: number,
    deliveredAtMs: number,
    queueTopic: string,
  ])[],
];

/** Names a client's question; undefined when it has no id. */
export function attemptKeyOf(request: PopRequest): string | undefined {
  const { group, topic, attemptId } = request;
  return attemptId === undefined || attemptId === ''
    ? undefined
    : `${group}\n${topic}\n${attemptId}`;
}

/** The message, if it is still where that answer left it. */
export function stillInFlight(repeat: Repeat): InFlight | undefined {
  const one = repeat.state.find(repeat.offset);
  return one?.deliveredAtMs === repeat.deliveredAtMs && !one.isReserved ? one : undefined;
}

export class Attempts {
  readonly #slots: (Attempt | undefined)[] = [];
  readonly #slotOf = new Map<string, number>();
  readonly #dirty = new Set<number>();
  readonly #stored = new Set<number>();
  #nextSlot = 0;

  remember(key: string, request: PopRequest, batch: readonly Repeat[]): void {
    const { group, topic, attemptId = '' } = request;
    const slot = this.#slotOf.get(key) ?? this.#takeSlot();
    this.#slots[slot] = { key, group, topic, attemptId, batch };
    this.#slotOf.set(key, slot);
    this.#dirty.add(slot);
  }

  #takeSlot(): number {
    const slot = this.#nextSlot++ % slotCount;
    const former = this.#slots[slot];
    if (former !== undefined) this.#slotOf.delete(former.key);
    return slot;
  }

  /** What is left in flight, at `nowMs`, of the answer that this question got. */
  find(key: string, nowMs: number): readonly Repeat[] {
    const attempt = this.#slots[this.#slotOf.get(key) ?? -1];
    if (attempt === undefined) return [];
    return attempt.batch.filter((repeat) => {
      const one = stillInFlight(repeat);
      return one !== undefined && one.visibleAtMs > nowMs;
    });
  }

  collect(batch: StateBatch): void {
    for (const slot of this.#dirty) {
      const attempt = this.#slots[slot];
      // Most are acknowledged before they would be stored.
      const left = attempt?.batch.filter((one) => stillInFlight(one) !== undefined) ?? [];
      if (attempt === undefined || left.length === 0) {
        if (this.#stored.delete(slot)) batch.delete(attemptPrefix + slot);
        continue;
      }
      const { group, topic, attemptId } = attempt;
      const stored: StoredAttempt = [
        group,
        topic,
        attemptId,
        left.map(({ state, offset, deliveredAtMs }) => {
          return [state.queueId, offset, deliveredAtMs, state.topic];
        }),
      ];
      batch.put(attemptPrefix + slot, Buffer.from(JSON.stringify(stored)));
      this.#stored.add(slot);
    }
    this.#dirty.clear();
  }

  /** Takes over what was stored; the states have been loaded. */
  restore(
    key: string,
    value: Uint8Array,
    find: (group: string, topic: string, queueId: number) => QueueState | undefined,
  ): void {
    const slot = Number(key.slice(attemptPrefix.length));
    const [group, topic, attemptId, stored] = JSON.parse(
      Buffer.from(value).toString('utf8'),
    ) as StoredAttempt; // our own
    const batch: Repeat[] = [];
    for (const [queueId, offset, deliveredAtMs, queueTopic] of stored) {
      const state = find(group, queueTopic, queueId);
      if (state !== undefined) batch.push({ state, offset, deliveredAtMs });
    }
    const name = `${group}\n${topic}\n${attemptId}`;
    this.#slots[slot] = { key: name, group, topic, attemptId, batch };
    this.#slotOf.set(name, slot);
    this.#stored.add(slot);
    // What is done meanwhile goes with the next batch.
    if (!batch.some((one) => stillInFlight(one) !== undefined)) this.#dirty.add(slot);
    this.#nextSlot = Math.max(this.#nextSlot, slot + 1);
  }
}
