/**
 * Writes a store of ours as a store directory of Apache's broker: log, queues, timers, configuration, offsets.
 * Ours is opened like at a start (a broker that runs has it to itself) and not changed otherwise. All goes into
 * a folder aside, which gets its name in the last step.
 */
import { RmqError } from '../../protocol/errors.ts';
import { isSystemTopic } from '../../protocol/message/names.ts';
import { encodeProperties } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { StoredRecord } from '../../protocol/message/record.ts';
import type { Broker } from '../broker/broker.ts';
import type { RequestModes } from '../broker/groups/request-modes.ts';
import { decodeTimer, type Timer } from '../broker/schedule/timer.ts';
import {
  levelCount,
  levelDelayMs,
  levelTopic,
  wheelTopic,
} from '../broker/schedule/timer-record.ts';
import { halfTopic, opTopic } from '../broker/transactions/open-transactions.ts';
import type { LogStore } from '../store/log-store.ts';
import type { QueueEntry, StoredQueue } from '../store/message-store.ts';
import type { Origin } from '../store/origin.ts';
import type { Progress } from './copy-log.ts';
import { writeCheckpoint, writeConfig } from './export-config.ts';
import { emptyDraft, LogWriter, type WrittenRecord } from './export-log.ts';
import { appendToQueue, type QueueFilesOptions, writeQueue } from './export-queues.ts';
import { writeTimers } from './export-timers.ts';
import { type GroupOffset, hasEntry } from './folder.ts';
import { type OfflinePorts, type OfflineStore, openOffline, removeFolder } from './offline.ts';
import { reviveGroup } from './undone-pops.ts';
import { reviveTopicPrefix } from './undone-timers.ts';

const transactionGroup = 'CID_RMQ_SYS_TRANS';

export interface ExportOptions extends OfflinePorts {
  /** What `rmq start --data` was given. */
  readonly dataDir: string;
  /** Where the directory is made; not there, or empty. */
  readonly to: string;
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

export interface ExportReport {
  readonly minPhysicalOffset: number;
  readonly maxPhysicalOffset: number;
  readonly records: number;
  readonly queues: number;
  readonly topics: number;
  readonly groups: number;
  readonly offsets: number;
  readonly timers: number;
  readonly transactions: number;
  /** Messages that are lost in ours; empty ones stand for them. */
  readonly lost: number;
  /** What Apache's `mappedFileSizeCommitLog` has to be. */
  readonly segmentSizeBytes: number;
}

/** @throws RmqError USAGE, DATA_DIR_IN_USE, STORE_CORRUPT, NOT_SUPPORTED, INTERRUPTED */
export async function exportApache(options: ExportOptions): Promise<ExportReport> {
  const { files, dataDir, to } = options;
  if (!(await hasEntry(files, `${dataDir}/broker`, 'commitlog'))) {
    throw new RmqError('USAGE', `${dataDir} holds no store: it has no folder broker/commitlog`);
  }
  await refuseFilled(options);
  const opened = await openOffline(options, `${dataDir}/broker`);
  const { store, broker } = opened;
  await store.start();
  try {
    await broker.load();
    await opened.modes.load();
    const aside = `${to}.exporting`;
    await removeFolder(files, aside);
    await files.makeFolder(aside);
    const report = await new Export(options, aside, opened).run();
    await removeFolder(files, to);
    await files.rename(aside, to);
    await files.syncFolder(parentOf(to));
    return report;
  } finally {
    await store.stop();
  }
}

async function refuseFilled({ files, to }: ExportOptions): Promise<void> {
  const found = await files.list(to).catch(() => []);
  if (found.length === 0) return;
  throw new RmqError('USAGE', `${to} is not empty`, {
    hint: 'name a folder that is not there yet',
  });
}

function parentOf(path: string): string {
  const at = path.replace(/\/+$/, '').lastIndexOf('/');
  return at < 0 ? '.' : path.slice(0, at) || '/';
}

class Export {
  readonly #options: ExportOptions;
  readonly #to: string;
  readonly #store: LogStore;
  readonly #broker: Broker;
  readonly #modes: RequestModes;
  readonly #origin: Origin | undefined;
  readonly #nowMs: number;
  #recordCount = 0;
  #standInCount = 0;
  /** Level to the next offset of its queue. */
  #delayOffsets: ReadonlyMap<number, number> = new Map();
  /** Waiting timers by the physical offset of their record. */
  readonly #timers = new Map<number, Timer>();
  /** Half messages from the first open one on: what op records say of them. */
  readonly #decided = new Set<number>();
  #firstHalf = 0;
  #firstOp: number | undefined = undefined;

  constructor(options: ExportOptions, to: string, opened: OfflineStore) {
    this.#options = options;
    this.#to = to;
    this.#store = opened.store;
    this.#broker = opened.broker;
    this.#modes = opened.modes;
    this.#origin = opened.origin;
    this.#nowMs = options.clock.nowMs();
  }

  async run(): Promise<ExportReport> {
    const { files } = this.#options;
    const { minPhysicalOffset, maxPhysicalOffset } = this.#store.status();
    await this.#readTimers();
    this.#delayOffsets = await this.#nextOfLevels();
    const open = [...this.#broker.openTransactions()];
    const halves = this.#store.queue(halfTopic, 0);
    this.#firstHalf = Math.min(halves.maxOffset, ...open.map(({ queueOffset }) => queueOffset));
    const segmentSizeBytes = await this.#segmentSize();
    const log = this.#logWriter(segmentSizeBytes);
    await log.copy();
    const appended = await this.#closeHalves(log, new Set(open.map((one) => one.queueOffset)));
    const queues = [...this.#store.queues()].filter(({ topic }) => this.#isFileName(topic));
    const queueOptions = await this.#queueOptions(log);
    for (const queue of queues) await writeQueue(queueOptions, queue, queue.topic === levelTopic);
    await log.close();
    for (const records of [log.fillers, appended]) {
      if (records[0] !== undefined) {
        await appendToQueue({ files, to: this.#to }, records[0], records);
      }
    }
    await this.#writeWheel();
    const offsets = await this.#writeState(open.length);
    await writeCheckpoint(files, this.#to, log.endOffset);
    return {
      minPhysicalOffset,
      maxPhysicalOffset,
      records: this.#recordCount,
      queues: queues.length,
      topics: (await this.#broker.listTopics()).length,
      groups: (await this.#broker.listGroups()).length,
      offsets,
      timers: this.#timers.size,
      transactions: open.length,
      lost: this.#standInCount,
      segmentSizeBytes,
    };
  }

  /** Queues are folders; a damaged record of an imported log may have made one of any name. */
  #isFileName(topic: string): boolean {
    const isName = !/[/\\\0]/.test(topic) && topic !== '.' && topic !== '..';
    if (isName && Buffer.byteLength(topic) <= 255) return true;
    this.#options.logger.warn('a topic cannot be a folder and is left out', { topic });
    return false;
  }

  async #readTimers(): Promise<void> {
    const prefix = 'timer/';
    for await (const [key, value] of this.#store.loadState(prefix)) {
      const name = key.slice(prefix.length);
      // The counts stand before the timers.
      if (name.startsWith('!')) continue;
      const timer = decodeTimer(name, value);
      this.#timers.set(timer.physicalOffset, timer);
    }
  }

  /** All of one size, or Apache's broker does not start (facts/store.md §0.5). */
  async #segmentSize(): Promise<number> {
    if (this.#origin !== undefined) return this.#origin.segmentSizeBytes;
    const folder = `${this.#options.dataDir}/broker/commitlog`;
    const names = (await this.#options.files.list(folder)).filter((name) => /^\d{20}$/.test(name));
    const bases = names.sort().map(Number);
    const { maxPhysicalOffset } = this.#store.status();
    const sizes = new Set(bases.slice(1).map((base, index) => base - (bases[index] ?? 0)));
    if (sizes.size === 0) return onlySegmentSize(bases[0] ?? 0, maxPhysicalOffset);
    const [size = 0] = [...sizes].sort((a, b) => a - b);
    // A missing segment leaves a gap of several.
    const isUniform = [...sizes].every((one) => one % size === 0) && sizes.size <= bases.length;
    const rest = maxPhysicalOffset - (bases.at(-1) ?? 0);
    if (isUniform && rest <= size) return size;
    const text = 'the segments of the log have several sizes, those of an Apache log have one';
    throw new RmqError('NOT_SUPPORTED', text, {
      hint: 'the store was run with several --segment-size; export once retention has deleted the older ones',
    });
  }

  #logWriter(segmentSizeBytes: number): LogWriter {
    const { files, dataDir, progress } = this.#options;
    const { minPhysicalOffset, maxPhysicalOffset } = this.#store.status();
    return new LogWriter({
      files,
      from: `${dataDir}/broker`,
      to: this.#to,
      segmentSizeBytes,
      beginOffset: minPhysicalOffset,
      endOffset: maxPhysicalOffset,
      nowMs: this.#nowMs,
      record: (record) => this.#look(record),
      progress: (done) => progress(done),
      check: () => this.#check(),
    });
  }

  #look(record: StoredRecord): void {
    this.#recordCount++;
    if (record.topic !== opTopic) return;
    const decided = record.body.toString('latin1').split(',').map(Number);
    const relevant = decided.filter((offset) => offset >= this.#firstHalf);
    if (relevant.length === 0) return;
    this.#firstOp ??= record.queueOffset;
    for (const offset of relevant) this.#decided.add(offset);
  }

  /** What is decided without an op record, Apache's broker would ask about again. */
  async #closeHalves(log: LogWriter, open: ReadonlySet<number>): Promise<WrittenRecord[]> {
    const missing: number[] = [];
    const { maxOffset } = this.#store.queue(halfTopic, 0);
    for (let offset = this.#firstHalf; offset < maxOffset; offset++) {
      if (!open.has(offset as never) && !this.#decided.has(offset)) missing.push(offset);
    }
    if (missing.length === 0) return [];
    const next = this.#store.queue(opTopic, 0).maxOffset;
    const draft = {
      ...emptyDraft(opTopic),
      bornTimestampMs: this.#nowMs,
      body: Buffer.from(missing.map((offset) => `${offset},`).join('')),
      properties: encodeProperties(new Map([[PropertyName.tags, 'd']])),
    };
    this.#firstOp ??= next;
    return [await log.append(draft, next)];
  }

  async #queueOptions(log: LogWriter): Promise<QueueFilesOptions> {
    const topics = await this.#broker.listTopics();
    const batch = topics.filter(({ attributes }) => attributes['queue.type'] === 'BatchCQ');
    const batchNames = new Set(batch.map(({ topic }) => topic));
    return {
      files: this.#options.files,
      store: this.#store,
      to: this.#to,
      dueOf: (queue, entry) => this.#dueOf(queue, entry),
      isBatch: (topic) => batchNames.has(topic),
      standIn: (queue, queueOffset) => this.#standIn(log, queue, queueOffset),
      check: () => this.#check(),
    };
  }

  async #dueOf(queue: StoredQueue, entry: QueueEntry): Promise<number | undefined> {
    const waiting = this.#timers.get(entry.physicalOffset);
    if (waiting !== undefined) return waiting.dueMs;
    const level = queue.queueId + 1;
    // One that has fired, among those that wait, must not fire again.
    if (entry.queueOffset >= (this.#delayOffsets.get(level) ?? 0)) return undefined;
    const record = await this.#store.readAt(entry.physicalOffset);
    return record === undefined ? undefined : record.storeTimestampMs + levelDelayMs(level);
  }

  /** Apache's queues cannot leave an offset out: an empty message that says so takes the place of a lost one. */
  async #standIn(
    log: LogWriter,
    { topic, queueId }: StoredQueue,
    queueOffset: number,
  ): Promise<WrittenRecord | undefined> {
    // The system's readers take what they cannot read for handled.
    if (isSystemTopic(topic)) return undefined;
    this.#standInCount++;
    const properties = encodeProperties(new Map([[PropertyName.lost, 'true']]));
    const bornTimestampMs = this.#nowMs;
    const draft = { ...emptyDraft(topic), queueId, bornTimestampMs, properties };
    return await log.append(draft, queueOffset);
  }

  async #writeWheel(): Promise<void> {
    const queue = this.#store.queue(wheelTopic, 0);
    const last = await lastEntry(this.#store, queue.maxOffset);
    await writeTimers(this.#options.files, this.#to, {
      timers: [...this.#timers.values()].filter(({ level }) => level === 0),
      queueOffset: queue.maxOffset,
      lastRecord: last,
      nowMs: this.#nowMs,
    });
  }

  async #writeState(openCount: number): Promise<number> {
    const offsets = this.#offsets(openCount);
    await writeConfig(this.#options.files, this.#to, {
      topics: await this.#broker.listTopics(),
      groups: await this.#broker.listGroups(),
      forbidden: this.#broker.listForbidden(),
      offsets,
      modes: [...this.#modes.all()].map(([topic, group, mode]) => ({ topic, group, ...mode })),
      delayOffsets: this.#delayOffsets,
      nowMs: this.#nowMs,
    });
    return offsets.length;
  }

  /** Committed ones; what is in flight lies above them and is delivered again. */
  #offsets(openCount: number): GroupOffset[] {
    const own = this.#broker
      .listOffsets(undefined)
      .filter(({ group }) => group !== transactionGroup && group !== reviveGroup);
    const offsets: GroupOffset[] = [...own];
    const add = (group: string, topic: string, queueId: number, offset: number): void => {
      offsets.push({ group, topic, queueId, offset });
    };
    const ops = this.#store.queue(opTopic, 0);
    add(transactionGroup, halfTopic, 0, this.#firstHalf);
    add(
      transactionGroup,
      opTopic,
      0,
      openCount === 0 ? ops.maxOffset : (this.#firstOp ?? ops.maxOffset),
    );
    for (const { topic, queueId, maxOffset } of this.#store.queues()) {
      // Whatever was to be revived has been taken over.
      if (topic.startsWith(reviveTopicPrefix)) add(reviveGroup, topic, queueId, maxOffset);
    }
    return offsets;
  }

  /** Each level goes on at the first message that waits. */
  async #nextOfLevels(): Promise<Map<number, number>> {
    const next = new Map<number, number>();
    for (let level = 1; level <= levelCount; level++) {
      const { maxOffset } = this.#store.queue(levelTopic, level - 1);
      if (maxOffset > 0) next.set(level, maxOffset);
    }
    for (const { level, physicalOffset } of this.#timers.values()) {
      if (level === 0) continue;
      const record = await this.#store.readAt(physicalOffset);
      if (record === undefined) continue;
      next.set(level, Math.min(next.get(level) ?? record.queueOffset, record.queueOffset));
    }
    return next;
  }

  #check(): void {
    if (!this.#options.signal.aborted) return;
    throw new RmqError('INTERRUPTED', 'the export was stopped', { hint: 'say the same again' });
  }
}

/** One that holds the whole log, and that its begin is a multiple of: Apache computes places by it. */
function onlySegmentSize(baseOffset: number, endOffset: number): number {
  let size = 64 << 20;
  while (size < endOffset - baseOffset + 8) size *= 2;
  while (baseOffset % size !== 0 && size / 2 >= endOffset - baseOffset + 8) size /= 2;
  return size;
}

async function lastEntry(
  store: LogStore,
  maxOffset: number,
): Promise<{ readonly physicalOffset: number; readonly sizeBytes: number } | undefined> {
  if (maxOffset === 0) return undefined;
  const queue = store.queue(wheelTopic, 0);
  if (queue.minOffset === queue.maxOffset) return undefined;
  return await new Promise((resolve, reject) => {
    store.readEntries(queue, (maxOffset - 1) as typeof queue.minOffset, 1, (entries) => {
      if (entries instanceof Error) return reject(entries);
      const [last] = entries;
      const isLost = last === undefined || last.storeSizeBytes === 0;
      resolve(
        isLost
          ? undefined
          : { physicalOffset: last.physicalOffset, sizeBytes: last.storeSizeBytes },
      );
    });
  });
}
