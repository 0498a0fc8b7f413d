/**
 * Delayed messages as records of the log, in Apache's form (facts/store.md §10): a delay level in its queue of
 * `SCHEDULE_TOPIC_XXXX`, any other time in `rmq_sys_wheel_timer`. What takes a timer away (the delivered
 * copy, a recall, a copy for a longer life) begins its properties with TIMER_SOURCE and the timer's key, so
 * that dispatching the record alone tells which timer is done.
 */
import { RmqError } from '../../../protocol/errors.ts';
import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import type { MessageDraft, RecordHost, StoredMessage } from '../../../protocol/message/message.ts';
import {
  encodeProperties,
  findProperty,
  propertiesSizeMax,
  withoutProperties,
  withProperties,
} from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';

export const wheelTopic = 'rmq_sys_wheel_timer';
export const levelTopic = 'SCHEDULE_TOPIC_XXXX';

const second = 1_000;
const minute = 60 * second;
/** Apache's default `messageDelayLevel`: 1s 5s 10s 30s 1m … 10m 20m 30m 1h 2h; level 1 is the first. */
const levelDelaysMs: readonly number[] = [
  ...[1, 5, 10, 30].map((count) => count * second),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 60, 120].map((count) => count * minute),
];

/** Of a level from 1 on; none there is: NaN. */
export function levelDelayMs(level: number): number {
  return levelDelaysMs[level - 1] ?? Number.NaN;
}

/** How many delay levels there are. */
export const levelCount: number = levelDelaysMs.length;

/** Properties that ask for a time; facts/broker.md §7. */
const timeProperties: readonly string[] = [
  PropertyName.timerDelaySeconds,
  PropertyName.timerDelayMs,
  PropertyName.timerDeliverMs,
];

/** In all of DELAY, TIMER_DELAY_…, TIMER_DELIVER_MS: one search spares most messages four. */
const hint = Buffer.from('DEL');

/** What the copies of a parked message may have more than itself. */
const growthSizeMax = 192;

/** A draft parked until its time, or why it cannot be. */
export interface Parked {
  readonly draft: MessageDraft;
  /** Whether it can be recalled: not by level; facts/remoting.md §4.4. */
  readonly isRecallable: boolean;
}

/**
 * The draft as it waits for its time; undefined: it asks for none, or for one that has passed. Its queue
 * has been chosen.
 */
export function park(
  draft: MessageDraft,
  nowMs: number,
  delayMaxMs: number,
): Parked | RmqError | undefined {
  if (!asBuffer(draft.properties).includes(hint)) return undefined;
  // Prepared and rolled back ones are no messages yet; facts/broker.md §7.
  if ((draft.sysFlag & SysFlag.transactionPrepared) !== 0) return undefined;
  if (findProperty(draft.properties, PropertyName.timerDeleteUniqueKey) !== undefined) {
    const text = `the property ${PropertyName.timerDeleteUniqueKey} is the broker's own`;
    return new RmqError('MESSAGE_ILLEGAL', text, { hint: 'recall the message by its handle' });
  }
  const level = Number.parseInt(findProperty(draft.properties, PropertyName.delayLevel) ?? '0', 10);
  const parked = level > 0 ? parkByLevel(draft, level) : parkByTime(draft, nowMs, delayMaxMs);
  if (parked === undefined || parked instanceof RmqError) return parked;
  const size = parked.draft.properties.length;
  if (size <= propertiesSizeMax - growthSizeMax) return parked;
  const text = `the properties of a delayed message have ${size} bytes, at most ${propertiesSizeMax - growthSizeMax} are allowed`;
  return new RmqError('PROPERTIES_TOO_LARGE', text);
}

function parkByLevel(draft: MessageDraft, wanted: number): Parked {
  const level = Math.min(wanted, levelCount);
  const properties = withoutProperties(draft.properties, timeProperties);
  const added = [[PropertyName.delayLevel, String(level)] as const];
  const parked = moved(draft, levelTopic, level - 1, parkedProperties(draft, properties, added));
  return { draft: parked, isRecallable: false };
}

function parkByTime(
  draft: MessageDraft,
  nowMs: number,
  delayMaxMs: number,
): Parked | RmqError | undefined {
  const askedMs = askedTime(draft.properties, nowMs);
  if (askedMs === undefined || askedMs instanceof RmqError) return askedMs;
  if (askedMs <= nowMs) return undefined;
  if (askedMs - nowMs > delayMaxMs) {
    const text = `the delivery time is ${askedMs - nowMs} ms ahead, at most ${delayMaxMs} ms are allowed`;
    return new RmqError('ILLEGAL_DELIVERY_TIME', text);
  }
  const added = [[PropertyName.timerOutMs, String(secondBefore(askedMs))] as const];
  const properties = parkedProperties(draft, draft.properties, added);
  return { draft: moved(draft, wheelTopic, 0, properties), isRecallable: true };
}

/** Down to the second, a full one to the one before; facts/broker.md §7. */
function secondBefore(timeMs: number): number {
  return Math.ceil(timeMs / second) * second - second;
}

/** The time asked for; a delay counts from `fromMs`. */
function askedTime(properties: Uint8Array, fromMs: number): number | RmqError | undefined {
  for (const name of timeProperties) {
    const text = findProperty(properties, name);
    if (text === undefined) continue;
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value)) {
      return new RmqError('MESSAGE_ILLEGAL', `${name} is ${JSON.stringify(text)}, not a number`);
    }
    if (name === PropertyName.timerDeliverMs) return value;
    return fromMs + (name === PropertyName.timerDelaySeconds ? value * second : value);
  }
  return undefined;
}

function parkedProperties(
  draft: MessageDraft,
  properties: Uint8Array,
  added: Iterable<readonly [string, string]>,
): Uint8Array {
  return withProperties(
    properties,
    new Map([
      ...added,
      [PropertyName.realTopic, draft.topic],
      [PropertyName.realQueueId, String(draft.queueId)],
    ]),
  );
}

function moved(
  message: MessageDraft,
  topic: string,
  queueId: number,
  properties: Uint8Array,
): MessageDraft {
  return {
    topic,
    queueId,
    flag: message.flag,
    // Parked or delivered, it has a place in its queue.
    sysFlag: message.sysFlag & ~SysFlag.transactionMask,
    bornTimestampMs: message.bornTimestampMs,
    bornHost: message.bornHost,
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: 0,
    body: message.body,
    properties,
  };
}

/** When a parked record is due, and its level (0: none). Undefined: it is none that we can read. */
export function dueOf(
  record: MessageDraft,
  storeTimestampMs: number,
): { readonly dueMs: number; readonly level: number } | undefined {
  const { properties, queueId } = record;
  const level = record.topic === levelTopic ? queueId + 1 : 0;
  const source = timerSource(properties);
  if (source !== undefined) return { dueMs: dueOfKey(source), level };
  if (level > 0) {
    const dueMs = storeTimestampMs + levelDelayMs(level);
    return Number.isNaN(dueMs) ? undefined : { dueMs, level };
  }
  const outMs = Number(findProperty(properties, PropertyName.timerOutMs) ?? Number.NaN);
  if (!Number.isSafeInteger(outMs) || outMs < 0) return undefined;
  // TIMER_OUT_MS has seconds; the property asked by says which of their milliseconds.
  const asked = askedTime(properties, storeTimestampMs);
  const exactMs = typeof asked === 'number' ? asked : outMs + second;
  return { dueMs: Math.min(Math.max(exactMs, outMs + 1), outMs + second), level };
}

/**
 * A timer's key: due time (11 hex digits of ms), hash of the message's id (8), physical offset of its record
 * (14). Sorts by time; with the id and the time alone there is little to look through.
 */
export function timerKey(dueMs: number, uniqueKey: string, physicalOffset: number): string {
  return timerKeyStart(dueMs, uniqueKey) + hex(physicalOffset, 14);
}

export function timerKeyStart(dueMs: number, uniqueKey: string): string {
  return hex(dueMs, 11) + hex(javaHashCode(uniqueKey) >>> 0, 8);
}

/** Keys of one message at a time; without its id those of the second that begins then. */
export function timerKeyRange(
  dueMs: number,
  uniqueKey: string | undefined,
): { readonly from: string; readonly until: string } {
  if (uniqueKey === undefined) return { from: hex(dueMs, 11), until: hex(dueMs + second, 11) };
  const from = timerKeyStart(dueMs, uniqueKey);
  return { from, until: `${from}g` };
}

function hex(value: number, size: number): string {
  return value.toString(16).padStart(size, '0');
}

export function dueOfKey(key: string): number {
  return Number.parseInt(key.slice(0, 11), 16);
}

export function offsetOfKey(key: string): number {
  return Number.parseInt(key.slice(19), 16);
}

const keySize = 33;
const sourceStart = Buffer.from(`${PropertyName.timerSource}\u0001`);
const pairEnd = 0x02;

/** The timer that ends with this record. Only the very first property counts: most records cost a byte. */
export function timerSource(properties: Uint8Array): string | undefined {
  if (properties[0] !== sourceStart[0]) return undefined;
  const begin = sourceStart.length;
  if (properties[begin + keySize] !== pairEnd) return undefined;
  for (let index = 1; index < begin; index++) {
    if (properties[index] !== sourceStart[index]) return undefined;
  }
  const key = asBuffer(properties).toString('latin1', begin, begin + keySize);
  return /^[\da-f]+$/.test(key) ? key : undefined;
}

function withSource(key: string, properties: Uint8Array): Buffer {
  return Buffer.concat([sourceStart, Buffer.from(key), Buffer.of(pairEnd), properties]);
}

/** A client's properties without what only a broker may say, wherever it stands. */
export function withoutSource(properties: Uint8Array): Uint8Array {
  return asBuffer(properties).includes(sourceStart)
    ? withoutProperties(properties, [PropertyName.timerSource])
    : properties;
}

/** The message for its own topic. DELAY and the TIMER_ properties stay, as on Apache's brokers. */
export function deliveredCopy(
  record: StoredMessage,
  key: string,
  target: { readonly topic: string; readonly queueId: number },
  nowMs: number,
): MessageDraft {
  const kept = withoutProperties(record.properties, [
    PropertyName.timerSource,
    PropertyName.realTopic,
    PropertyName.realQueueId,
  ]);
  const times = new Map([
    [PropertyName.timerEnqueueMs, String(record.storeTimestampMs)],
    [PropertyName.timerDequeueMs, String(nowMs)],
  ]);
  const properties = withSource(
    key,
    record.topic === wheelTopic ? withProperties(kept, times) : kept,
  );
  return moved(record, target.topic, target.queueId, properties);
}

/** The same timer anew at the log's end, before the segment that holds it is deleted. */
export function rolledCopy(record: StoredMessage, key: string): MessageDraft {
  const kept = withoutProperties(record.properties, [PropertyName.timerSource]);
  const count = Number(findProperty(kept, PropertyName.timerRollTimes) ?? '0') + 1;
  const rolled = withProperties(kept, new Map([[PropertyName.timerRollTimes, String(count)]]));
  return moved(record, record.topic, record.queueId, withSource(key, rolled));
}

/** The record that takes a timer back, as Apache's brokers write it; facts/store.md §10.2. */
export function recallRecord(
  timer: { readonly key: string; readonly topic: string; readonly uniqueKey: string },
  producer: { readonly bornHost: RecordHost; readonly nowMs: number },
): MessageDraft {
  const properties = encodeProperties(
    new Map([
      [PropertyName.tags, '_RECALL_TAG_'],
      [PropertyName.timerDeleteUniqueKey, timer.uniqueKey],
      [PropertyName.timerOutMs, String(secondBefore(dueOfKey(timer.key)))],
      [PropertyName.realTopic, timer.topic],
      [PropertyName.realQueueId, '0'],
    ]),
  );
  return {
    topic: wheelTopic,
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: producer.nowMs,
    bornHost: producer.bornHost,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: Buffer.from('0'),
    properties: withSource(timer.key, properties),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
