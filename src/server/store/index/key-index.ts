/**
 * Where messages lie by their keys: a database entry for each of KEYS, for UNIQ_KEY and for the tag
 * (facts/store.md §7). Entries hold a hash only; who finds one reads the record and compares. They are
 * grouped by the part of the log in which their record lies, so that old ones go in one piece.
 *
 * Key: `key/<part, 10 hex digits>/<hash, 8>/<physical offset, 14>`, without a value.
 */
import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  StoredMessage,
} from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { isQueued } from '../../../protocol/message/sys-flag.ts';
import type {
  Appended,
  DerivedState,
  KeyQuery,
  StateBatch,
  StateRange,
  StateRows,
} from '../message-store.ts';
import { hex } from './queue.ts';

const prefix = 'key/';
/** Bytes of the log whose entries lie together. */
const partSizeBytes = 64 << 20;
/** Entries with the hash of a query that are looked at in one part. */
const candidateCountMax = 10_000;
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
  /** Not yet in a batch. */
  #pending: string[] = [];

  constructor(store: KeyIndexStore) {
    this.#store = store;
  }

  /** Nothing is kept in memory. */
  restore(): false {
    return false;
  }

  clear(): void {
    this.#pending = [];
  }

  dispatched({ topic, sysFlag, properties }: MessageDraft, place: Appended): void {
    if (!isQueued(sysFlag)) return;
    const { physicalOffset } = place;
    const uniqueKey = findProperty(properties, PropertyName.uniqueKey);
    if (uniqueKey !== undefined) this.#add(topic, uniqueKey, physicalOffset);
    const keys = findProperty(properties, PropertyName.keys);
    if (keys !== undefined) {
      for (const key of keys.split(' ')) {
        if (key !== '' && key !== uniqueKey) this.#add(topic, key, physicalOffset);
      }
    }
    const tag = findProperty(properties, PropertyName.tags);
    if (tag !== undefined) this.#add(topic, tagKey(tag), physicalOffset);
  }

  #add(topic: string, key: string, physicalOffset: number): void {
    this.#pending.push(`${place(partOf(physicalOffset), topic, key)}${hex(physicalOffset, 14)}`);
  }

  collect(batch: StateBatch): void {
    for (const key of this.#pending) batch.put(key, noValue);
    this.#pending = [];
  }

  /** State of parts of the log that are gone; `until` is not part of it. */
  outdated(beginOffset: PhysicalOffset): StateRange {
    return { from: prefix, until: `${prefix}${hex(partOf(beginOffset), 10)}` };
  }

  /** Newest first. */
  async find(query: KeyQuery): Promise<readonly StoredMessage[]> {
    const { topic, kind, maxCount } = query;
    const key = kind === 'tag' ? tagKey(query.key) : query.key;
    const found: StoredMessage[] = [];
    const first = partOf(this.#store.beginOffset);
    for (let part = partOf(this.#store.keptOffset); part >= first; part--) {
      for (const offset of await this.#candidates(place(part, topic, key))) {
        if (found.length >= maxCount) return found;
        const message = await this.#store.readAt(offset);
        if (message !== undefined && isWanted(message, query)) found.push(message);
      }
    }
    return found;
  }

  async #candidates(from: string): Promise<readonly PhysicalOffset[]> {
    const offsets: number[] = [];
    const add = (key: string): void => {
      const offset = Number.parseInt(key.slice(from.length), 16);
      if (offset >= this.#store.beginOffset) offsets.push(offset);
    };
    // `/` is followed by `0` in the order of keys.
    const range = { from, until: `${from.slice(0, -1)}0` };
    await this.#store.readState(range, candidateCountMax, (rows) => {
      for (const [key] of rows) add(key);
      for (const key of this.#pending) if (key.startsWith(from)) add(key);
    });
    return offsets.sort((a, b) => b - a) as PhysicalOffset[]; // where records begin
  }
}

function partOf(physicalOffset: number): number {
  return Math.floor(physicalOffset / partSizeBytes);
}

function place(part: number, topic: string, key: string): string {
  return `${prefix}${hex(part, 10)}/${hex(javaHashCode(`${topic}#${key}`) >>> 0, 8)}/`;
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
