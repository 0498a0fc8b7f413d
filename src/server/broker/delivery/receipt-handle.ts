/**
 * The receipt handle: names one delivery of one message. Text of nine fields with a blank between, as
 * Apache's (facts/grpc-v2.md 6.4), so that its proxies work with ours:
 * `startOffset popTimeMs invisibleMs reviveQueueId topicType brokerName queueId queueOffset physicalOffset`
 */
import { RmqError } from '../../../protocol/errors.ts';

/** Marks ordered deliveries in the field of the revive queue. */
export const orderedReviveQueueId = 999;

export interface ReceiptHandle {
  readonly popTimeMs: number;
  readonly invisibleTimeMs: number;
  readonly reviveQueueId: number;
  /** 0 the topic itself, 1 and 2 its pop retry topics on Apache's brokers. */
  readonly topicType: number;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** -1 when the handle has only eight fields. */
  readonly physicalOffset: number;
  /** Ours, a tenth field: the lite topic under the topic that the request names. */
  readonly liteTopic?: string | undefined;
}

export function formatReceiptHandle(handle: ReceiptHandle): string {
  const { queueOffset, popTimeMs, invisibleTimeMs, reviveQueueId, topicType, queueId } = handle;
  return `${queueOffset} ${popTimeMs} ${invisibleTimeMs} ${reviveQueueId} ${topicType} ${handle.brokerName} ${queueId} ${queueOffset} ${handle.physicalOffset}${handle.liteTopic === undefined ? '' : ` ${handle.liteTopic}`}`;
}

/** @throws RmqError INVALID_RECEIPT_HANDLE */
export function parseReceiptHandle(text: string): ReceiptHandle {
  const fields = text.split(' ');
  const handle: ReceiptHandle = {
    popTimeMs: wholeNumber(fields[1]),
    invisibleTimeMs: wholeNumber(fields[2]),
    reviveQueueId: wholeNumber(fields[3]),
    topicType: wholeNumber(fields[4]),
    brokerName: fields[5] ?? '',
    queueId: wholeNumber(fields[6]),
    queueOffset: wholeNumber(fields[7]),
    physicalOffset: fields.length > 8 ? wholeNumber(fields[8]) : -1,
    liteTopic: fields[9],
  };
  if (fields.length < 8 || handle.brokerName === '') throw invalid(text);
  if (Object.values(handle).some((value) => Number.isNaN(value))) throw invalid(text);
  return handle;
}

function wholeNumber(field: string | undefined): number {
  if (field === undefined || !/^\d{1,16}$/.test(field)) return Number.NaN;
  return Number(field);
}

function invalid(text: string): RmqError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new RmqError('INVALID_RECEIPT_HANDLE', `receipt handle cannot be parsed: ${shown}`);
}
