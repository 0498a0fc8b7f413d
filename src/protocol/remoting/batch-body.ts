/**
 * Body of SEND_BATCH_MESSAGE (320); facts/remoting.md §4.1. Records without a gap, big-endian:
 *   int32 size of all, int32 0 (magic), int32 0 (CRC), int32 flag, int32 body size, body,
 *   int16 properties size, properties
 */
import { RmqError } from '../errors.ts';
import { getInt16, getInt32, putInt16, putInt32 } from '../message/bytes.ts';

const fixedSizeBytes = 22;

export interface BatchEntry {
  readonly flag: number;
  readonly body: Uint8Array;
  readonly properties: Uint8Array;
}

export function encodeBatchBody(entries: readonly BatchEntry[]): Buffer {
  let size = 0;
  for (const entry of entries) size += entrySize(entry);
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const entry of entries) {
    at = putInt32(out, at, entrySize(entry));
    at = putInt32(out, at, 0);
    at = putInt32(out, at, 0);
    at = putInt32(out, at, entry.flag);
    at = putInt32(out, at, entry.body.length);
    out.set(entry.body, at);
    at = putInt16(out, at + entry.body.length, entry.properties.length);
    out.set(entry.properties, at);
    at += entry.properties.length;
  }
  return out;
}

function entrySize(entry: BatchEntry): number {
  return fixedSizeBytes + entry.body.length + entry.properties.length;
}

/** Views into `body`. @throws RmqError BAD_REQUEST */
export function decodeBatchBody(body: Buffer): BatchEntry[] {
  const entries: BatchEntry[] = [];
  for (let at = 0; at < body.length; ) {
    if (body.length - at < fixedSizeBytes) throw broken(at);
    const end = at + getInt32(body, at);
    const bodySize = getInt32(body, at + 16);
    const propertiesAt = at + fixedSizeBytes + bodySize;
    if (bodySize < 0 || end > body.length || propertiesAt > end) throw broken(at);
    if (propertiesAt + getInt16(body, propertiesAt - 2) !== end) throw broken(at);
    entries.push({
      flag: getInt32(body, at + 12),
      body: body.subarray(at + 20, propertiesAt - 2),
      properties: body.subarray(propertiesAt, end),
    });
    at = end;
  }
  if (entries.length === 0) throw new RmqError('BAD_REQUEST', 'the batch holds no message');
  return entries;
}

function broken(at: number): RmqError {
  return new RmqError('BAD_REQUEST', `batch body: the record at byte ${at} does not fit its size`);
}
