/** What is in a store, from its files, reading only: also beside a running broker. */
import type { Files } from '../../../platform/files.ts';
import { RecordCheck, RecordField, RecordLayout } from '../../../protocol/message/record.ts';
import { readCleanStop } from '../clean-stop.ts';
import type { TellProgress } from '../options.ts';
import { readIndex } from './index-rows.ts';
import { segmentNames } from './verify-log.ts';

const headSizeBytes = 64 << 10;

export interface StoreContents {
  readonly folder: string;
  /** Whether the last broker stopped in order; one that runs has not. */
  readonly isStoppedInOrder: boolean;
  readonly segmentCount: number;
  /** Of the log's files, with what was made ahead. */
  readonly logSizeBytes: number;
  readonly beginOffset: number;
  /** How far the index has followed the log. */
  readonly dispatchedOffset: number;
  /** Unix ms, of the oldest record; undefined without. */
  readonly oldestStoreTimestampMs: number | undefined;
  readonly topicCount: number;
  readonly queueCount: number;
  readonly messageCount: number;
  readonly indexRowCount: number;
  readonly indexSizeBytes: number;
  /** Rows of state by kind: topic, group, delivery, timer, key … */
  readonly stateRowCounts: Readonly<Record<string, number>>;
}

/** @throws RmqError USAGE when there is no store. */
export async function inspectStore(
  files: Files,
  folder: string,
  progress?: TellProgress,
): Promise<StoreContents> {
  const log = `${folder}/commitlog`;
  const names = await segmentNames(files, log, folder);
  let logSizeBytes = 0;
  for (const name of names) logSizeBytes += (await files.stat(`${log}/${name}`)).sizeBytes;
  const index = await readIndex(files, folder, progress);
  const queues = [...(index?.queues.values() ?? [])].filter((queue) => queue.max > queue.min);
  const stateRowCounts: Record<string, number> = {};
  for (const [key] of index?.state('') ?? []) {
    const kind = key.slice(0, key.indexOf('/'));
    stateRowCounts[kind] = (stateRowCounts[kind] ?? 0) + 1;
  }
  const [first] = names;
  return {
    folder,
    isStoppedInOrder: typeof (await readCleanStop(files, folder)) === 'object',
    segmentCount: names.length,
    logSizeBytes,
    beginOffset: Number(first ?? 0),
    dispatchedOffset: index?.dispatchedOffset ?? 0,
    oldestStoreTimestampMs:
      first === undefined ? undefined : await storeTimeAt(files, `${log}/${first}`),
    topicCount: new Set(queues.map((queue) => queue.topic)).size,
    queueCount: queues.length,
    messageCount: queues.reduce((sum, queue) => sum + queue.max - queue.min, 0),
    indexRowCount: index?.rowCount ?? 0,
    indexSizeBytes: index?.sizeBytes ?? 0,
    stateRowCounts,
  };
}

/** Of the first record of a segment, if there is a whole one. */
async function storeTimeAt(files: Files, path: string): Promise<number | undefined> {
  const file = await files.open(path, { create: false });
  try {
    const bytes = Buffer.alloc(headSizeBytes);
    const got = await file.read(bytes, 0, bytes.length, 0);
    const kind = new RecordLayout().read(bytes, 0, got, RecordCheck.checksums);
    const isReadable = kind === 'record' || kind === 'partial';
    return isReadable && got > 80 ? RecordField.storeTimestampMs(bytes, 0) : undefined;
  } finally {
    await file.close();
  }
}
