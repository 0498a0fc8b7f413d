/**
 * How many messages wait, by the topic they are for, without looking at all of them. Kept beside the
 * timers in the database, a key a topic; the keys sort before those of all timers.
 */
import type { StateBatch } from '../../store/message-store.ts';
import type { Timer } from './timer.ts';
import { levelDelayMs } from './timer-record.ts';

const mark = '!';
/** No topic is called so. */
const newestLevelKey = '!!';

export class TimerCounts {
  readonly byTopic = new Map<string, number>();
  readonly #changed = new Set<string>();
  /** The latest time at which a message is known to have been parked by level; epoch ms. */
  newestLevelMs = 0;

  opened({ topic, level, dueMs }: Timer): void {
    this.byTopic.set(topic, (this.byTopic.get(topic) ?? 0) + 1);
    this.#changed.add(topic);
    if (level > 0) this.newestLevelMs = Math.max(this.newestLevelMs, dueMs - levelDelayMs(level));
  }

  ended(topic: string): void {
    const count = (this.byTopic.get(topic) ?? 0) - 1;
    if (count > 0) this.byTopic.set(topic, count);
    else this.byTopic.delete(topic);
    this.#changed.add(topic);
  }

  clear(): void {
    this.byTopic.clear();
    this.#changed.clear();
    this.newestLevelMs = 0;
  }

  /** False: the key is none of ours. */
  restore(key: string, value: Uint8Array): boolean {
    if (!key.startsWith(mark)) return false;
    const number = Number(Buffer.from(value).toString('latin1'));
    if (key === newestLevelKey) this.newestLevelMs = number;
    else this.byTopic.set(key.slice(mark.length), number);
    return true;
  }

  collect(batch: StateBatch, prefix: string): void {
    if (this.#changed.size === 0) return;
    for (const topic of this.#changed) {
      const count = this.byTopic.get(topic);
      const key = prefix + mark + topic;
      if (count === undefined) batch.delete(key);
      else batch.put(key, Buffer.from(String(count)));
    }
    this.#changed.clear();
    batch.put(prefix + newestLevelKey, Buffer.from(String(this.newestLevelMs)));
  }
}
