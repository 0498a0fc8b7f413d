/**
 * The texts of a pop's answer and the handle that a client makes of them; facts/remoting.md §6.1, §6.2.
 *   startOffsetInfo  `<retry> <queueId> <startOffset>`            joined by `;`
 *   msgOffsetInfo    `<retry> <queueId> <offset>,<offset>…`       joined by `;`
 *   orderCountInfo   `<retry> <queueId> <count>` and `<retry> qo<queueId>%<offset> <count>`
 *   POP_CK           `startOffset popTime invisibleTime reviveQid retry brokerName queueId queueOffset`
 *                    and, of proxies and of ours, the physical offset as the ninth word
 * `retry`: 0 the topic itself, 1 and 2 its pop retry topics.
 */
import type { StoredMessage } from '../../message/message.ts';
import { findProperty } from '../../message/properties.ts';
import { PropertyName } from '../../message/property-names.ts';
import type { PopAnswer } from './pop.ts';

/** Values by `<retry> <queueId>` or, in order counts, `<retry> qo<queueId>%<offset>`. */
export function parsePopInfo(text: string | undefined): Map<string, string> {
  const values = new Map<string, string>();
  if (text === undefined) return values;
  for (const element of text.split(';')) {
    const split = element.lastIndexOf(' ');
    if (split > 0) values.set(element.slice(0, split), element.slice(split + 1));
  }
  return values;
}

export function formatPopInfo(values: ReadonlyMap<string, string>): string {
  return [...values].map(([key, value]) => `${key} ${value}`).join(';');
}

export interface ExtraInfo {
  readonly startOffset: string;
  readonly popTimeMs: number;
  readonly invisibleTimeMs: number;
  readonly reviveQueueId: number;
  /** `0`, `1`, `2`. */
  readonly retry: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** undefined when there are only eight words. */
  readonly physicalOffset: number | undefined;
  /** Ours, a tenth word: a lite topic under the topic that the request names. */
  readonly liteTopic?: string | undefined;
}

export function formatExtraInfo(info: ExtraInfo): string {
  const { startOffset, popTimeMs, invisibleTimeMs, reviveQueueId, retry, brokerName } = info;
  const words = `${startOffset} ${popTimeMs} ${invisibleTimeMs} ${reviveQueueId} ${retry} ${brokerName} ${info.queueId} ${info.queueOffset}`;
  if (info.physicalOffset === undefined) return words;
  const nine = `${words} ${info.physicalOffset}`;
  return info.liteTopic === undefined ? nine : `${nine} ${info.liteTopic}`;
}

/** What an answer says of one of its records. */
export interface PopDetail {
  /** POP_CK of nine words, the record's own or made of the answer's header. */
  readonly handle: string;
  /** Deliveries before this one, when the consumer is ordered. */
  readonly orderCount: number;
}

/** For each record of an answer to POP_MESSAGE without retry topics. */
export function popDetails(
  header: PopAnswer,
  brokerName: string,
): (record: StoredMessage) => PopDetail {
  const startOffsets = parsePopInfo(header.startOffsetInfo);
  const orderCounts = parsePopInfo(header.orderCountInfo);
  const { popTimeMs, invisibleTimeMs, reviveQueueId } = header;
  return ({ queueId, queueOffset, physicalOffset, properties }) => {
    const kept = findProperty(properties, PropertyName.popCheckpoint);
    const startOffset = startOffsets.get(`0 ${queueId}`) ?? String(queueOffset);
    const made = { startOffset, popTimeMs, invisibleTimeMs, reviveQueueId, retry: '0', brokerName };
    const handle =
      kept === undefined
        ? formatExtraInfo({ ...made, queueId, queueOffset, physicalOffset })
        : withPhysicalOffset(kept, physicalOffset);
    const count =
      orderCounts.get(`0 qo${queueId}%${queueOffset}`) ?? orderCounts.get(`0 ${queueId}`);
    return { handle, orderCount: Number(count ?? 0) };
  };
}

/** Handles of eight words get the ninth, which a dead letter needs. */
function withPhysicalOffset(handle: string, physicalOffset: number): string {
  return handle.split(' ').length === 8 ? `${handle} ${physicalOffset}` : handle;
}

/** undefined when it is none: fewer than eight words, or a number that is none. */
export function parseExtraInfo(text: string): ExtraInfo | undefined {
  const words = text.split(' ');
  const [startOffset, popTime, invisibleTime, reviveQueueId, retry, brokerName, queueId, offset] =
    words;
  if (startOffset === undefined || retry === undefined || brokerName === undefined)
    return undefined;
  const info: ExtraInfo = {
    startOffset,
    popTimeMs: wordNumber(popTime),
    invisibleTimeMs: wordNumber(invisibleTime),
    reviveQueueId: wordNumber(reviveQueueId),
    retry,
    brokerName,
    queueId: wordNumber(queueId),
    queueOffset: wordNumber(offset),
    physicalOffset: words[8] === undefined ? undefined : wordNumber(words[8]),
    liteTopic: words[9],
  };
  const isGood =
    info.popTimeMs >= 0 &&
    info.invisibleTimeMs >= 0 &&
    info.reviveQueueId >= 0 &&
    info.queueId >= 0 &&
    info.queueOffset >= 0 &&
    (info.physicalOffset ?? 0) >= 0;
  return isGood ? info : undefined;
}

/** The word as a whole number, NaN (which is not >= 0) when it is none. */
function wordNumber(word: string | undefined): number {
  return word !== undefined && /^\d{1,16}$/.test(word) ? Number(word) : Number.NaN;
}
