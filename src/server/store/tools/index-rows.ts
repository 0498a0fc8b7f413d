/** The rows of a store's database, read from its files, and what they say. Reads only, also beside a broker. */
import type { Files } from '../../../platform/files.ts';
import { withoutChecksum } from '../index/checked-database.ts';
import { decodeJournalRow } from '../index/entry-journal.ts';
import { type LevelProblem, missingFile, readLevelFolder } from '../index/level/level-folder.ts';
import { isGenuine } from '../index/open-database.ts';
import { blockEntryCount, decodeBlock, hex, type IndexedEntry } from '../index/queue.ts';
import type { TellProgress } from '../options.ts';

/** A running database merges files while they are read; then the reading begins anew. */
const attemptCountMax = 5;

export interface QueueRow {
  readonly number: number;
  readonly topic: string;
  readonly queueId: number;
  readonly min: number;
  /** Entries below this are in blocks, the others in the journal. */
  readonly blockEnd: number;
  readonly max: number;
}

export class IndexRows {
  readonly problems: readonly LevelProblem[];
  /** Keys whose row does not match its checksum. */
  readonly damagedKeys: readonly string[];
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly queues = new Map<string, QueueRow>();
  /** False: the database has no position in the log; it is to be built again at the next start. */
  readonly isKnown: boolean;
  readonly dispatchedOffset: number;
  readonly keptOffset: number;
  readonly batchCount: number;
  readonly #rows: Map<string, Buffer>;
  /** Entries that are in no block, by the number of their queue. */
  readonly #tails = new Map<number, readonly IndexedEntry[]>();

  constructor(
    rows: Map<string, Buffer>,
    problems: readonly LevelProblem[],
    damagedKeys: readonly string[],
  ) {
    this.#rows = rows;
    this.problems = problems;
    this.damagedKeys = damagedKeys;
    this.rowCount = rows.size;
    let sizeBytes = 0;
    const tails = journaled(rows);
    for (const [key, value] of rows) {
      sizeBytes += key.length + value.length;
      if (!key.startsWith('q/')) continue;
      const row = JSON.parse(value.toString('utf8')) as QueueRow; // written by `QueueWriter`
      const number = Number.parseInt(key.slice(2), 16);
      const tail = tails.get(number) ?? [];
      const entries = tail.filter((entry) => entry.queueOffset >= row.max);
      this.#tails.set(number, entries);
      const { topic, queueId, min, max } = row;
      const end = (entries.at(-1)?.queueOffset ?? max - 1) + 1;
      const queue = { number, topic, queueId, min: Math.min(min, end), blockEnd: max, max: end };
      this.queues.set(`${topic}/${queueId}`, queue);
    }
    this.sizeBytes = sizeBytes;
    const position = rows.get('m/dispatched')?.toString('utf8').split(' ').map(Number) ?? [];
    const [dispatched = 0, , synced = 0, batches = 0] = position;
    this.isKnown = position.length > 0 && !rows.has('m/damaged');
    this.dispatchedOffset = dispatched;
    this.keptOffset = Math.max(Math.min(dispatched, synced), Number(rows.get('m/kept') ?? 0));
    this.batchCount = batches;
  }

  /** The entries of a queue from its first to its last; undefined in the place of a block that is missing. */
  *entries(queue: QueueRow): Generator<IndexedEntry | undefined> {
    const first = Math.floor(queue.min / blockEntryCount);
    for (let block = first; ; block++) {
      const from = Math.max(queue.min, block * blockEntryCount);
      if (from >= queue.blockEnd) break;
      const stored = this.#rows.get(blockKey(queue, block));
      if (stored === undefined) yield undefined;
      else yield* decodeBlock(stored, block, from, blockEntryCount, queue.blockEnd);
    }
    for (const entry of this.#tails.get(queue.number) ?? []) {
      if (entry.queueOffset >= queue.min) yield entry;
    }
  }

  entry(queue: QueueRow, queueOffset: number): IndexedEntry | undefined {
    if (queueOffset >= queue.blockEnd) {
      return this.#tails.get(queue.number)?.[queueOffset - queue.blockEnd];
    }
    const block = Math.floor(queueOffset / blockEntryCount);
    const stored = this.#rows.get(blockKey(queue, block));
    if (stored === undefined) return undefined;
    return decodeBlock(stored, block, queueOffset, 1, queue.blockEnd)[0];
  }

  /** The broker's own state: keys without `s/`. */
  *state(prefix: string): Generator<readonly [key: string, value: Buffer]> {
    for (const [key, value] of this.#rows) {
      if (key.startsWith(`s/${prefix}`)) yield [key.slice(2), value];
    }
  }
}

/** Entries of the journal by the number of their queue, in their order. */
function journaled(rows: ReadonlyMap<string, Buffer>): Map<number, IndexedEntry[]> {
  const tails = new Map<number, IndexedEntry[]>();
  for (const key of [...rows.keys()].filter((one) => one.startsWith('j/')).toSorted()) {
    for (const { queueNumber, entries } of decodeJournalRow(rows.get(key) ?? Buffer.alloc(0))) {
      const tail = tails.get(queueNumber) ?? [];
      tail.push(...entries);
      tails.set(queueNumber, tail);
    }
  }
  return tails;
}

function blockKey(queue: QueueRow, block: number): string {
  return `e/${hex(queue.number, 8)}/${hex(block, 12)}`;
}

/** Undefined: there is no database. */
export async function readIndex(
  files: Files,
  folder: string,
  progress?: TellProgress,
): Promise<IndexRows | undefined> {
  for (let attempt = 1; ; attempt++) {
    const damaged = new Set<string>();
    const look = (key: string, value: Buffer): boolean => {
      if (isGenuine(key, value)) return true;
      damaged.add(key);
      return false;
    };
    const options = { isGenuine: look, ...(progress === undefined ? {} : { progress }) };
    const content = await readLevelFolder(files, `${folder}/index`, options);
    if (content === undefined) return undefined;
    const isMerging = content.problems.some(({ problem }) => problem === missingFile);
    if (isMerging && attempt < attemptCountMax) continue;
    const rows = new Map<string, Buffer>();
    for (const [key, stored] of content.rows) {
      const value = withoutChecksum(key, stored);
      if (value !== undefined)
        rows.set(key, Buffer.from(value.buffer, value.byteOffset, value.length));
    }
    return new IndexRows(rows, content.problems, [...damaged]);
  }
}
