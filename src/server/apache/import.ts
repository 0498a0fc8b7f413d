/**
 * Takes over a store of Apache's broker: copies its log, finds out what its records leave undone, builds our
 * index and writes what it knew beside the log. All in a folder aside, which gets its name in the last step, so
 * that an import is there as a whole or not at all. The source is only read.
 */
import { RmqError } from '../../protocol/errors.ts';
import { isLiteQueueTopic } from '../../protocol/message/lite-topic.ts';
import type { AdoptedState } from '../broker/broker.ts';
import { topicOf } from '../broker/topics/topic-table.ts';
import { OpenTransactions } from '../broker/transactions/open-transactions.ts';
import type { LogHole } from '../store/log/segment-walk.ts';
import type { LogStore } from '../store/log-store.ts';
import { Origin, originPath } from '../store/origin.ts';
import { copyLog, type Progress } from './copy-log.ts';
import { type ApacheFolder, hasEntry, readApacheFolder } from './folder.ts';
import { type OfflinePorts, openOffline, removeFolder } from './offline.ts';
import { emptiedQueues } from './queues.ts';
import { type PoppedMessage, UndonePops } from './undone-pops.ts';
import { UndoneTimers } from './undone-timers.ts';

const transactionGroup = 'CID_RMQ_SYS_TRANS';
const halfTopic = 'RMQ_SYS_TRANS_HALF_TOPIC';

export interface ImportOptions extends OfflinePorts {
  /** A store directory of Apache's broker. */
  readonly from: string;
  /** What `rmq start --data` is given; its broker keeps its store in `broker`. */
  readonly dataDir: string;
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

export interface ImportReport {
  readonly records: number;
  readonly minPhysicalOffset: number;
  readonly maxPhysicalOffset: number;
  readonly topics: number;
  readonly groups: number;
  readonly offsets: number;
  /** Delayed messages that wait for their time. */
  readonly timers: number;
  readonly transactions: number;
  /** Messages that had been popped and not acknowledged. */
  readonly inFlight: number;
  readonly holes: readonly LogHole[];
}

/** @throws RmqError USAGE, DATA_DIR_IN_USE, STORE_CORRUPT, NOT_SUPPORTED, DISK_FULL, INTERRUPTED */
export async function importApache(options: ImportOptions): Promise<ImportReport> {
  const { files, dataDir } = options;
  const folder = await readApacheFolder(files, options.from);
  await files.makeFolder(dataDir);
  const lock = await files.lockFolder(dataDir);
  try {
    const target = `${dataDir}/broker`;
    if (await hasEntry(files, target, 'commitlog')) {
      throw new RmqError('USAGE', `${dataDir} holds a store already`, {
        hint: 'name another folder, or remove that one',
      });
    }
    const aside = `${dataDir}/broker.importing`;
    await files.makeFolder(aside);
    const report = await takeOver(options, folder, aside);
    await removeFolder(files, target);
    await files.rename(aside, target);
    await files.syncFolder(dataDir);
    return report;
  } finally {
    await lock.release();
  }
}

async function takeOver(
  options: ImportOptions,
  folder: ApacheFolder,
  aside: string,
): Promise<ImportReport> {
  const { files } = options;
  const timers = new UndoneTimers();
  const pops = new UndonePops(folder);
  const halves = new OpenTransactions(0);
  let forgetAfter = forgetEvery;
  const log = await copyLog({
    files,
    from: folder.path,
    to: aside,
    progress: (progress) => options.progress(progress),
    signal: options.signal,
    record: (record) => {
      timers.record(record);
      pops.record(record);
      halves.dispatched(record, record);
      if (--forgetAfter > 0) return;
      // It would tell a database what has ended, but here is none.
      halves.collect(noBatch);
      forgetAfter = forgetEvery;
    },
  });
  const waiting = timers.waiting(folder);
  const open = openHalves(halves, folder);
  const origin = new Origin({
    endOffset: log.endOffset,
    segmentSizeBytes: log.segmentSizeBytes,
    timers: waiting,
    transactions: open,
  });
  await files.replaceFile(originPath(aside), origin.encode());
  // Of an earlier try that was cut short.
  await removeFolder(files, `${aside}/index`);
  const inFlight = pops.inFlight();
  const groups = await buildIndex(options, { folder, aside, inFlight });
  return {
    records: log.recordCount,
    minPhysicalOffset: log.beginOffset,
    maxPhysicalOffset: log.endOffset,
    topics: folder.topics.length,
    groups: folder.groups.length,
    offsets: folder.offsets.length,
    timers: waiting.length,
    transactions: open.length,
    inFlight: groups,
    holes: log.holes,
  };
}

const forgetEvery = 65_536;
const noBatch = { put: (): void => undefined, delete: (): void => undefined };

/** Half messages that nobody had decided about: no later record says so, nor does the check's progress. */
function openHalves(halves: OpenTransactions, { isClean, offsets }: ApacheFolder): number[] {
  const checked = offsets.find(
    ({ group, topic }) => group === transactionGroup && topic === halfTopic,
  );
  const handledBelow = isClean ? (checked?.offset ?? 0) : 0;
  return [...halves.all()]
    .filter(({ queueOffset }) => queueOffset >= handledBelow)
    .map(({ physicalOffset }) => physicalOffset);
}

async function buildIndex(
  options: ImportOptions,
  parts: {
    readonly folder: ApacheFolder;
    readonly aside: string;
    readonly inFlight: readonly PoppedMessage[];
  },
): Promise<number> {
  const { store, broker, modes } = await openOffline(options, parts.aside);
  await store.start();
  try {
    for (const { topic, queueId, max } of await emptiedQueues(
      options.files,
      parts.folder.path,
      store,
    )) {
      store.beginQueueAt(topic, queueId, max);
    }
    const state = adoptedState(parts.folder, parts.inFlight, store);
    await broker.adopt(state);
    for (const { topic, group, ...mode } of parts.folder.modes) await modes.set(topic, group, mode);
    return state.consumed.reduce((sum, { inFlight }) => sum + inFlight.length, 0);
  } finally {
    await store.stop();
  }
}

function adoptedState(
  folder: ApacheFolder,
  popped: readonly PoppedMessage[],
  store: LogStore,
): AdoptedState {
  const inFlight = new Map<string, PoppedMessage[]>();
  for (const one of popped) {
    const key = queueKey(one);
    const list = inFlight.get(key);
    if (list === undefined) inFlight.set(key, [one]);
    else list.push(one);
  }
  const consumed: AdoptedState['consumed'][number][] = folder.offsets.map((one) => {
    const { group, topic, queueId, offset } = one;
    const { minOffset } = store.queue(topic, queueId);
    const open = (inFlight.get(queueKey(one)) ?? []).filter(
      // What lies above is delivered anew, what lies below is gone.
      (message) => message.offset < offset && message.offset >= minOffset,
    );
    return { group, topic, queueId, next: offset, inFlight: open };
  });
  consumed.push(...unwritten(folder, inFlight, store));
  return {
    topics: [...folder.topics, ...lightTopics(folder, store)],
    groups: folder.groups,
    forbidden: folder.forbidden,
    consumed,
  };
}

/** Offsets are written every few seconds: a group that began just before a crash has its pops only. */
function unwritten(
  { offsets }: ApacheFolder,
  inFlight: ReadonlyMap<string, readonly PoppedMessage[]>,
  store: LogStore,
): AdoptedState['consumed'] {
  const known = new Set(offsets.map(queueKey));
  return [...inFlight].flatMap(([key, messages]) => {
    const [first] = messages;
    if (first === undefined || known.has(key)) return [];
    const { group, topic, queueId } = first;
    const { minOffset, maxOffset } = store.queue(topic, queueId);
    const open = messages.filter(({ offset }) => offset >= minOffset && offset < maxOffset);
    // Nothing above the oldest of them is known to be done.
    const next = Math.min(...open.map(({ offset }) => offset));
    return open.length === 0 ? [] : [{ group, topic, queueId, next, inFlight: [] }];
  });
}

function queueKey({
  group,
  topic,
  queueId,
}: PoppedMessage | { group: string; topic: string; queueId: number }): string {
  return `${group}\n${topic}\n${queueId}`;
}

/** Apache's brokers keep no configuration of light queues; facts/broker.md §21.1. */
function lightTopics({ topics }: ApacheFolder, store: LogStore): AdoptedState['topics'] {
  const known = new Set(topics.map(({ topic }) => topic));
  const light = [...store.queues()]
    .map(({ topic }) => topic)
    .filter((topic) => topic.startsWith('%LMQ%') && !isLiteQueueTopic(topic) && !known.has(topic));
  return [...new Set(light)].map((topic) => topicOf(topic, 1));
}
