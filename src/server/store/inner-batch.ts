/**
 * Records of Apache's brokers that stand for several entries of queues; facts/store.md §6.2, §6.3. An inner batch
 * has a queue offset for each of its parts; a record may also have a place in light queues (`%LMQ%…`). Ours
 * writes neither, but serves both: a part is read as the message that its sender sent.
 */
import { crc32 } from 'node:zlib';
import { getInt16, getInt32 } from '../../protocol/message/bytes.ts';
import type { QueueOffset, StoredMessage } from '../../protocol/message/message.ts';
import { findProperty, withoutProperties } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { SysFlag } from '../../protocol/message/sys-flag.ts';

/** More parts than a record of the largest size can have. */
const partCountMax = 1 << 20;
/** Part: size, magic, CRC, flag, body length (4 each), body, properties length (2), properties. */
const partSizeMin = 22;

const lightTopicPrefix = '%LMQ%';

/** Whether an export wrote it in the place of a message that was lost. */
export function isStandIn({ body, properties }: StoredMessage): boolean {
  return body.length === 0 && findProperty(properties, PropertyName.lost) !== undefined;
}

/** Queue offsets that the record takes; 1 for all but inner batches. */
export function partCount(record: StoredMessage): number {
  if ((record.sysFlag & SysFlag.innerBatch) === 0) return 1;
  const count = Number(findProperty(record.properties, PropertyName.innerCount) ?? '1');
  return Number.isSafeInteger(count) && count > 0 && count <= partCountMax ? count : 1;
}

/** Where else the record has a place. */
export function lightQueuesOf(
  record: StoredMessage,
): readonly { readonly topic: string; readonly queueOffset: number }[] {
  const topics = findProperty(record.properties, PropertyName.innerMultiDispatch);
  if (topics === undefined) return [];
  const offsets = findProperty(record.properties, PropertyName.innerMultiQueueOffset) ?? '';
  const places = offsets.split(',').map(Number);
  return topics.split(',').flatMap((topic, index) => {
    const queueOffset = places[index] ?? Number.NaN;
    const isPlace = topic.startsWith(lightTopicPrefix) && Number.isSafeInteger(queueOffset);
    return isPlace && queueOffset >= 0 ? [{ topic, queueOffset }] : [];
  });
}

/** What the entry at `queueOffset` of a queue stands for, where its record has another offset. */
export function messageAt(record: StoredMessage, queueOffset: QueueOffset): StoredMessage {
  if ((record.sysFlag & SysFlag.innerBatch) !== 0) return partOf(record, queueOffset) ?? record;
  const isLight = findProperty(record.properties, PropertyName.innerMultiDispatch) !== undefined;
  return isLight ? { ...record, queueOffset } : record;
}

/** Whether the record may stand for another message than itself. */
export function standsForMore(record: StoredMessage, queueOffset: QueueOffset): boolean {
  return record.queueOffset !== queueOffset || (record.sysFlag & SysFlag.innerBatch) !== 0;
}

/** Undefined when the body is not what the flags say. */
function partOf(record: StoredMessage, queueOffset: QueueOffset): StoredMessage | undefined {
  const base = Number(
    findProperty(record.properties, PropertyName.innerBase) ?? record.queueOffset,
  );
  let at = 0;
  for (let skip = queueOffset - base; skip > 0; skip--) {
    const size = at + partSizeMin <= record.body.length ? getInt32(record.body, at) : 0;
    if (size < partSizeMin) return undefined;
    at += size;
  }
  if (at + partSizeMin > record.body.length) return undefined;
  const size = getInt32(record.body, at);
  const bodySize = getInt32(record.body, at + 16);
  const bodyEnd = at + 20 + bodySize;
  if (bodySize < 0 || at + size > record.body.length || bodyEnd + 2 > at + size) return undefined;
  const propertiesEnd = bodyEnd + 2 + getInt16(record.body, bodyEnd);
  if (propertiesEnd > at + size) return undefined;
  const body = record.body.subarray(at + 20, bodyEnd);
  const own = record.body.subarray(bodyEnd + 2, propertiesEnd);
  return {
    ...record,
    flag: getInt32(record.body, at + 12),
    sysFlag: record.sysFlag & ~(SysFlag.innerBatch | SysFlag.needsUnwrap),
    body,
    bodyCrc: body.length === 0 ? 0 : crc32(body) & 0x7fffffff,
    // Some are the batch's alone, as its cluster and region.
    properties: joined(own, shared(record.properties)),
    queueOffset,
  };
}

function shared(properties: Uint8Array): Uint8Array {
  return withoutProperties(properties, [
    PropertyName.innerCount,
    PropertyName.innerBase,
    PropertyName.uniqueKey,
    PropertyName.keys,
    PropertyName.tags,
  ]);
}

/** Later duplicates win, so a part's own properties come last. */
function joined(own: Uint8Array, ofBatch: Uint8Array): Buffer {
  const isClosed = ofBatch.length === 0 || ofBatch[ofBatch.length - 1] === 0x02;
  return Buffer.concat([ofBatch, isClosed ? Buffer.alloc(0) : Buffer.of(0x02), own]);
}
