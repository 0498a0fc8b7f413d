/** A message as the commands show it; the JSON form is a contract. */
import type { StoredMessage } from '../../protocol/message/message.ts';
import { plainBody } from '../../protocol/message/plain-body.ts';
import { decodeProperties } from '../../protocol/message/properties.ts';
import type { Column } from './command.ts';
import { isoTime } from './times.ts';

export interface MessageRow {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly messageId: string | undefined;
  /** When the broker stored it, ISO 8601. */
  readonly storeTime: string | undefined;
  readonly bornTime: string | undefined;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  /** Messages of one group are consumed in order. */
  readonly messageGroup: string | undefined;
  /** All properties as stored, those above included. */
  readonly properties: Readonly<Record<string, string>>;
  readonly body: string;
  readonly bodyEncoding: 'utf8' | 'base64';
  readonly bodySizeBytes: number;
  readonly reconsumeTimes: number;
}

export const messageColumns: readonly Column<MessageRow>[] = [
  { title: 'STORED', value: (row) => row.storeTime, style: () => 'dim' },
  {
    title: 'QUEUE',
    isName: true,
    value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}`,
    style: () => 'dim',
  },
  { title: 'TAG', value: (row) => row.tag, style: () => 'name' },
  { title: 'KEYS', value: (row) => row.keys.join(' '), style: () => 'name' },
  { title: 'BODY', value: (row) => row.body },
];

export function messageRow(message: StoredMessage, brokerName: string): MessageRow {
  const properties = Object.fromEntries(decodeProperties(message.properties));
  const bytes = plainBody(message) ?? message.body;
  const body = bodyText(bytes);
  return {
    topic: message.topic,
    brokerName,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    messageId: properties['UNIQ_KEY'],
    storeTime: isoTime(message.storeTimestampMs),
    bornTime: isoTime(message.bornTimestampMs),
    tag: properties['TAGS'],
    keys: (properties['KEYS'] ?? '').split(' ').filter((key) => key !== ''),
    messageGroup: properties['__SHARDINGKEY'],
    properties,
    body: body ?? Buffer.from(bytes).toString('base64'),
    bodyEncoding: body === undefined ? 'base64' : 'utf8',
    bodySizeBytes: bytes.length,
    reconsumeTimes: message.reconsumeTimes,
  };
}

function bodyText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined; // Not text.
  }
}
