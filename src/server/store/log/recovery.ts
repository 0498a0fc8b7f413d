/**
 * Opening the log: which segments there are, and where it ends. One rule (design.md, "The store"):
 * check the records from the dispatched offset on, hand each to `dispatch`, cut the torn tail.
 */
import type { Files } from '../../../platform/files.ts';
import { RmqError } from '../../../protocol/errors.ts';
import {
  RecordCheck,
  RecordField,
  RecordLayout,
  StoredRecord,
} from '../../../protocol/message/record.ts';
import type { Logger } from '../../shared/logger.ts';
import type { CommitLog } from './commit-log.ts';
import type { Segment } from './segment.ts';

const readSizeBytes = 1 << 20;

/** The segments on disk, opened, in order. An empty list for a new store. */
export async function openSegments(
  log: CommitLog,
  files: Files,
  segmentSizeBytes: number,
): Promise<void> {
  await files.makeFolder(log.folder);
  const names = (await files.list(log.folder)).filter((name) => /^\d{20}$/.test(name)).sort();
  for (let index = 0; index < names.length; index++) {
    const baseOffset = Number(names[index]);
    const next = names[index + 1];
    const stat = await files.stat(`${log.folder}/${names[index]}`);
    // An old segment ends where the next one begins; only the newest can still grow.
    const sizeBytes =
      next === undefined ? Math.max(segmentSizeBytes, stat.sizeBytes) : Number(next) - baseOffset;
    const segment = log.makeSegment(baseOffset, sizeBytes);
    segment.lastStoreTimestampMs = stat.modifiedMs;
    await segment.open();
    log.segments.push(segment);
  }
}

export interface Scan {
  /** Behind the last whole record. */
  readonly endOffset: number;
  readonly truncatedBytes: number;
}

/**
 * Walks the records from `fromOffset` (a record's begin) to the end of the log and cuts what is behind.
 * @throws RmqError STORE_CORRUPT when a record is damaged and later segments hold whole ones: that is
 *   not a torn tail, and cutting it would lose acknowledged messages.
 */
export async function scanLog(
  log: CommitLog,
  fromOffset: number,
  logger: Logger,
  dispatch: (record: StoredRecord) => void,
): Promise<Scan> {
  let at = fromOffset;
  let index = log.segments.findIndex((segment) => at < segment.endOffset);
  if (index < 0) return { endOffset: at, truncatedBytes: 0 };
  for (; index < log.segments.length; index++) {
    const segment = log.segments[index] as Segment; // index < length
    const end = await scanSegment(segment, Math.max(at, segment.baseOffset), dispatch);
    at = end.offset;
    if (end.isClosed) continue;
    await checkTail(log, index, end);
    return await cutBehind(log, index, at, end.problem, logger);
  }
  return { endOffset: at, truncatedBytes: 0 };
}

interface SegmentEnd {
  readonly offset: number;
  /** True when the segment's closing blank was found. */
  readonly isClosed: boolean;
  /** Why the walk stopped, when not at zeros or the file's end. */
  readonly problem: string | undefined;
}

async function scanSegment(
  segment: Segment,
  fromOffset: number,
  dispatch: (record: StoredRecord) => void,
): Promise<SegmentEnd> {
  const layout = new RecordLayout();
  let offset = fromOffset;
  let wanted = readSizeBytes;
  for (;;) {
    const bytes = Buffer.alloc(Math.max(0, Math.min(wanted, segment.endOffset - offset)));
    const got = await segment.read(bytes, 0, bytes.length, offset);
    let at = 0;
    let kind = layout.read(bytes, at, got, RecordCheck.checksums);
    for (; kind === 'record'; kind = layout.read(bytes, at, got, RecordCheck.checksums)) {
      if (RecordField.physicalOffset(bytes, at) !== offset + at) {
        return { offset: offset + at, isClosed: false, problem: 'a record names another offset' };
      }
      const record = new StoredRecord(bytes, at, layout);
      segment.lastStoreTimestampMs = record.storeTimestampMs;
      dispatch(record);
      at += layout.size;
    }
    offset += at;
    if (kind === 'blank') {
      if (offset + layout.size === segment.endOffset) {
        return { offset: segment.endOffset, isClosed: true, problem: undefined };
      }
      return { offset, isClosed: false, problem: 'a closing record has the wrong size' };
    }
    if (kind === 'empty') return { offset, isClosed: false, problem: undefined };
    if (kind === 'bad') return { offset, isClosed: false, problem: layout.problem };
    // Partial: read on from this record, more when it is larger than what was read.
    const isAtFileEnd = got < bytes.length || offset + (got - at) >= segment.endOffset;
    if (isAtFileEnd) {
      const isNothing = got === at;
      return {
        offset,
        isClosed: false,
        problem: isNothing ? undefined : 'the file ends in a record',
      };
    }
    wanted = Math.max(readSizeBytes, layout.size);
  }
}

async function checkTail(log: CommitLog, index: number, end: SegmentEnd): Promise<void> {
  for (const later of log.segments.slice(index + 1)) {
    let isWhole = false;
    const bytes = Buffer.alloc(Math.min(8 << 20, later.sizeBytes));
    const got = await later.read(bytes, 0, bytes.length, later.baseOffset);
    const layout = new RecordLayout();
    isWhole =
      layout.read(bytes, 0, got, RecordCheck.checksums) === 'record' &&
      RecordField.physicalOffset(bytes, 0) === later.baseOffset;
    if (isWhole) {
      throw new RmqError(
        'STORE_CORRUPT',
        `the commit log is damaged at offset ${end.offset} (${end.problem ?? 'records are missing'}) and goes on at ${later.baseOffset}`,
        { hint: 'nothing was changed; restore the segment from a copy' },
      );
    }
  }
}

async function cutBehind(
  log: CommitLog,
  index: number,
  endOffset: number,
  problem: string | undefined,
  logger: Logger,
): Promise<Scan> {
  for (const later of log.segments.splice(index + 1)) {
    await later.close();
    await log.removeFile(later);
  }
  const segment = log.segments[index] as Segment; // the one that was scanned
  if (problem === undefined) {
    // Zeros or the file's end: nothing torn. What was filled ahead stays.
    if (await isZeroBehind(segment, endOffset)) return { endOffset, truncatedBytes: 0 };
  }
  const truncatedBytes = await segment.cut(endOffset);
  logger.warn('cut the torn tail of the commit log', { endOffset, truncatedBytes, problem });
  return { endOffset, truncatedBytes };
}

/** Whether the rest of the file holds only zeros, so that no old byte can look like a record later. */
async function isZeroBehind(segment: Segment, offset: number): Promise<boolean> {
  const bytes = Buffer.alloc(Math.min(readSizeBytes, segment.endOffset - offset));
  for (let at = offset; at < segment.endOffset; ) {
    const size = Math.min(bytes.length, segment.endOffset - at);
    const got = await segment.read(bytes, 0, size, at);
    if (got === 0) return true;
    for (let index = 0; index < got; index++) if (bytes[index] !== 0) return false;
    at += got;
  }
  return true;
}
