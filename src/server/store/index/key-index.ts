/**
 * Where messages lie by their keys: a database entry for each of KEYS, for UNIQ_KEY and for the tag
 * (facts/store.md §7). Entries hold a hash only; who finds one reads the record and compares. They are
 * grouped by the part of the log in which their record lies, so that old ones go in one piece.
 *
 * Key: `key/<part, 10 hex digits>/<hash, 8>/<physical offset, 14>`, without a value; many at once are packed
 * (`key-block.ts`).
 */
import { javaHashBehind, javaHashCode } from '../../../protocol/message/java-hash.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  StoredMessage,
} from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { hashOf, scanOf, type ValueRange } from '../../../protocol/message/property-scan.ts';
import { isQueued } from '../../../protocol/message/sys-flag.ts';
import type {
  Appended,
  DerivedState,
  KeyQuery,
  StateBatch,
  StateRange,
  StateRows,
} from '../message-store.ts';
import {
  type KeyEntry,
  packedCountMin,
  packedOffsets,
  packedRowStarts,
  packKeys,
} from './key-block.ts';
import { hex } from './queue.ts';

const prefix = 'key/';
const space = 0x20;
/** Bytes of the log whose entries lie together. */
const partSizeBytes = 64 << 20;
/** Entries with the hash of a query that are looked at in one part. */
const candidateCountMax = 10_000;
/** Packed rows of one hash in one part: a part has no more batches than it has records by the thousand. */
const packedRowCountMax = 100_000;
const noValue: Uint8Array = new Uint8Array(0);

/** What the index needs of its store. */
export interface KeyIndexStore {
  readState(range: StateRange, maxCount: number, use: (rows: StateRows) => void): Promise<void>;
  readAt(offset: PhysicalOffset): Promise<StoredMessage | undefined>;
  /** The part of the log that is stored. */
  readonly beginOffset: number;
  readonly keptOffset: number;
}

export class KeyIndex implements DerivedState {
  readonly prefix = prefix;
  readonly #store: KeyIndexStore;
  /** Not yet in a batch: hashes (unsigned) and physical offsets, side by side. */
  #hashes: number[] = [];
  #offsets: number[] = [];
  /** The topic of the last message and the hash of it that keys go on with. */
  #topic = '';
  #topicHash = 0;
  /** The same for its tags. */
  #tagHash = 0;

  constructor(store: KeyIndexStore) {
    this.#store = store;
  }

  /** Nothing is kept in memory. */
  restore(): false {
    return false;
  }

  clear(): void {
    this.#hashes = [];
    this.#offsets = [];
  }

  dispatched({ topic, sysFlag, properties }: MessageDraft, place: Appended): void {
    if (!isQueued(sysFlag)) return;
    const { physicalOffset } = place;
    if (topic !== this.#topic) {
      this.#topic = topic;
      this.#topicHash = javaHashCode(`${topic}#`);
      this.#tagHash = javaHashBehind(this.#topicHash, tagKey(''));
    }
    const { uniqueKey, keys, tags } = scanOf(properties);
    if (uniqueKey.end > 0) this.#add(this.#topicHash, properties, uniqueKey, physicalOffset);
    if (keys.end > 0) this.#addKeys(properties, keys, physicalOffset);
    if (tags.end > 0) this.#add(this.#tagHash, properties, tags, physicalOffset);
  }

  /** Each of them, by spaces. One that is the unique key, too, is there twice, which is once when found. */
  #addKeys(properties: Uint8Array, { begin, end }: ValueRange, physicalOffset: number): void {
    let at = begin;
    while (at < end) {
      let until = at;
      while (until < end && properties[until] !== space) until++;
      if (until > at) {
        this.#hashes.push(hashOf(this.#topicHash, properties, at, until) >>> 0);
        this.#offsets.push(physicalOffset);
      }
      at = until + 1;
    }
  }

  #add(before: number, properties: Uint8Array, range: ValueRange, physicalOffset: number): void {
    this.#hashes.push(hashOf(before, properties, range.begin, range.end) >>> 0);
    this.#offsets.push(physicalOffset);
  }

  collect(batch: StateBatch): void {
    const hashes = this.#hashes;
    const offsets = this.#offsets;
    this.clear();
    if (hashes.length >= packedCountMin) return collectPacked(hashes, offsets, batch);
    for (let index = 0; index < hashes.length; index++) {
      const offset = offsets[index] as number; // as many as hashes
      const part = partKey(partOf(offset));
      batch.put(`${part}${hex(hashes[index] as number, 8)}/${hex(offset, 14)}`, noValue);
    }
  }

  /** State of parts of the log that are gone; `until` is not part of it. */
  outdated(beginOffset: PhysicalOffset): StateRange {
    return { from: prefix, until: `${prefix}${hex(partOf(beginOffset), 10)}` };
  }

  /** Newest first. */
  async find(query: KeyQuery): Promise<readonly StoredMessage[]> {
    const { topic, kind, maxCount } = query;
    const key = kind === 'tag' ? tagKey(query.key) : query.key;
    const hash = javaHashCode(`${topic}#${key}`) >>> 0;
    const found: StoredMessage[] = [];
    const first = partOf(this.#store.beginOffset);
    for (let part = partOf(this.#store.keptOffset); part >= first; part--) {
      for (const offset of await this.#candidates(part, hash)) {
        if (found.length >= maxCount) return found;
        const message = await this.#store.readAt(offset);
        if (message !== undefined && isWanted(message, query)) found.push(message);
      }
    }
    return found;
  }

  async #candidates(part: number, hash: number): Promise<readonly PhysicalOffset[]> {
    // A set: what was dispatched again after a crash may be packed twice.
    const offsets = new Set<number>();
    const add = (offset: number): void => {
      if (offset >= this.#store.beginOffset && offsets.size < candidateCountMax)
        offsets.add(offset);
    };
    const single = `${partKey(part)}${hex(hash, 8)}/`;
    // What waits goes to the database between two reads: it is looked at with the first.
    await this.#store.readState(rangeOf(single), candidateCountMax, (rows) => {
      for (let index = this.#hashes.length - 1; index >= 0; index--) {
        const offset = this.#offsets[index] as number; // as many as hashes
        if (this.#hashes[index] === hash && partOf(offset) === part) add(offset);
      }
      for (const [key] of rows) add(Number.parseInt(key.slice(single.length), 16));
    });
    for (const start of packedRowStarts(partKey(part), hash)) {
      await this.#store.readState(rangeOf(start), packedRowCountMax, (rows) => {
        for (const [, value] of rows) {
          for (const offset of packedOffsets(value, hash)) add(part * partSizeBytes + offset);
        }
      });
    }
    return [...offsets].sort((a, b) => b - a) as PhysicalOffset[]; // where records begin
  }
}

function collectPacked(
  hashes: readonly number[],
  offsets: readonly number[],
  batch: StateBatch,
): void {
  const parts = new Map<number, KeyEntry[]>();
  for (let index = 0; index < hashes.length; index++) {
    const offset = offsets[index] as number; // as many as hashes
    const part = partOf(offset);
    const entry = { hash: hashes[index] as number, offset: offset - part * partSizeBytes };
    const entries = parts.get(part);
    if (entries === undefined) parts.set(part, [entry]);
    else entries.push(entry);
  }
  // Records come in the order of the log.
  const lowest = offsets[0] ?? 0;
  for (const [part, entries] of parts) {
    packKeys(partKey(part), lowest, entries, (key, value) => batch.put(key, value));
  }
}

function partOf(physicalOffset: number): number {
  return Math.floor(physicalOffset / partSizeBytes);
}

function partKey(part: number): string {
  return `${prefix}${hex(part, 10)}/`;
}

/** All keys that begin with `start`, which ends in `/`: `0` follows it in the order of keys. */
function rangeOf(start: string): StateRange {
  return { from: start, until: `${start.slice(0, -1)}0` };
}

function tagKey(tag: string): string {
  return `T#${tag}`;
}

/** Whether it is what the hash promised, and in the time asked for. */
function isWanted(message: StoredMessage, query: KeyQuery): boolean {
  const { storeTimestampMs, properties, topic } = message;
  if (topic !== query.topic) return false;
  if (storeTimestampMs < query.beginMs || storeTimestampMs > query.endMs) return false;
  const property = (name: string): string | undefined => findProperty(properties, name);
  switch (query.kind) {
    case 'tag':
      return property(PropertyName.tags) === query.key;
    case 'uniqueKey':
      return property(PropertyName.uniqueKey) === query.key;
    default:
      // Apache's tools ask for unique keys like for any other, too.
      return (
        property(PropertyName.keys)?.split(' ').includes(query.key) === true ||
        property(PropertyName.uniqueKey) === query.key
      );
  }
}
