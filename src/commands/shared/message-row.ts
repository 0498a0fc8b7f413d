/** A message as the commands show it; the JSON form is a contract. */
import { inflateSync } from 'node:zlib';
import type { StoredMessage } from '../../protocol/message/message.ts';
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
    value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}`,
    style: () => 'dim',
  },
  { title: 'TAG', value: (row) => row.tag, style: () => 'name' },
  { title: 'KEYS', value: (row) => row.keys.join(' '), style: () => 'name' },
  { title: 'BODY', value: (row) => row.body },
];

export function messageRow(message: StoredMessage, brokerName: string): MessageRow {
  const properties = Object.fromEntries(decodeProperties(message.properties));
  const bytes = plainBody(message);
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

// facts/store.md: sysFlag bit 0 compressed, bits 8-10 the type (0 and 3 zlib, 1 LZ4, 2 ZSTD).
const compressedBit = 1;
const zlibTypes = new Set([0, 3]);
const inflatedMaxBytes = 64 << 20;

/** The body as the producer gave it, where we can tell; LZ4 and ZSTD stay as they are. */
function plainBody(message: StoredMessage): Uint8Array {
  const { body, sysFlag } = message;
  if ((sysFlag & compressedBit) === 0 || !zlibTypes.has((sysFlag >> 8) & 7)) return body;
  try {
    return inflateSync(body, { maxOutputLength: inflatedMaxBytes });
  } catch {
    return body; // Marked as compressed and is not: shown as it is.
  }
}

function bodyText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined; // Not text.
  }
}
