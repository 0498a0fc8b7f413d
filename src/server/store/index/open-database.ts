/**
 * Opens a store's database. LevelDB opens a damaged one in silence and without what it could not read, so its files
 * are looked at first. A damaged database is moved aside and a new one made of every row in it that proves to
 * be whole; what is missing of the index the log gives back.
 */
import type { Files } from '../../../platform/files.ts';
import type { Logger } from '../../shared/logger.ts';
import { withoutChecksum } from './checked-database.ts';
import type { Database, DatabaseFactory, DatabaseOperation } from './database.ts';
import { checkLevelFolder, readLevelFolder } from './level/level-folder.ts';

/** Tables that are read whole at each start; of larger databases the rest is checked row by row when used. */
const tableCheckBytesMax = 16 << 20;
const rowsPerBatch = 1_000;

export interface OpenedDatabase {
  readonly database: Database;
  /** What was wrong with the files, a sentence each; empty: nothing. */
  readonly problems: readonly string[];
  /** The rows of a damaged database, checksums included, as far as they are whole. */
  readonly salvaged: ReadonlyMap<string, Buffer> | undefined;
}

interface OpenOptions {
  readonly files: Files;
  /** Undefined: not on disk. */
  readonly folder: string | undefined;
  readonly open: DatabaseFactory;
  /** What of the rows of a damaged database goes into the new one; values with their checksums. */
  readonly takeOver: (rows: ReadonlyMap<string, Buffer>) => Iterable<readonly [string, Buffer]>;
  readonly nowMs: number;
  readonly logger: Logger;
}

/** @throws the database's error when it is not damaged and cannot be opened all the same. */
export async function openDatabase(options: OpenOptions): Promise<OpenedDatabase> {
  const { files, folder, open } = options;
  if (folder === undefined) {
    const database = open();
    await database.open();
    return { database, problems: [], salvaged: undefined };
  }
  await finishReplacement(files, folder);
  const problems = (await checkLevelFolder(files, folder, tableCheckBytesMax)).map(sentenceOf);
  if (problems.length === 0) {
    const database = open();
    try {
      await database.open();
      return { database, problems, salvaged: undefined };
    } catch (error) {
      if (codeOf(error) === 'LEVEL_LOCKED') throw error;
      problems.push(`it cannot be opened: ${reasonOf(error)}`);
    }
  }
  const salvaged = await replace(options, folder, problems);
  const database = open();
  await database.open();
  return { database, problems, salvaged };
}

/** Where the new database is made, until it has all that it is to have. */
const newSuffix = '.new';

/**
 * Makes a new database of what is whole in the old one, and then puts it in its place. Cut short at any time, it
 * is done again, or is done.
 */
async function replace(
  { files, open, takeOver, nowMs, logger }: OpenOptions,
  folder: string,
  problems: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const made = folder + newSuffix;
  const movedTo = `${folder}.damaged-${nowMs}`;
  logger.error('the index is damaged, it is built again', {
    problems: problems.join('; '),
    movedTo,
  });
  const content = await readLevelFolder(files, folder, { isGenuine });
  const rows = content?.rows ?? new Map<string, Buffer>();
  await removeDatabase(files, made);
  const database = open(made);
  await database.open();
  await fill(database, takeOver(rows));
  await database.close();
  await files.rename(folder, movedTo);
  await files.rename(made, folder);
  await files.syncFolder(parentOf(folder));
  return rows;
}

/** The damaged database had been moved away, the new one not yet put there. */
async function finishReplacement(files: Files, folder: string): Promise<void> {
  if ((await isThere(files, folder)) || !(await isThere(files, folder + newSuffix))) return;
  await files.rename(folder + newSuffix, folder);
  await files.syncFolder(parentOf(folder));
}

/** What is left of one that was being made; LevelDB's folders have no folders in them. */
async function removeDatabase(files: Files, folder: string): Promise<void> {
  if (!(await isThere(files, folder))) return;
  for (const name of await files.list(folder)) await files.remove(`${folder}/${name}`);
  await files.removeFolder(folder);
}

async function isThere(files: Files, path: string): Promise<boolean> {
  try {
    await files.stat(path);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return false;
    throw error;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Whether a stored value is what was written under its key. */
export function isGenuine(key: string, stored: Buffer): boolean {
  return withoutChecksum(key, stored) !== undefined;
}

async function fill(
  database: Database,
  rows: Iterable<readonly [key: string, value: Buffer]>,
): Promise<void> {
  let operations: DatabaseOperation[] = [];
  for (const [key, value] of rows) {
    operations.push({ type: 'put', key, value });
    if (operations.length < rowsPerBatch) continue;
    await database.batch(operations, { sync: false });
    operations = [];
  }
  await database.batch(operations, { sync: true });
}

function sentenceOf(one: {
  readonly file: string;
  readonly at: number;
  readonly problem: string;
}): string {
  return `${one.file} at ${one.at}: ${one.problem}`;
}

function codeOf(error: unknown): unknown {
  const cause =
    error instanceof Error ? (error.cause as { code?: unknown } | undefined) : undefined;
  return cause?.code;
}

/** LevelDB's own words are in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
