/**
 * Body of BATCH_ACK_MESSAGE (200151): queue by queue a bit set, bit i = offset `so` + i, in base64 of
 * little-endian bytes; facts/remoting.md §6.3.
 */

import { RmqError } from '../../errors.ts';
import { entriesOf, listOf, parseJsonObject } from './json.ts';

/** Most offsets in one entry; a longer bit set is refused. */
const offsetCountMax = 100_000;

export interface BatchAck {
  readonly group: string;
  readonly topic: string;
  readonly retry: string;
  readonly startOffset: number;
  readonly queueId: number;
  readonly reviveQueueId: number;
  readonly popTimeMs: number;
  readonly invisibleTimeMs: number;
  readonly offsets: readonly number[];
}

/** @throws RmqError BAD_REQUEST */
export function parseBatchAcks(body: Uint8Array): {
  readonly brokerName: string;
  readonly acks: readonly BatchAck[];
} {
  const json = parseJsonObject(body);
  const acks = listOf(json, 'acks').map((value): BatchAck => {
    const entry = new Map(entriesOf(value));
    const startOffset = toNumber(entry.get('so') ?? entry.get('startOffset'));
    return {
      group: String(entry.get('c') ?? entry.get('consumerGroup') ?? ''),
      topic: String(entry.get('t') ?? entry.get('topic') ?? ''),
      retry: String(entry.get('r') ?? entry.get('retry') ?? '0'),
      startOffset,
      queueId: toNumber(entry.get('q') ?? entry.get('queueId')),
      reviveQueueId: toNumber(entry.get('rq') ?? entry.get('reviveQueueId')),
      popTimeMs: toNumber(entry.get('pt') ?? entry.get('popTime')),
      invisibleTimeMs: toNumber(entry.get('it') ?? entry.get('invisibleTime')),
      offsets: bitOffsets(String(entry.get('b') ?? entry.get('bitSet') ?? ''), startOffset),
    };
  });
  return { brokerName: String(json['brokerName'] ?? ''), acks };
}

function bitOffsets(text: string, startOffset: number): number[] {
  const bits = Buffer.from(text, 'base64');
  if (bits.length * 8 > offsetCountMax) {
    throw new RmqError('BAD_REQUEST', `a bit set of ${bits.length} bytes is too long`);
  }
  const offsets: number[] = [];
  for (const [index, byte] of bits.entries()) {
    for (let bit = 0; bit < 8; bit++) {
      if ((byte & (1 << bit)) !== 0) offsets.push(startOffset + index * 8 + bit);
    }
  }
  return offsets;
}

function toNumber(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new RmqError('BAD_REQUEST', `batch ack: ${JSON.stringify(value)} is no whole number`);
}
