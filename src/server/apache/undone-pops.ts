/**
 * What consumers of an Apache broker had popped and not acknowledged, from its check point and ack records
 * (facts/store.md §11): these messages are delivered again once their invisible time is over.
 */
import { findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { StoredRecord } from '../../protocol/message/record.ts';
import { wheelTopic } from '../broker/schedule/timer-record.ts';
import type { ApacheFolder } from './folder.ts';
import { reviveTopicPrefix } from './undone-timers.ts';

export const reviveGroup = 'CID_RMQ_SYS_REVIVE_GROUP';

export interface PoppedMessage {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
  readonly deliveredAtMs: number;
  readonly visibleAtMs: number;
}

interface CheckPoint {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly popMs: number;
  readonly reviveMs: number;
  readonly open: Set<number>;
}

/** A check point holds as many messages as one pop may bring; a bit map of 32 says which are acknowledged. */
const messageCountMax = 32;

export class UndonePops {
  /** Next offset of each revive queue that has been handled, by `topic@queue`. */
  readonly #revived = new Map<string, number>();
  readonly #points = new Map<string, CheckPoint>();

  constructor(folder: ApacheFolder) {
    for (const { group, topic, queueId, offset } of folder.offsets) {
      if (group === reviveGroup) this.#revived.set(`${topic}@${queueId}`, offset);
    }
  }

  record(record: StoredRecord): void {
    const { topic, properties } = record;
    const isRevived = topic.startsWith(reviveTopicPrefix);
    if (!isRevived && topic !== wheelTopic) return;
    const realTopic = isRevived ? topic : (findProperty(properties, PropertyName.realTopic) ?? '');
    if (!realTopic.startsWith(reviveTopicPrefix)) return;
    const content = parse(record.body);
    if (content === undefined) return;
    const tag = findProperty(properties, PropertyName.tags);
    if (tag === 'ack' || tag === 'bAck') return this.#ack(content);
    if (tag !== 'ck') return;
    const isHandled =
      isRevived && record.queueOffset < (this.#revived.get(`${topic}@${record.queueId}`) ?? 0);
    if (isHandled) this.#points.delete(keyOf(content));
    // Acks may have come between the two copies of a check point.
    else if (!this.#points.has(keyOf(content))) this.#open(content);
  }

  #open(content: Record<string, unknown>): void {
    const start = numberOf(content['so']);
    const count = Math.min(messageCountMax, numberOf(content['n']));
    const acked = numberOf(content['bm']);
    const differences = Array.isArray(content['d']) ? content['d'] : [];
    const open = new Set<number>();
    for (let index = 0; index < count; index++) {
      if (((acked >>> index) & 1) === 1) continue;
      open.add(start + (differences.length > 0 ? numberOf(differences[index]) : index));
    }
    const popMs = numberOf(content['pt']);
    this.#points.set(keyOf(content), {
      group: textOf(content['c']),
      topic: textOf(content['t']),
      queueId: numberOf(content['q']),
      popMs,
      reviveMs: popMs + numberOf(content['it']),
      open,
    });
  }

  #ack(content: Record<string, unknown>): void {
    const key = keyOf(content);
    const point = this.#points.get(key);
    if (point === undefined) return;
    const offsets = Array.isArray(content['aol']) ? content['aol'] : [content['ao']];
    for (const offset of offsets) point.open.delete(numberOf(offset));
    // An empty one stays until it is handled, so that its second copy does not open it again.
  }

  /** What is left; the latest pop of a message counts. */
  inFlight(): PoppedMessage[] {
    const found = new Map<string, PoppedMessage>();
    for (const { open, popMs, reviveMs, ...queue } of this.#points.values()) {
      for (const offset of open) {
        const key = [queue.group, queue.topic, queue.queueId, offset].join('\n');
        if ((found.get(key)?.deliveredAtMs ?? 0) > popMs) continue;
        found.set(key, { ...queue, offset, deliveredAtMs: popMs, visibleAtMs: reviveMs });
      }
    }
    return [...found.values()];
  }
}

/** `changeInvisibleTime` writes a new check point with another pop time, then an ack of the old one. */
function keyOf({ t, q, c, so, pt }: Record<string, unknown>): string {
  return JSON.stringify([t, q, c, so, pt]);
}

function parse(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    const isObject = typeof value === 'object' && value !== null;
    return isObject ? (value as Record<string, unknown>) : undefined; // by the line above
  } catch {
    return undefined; // Not a check point that we know: its messages count as consumed.
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
