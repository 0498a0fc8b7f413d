/**
 * Opens a store's database. LevelDB opens a damaged one in silence and without what it could not read, so its files
 * are looked at first. A damaged database is moved aside and a new one made of every row in it that proves to
 * be whole; what is missing of the index the log gives back.
 */
import type { Files } from '../../../platform/files.ts';
import type { Logger } from '../../shared/logger.ts';
import { withoutChecksum } from './checked-database.ts';
import type { Database, DatabaseFactory, DatabaseOperation } from './database.ts';
import { checkLevelFolder, type LevelContent, readLevelFolder } from './level/level-folder.ts';

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

/** `isKept`: which rows of a damaged database go into the new one. */
export async function openDatabase(options: {
  readonly files: Files;
  /** Undefined: not on disk. */
  readonly folder: string | undefined;
  readonly open: DatabaseFactory;
  readonly isKept: (key: string) => boolean;
  readonly nowMs: number;
  readonly logger: Logger;
}): Promise<OpenedDatabase> {
  const { files, folder, open, logger, nowMs } = options;
  if (folder === undefined) {
    const database = open();
    await database.open();
    return { database, problems: [], salvaged: undefined };
  }
  const problems = (await checkLevelFolder(files, folder, tableCheckBytesMax)).map(sentenceOf);
  if (problems.length === 0) {
    const database = open();
    try {
      await database.open();
      return { database, problems, salvaged: undefined };
    } catch (error) {
      problems.push(`it cannot be opened: ${reasonOf(error)}`);
    }
  }
  const content = await readLevelFolder(files, folder, { isGenuine });
  const movedTo = `${folder}.damaged-${nowMs}`;
  logger.error('the index is damaged, it is built again', {
    problems: problems.join('; '),
    movedTo,
  });
  await files.rename(folder, movedTo);
  const database = open();
  await database.open();
  const rows = content?.rows ?? new Map<string, Buffer>();
  await fill(database, rows, options.isKept);
  return { database, problems, salvaged: rows };
}

/** Whether a stored value is what was written under its key. */
export function isGenuine(key: string, stored: Buffer): boolean {
  return withoutChecksum(key, stored) !== undefined;
}

async function fill(
  database: Database,
  rows: LevelContent['rows'],
  isKept: (key: string) => boolean,
): Promise<void> {
  let operations: DatabaseOperation[] = [];
  for (const [key, value] of rows) {
    if (!isKept(key)) continue;
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

/** LevelDB's own words are in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
