/**
 * Records that Apache RocketMQ 5.4.0 wrote (`shared/golden/store`) decode to what its broker served
 * and encode back to the same bytes. Skipped where the recordings are not at hand.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeOffsetMessageId } from '../../src/protocol/message/message-id.ts';
import { decodeProperties } from '../../src/protocol/message/properties.ts';
import { PropertyName } from '../../src/protocol/message/property-names.ts';
import {
  encodeBlank,
  encodeStoredMessage,
  RecordCheck,
  RecordLayout,
  StoredRecord,
} from '../../src/protocol/message/record.ts';

const goldenFolder = new URL('../../../shared/golden/store', import.meta.url).pathname;
const isPresent = existsSync(goldenFolder);

interface ManifestMessage {
  readonly recordTopic?: string;
  readonly topic: string;
  readonly queueId: number;
  readonly recordQueueId?: number;
  readonly physicalOffset: number;
  readonly queueOffset: number;
  readonly storeSize: number;
  readonly sysFlag: number;
  readonly flag: number;
  readonly bodyCrc: number;
  readonly storedBodyLength: number;
  readonly recordSha1: string;
  readonly offsetMsgId: string;
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly properties: Record<string, string>;
}

interface Manifest {
  readonly logEnd: number;
  readonly records: number;
  readonly blanks: readonly { readonly physicalOffset: number; readonly size: number }[];
  readonly messages: readonly ManifestMessage[];
}

function unpack(name: string): { readonly folder: string; readonly manifest: Manifest } {
  const folder = mkdtempSync(join(tmpdir(), 'rmq-golden-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  execFileSync('tar', ['xzf', join(goldenFolder, name, 'store.tar.gz'), '-C', folder]);
  const manifest = JSON.parse(readFileSync(join(goldenFolder, name, 'manifest.json'), 'utf8'));
  return { folder: join(folder, 'store'), manifest };
}

interface Walk {
  readonly records: Map<number, { readonly record: StoredRecord; readonly bytes: Buffer }>;
  readonly blanks: { physicalOffset: number; size: number }[];
  readonly end: number;
}

function walk(folder: string): Walk {
  const records: Walk['records'] = new Map();
  const blanks: Walk['blanks'] = [];
  const layout = new RecordLayout();
  let end = 0;
  for (const name of readdirSync(join(folder, 'commitlog')).sort()) {
    const file = readFileSync(join(folder, 'commitlog', name));
    const base = Number(name);
    let at = 0;
    for (;;) {
      const kind = layout.read(file, at, file.length, RecordCheck.checksums);
      end = base + at;
      if (kind === 'blank') {
        blanks.push({ physicalOffset: end, size: layout.size });
        const again = Buffer.alloc(8);
        encodeBlank(again, 0, layout.size);
        expect(file.subarray(at, at + 8).equals(again)).toBe(true);
        break;
      }
      if (kind !== 'record') return { records, blanks, end };
      const record = new StoredRecord(file, at, layout);
      records.set(end, { record, bytes: file.subarray(at, at + layout.size) });
      at += layout.size;
    }
  }
  return { records, blanks, end };
}

describe.skipIf(!isPresent)('records written by Apache (skipped without ../shared)', () => {
  test.each(['clean', 'crashed', 'torn', 'rare'])('%s', (name) => {
    const { folder, manifest } = unpack(name);
    const { records, blanks, end } = walk(folder);
    expect(records.size).toBe(manifest.records);
    expect(blanks).toEqual(manifest.blanks);
    expect(end).toBe(manifest.logEnd);
    for (const { record, bytes } of records.values()) {
      expect(encodeStoredMessage(record, record.hasChecksum).equals(bytes)).toBe(true);
    }
    for (const message of manifest.messages) compare(message, records);
  });
});

function compare(message: ManifestMessage, records: Walk['records']): void {
  const found = records.get(message.physicalOffset);
  if (found === undefined) throw new Error(`no record at ${message.physicalOffset}`);
  const { record, bytes } = found;
  expect(createHash('sha1').update(bytes).digest('hex')).toBe(message.recordSha1);
  const isInnerBatch = (message.sysFlag & 0x80) !== 0;
  const { [PropertyName.crc32]: _checksum, ...properties } = message.properties;
  expect({
    topic: record.topic,
    queueId: record.queueId,
    size: record.storeSizeBytes,
    sysFlag: record.sysFlag,
    flag: record.flag,
    bodyCrc: record.bodyCrc,
    bodySize: record.body.length,
    bornTimestamp: record.bornTimestampMs,
    storeTimestamp: record.storeTimestampMs,
    reconsumeTimes: record.reconsumeTimes,
    preparedTransactionOffset: record.preparedTransactionOffset,
    id: encodeOffsetMessageId(record.storeHost, record.physicalOffset),
  }).toEqual({
    topic: message.recordTopic ?? message.topic,
    queueId: message.recordQueueId ?? message.queueId,
    size: message.storeSize,
    sysFlag: message.sysFlag,
    flag: message.flag,
    bodyCrc: message.bodyCrc,
    bodySize: message.storedBodyLength,
    bornTimestamp: message.bornTimestamp,
    storeTimestamp: message.storeTimestamp,
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    id: message.offsetMsgId,
  });
  if (message.recordTopic === undefined && !isInnerBatch) {
    expect(record.queueOffset).toBe(message.queueOffset);
    expect(Object.fromEntries(decodeProperties(record.properties))).toEqual(properties);
  }
}
