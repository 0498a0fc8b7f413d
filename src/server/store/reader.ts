/**
 * Reading: index entries and records, from memory when they are new, else from the database and the
 * segments in blocks. A record whose checksum fails is never served.
 */
import { RmqError } from '../../protocol/errors.ts';
import type { PhysicalOffset, QueueOffset, StoredMessage } from '../../protocol/message/message.ts';
import { decodeRecord, RecordCheck, RecordLayout } from '../../protocol/message/record.ts';
import type { Reply } from '../../util/reply.ts';
import type { Logger } from '../shared/logger.ts';
import { blockEntryCount, type IndexedQueue } from './index/queue.ts';
import type { QueueIndex } from './index/queue-index.ts';
import { messageAt, standsForMore } from './inner-batch.ts';
import type { CommitLog } from './log/commit-log.ts';
import type { ChecksumTable } from './log/foreign-checksums.ts';
import type { Segment } from './log/segment.ts';
import { recordSizeMax } from './log/segment-walk.ts';
import type { QueueEntry } from './message-store.ts';

/** Records that lie this close together are read in one go. */
const readSpanBytes = 1 << 20;

export class LogReader {
  readonly #log: CommitLog;
  readonly #index: QueueIndex;
  readonly #logger: Logger;

  constructor(log: CommitLog, index: QueueIndex, logger: Logger) {
    this.#log = log;
    this.#index = index;
    this.#logger = logger;
  }

  readEntries(
    queue: IndexedQueue,
    from: number,
    maxCount: number,
    reply: Reply<readonly QueueEntry[], RmqError>,
  ): void {
    const begin = Math.max(from, queue.min);
    const recent = queue.recent(begin, maxCount) ?? this.#index.cached(queue, begin, maxCount);
    if (recent !== undefined) return reply(recent);
    this.#index
      .readBlock(queue, begin, maxCount)
      .then((entries) => {
        // Retention may have moved on meanwhile, or entries may have left memory: ask again.
        if (entries.length === 0 && queue.isDropped) return reply([]);
        if (entries.length === 0 && begin < queue.min) {
          return this.readEntries(queue, begin, maxCount, reply);
        }
        if (entries.length === 0 && begin < queue.max) {
          const now = queue.recent(begin, maxCount);
          if (now === undefined) this.#index.misses(queue, begin);
          return reply(now ?? missing(queue, begin));
        }
        return reply(entries);
      })
      .catch((error: unknown) => reply(readError(error)));
  }

  readMessages(
    entries: readonly QueueEntry[],
    reply: Reply<readonly (StoredMessage | undefined)[], RmqError>,
  ): void {
    const messages: (StoredMessage | undefined)[] = [];
    let isComplete = true;
    for (const entry of entries) {
      const isLost = entry.storeSizeBytes === 0;
      const message = isLost ? undefined : this.#fromTail(entry.physicalOffset);
      if (message === undefined && !isLost) isComplete = false;
      messages.push(message);
    }
    if (isComplete) return reply(messages);
    this.#fill(entries, messages)
      .then(() => reply(messages))
      .catch((error: unknown) => reply(readError(error)));
  }

  #fromTail(offset: number): StoredMessage | undefined {
    if (offset >= this.#log.keptOffset) return undefined;
    const chunk = this.#log.tail.find(offset);
    if (chunk === undefined) return undefined;
    return decodeRecord(chunk.buffer, offset - chunk.beginOffset, chunk.size, RecordCheck.lengths);
  }

  /** Reads what memory did not have, neighbours together. */
  async #fill(
    entries: readonly QueueEntry[],
    messages: (StoredMessage | undefined)[],
  ): Promise<void> {
    for (let first = 0; first < entries.length; ) {
      if (messages[first] !== undefined || entries[first]?.storeSizeBytes === 0) {
        first++;
        continue;
      }
      const begin = (entries[first] as QueueEntry).physicalOffset; // first < length
      let end = begin + (entries[first] as QueueEntry).storeSizeBytes;
      const segmentEnd = this.#segmentAt(begin)?.endOffset ?? end;
      let next = first + 1;
      for (; next < entries.length && messages[next] === undefined; next++) {
        const entry = entries[next] as QueueEntry;
        const entryEnd = entry.physicalOffset + entry.storeSizeBytes;
        // Entries of one record have one place.
        const isSame = entry.physicalOffset === begin && entryEnd === end;
        if ((entry.physicalOffset < end && !isSame) || entryEnd > segmentEnd) break;
        if (entry.storeSizeBytes === 0) break;
        if (entryEnd - begin > readSpanBytes) break;
        end = entryEnd;
      }
      const bytes = await this.#readRange(begin, end - begin);
      const table = await this.#checksumsAt(begin);
      for (let index = first; index < next; index++) {
        const entry = entries[index] as QueueEntry;
        messages[index] = this.#decode(bytes, begin, entry, table);
      }
      first = next;
    }
  }

  /** `bytes` begin at `begin`. */
  #decode(
    bytes: Buffer,
    begin: number,
    entry: QueueEntry,
    table: ChecksumTable | undefined,
  ): StoredMessage | undefined {
    const { physicalOffset: offset, storeSizeBytes } = entry;
    const message = this.#genuine(bytes.subarray(offset - begin), offset, table);
    if (message?.storeSizeBytes === storeSizeBytes) {
      const { queueOffset } = entry;
      return standsForMore(message, queueOffset) ? messageAt(message, queueOffset) : message;
    }
    if (offset >= this.#log.beginOffset) {
      this.#logger.error('a record is damaged and cannot be served', { physicalOffset: offset });
    }
    return undefined;
  }

  /** The record at the beginning of `bytes`, when it is the one that was written at `offset`. */
  #genuine(
    bytes: Buffer,
    offset: number,
    table: ChecksumTable | undefined,
  ): StoredMessage | undefined {
    const record = decodeRecord(bytes, 0, bytes.length, RecordCheck.checksums);
    if (record?.physicalOffset !== offset) return undefined;
    if (record.hasChecksum) return record;
    // One of another broker's, or what damage has made of one of ours.
    const { foreign } = this.#log;
    if (foreign === undefined || offset >= foreign.endOffset) return undefined;
    const place = offset - (this.#segmentAt(offset)?.baseOffset ?? 0);
    const isGenuine = table?.matches(place, bytes.subarray(0, record.storeSizeBytes)) ?? true;
    return isGenuine ? record : undefined;
  }

  /** Of records that another broker wrote; see `foreign-checksums.ts`. */
  async #checksumsAt(offset: number): Promise<ChecksumTable | undefined> {
    const { foreign } = this.#log;
    if (foreign === undefined || offset >= foreign.endOffset) return undefined;
    const segment = this.#segmentAt(offset);
    return segment === undefined ? undefined : await foreign.table(segment.baseOffset);
  }

  #segmentAt(offset: number): Segment | undefined {
    return this.#log.segments.find((one) => offset >= one.baseOffset && offset < one.endOffset);
  }

  /** Bytes of one segment; fewer when they are not (or no longer) there. */
  async #readRange(offset: number, size: number): Promise<Buffer> {
    const segment = this.#segmentAt(offset);
    if (segment === undefined) return Buffer.alloc(0);
    const bytes = Buffer.alloc(Math.min(size, segment.endOffset - offset));
    const got = await segment.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, got);
  }

  async readAt(offset: number): Promise<StoredMessage | undefined> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= this.#log.keptOffset) {
      return undefined;
    }
    const recent = this.#fromTail(offset);
    if (recent !== undefined) return recent;
    const layout = new RecordLayout();
    const head = await this.#readRange(offset, 64 << 10);
    const kind = layout.read(head, 0, head.length, RecordCheck.checksums);
    const table = await this.#checksumsAt(offset);
    if (kind === 'record') return this.#genuine(head, offset, table);
    if (kind !== 'partial' || layout.size > recordSizeMax) return undefined;
    const whole = await this.#readRange(offset, layout.size);
    return this.#genuine(whole, offset, table);
  }

  /** Where the record that begins at `offset` ends; undefined when there is no whole one. */
  async recordEnd(offset: number): Promise<number | undefined> {
    const layout = new RecordLayout();
    let bytes = await this.#readRange(offset, 64 << 10);
    let kind = layout.read(bytes, 0, bytes.length, RecordCheck.checksums);
    if (kind === 'partial' && layout.size > bytes.length) {
      bytes = await this.#readRange(offset, layout.size);
      kind = layout.read(bytes, 0, bytes.length, RecordCheck.checksums);
    }
    return kind === 'record' ? offset + layout.size : undefined;
  }

  /** First offset stored at or after a time; the queue's end when there is none. */
  async offsetByTime(queue: IndexedQueue, timestampMs: number): Promise<QueueOffset> {
    let low = queue.min;
    let high = queue.max;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      // Where a record is lost the next one decides; entries of lost ones point at it.
      let next = middle;
      let message = await this.messageOf(queue, next);
      while (message === undefined && ++next < high) message = await this.messageOf(queue, next);
      if (message === undefined || message.storeTimestampMs >= timestampMs) high = middle;
      else low = next + 1;
    }
    return low as QueueOffset; // between min and max
  }

  async messageOf(queue: IndexedQueue, offset: number): Promise<StoredMessage | undefined> {
    const entry = await this.entryOf(queue, offset);
    return entry === undefined ? undefined : await this.readAt(entry.physicalOffset);
  }

  async entryOf(queue: IndexedQueue, offset: number): Promise<QueueEntry | undefined> {
    const recent = queue.recent(offset, 1);
    if (recent !== undefined) return recent[0];
    return (await this.#index.readBlock(queue, offset, 1))[0];
  }

  /** Cuts entries that point at or past `endOffset`: the database outlived the log's unsynced end. */
  async cutEntries(endOffset: number): Promise<void> {
    for (const queue of [...this.#index.all()]) {
      let max = queue.max;
      while (max > queue.min) {
        const entry = await this.entryOf(queue, max - 1);
        if (entry !== undefined && entry.physicalOffset < endOffset) break;
        max--;
      }
      if (max === queue.max) continue;
      this.#logger.warn('cut index entries past the end of the log', {
        topic: queue.topic,
        queueId: queue.queueId,
        from: max,
        to: queue.max,
      });
      queue.cutTo(max);
      this.#index.forgetBlocks(queue);
      this.#index.markDirty(queue);
    }
  }

  /**
   * The first entry of a queue whose record lies at or behind `minPhysicalOffset`; the queue's end, at an
   * unknown place, when there is none. Mostly it is among the next few.
   */
  async firstFrom(
    queue: IndexedQueue,
    minPhysicalOffset: PhysicalOffset,
  ): Promise<{ readonly queueOffset: number; readonly physicalOffset: number }> {
    const near = await this.#entriesFrom(queue, queue.min);
    const first = near.find((entry) => entry.physicalOffset >= minPhysicalOffset);
    if (first !== undefined) return first;
    let low = (near[near.length - 1]?.queueOffset ?? queue.min) + 1;
    let high = queue.max;
    let found: QueueEntry | undefined;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const entry = await this.entryOf(queue, middle);
      if (entry !== undefined && entry.physicalOffset >= minPhysicalOffset) {
        high = middle;
        found = entry;
      } else low = middle + 1;
    }
    return found ?? { queueOffset: queue.max, physicalOffset: 0 };
  }

  /** Entries from `offset` on, some, from wherever they are. */
  async #entriesFrom(queue: IndexedQueue, offset: number): Promise<readonly QueueEntry[]> {
    return (
      queue.recent(offset, blockEntryCount) ??
      (await this.#index.readBlock(queue, offset, blockEntryCount))
    );
  }
}

function readError(error: unknown): RmqError {
  if (error instanceof RmqError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RmqError('INTERNAL', `the store cannot be read: ${reason}`, { cause: error });
}

function missing(queue: IndexedQueue, offset: number): RmqError {
  return new RmqError(
    'STORE_CORRUPT',
    `queue ${queue.queueId} of ${queue.topic} has no index entry for offset ${offset}`,
    { hint: 'restart the broker: the index is built again from the log' },
  );
}
