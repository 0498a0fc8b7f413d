/**
 * A folder of LevelDB, read as files: whether every checksum holds, and what rows there are. LevelDB itself
 * checks neither when it opens a database nor when it reads a row, and passes over damaged parts of its log in
 * silence. Reading changes nothing, so it may be done beside a process that uses the database; a file that
 * vanishes meanwhile was merged into others.
 *
 * Formats: LevelDB's doc/log_format.md, doc/table_format.md and, for the manifest, db/version_edit.cc.
 */
import type { Files } from '../../../../platform/files.ts';
import type { TellProgress } from '../../options.ts';
import { ByteReader, Malformed } from './byte-reader.ts';
import { readLogFile } from './log-file.ts';
import { readTable } from './table-file.ts';

/** A file that the database consists of. */
export const missingFile = 'the file is missing or cannot be read';

export interface LevelProblem {
  readonly file: string;
  /** In the file. */
  readonly at: number;
  readonly problem: string;
}

export interface LevelContent {
  /** The newest version of each key. Those of damaged places are among them, whole or not. */
  readonly rows: ReadonlyMap<string, Buffer>;
  readonly problems: readonly LevelProblem[];
}

export interface LevelReadOptions {
  /** Called before each file with the bytes that have been read so far, of how many. */
  readonly progress?: TellProgress;
  /** Whether a row that stands at a damaged place is what was written. */
  readonly isGenuine: (key: string, value: Buffer) => boolean;
}

/** Reads everything. `undefined`: the folder holds no database. */
export async function readLevelFolder(
  files: Files,
  folder: string,
  options: LevelReadOptions,
): Promise<LevelContent | undefined> {
  const live = await liveFiles(files, folder);
  if (live === undefined) return undefined;
  const rows = new Rows(options.isGenuine);
  const problems = [...live.problems];
  let doneBytes = 0;
  for (const name of live.names) {
    options.progress?.({ doneBytes, totalBytes: live.totalBytes });
    const file = await readOrUndefined(files, `${folder}/${name}`);
    if (file === undefined) {
      problems.push({ file: name, at: 0, problem: missingFile });
      continue;
    }
    doneBytes += file.length;
    problems.push(...readOne(name, file, live.sizes.get(name), rows));
  }
  return { rows: rows.newest(), problems };
}

/**
 * Checks the small files, which say what the database consists of and what was written last, and as many tables
 * as fit `tableBytesMax`.
 */
export async function checkLevelFolder(
  files: Files,
  folder: string,
  tableBytesMax: number,
): Promise<readonly LevelProblem[]> {
  const live = await liveFiles(files, folder);
  if (live === undefined) return [];
  const problems = [...live.problems];
  let tableBytes = 0;
  for (const name of live.names) {
    if (isTable(name)) {
      tableBytes += live.sizes.get(name) ?? 0;
      if (tableBytes > tableBytesMax) continue;
    }
    const file = await readOrUndefined(files, `${folder}/${name}`);
    if (file === undefined) problems.push({ file: name, at: 0, problem: missingFile });
    else problems.push(...readOne(name, file, live.sizes.get(name), undefined));
  }
  return problems;
}

function isTable(name: string): boolean {
  return name.endsWith('.ldb') || name.endsWith('.sst');
}

/** One file, its rows into `rows`; what is wrong with it. */
function readOne(
  name: string,
  file: Buffer,
  expectedSize: number | undefined,
  rows: Rows | undefined,
): LevelProblem[] {
  const problems: LevelProblem[] = [];
  const wrong = (at: number, problem: string): void =>
    void problems.push({ file: name, at, problem });
  if (expectedSize !== undefined && expectedSize !== file.length) {
    wrong(file.length, `the file should have ${expectedSize} bytes`);
  }
  if (isTable(name)) {
    const use = rows === undefined ? undefined : rows.table(problems);
    for (const { at, problem } of readTable(file, use)) wrong(at, problem);
    return problems;
  }
  const { records, damagedAt } = readLogFile(file);
  if (damagedAt >= 0) wrong(damagedAt, 'a batch does not match its checksum');
  for (const record of records) rows?.batch(record.bytes, record.isWhole);
  return problems;
}

interface LiveFiles {
  /** Tables first, then logs, each oldest first. */
  readonly names: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
  readonly totalBytes: number;
  readonly problems: readonly LevelProblem[];
}

/** The files that the database consists of; all there are when nobody can say. */
async function liveFiles(files: Files, folder: string): Promise<LiveFiles | undefined> {
  const names = await listOrNothing(files, folder);
  const data = names.filter((name) => isTable(name) || name.endsWith('.log'));
  const hasManifest = names.some((name) => name.startsWith('MANIFEST-'));
  if (data.length === 0 && !hasManifest && !names.includes('CURRENT')) return undefined;
  const problems: LevelProblem[] = [];
  const manifest = await readManifest(files, folder, problems);
  let live = data;
  if (manifest !== undefined && problems.length === 0) {
    const logs = data.filter(
      (name) => name.endsWith('.log') && numberOf(name) >= manifest.logNumber,
    );
    const tables = [...manifest.tables.keys()].map((number) => {
      const name = `${String(number).padStart(6, '0')}.ldb`;
      const old = `${String(number).padStart(6, '0')}.sst`;
      return !data.includes(name) && data.includes(old) ? old : name;
    });
    live = [...tables, ...logs];
    // One that was made and never written to has none.
    const isExpected = manifest.logNumber > 0 || data.length > 0;
    if (isExpected && !logs.some((name) => numberOf(name) === manifest.logNumber)) {
      const file = `${String(manifest.logNumber).padStart(6, '0')}.log`;
      problems.push({ file, at: 0, problem: missingFile });
    }
  }
  const sizes = new Map<string, number>();
  let totalBytes = 0;
  for (const name of live) {
    const size = isTable(name) ? manifest?.tables.get(numberOf(name)) : undefined;
    if (size !== undefined) sizes.set(name, size);
    totalBytes += size ?? 0;
  }
  const order = (name: string): number => (isTable(name) ? 0 : 2 ** 40) + numberOf(name);
  live.sort((a, b) => order(a) - order(b));
  return { names: live, sizes, totalBytes, problems };
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10);
}

interface Manifest {
  /** Sizes by number. */
  readonly tables: ReadonlyMap<number, number>;
  /** Logs from this one on are part of the database. */
  readonly logNumber: number;
}

async function readManifest(
  files: Files,
  folder: string,
  problems: LevelProblem[],
): Promise<Manifest | undefined> {
  const wrong = (file: string, at: number, problem: string): undefined => {
    problems.push({ file, at, problem });
    return undefined;
  };
  const current = await readOrUndefined(files, `${folder}/CURRENT`);
  const name = /^(MANIFEST-\d+)\n$/.exec(current?.toString('latin1') ?? '')?.[1];
  if (name === undefined) return wrong('CURRENT', 0, 'the file is missing or names no manifest');
  const file = await readOrUndefined(files, `${folder}/${name}`);
  if (file === undefined) return wrong(name, 0, missingFile);
  const { records, damagedAt } = readLogFile(file);
  if (damagedAt >= 0) return wrong(name, damagedAt, 'the manifest does not match its checksum');
  const tables = new Map<number, number>();
  let logNumber = 0;
  try {
    for (const { bytes } of records) {
      const edit = readEdit(new ByteReader(bytes), tables);
      if (edit !== undefined) logNumber = edit;
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return wrong(name, 0, error.message);
  }
  if (records.length === 0) return wrong(name, 0, 'the manifest is empty');
  return { tables, logNumber };
}

/** Applies one change of the manifest; answers the log's number when it names one. */
function readEdit(reader: ByteReader, tables: Map<number, number>): number | undefined {
  let logNumber: number | undefined;
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    switch (tag) {
      case 1: // comparator
        reader.slice();
        break;
      case 2:
        logNumber = reader.varint();
        break;
      case 3: // next file number
      case 4: // last sequence
      case 9: // previous log number
        reader.varint();
        break;
      case 5: // compaction pointer: level, key
        reader.varint();
        reader.slice();
        break;
      case 6: // deleted file: level, number
        reader.varint();
        tables.delete(reader.varint());
        break;
      case 7: {
        // new file: level, number, size, smallest and largest key
        reader.varint();
        const number = reader.varint();
        tables.set(number, reader.varint());
        reader.slice();
        reader.slice();
        break;
      }
      default:
        throw new Malformed(`the manifest has a tag ${tag}`);
    }
  }
  return logNumber;
}

interface Version {
  readonly sequence: number;
  /** Undefined: deleted. */
  readonly value: Buffer | undefined;
}

/** Keeps the newest version of each key. */
class Rows {
  readonly #versions = new Map<string, Version>();
  readonly #isGenuine: (key: string, value: Buffer) => boolean;
  #lastSequence = 0;

  constructor(isGenuine: (key: string, value: Buffer) => boolean) {
    this.#isGenuine = isGenuine;
  }

  newest(): Map<string, Buffer> {
    const rows = new Map<string, Buffer>();
    for (const [key, { value }] of this.#versions) if (value !== undefined) rows.set(key, value);
    return rows;
  }

  table(problems: readonly LevelProblem[]): Parameters<typeof readTable>[1] {
    return ({ key, value, sequence, isDeletion }) => {
      const name = key.toString('utf8');
      // Of a damaged table nothing is believed that does not prove itself; what it deletes does not.
      if (isDeletion && problems.length === 0) this.#set(name, sequence, undefined);
      else if (!isDeletion) this.#put(name, sequence, value);
    };
  }

  /** `sequence (8) · count (4)`, then `1 key value` or `0 key`, each behind its length. */
  batch(bytes: Buffer, isWhole: boolean): void {
    const reader = new ByteReader(bytes);
    try {
      let sequence = reader.uint64();
      reader.uint32();
      if (!isWhole) sequence = this.#lastSequence + 1;
      for (; !reader.isAtEnd; sequence++) {
        const kind = reader.byte();
        const key = reader.slice().toString('utf8');
        if (kind === 1) this.#put(key, sequence, reader.slice());
        else if (isWhole) this.#set(key, sequence, undefined);
        this.#lastSequence = sequence;
      }
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }

  #put(key: string, sequence: number, value: Buffer): void {
    if (this.#isGenuine(key, value)) this.#set(key, sequence, value);
  }

  #set(key: string, sequence: number, value: Buffer | undefined): void {
    const known = this.#versions.get(key);
    if (known === undefined || known.sequence <= sequence) {
      this.#versions.set(key, { sequence, value });
    }
  }
}

async function listOrNothing(files: Files, folder: string): Promise<string[]> {
  try {
    return await files.list(folder);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return [];
    throw error;
  }
}

/** Undefined: it is not there, or the disk does not give it. */
async function readOrUndefined(files: Files, path: string): Promise<Buffer | undefined> {
  try {
    return await files.readFile(path);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'EIO') return undefined;
    throw error;
  }
}
