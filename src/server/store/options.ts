/** What a `LogStore` is made of, and the numbers that are not the user's to choose. */
import type { Clock } from '../../platform/clock.ts';
import type { Files } from '../../platform/files.ts';
import type { RecordHost } from '../../protocol/message/message.ts';
import type { Logger } from '../shared/logger.ts';
import type { FlushMode } from '../shared/settings.ts';
import type { DatabaseFactory } from './index/database.ts';
import type { Origin } from './origin.ts';

/** How far long work is. Called often. */
export type TellProgress = (progress: {
  readonly doneBytes: number;
  readonly totalBytes: number;
}) => void;

export interface LogStoreOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly logger: Logger;
  /** See `index/level-database.ts`; in the simulator a `memory-level` that forgets. */
  readonly openDatabase: DatabaseFactory;
  /** Folder of the database on disk, moved aside when it cannot be read; undefined: not on disk. */
  readonly databaseFolder: string | undefined;
  /** Root of the store; the log lives in `<folder>/commitlog`. */
  readonly folder: string;
  readonly flush: FlushMode;
  /** Of new segments; those there are keep theirs. */
  readonly segmentSizeBytes: number;
  readonly retentionMs: number;
  /** The log is cut to this size, whatever the age of what goes; undefined: no limit. */
  readonly retentionBytes?: number | undefined;
  /** The oldest messages go, whatever their age, while less of the disk is free; 0 when left out. */
  readonly retentionFreeBytes?: number;
  /** Below this many free bytes new messages are refused. */
  readonly minFreeBytes: number;
  /** Written into each record; message ids are made from it. */
  readonly storeHost: RecordHost;
  /** What the store was taken over with; undefined: it was not. */
  readonly origin?: Origin | undefined;
  /** Body size limit; 4 MiB when left out. */
  readonly maxBodyBytes?: number;
  /** While the log is read at opening: how far, of how much. */
  readonly progress?: TellProgress;
  /** Numbers below, changed by tests. */
  readonly tuning?: Partial<StoreTuning>;
}

/** Sizes and intervals. The defaults are measured or reasoned at their place of use. */
export interface StoreTuning {
  /** Newest bytes of the log that stay in memory. */
  readonly tailCacheBytes: number;
  /** Largest number of index entries that stay in memory beside their blocks, all queues together. */
  readonly recentEntryCount: number;
  /** First and largest step by which a segment is filled with zeros ahead of its records. */
  readonly allocateStepMinBytes: number;
  readonly allocateStepMaxBytes: number;
  /** A dirty database waits this long for more. */
  readonly batchIntervalMs: number;
  /** Entries and rows of the index's journal; entries there are in memory, too, about 80 bytes each. */
  readonly journalEntryCount: number;
  readonly journalRowCount: number;
  /** Asynchronous flush: the longest time a written record waits for its sync. */
  readonly asyncSyncIntervalMs: number;
  readonly spaceCheckIntervalMs: number;
  readonly spaceCheckWhileFullMs: number;
  readonly retentionIntervalMs: number;
  /** A compacted queue is looked through when this share of its messages is new, or some have waited so long. */
  readonly compactionDirtyRatio: number;
  readonly compactionDelayMs: number;
  /** Keys that one look remembers. */
  readonly compactionKeyCount: number;
  /** Bytes that a read from disk takes at once. */
  readonly readBlockBytes: number;
  readonly readBlockCount: number;
  /** Keys of one generation of the key index; all in memory until it is full. */
  readonly keyGenerationCount: number;
}

export const defaultTuning: StoreTuning = {
  tailCacheBytes: 16 << 20,
  recentEntryCount: 65_536,
  allocateStepMinBytes: 1 << 20,
  allocateStepMaxBytes: 16 << 20,
  batchIntervalMs: 100,
  journalEntryCount: 524_288,
  journalRowCount: 1_024,
  asyncSyncIntervalMs: 500,
  spaceCheckIntervalMs: 2_000,
  spaceCheckWhileFullMs: 500,
  retentionIntervalMs: 60_000,
  compactionDirtyRatio: 0.5,
  compactionDelayMs: 900_000,
  compactionKeyCount: 200_000,
  readBlockBytes: 256 << 10,
  readBlockCount: 32,
  keyGenerationCount: 65_536,
};

export const maxBodyBytesDefault = 4 << 20;
