/**
 * The store as the broker sees it: an append-only log of messages, a queue index derived from it,
 * and the broker's own state in the same database, written atomically with how far the log has been
 * dispatched. One event loop owns a store; every call is atomic until its next callback.
 *
 * Guarantees: a draft is answered only after it is kept as `flush` asks (sync: after fdatasync;
 * async: after the write). A message is visible to readers only once it has been answered. After a
 * failed write or sync nothing more is accepted until the store is opened again; reads go on.
 */

import type { RmqError } from '../../protocol/errors.ts';
import type {
  MessageDraft,
  PhysicalOffset,
  QueueOffset,
  StoredMessage,
} from '../../protocol/message/message.ts';
import type { Reply } from '../../util/reply.ts';
import type { LogHole } from './log/segment-walk.ts';

/** Where one appended message went. */
export interface Appended {
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  readonly storeTimestampMs: number;
  readonly storeSizeBytes: number;
}

/** One message of a queue as the index knows it; facts/store.md §5. */
export interface QueueEntry {
  readonly queueOffset: QueueOffset;
  readonly physicalOffset: PhysicalOffset;
  /** 0: the record is lost; there is nothing at the physical offset. */
  readonly storeSizeBytes: number;
  /** Java `String.hashCode` of the tag as a signed 32-bit number, 0 without a tag. */
  readonly tagsCode: number;
}

/** A message queue of this store. One object per (topic, queueId) for the life of the store. */
export interface StoredQueue {
  readonly topic: string;
  readonly queueId: number;
  /** The first offset still in the log; equals `maxOffset` when nothing is. */
  readonly minOffset: QueueOffset;
  /** The offset that the next visible message gets. */
  readonly maxOffset: QueueOffset;
}

/** Puts and deletes that reach the database together with the dispatch position. */
export interface StateBatch {
  put(key: string, value: Uint8Array): void;
  delete(key: string): void;
}

/**
 * Somebody who owns state in the database (topics, groups, delivery). Before each database batch
 * the store calls `collect` on every source; what it puts is written atomically with that batch.
 * If the write fails, the store stops accepting messages; there is no retry to prepare for.
 */
export interface StateSource {
  collect(batch: StateBatch): void;
}

/**
 * State that follows from the log's records, such as timers and open transactions. What `dispatched` makes
 * of a record is in the same atomic batch as the position that says the record has been dispatched: it
 * is neither forgotten nor applied twice. Without an index it is made again from the whole log.
 */
export interface DerivedState extends StateSource {
  /** Its keys begin with this; told back by `restore`, in order, before anything is dispatched. */
  readonly prefix: string;
  /** False: it wants no more of them; the rest it reads when it needs it. */
  restore(key: string, value: Uint8Array): boolean;
  /** Everything that was restored or dispatched is void: all records will be dispatched again. */
  clear(): void;
  /**
   * Every record in the order of the log, at opening those that no batch has covered. Called for each
   * message, so quick to say that a record is none of its business. The message's views are valid
   * for the call only.
   */
  dispatched(message: MessageDraft, place: Appended): void;
  /**
   * Log segments below `offset` are about to be deleted. False: a record there is still needed; the
   * segments stay, and the next round asks again.
   */
  isDeletable?(offset: PhysicalOffset): Promise<boolean>;
  /** Records below `beginOffset` are about to be deleted: state that nobody needs any more. */
  outdated?(beginOffset: PhysicalOffset): StateRange;
}

/** Keys as in `StateBatch`; `until` is not part of it. */
export interface StateRange {
  readonly from: string;
  readonly until: string;
}

export type StateRows = readonly (readonly [key: string, value: Uint8Array])[];

export interface KeyQuery {
  readonly topic: string;
  readonly key: string;
  readonly kind: 'key' | 'uniqueKey' | 'tag';
  /** Store times, Unix ms, both included. */
  readonly beginMs: number;
  readonly endMs: number;
  readonly maxCount: number;
}

export interface RecoveryReport {
  /** Messages found in the log and dispatched again because the index did not have them. */
  readonly redispatchedMessages: number;
  /** Bytes of a torn tail that were cut. */
  readonly truncatedBytes: number;
  /** Damaged or missing parts of the log that were met; what is behind them is served. */
  readonly holes: readonly LogHole[];
  /** Queue offsets that have no message because of them, as far as later messages tell. */
  readonly missingMessages: number;
  /** What was wrong with index and state, a sentence each; the index is whole again. */
  readonly problems: readonly string[];
  readonly minPhysicalOffset: PhysicalOffset;
  readonly maxPhysicalOffset: PhysicalOffset;
  /** True when there was no usable index, so that it was built from the whole log. */
  readonly rebuilt: boolean;
  readonly durationMs: number;
}

export interface StoreStatus {
  readonly minPhysicalOffset: PhysicalOffset;
  readonly maxPhysicalOffset: PhysicalOffset;
  readonly storeSizeBytes: number;
  readonly freeBytes: number;
  readonly earliestStoreTimestampMs: number;
  /** undefined: messages are accepted. Otherwise why not: DISK_FULL (resumes by itself) or STORE_FAILED. */
  readonly refusing: RmqError | undefined;
}

export interface MessageStore {
  /** Recovers and is ready when it resolves. @throws RmqError DATA_DIR_IN_USE, STORE_CORRUPT … */
  start(): Promise<RecoveryReport>;
  /** Syncs the log, writes the last database batch, closes everything. Idempotent. */
  stop(): Promise<void>;

  /**
   * Appends drafts with consecutive queue offsets per queue, all or none. Answers once, in append
   * order, with one `Appended` per draft, or with MESSAGE_TOO_LARGE, PROPERTIES_TOO_LARGE,
   * DISK_FULL, STORE_FAILED, SHUTTING_DOWN.
   */
  append(drafts: readonly MessageDraft[], reply: Reply<readonly Appended[], RmqError>): void;

  /** The queue, made on first use (it takes no space until a message arrives). */
  queue(topic: string, queueId: number): StoredQueue;
  /** Every queue that has ever had a message. */
  queues(): Iterable<StoredQueue>;
  /** Forgets a topic's queues (their index entries); the log's records go with retention. */
  dropTopic(topic: string): void;
  /** How long the messages of a topic are kept, in ms; undefined: as long as others. */
  retainTopics(retentionOf: (topic: string) => number | undefined): void;
  /**
   * Topics of whose messages only the newest of each key (`KEYS`) is kept, in each queue. The offsets of others
   * become empty, as those of lost messages; what is kept for longer than its part of the log moves to the
   * queue's end. A newest message without a body deletes its key.
   */
  compactTopics(isCompacted: (topic: string) => boolean): void;

  /**
   * Index entries from `from` on, at most `maxCount`, fewer at the end of a block or of the queue;
   * empty at `maxOffset`. `from` below `minOffset` reads from `minOffset`. Answers synchronously when
   * the entries are in memory, as the newest always are.
   */
  readEntries(
    queue: StoredQueue,
    from: QueueOffset,
    maxCount: number,
    reply: Reply<readonly QueueEntry[], RmqError>,
  ): void;

  /**
   * The records of `entries`, in order; undefined where retention has removed one, where it is lost, or its
   * checksum fails (reported in the log). Synchronous when all are in memory. The views stay valid for as
   * long as they are referenced.
   */
  readMessages(
    entries: readonly QueueEntry[],
    reply: Reply<readonly (StoredMessage | undefined)[], RmqError>,
  ): void;

  /** The record that starts at this offset, or undefined. */
  readAt(offset: PhysicalOffset): Promise<StoredMessage | undefined>;
  /** First offset whose store time is >= `timestampMs` (the queue's max when none is). */
  offsetByTime(queue: StoredQueue, timestampMs: number): Promise<QueueOffset>;
  /** Messages of a topic by KEYS, UNIQ_KEY or tag, newest first. */
  findByKey(query: KeyQuery): Promise<readonly StoredMessage[]>;

  /** Called after messages of a queue became visible, once a tick and queue. */
  onVisible(listener: (queue: StoredQueue) => void): void;

  /** Own state. `loadState` iterates the keys that start with `prefix`, in order. */
  loadState(prefix: string): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  /**
   * The first `maxCount` keys of own state with `from` <= key < `until`. `use` is called between two
   * batches: everything collected so far is in the rows, and nothing else has been collected yet. For
   * sources that keep only a part in memory. Rejects when the database cannot be read.
   */
  readState(range: StateRange, maxCount: number, use: (rows: StateRows) => void): Promise<void>;
  addStateSource(source: StateSource): void;
  /** Before `start`. */
  addDerivedState(state: DerivedState): void;
  /** Asks for a database batch soon (within about 100 ms); cheap to call often. */
  requestStateWrite(): void;
  /** Writes a batch now; resolves once it survives a power cut. For topics, groups, users. */
  writeStateNow(): Promise<void>;

  status(): StoreStatus;
}
