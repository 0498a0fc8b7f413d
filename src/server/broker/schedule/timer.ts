/** One message that waits for its time, as memory and the database have it. */
import type { PhysicalOffset } from '../../../protocol/message/message.ts';
import { dueOfKey, offsetOfKey } from './timer-record.ts';

const valueSeparator = '\u0001';

/** waiting: for its time; busy: being delivered, recalled or moved; gone: ended. */
type TimerPhase = 'waiting' | 'busy' | 'gone';

export class Timer {
  readonly key: string;
  readonly dueMs: number;
  readonly physicalOffset: PhysicalOffset;
  readonly storeSizeBytes: number;
  /** The message's own topic. */
  readonly topic: string;
  readonly uniqueKey: string;
  /** 1 …; 0: not by level. */
  readonly level: number;
  phase: TimerPhase;
  /** When to deliver: `dueMs`, later after a failure, earlier after the clock went back. */
  readyMs: number;

  constructor(key: string, content: TimerContent) {
    this.key = key;
    this.dueMs = dueOfKey(key);
    this.physicalOffset = offsetOfKey(key) as PhysicalOffset; // of a parked record
    this.storeSizeBytes = content.storeSizeBytes;
    this.topic = content.topic;
    this.uniqueKey = content.uniqueKey;
    this.level = content.level;
    this.phase = 'waiting';
    this.readyMs = this.dueMs;
  }
}

export interface TimerContent {
  readonly storeSizeBytes: number;
  readonly level: number;
  readonly topic: string;
  readonly uniqueKey: string;
}

export function encodeTimer({ storeSizeBytes, level, topic, uniqueKey }: Timer): Buffer {
  return Buffer.from([storeSizeBytes, level, topic, uniqueKey].join(valueSeparator));
}

/** Written by `encodeTimer`. */
export function decodeTimer(key: string, value: Uint8Array): Timer {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  const [size, level, topic = '', uniqueKey = ''] = text.split(valueSeparator);
  return new Timer(key, {
    storeSizeBytes: Number(size),
    level: Number(level),
    topic,
    uniqueKey,
  });
}
