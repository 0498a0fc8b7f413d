/**
 * Which timers of an Apache log still wait. What fired has left a copy in its own topic, with the timer's
 * bookkeeping among its properties (facts/store.md §10); that is the proof. After a clean stop the broker's
 * check points count, too: what they say has been handled is, copy or not.
 */
import { findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { StoredRecord } from '../../protocol/message/record.ts';
import {
  levelTopic,
  offsetOfKey,
  timerSource,
  wheelTopic,
} from '../broker/schedule/timer-record.ts';
import type { ApacheFolder } from './folder.ts';

/** Pop check points travel through the wheel as well, but are none of the users' messages. */
export const reviveTopicPrefix = 'rmq_sys_REVIVE_LOG_';

interface Waiting {
  readonly key: string;
  readonly queueOffset: number;
  /** 0: a timer of the wheel. */
  readonly level: number;
  readonly outMs: number;
}

const timerHint = Buffer.from('TIMER_DEQUEUE_MS');
const realTopicHint = Buffer.from('REAL_TOPIC');

export class UndoneTimers {
  readonly #waiting = new Map<number, Waiting>();
  /** Physical offsets, oldest first: messages of one id may wait several times. */
  readonly #byKey = new Map<string, number[]>();

  record(record: StoredRecord): void {
    const { topic, properties } = record;
    const source = timerSource(properties);
    if (source !== undefined) this.#end(offsetOfKey(source));
    if (topic === wheelTopic) this.#parked(record, 0);
    else if (topic === levelTopic) this.#parked(record, record.queueId + 1);
    else if (source === undefined) this.#delivered(record);
  }

  #parked(record: StoredRecord, level: number): void {
    const { properties, physicalOffset, queueOffset } = record;
    const text = (name: string): string => findProperty(properties, name) ?? '';
    const realTopic = text(PropertyName.realTopic);
    if (realTopic === '' || realTopic.startsWith(reviveTopicPrefix)) return;
    const outMs = Number(text(PropertyName.timerOutMs));
    const recalled = text(PropertyName.timerDeleteUniqueKey);
    if (recalled !== '') return this.#recall(realTopic, recalled, outMs);
    const uniqueKey = text(PropertyName.uniqueKey);
    const key =
      level === 0
        ? wheelKey(realTopic, uniqueKey, outMs)
        : levelKey(realTopic, uniqueKey, level, record.reconsumeTimes);
    // A wait that is longer than the wheel is written again on the way.
    if (level === 0 && text(PropertyName.timerRollTimes) !== '') this.#endOldest(key);
    this.#waiting.set(physicalOffset, { key, queueOffset, level, outMs });
    const list = this.#byKey.get(key);
    if (list === undefined) this.#byKey.set(key, [physicalOffset]);
    else list.push(physicalOffset);
  }

  #recall(realTopic: string, recalled: string, outMs: number): void {
    // With `appendTopicForTimerDeleteKey` the topic stands before the message's id.
    const uniqueKey = recalled.startsWith(realTopic) ? recalled.slice(realTopic.length) : recalled;
    for (const offset of this.#byKey.get(wheelKey(realTopic, uniqueKey, outMs)) ?? []) {
      this.#waiting.delete(offset);
    }
    this.#byKey.delete(wheelKey(realTopic, uniqueKey, outMs));
  }

  /** A copy in its own topic. */
  #delivered(record: StoredRecord): void {
    const { topic, properties, reconsumeTimes } = record;
    const text = (name: string): string => findProperty(properties, name) ?? '';
    if (properties.includes(timerHint)) {
      const outMs = Number(text(PropertyName.timerOutMs));
      this.#endOldest(wheelKey(topic, text(PropertyName.uniqueKey), outMs));
    } else if (properties.includes(realTopicHint) && text(PropertyName.realTopic) === topic) {
      const level = Number(text(PropertyName.delayLevel));
      this.#endOldest(levelKey(topic, text(PropertyName.uniqueKey), level, reconsumeTimes));
    }
  }

  #endOldest(key: string): void {
    const offset = this.#byKey.get(key)?.[0];
    if (offset !== undefined) this.#end(offset);
  }

  #end(offset: number): void {
    const waiting = this.#waiting.get(offset);
    if (waiting === undefined) return;
    this.#waiting.delete(offset);
    const rest = (this.#byKey.get(waiting.key) ?? []).filter((one) => one !== offset);
    if (rest.length > 0) this.#byKey.set(waiting.key, rest);
    else this.#byKey.delete(waiting.key);
  }

  /** Physical offsets of the records that wait. */
  waiting({ isClean, timers, delayOffsets }: ApacheFolder): number[] {
    const isHandled = ({ level, queueOffset, outMs }: Waiting): boolean => {
      if (!isClean) return false;
      if (level > 0) return queueOffset < (delayOffsets.get(level) ?? 0);
      return timers !== undefined && queueOffset < timers.queueOffset && outMs < timers.lastReadMs;
    };
    return [...this.#waiting].flatMap(([offset, one]) => (isHandled(one) ? [] : [offset]));
  }
}

function wheelKey(topic: string, uniqueKey: string, outMs: number): string {
  return `0\n${topic}\n${uniqueKey}\n${outMs}`;
}

function levelKey(topic: string, uniqueKey: string, level: number, attempt: number): string {
  return `${level}\n${topic}\n${uniqueKey}\n${attempt}`;
}
