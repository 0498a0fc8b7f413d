/**
 * Consume queues as Apache's broker has them (facts/store.md §5, §6.2). It could build those of the newest ten
 * segments by itself, but not what the log does not say: where a queue goes on whose messages are all gone, which
 * offsets are lost, and which delayed messages have fired.
 */
import type { Files, OpenFile } from '../../platform/files.ts';
import { putInt16, putInt32, putInt64 } from '../../protocol/message/bytes.ts';
import type { LogStore } from '../store/log-store.ts';
import type { QueueEntry, StoredQueue } from '../store/message-store.ts';
import { queueEntrySizeBytes } from './queues.ts';

const fileEntryCount = 300_000;
const batchEntrySizeBytes = 46;
/** Entries that are gathered for one write. */
const writeCount = 4_096;

/** Where a record lies. */
export interface RecordPlace {
  readonly physicalOffset: number;
  readonly sizeBytes: number;
}

export interface QueueFilesOptions {
  readonly files: Files;
  readonly store: LogStore;
  readonly to: string;
  /** Of messages that were delayed by level: when they are, or were, due; undefined: never again. Unix ms. */
  readonly dueOf: (queue: StoredQueue, entry: QueueEntry) => Promise<number | undefined>;
  /** Topics whose queues are of the batch form. */
  readonly isBatch: (topic: string) => boolean;
  /** A record that stands for a lost one; undefined: nobody would read it. */
  readonly standIn: (queue: StoredQueue, queueOffset: number) => Promise<RecordPlace | undefined>;
  check(): void;
}

/** `isLevel`: entries carry a delivery time. */
export async function writeQueue(
  options: QueueFilesOptions,
  queue: StoredQueue,
  isLevel: boolean,
): Promise<void> {
  const { files, store, to } = options;
  if (options.isBatch(queue.topic)) return await writeBatchQueue(options, queue);
  const folder = `${to}/consumequeue/${queue.topic}/${queue.queueId}`;
  const writer = new EntryWriter(files, folder, queueEntrySizeBytes);
  // Of a queue that is empty by now the last entry says where it goes on.
  const begin = Math.min(queue.minOffset, Math.max(0, queue.maxOffset - 1));
  const first = Math.floor(begin / fileEntryCount) * fileEntryCount;
  writer.begin(first);
  const nothing = nothingBefore(store.status().minPhysicalOffset);
  for (let offset = first; offset < queue.minOffset; offset++) await writer.add(nothing);
  for await (const entries of entriesOf(store, queue)) {
    options.check();
    for (const entry of entries) {
      const { physicalOffset, storeSizeBytes, tagsCode } = entry;
      const isLost = storeSizeBytes === 0;
      const place = isLost ? await options.standIn(queue, entry.queueOffset) : undefined;
      if (place !== undefined) {
        await writer.add(entryBytes(place.physicalOffset, place.sizeBytes, 0));
        continue;
      }
      const code = isLevel && !isLost ? await options.dueOf(queue, entry) : tagsCode;
      const isThere = !isLost && code !== undefined;
      await writer.add(isThere ? entryBytes(physicalOffset, storeSizeBytes, code) : nothing);
    }
  }
  await writer.close();
}

/**
 * An entry that stands for nothing. Its place must lie before those of all others: Apache's broker passes over
 * the rest of a segment when it finds no record, and takes nothing up that lies before the last entry's end.
 */
function nothingBefore(beginOffset: number): Buffer {
  return entryBytes(Math.max(0, beginOffset - 1), 1, 0);
}

/** Entries of records that are not in our index, behind those that are. */
export async function appendToQueue(
  options: Pick<QueueFilesOptions, 'files' | 'to'>,
  queue: { readonly topic: string; readonly queueId: number },
  records: readonly {
    readonly queueOffset: number;
    readonly physicalOffset: number;
    readonly sizeBytes: number;
  }[],
): Promise<void> {
  const first = records[0];
  if (first === undefined) return;
  const folder = `${options.to}/consumequeue/${queue.topic}/${queue.queueId}`;
  const writer = new EntryWriter(options.files, folder, queueEntrySizeBytes);
  writer.begin(first.queueOffset);
  for (const { physicalOffset, sizeBytes } of records) {
    await writer.add(entryBytes(physicalOffset, sizeBytes, 0));
  }
  await writer.close();
}

async function* entriesOf(
  store: LogStore,
  queue: StoredQueue,
): AsyncGenerator<readonly QueueEntry[]> {
  for (let from = queue.minOffset; from < queue.maxOffset; ) {
    const entries = await new Promise<readonly QueueEntry[]>((resolve, reject) => {
      store.readEntries(queue, from, writeCount, (found) => {
        if (found instanceof Error) reject(found);
        else resolve(found);
      });
    });
    if (entries.length === 0) return;
    yield entries;
    from = (from + entries.length) as typeof from; // offsets of this queue
  }
}

/** Physical offset (8) · size (4) · tags code (8). */
function entryBytes(physicalOffset: number, sizeBytes: number, tagsCode: number): Buffer {
  const out = Buffer.alloc(queueEntrySizeBytes);
  putInt64(out, putInt32(out, putInt64(out, 0, physicalOffset), sizeBytes), tagsCode);
  return out;
}

/** An entry a record, which may have several messages. */
async function writeBatchQueue(options: QueueFilesOptions, queue: StoredQueue): Promise<void> {
  const { files, store, to } = options;
  const folder = `${to}/batchconsumequeue/${queue.topic}/${queue.queueId}`;
  const writer = new EntryWriter(files, folder, batchEntrySizeBytes);
  writer.begin(0);
  let last: { readonly entry: QueueEntry; count: number } | undefined;
  const put = async (): Promise<void> => {
    if (last === undefined || last.entry.storeSizeBytes === 0) return;
    const record = await store.readAt(last.entry.physicalOffset);
    if (record === undefined) return;
    await writer.add(batchEntry(last.entry, last.count, record.storeTimestampMs));
  };
  for await (const entries of entriesOf(store, queue)) {
    options.check();
    for (const entry of entries) {
      if (last?.entry.physicalOffset === entry.physicalOffset) {
        last.count++;
        continue;
      }
      await put();
      last = { entry, count: 1 };
    }
  }
  await put();
  await writer.close();
}

function batchEntry(entry: QueueEntry, count: number, storeTimestampMs: number): Buffer {
  const out = Buffer.alloc(batchEntrySizeBytes);
  let at = putInt32(out, putInt64(out, 0, entry.physicalOffset), entry.storeSizeBytes);
  at = putInt64(out, putInt64(out, at, 0), storeTimestampMs);
  at = putInt16(out, putInt64(out, at, entry.queueOffset), count);
  putInt32(out, at, -1);
  return out;
}

/** Entries one behind the other, in files of full size. */
class EntryWriter {
  readonly #files: Files;
  readonly #folder: string;
  readonly #entrySize: number;
  /** Index of the first entry of `#parts`. */
  #at = 0;
  #parts: Buffer[] = [];
  #file: OpenFile | undefined = undefined;
  #fileNumber = -1;

  constructor(files: Files, folder: string, entrySize: number) {
    this.#files = files;
    this.#folder = folder;
    this.#entrySize = entrySize;
  }

  begin(index: number): void {
    this.#at = index;
  }

  async add(entry: Buffer): Promise<void> {
    this.#parts.push(entry);
    const next = this.#at + this.#parts.length;
    if (this.#parts.length >= writeCount || next % fileEntryCount === 0) await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#parts.length === 0) return;
    const number = Math.floor(this.#at / fileEntryCount);
    if (number !== this.#fileNumber) await this.#open(number);
    const position = (this.#at % fileEntryCount) * this.#entrySize;
    await this.#file?.write(Buffer.concat(this.#parts), position);
    this.#at += this.#parts.length;
    this.#parts = [];
  }

  async #open(number: number): Promise<void> {
    await this.#file?.close();
    if (this.#fileNumber < 0) await this.#files.makeFolder(this.#folder);
    this.#fileNumber = number;
    const sizeBytes = fileEntryCount * this.#entrySize;
    const name = String(number * sizeBytes).padStart(20, '0');
    this.#file = await this.#files.open(`${this.#folder}/${name}`, { create: true });
    await this.#file.truncate(sizeBytes);
  }

  async close(): Promise<void> {
    await this.#write();
    await this.#file?.close();
    this.#file = undefined;
  }
}
