/**
 * Checks a whole store, reading only: its log, the files and rows of its database, and whether queues, delivery
 * states and the note of the last stop agree with the log. One finding for each part.
 */
import type { Files } from '../../../platform/files.ts';
import { getInt64 } from '../../../protocol/message/bytes.ts';
import { javaHashCode } from '../../../protocol/message/java-hash.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import type { StoredRecord } from '../../../protocol/message/record.ts';
import { isQueued } from '../../../protocol/message/sys-flag.ts';
import { readCleanStop } from '../clean-stop.ts';
import { lightQueuesOf, messageAt, partCount } from '../inner-batch.ts';
import { ForeignChecksums } from '../log/foreign-checksums.ts';
import type { LogHole } from '../log/segment-walk.ts';
import type { TellProgress } from '../options.ts';
import { type Origin, readOrigin } from '../origin.ts';
import { type IndexRows, type QueueRow, readIndex } from './index-rows.ts';
import { verifyLog } from './verify-log.ts';

/** Problems of one kind that are told one by one. */
const problemCountMax = 100;

export interface StoreFinding {
  /** `log <segment>`, `index`, `queue <topic>/<id>`, `state <key>`, `note`. */
  readonly part: string;
  /** Records of a segment, rows of the index, entries of a queue. */
  readonly count: number;
  /** Physical, of a segment; -1 elsewhere. */
  readonly endOffset: number;
  readonly damagedCount: number;
  /** Where the first damage lies: physical, of a segment; -1 elsewhere. */
  readonly damagedOffset: number;
  /** The first thing that is wrong; undefined: nothing. */
  readonly problem: string | undefined;
}

/** `folder`: the broker's own, with `commitlog` and `index` in it. */
export async function* verifyStore(
  files: Files,
  folder: string,
  progress?: TellProgress,
): AsyncGenerator<StoreFinding> {
  const note = await readCleanStop(files, folder);
  // Before the log: what is dispatched meanwhile is not missed.
  const index = await readIndex(files, folder, progress);
  const endOffset = note === undefined || note === 'damaged' ? 0 : note.endOffset;
  const origin = await readOrigin(files, folder);
  const check = new QueueCheck(index, origin);
  const foreign =
    origin === undefined ? undefined : new ForeignChecksums(files, folder, origin.endOffset);
  let logEnd = 0;
  const options = {
    keptOffset: Math.max(endOffset, index?.keptOffset ?? 0),
    record: (record: StoredRecord) => check.record(record),
    hole: (hole: LogHole) => check.hole(hole),
    foreign,
    ...(progress === undefined ? {} : { progress }),
  };
  let logBegin: number | undefined;
  for await (const { segment, recordCount, beginOffset, ...rest } of verifyLog(
    files,
    folder,
    options,
  )) {
    logBegin ??= beginOffset;
    logEnd = rest.endOffset;
    yield { part: `log ${segment}`, count: recordCount, ...rest };
  }
  if (logBegin === undefined && options.keptOffset > 0) {
    yield finding('log', 0, ['it is missing, though there was one']);
  }
  yield indexFinding(index, logEnd);
  if (index !== undefined) {
    yield* limited(check.findings({ begin: logBegin ?? 0, end: logEnd }));
    yield* limited(missingSegments(index, check));
    yield* limited(deliveryFindings(index));
  }
  const problems = foreign?.problems ?? [];
  if (problems.length > 0) yield finding('checksums', problems.length, problems);
  if (note !== undefined) yield noteFinding(note, index);
}

function finding(part: string, count: number, problems: readonly string[]): StoreFinding {
  const damagedCount = problems.length;
  return { part, count, endOffset: -1, damagedCount, damagedOffset: -1, problem: problems[0] };
}

function* limited(findings: Iterable<StoreFinding>): Generator<StoreFinding> {
  let count = 0;
  for (const one of findings) if (count++ < problemCountMax) yield one;
}

function indexFinding(index: IndexRows | undefined, logEnd: number): StoreFinding {
  if (index === undefined) {
    const problems = logEnd > 0 ? ['there is none, though there is a log'] : [];
    return finding('index', 0, problems);
  }
  const problems = index.problems.map((one) => `${one.file} at ${one.at}: ${one.problem}`);
  for (const key of index.damagedKeys) problems.push(`row ${key} does not match its checksum`);
  if (!index.isKnown && logEnd > 0) problems.push('it is to be built again');
  return finding('index', index.rowCount, problems);
}

function noteFinding(
  note: Exclude<Awaited<ReturnType<typeof readCleanStop>>, undefined>,
  index: IndexRows | undefined,
): StoreFinding {
  if (note === 'damaged') return finding('note', 1, ['the note of the last stop is damaged']);
  const lost = note.batchCount - (index?.batchCount ?? 0);
  return finding('note', 1, lost > 0 ? [`the newest ${lost} batches of the index are lost`] : []);
}

/** Whether each entry points at its record, and each record has its entry. */
class QueueCheck {
  readonly #index: IndexRows | undefined;
  readonly #origin: Origin | undefined;
  readonly #matched = new Map<QueueRow, number>();
  readonly #unindexed = new Map<QueueRow, number>();
  readonly #holes: LogHole[] = [];

  constructor(index: IndexRows | undefined, origin: Origin | undefined) {
    this.#index = index;
    this.#origin = origin;
  }

  hole(hole: LogHole): void {
    this.#holes.push(hole);
  }

  isInHole(offset: number): boolean {
    return this.#holes.some((hole) => offset >= hole.beginOffset && offset < hole.endOffset);
  }

  record(record: StoredRecord): void {
    const index = this.#index;
    if (index === undefined || !isQueued(record.sysFlag)) return;
    if (record.physicalOffset >= index.dispatchedOffset) return;
    if (this.#origin?.covers(record.physicalOffset) !== true) {
      return this.#place(index, record, record, record.queueOffset, record.topic, record.queueId);
    }
    // Of Apache's broker: it may have several places.
    for (let part = 0; part < partCount(record); part++) {
      const queueOffset = (record.queueOffset + part) as QueueOffset; // as its part has it
      const message = messageAt(record, queueOffset);
      this.#place(index, record, message, queueOffset, record.topic, record.queueId);
    }
    for (const { topic, queueOffset } of lightQueuesOf(record)) {
      this.#place(index, record, record, queueOffset, topic, 0);
    }
  }

  /** `message`: what the entry stands for. */
  #place(
    index: IndexRows,
    record: StoredRecord,
    message: { readonly properties: Uint8Array },
    queueOffset: number,
    topic: string,
    queueId: number,
  ): void {
    const queue = index.queues.get(`${topic}/${queueId}`);
    if (queue === undefined || queueOffset < queue.min || queueOffset >= queue.max) return;
    const entry = index.entry(queue, queueOffset);
    // Another record has the place since its topic was deleted and made again.
    if (entry !== undefined && entry.physicalOffset !== record.physicalOffset) return;
    // A newer message has replaced it, of a compacted topic.
    if (entry?.storeSizeBytes === 0) return;
    const isSame =
      entry?.storeSizeBytes === record.storeSizeBytes && entry.tagsCode === tagsCodeOf(message);
    const counts = isSame ? this.#matched : this.#unindexed;
    counts.set(queue, (counts.get(queue) ?? 0) + 1);
  }

  *findings(log: { readonly begin: number; readonly end: number }): Generator<StoreFinding> {
    if (this.#index === undefined) return;
    for (const queue of this.#index.queues.values()) {
      let count = 0;
      let lostCount = 0;
      let missingBlocks = 0;
      let goneCount = 0;
      for (const entry of this.#index.entries(queue)) {
        if (entry === undefined) missingBlocks++;
        else if (entry.storeSizeBytes === 0 || this.isInHole(entry.physicalOffset)) lostCount++;
        // Retention takes messages from the index before it deletes their files.
        else if (entry.physicalOffset < log.begin) goneCount++;
        else if (entry.physicalOffset < log.end) count++;
      }
      const problems: string[] = [];
      if (goneCount > 0) problems.push(`${goneCount} messages were in front of the log's begin`);
      if (missingBlocks > 0) problems.push(`${missingBlocks} blocks of entries are missing`);
      const wrong = count - (this.#matched.get(queue) ?? 0);
      if (wrong !== 0) problems.push(`${Math.abs(wrong)} entries do not point at their records`);
      const unindexed = this.#unindexed.get(queue) ?? 0;
      if (unindexed > 0) problems.push(`${unindexed} records have a wrong entry`);
      if (problems.length > 0) {
        yield finding(`queue ${queue.topic}/${queue.queueId}`, count + lostCount, problems);
      }
    }
  }
}

function tagsCodeOf(message: { readonly properties: Uint8Array }): number {
  const tag = findProperty(message.properties, PropertyName.tags);
  return tag === undefined || tag === '' ? 0 : javaHashCode(tag);
}

/** Segments that the database remembers and nobody has deleted in order. */
function* missingSegments(index: IndexRows, check: QueueCheck): Generator<StoreFinding> {
  for (const [, value] of index.state('store/segments')) {
    const bases: unknown = JSON.parse(value.toString('utf8'));
    for (const base of Array.isArray(bases) ? bases : []) {
      if (typeof base === 'number' && check.isInHole(base)) {
        yield finding(`log ${String(base).padStart(20, '0')}`, 0, ['the segment is missing']);
      }
    }
  }
}

/** Delivery state `delivery/<group>/<topic>/<queue id>`: int64 committed, int64 next (state-codec.ts). */
function* deliveryFindings(index: IndexRows): Generator<StoreFinding> {
  for (const [key, value] of index.state('delivery/')) {
    const [, , topic = '', queueId = '', block] = key.split('/');
    if (block !== undefined) continue;
    const queue = index.queues.get(`${topic}/${queueId}`);
    const committed = value.length === 16 ? getInt64(value, 0) : -1;
    const next = value.length === 16 ? getInt64(value, 8) : -1;
    const problems: string[] = [];
    if (committed < 0 || next < committed) problems.push('it is no delivery state');
    // A queue that has no row has never had a message, or its topic was deleted.
    else if (queue !== undefined && committed > queue.max) {
      problems.push(`offset ${committed} is behind the end of the queue, ${queue.max}`);
    }
    if (problems.length > 0) yield finding(`state ${key}`, 1, problems);
  }
}
