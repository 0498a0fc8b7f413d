/**
 * A message queue's index: for each queue offset where its record lies. Entries are packed in blocks of
 * 64 under one database key, so that any entry is one `get`; the newest stay in memory.
 *
 * Entry, 16 bytes, big-endian: physical offset (8) · record size (4, 0: the record is lost, and the offset
 * that of what came next; or a newer message replaced it, and the offset is its own) · tag hash (4).
 */
import { getInt32, getInt64, putInt32, putInt64 } from '../../../protocol/message/bytes.ts';
import type { PhysicalOffset, QueueOffset } from '../../../protocol/message/message.ts';
import { assert } from '../../../util/assert.ts';
import type { QueueEntry, StoredQueue } from '../message-store.ts';

export const blockEntryCount = 64;
export const entrySizeBytes = 16;

export class IndexedEntry implements QueueEntry {
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly storeSizeBytes: number;
  readonly tagsCode: number;

  constructor(
    queueOffset: number,
    physicalOffset: number,
    storeSizeBytes: number,
    tagsCode: number,
  ) {
    this.queueOffset = queueOffset as QueueOffset; // what the store counts
    this.physicalOffset = physicalOffset as PhysicalOffset;
    this.storeSizeBytes = storeSizeBytes;
    this.tagsCode = tagsCode;
  }
}

export class IndexedQueue implements StoredQueue {
  readonly topic: string;
  readonly queueId: number;
  /** Names the queue in database keys. */
  readonly number: number;
  /** The topic in UTF-8, as records hold it. */
  readonly topicBytes: Buffer;
  /** The offset that the next encoded record gets; `max` until it is kept. */
  assigned = 0;
  min = 0;
  max = 0;
  /** No message of the queue that is kept lies before this physical offset. */
  oldest = 0;
  /** Entries below this are in blocks of the database; the others are in memory. */
  persisted = 0;
  /** Entries below this are in the database, in blocks or in its journal. */
  journaled = 0;
  /** What the journal, or a batch under way, has of the queue is not so any more. */
  isJournalVoid = false;
  /** What the queue's row in the database says; -1: there is none. */
  rowMin = -1;
  rowMax = -1;
  /** Entries that `WarmQueues` has counted. */
  countedCount = 0;
  isTouched = false;
  /** Its topic was deleted: what still comes for it goes nowhere. */
  isDropped = false;
  /** Called for each message when it is encoded, in front of its being kept. */
  watch: ((draft: { readonly properties: Uint8Array }) => void) | undefined = undefined;
  #recent: IndexedEntry[] = [];
  #recentBase = 0;
  /** Whether `#recent` may have entries of lost records. */
  #hasLost = false;

  /** `sibling`: another queue of the topic. */
  constructor(topic: string, queueId: number, number: number, sibling?: IndexedQueue) {
    this.topic = topic;
    this.queueId = queueId;
    this.number = number;
    this.topicBytes = sibling?.topicBytes ?? ownBytes(topic);
  }

  get minOffset(): QueueOffset {
    return this.min as QueueOffset; // counted by the store
  }

  get maxOffset(): QueueOffset {
    return this.max as QueueOffset;
  }

  /** Sets an empty queue to where its next entry belongs. */
  startAt(offset: number): void {
    // Also when nothing is in the journal yet: a batch may be under way.
    if (this.max > 0) this.isJournalVoid = true;
    this.min = offset;
    this.max = offset;
    this.assigned = offset;
    this.persisted = offset;
    this.journaled = offset;
    this.#recent = [];
    this.#recentBase = offset;
  }

  /** Restores what a database row says. */
  restore(min: number, max: number): void {
    this.startAt(max);
    this.min = Math.min(min, max);
    this.rowMin = min;
    this.rowMax = max;
  }

  /** Restores entries of the journal; those that blocks have are there, too. False: there is a gap before them. */
  restoreEntries(entries: readonly IndexedEntry[]): boolean {
    for (const entry of entries) {
      if (entry.queueOffset > this.max) return false;
      if (entry.queueOffset < this.max) continue;
      if (entry.storeSizeBytes === 0) this.#hasLost = true;
      this.publish(entry);
    }
    this.journaled = this.max;
    this.min = Math.max(this.min, Math.min(this.rowMin, this.max));
    return true;
  }

  /** Makes the next entry visible. */
  publish(entry: IndexedEntry): void {
    assert(entry.queueOffset === this.max, 'queue entries are published without gaps');
    if (this.#recent.length === 0) this.#recentBase = this.max;
    this.#recent.push(entry);
    this.max++;
    if (this.assigned < this.max) this.assigned = this.max;
  }

  /** Leaves the offsets up to `offset` empty; what comes next lies at `physicalOffset`. */
  skipTo(offset: number, physicalOffset: number): void {
    if (this.#recent.length === 0) this.#recentBase = this.max;
    // One for all, as there may be millions; `recent` gives each its own offset.
    const lost = new IndexedEntry(-1, physicalOffset, 0, 0);
    for (; this.max < offset; this.max++) this.#recent.push(lost);
    this.#hasLost = true;
    if (this.assigned < this.max) this.assigned = this.max;
  }

  /** Entries from `from` in memory, or undefined when they are not. */
  recent(from: number, maxCount: number): readonly IndexedEntry[] | undefined {
    if (from >= this.max) return [];
    if (this.#recent.length === 0 || from < this.#recentBase) return undefined;
    const begin = from - this.#recentBase;
    const found = this.#recent.slice(begin, begin + maxCount);
    if (!this.#hasLost) return found;
    return found.map((entry, index) =>
      entry.storeSizeBytes > 0 ? entry : new IndexedEntry(from + index, entry.physicalOffset, 0, 0),
    );
  }

  /** Entries in memory that blocks have, too. */
  get warmCount(): number {
    return Math.min(this.#recent.length, Math.max(0, this.persisted - this.#recentBase));
  }

  /** Takes away entries in memory whose messages a newer one has replaced. */
  drop(offsets: readonly number[]): void {
    for (const offset of offsets) {
      const at = offset - this.#recentBase;
      const entry = this.#recent[at];
      if (entry === undefined || entry.storeSizeBytes === 0) continue;
      this.#recent[at] = new IndexedEntry(offset, entry.physicalOffset, 0, 0);
      this.#hasLost = true;
    }
  }

  /** Forgets persisted entries from memory but the newest `keepCount`. */
  trim(keepCount: number): void {
    const drop = Math.min(this.#recent.length - keepCount, this.persisted - this.#recentBase);
    if (drop <= 0) return;
    this.#recent.splice(0, drop);
    this.#recentBase += drop;
  }

  /** Cuts entries that point past the log's end (after a power cut). */
  cutTo(max: number): void {
    this.isJournalVoid = true;
    this.max = max;
    this.assigned = max;
    this.persisted = Math.min(this.persisted, max);
    this.journaled = this.persisted;
    this.min = Math.min(this.min, max);
    this.#recent.length = Math.max(0, Math.min(this.#recent.length, max - this.#recentBase));
    if (this.#recent.length === 0) this.#recentBase = max;
  }

  /** The first entry that neither memory nor `stored`, the block in the database, has; undefined: they have all. */
  missingFrom(block: number, stored: Uint8Array | undefined): number | undefined {
    const first = block * blockEntryCount;
    const from = Math.max(this.min, first + (stored?.length ?? 0) / entrySizeBytes);
    return from < this.persisted ? from : undefined;
  }

  /**
   * Bytes of the block that holds entries from `block * 64` on, with those in memory from `persisted`
   * on over what `stored` (the block in the database) has.
   */
  encodeBlock(block: number, stored: Uint8Array | undefined): Buffer {
    const first = block * blockEntryCount;
    const end = Math.min(first + blockEntryCount, this.max);
    const out = Buffer.alloc((end - first) * entrySizeBytes);
    if (stored !== undefined) out.set(stored.subarray(0, Math.min(stored.length, out.length)));
    const from = Math.max(first, this.persisted);
    this.encodeEntries(out, (from - first) * entrySizeBytes, from, end);
    return out;
  }

  /** Puts entries that are in memory at `at`; answers where they end. */
  encodeEntries(out: Buffer, at: number, from: number, end: number): number {
    let next = at;
    for (let offset = from; offset < end; offset++) {
      const entry = this.#recent[offset - this.#recentBase];
      assert(entry !== undefined, 'entries that are not persisted are in memory');
      next = putInt64(out, next, entry.physicalOffset);
      next = putInt32(out, putInt32(out, next, entry.storeSizeBytes), entry.tagsCode);
    }
    return next;
  }

  blockKey(block: number): string {
    return `e/${hex(this.number, 8)}/${hex(block, 12)}`;
  }

  get blockKeys(): { gte: string; lt: string } {
    return { gte: `e/${hex(this.number, 8)}/`, lt: `e/${hex(this.number, 8)}0` };
  }

  get rowKey(): string {
    return `q/${hex(this.number, 8)}`;
  }
}

/** In memory of its own: a view of Node's pool would hold a whole slab for as long as the queue lives. */
function ownBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text, 'utf8'));
  bytes.write(text, 'utf8');
  return bytes;
}

/** The stored block without the entries at these offsets, those that lie in it. */
export function withoutEntries(
  stored: Uint8Array,
  block: number,
  offsets: ReadonlySet<number>,
): Buffer {
  const out = Buffer.from(stored);
  const first = block * blockEntryCount;
  for (let at = 0; at < out.length; at += entrySizeBytes) {
    if (offsets.has(first + at / entrySizeBytes)) putInt32(out, putInt32(out, at + 8, 0), 0);
  }
  return out;
}

/** Entries of a stored block from `from` on, at most `maxCount`, below `max`. */
export function decodeBlock(
  stored: Uint8Array,
  block: number,
  from: number,
  maxCount: number,
  max: number,
): IndexedEntry[] {
  const first = block * blockEntryCount;
  const entries: IndexedEntry[] = [];
  const end = Math.min(max, from + maxCount, first + stored.length / entrySizeBytes);
  for (let offset = from; offset < end; offset++) {
    entries.push(entryAt(stored, (offset - first) * entrySizeBytes, offset));
  }
  return entries;
}

/** The entry of a queue offset, from its 16 bytes. */
export function entryAt(bytes: Uint8Array, at: number, queueOffset: number): IndexedEntry {
  const size = Math.max(0, getInt32(bytes, at + 8));
  return new IndexedEntry(queueOffset, getInt64(bytes, at), size, getInt32(bytes, at + 12));
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
