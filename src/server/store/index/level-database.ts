/**
 * The two databases of production: LevelDB on disk and one in memory. The packages are loaded when
 * called, so that a process that opens no store does not pay for them.
 */
import type { Database, DatabaseFactory } from './database.ts';

/** LevelDB in `folder`, which is made when it is missing. */
export async function levelDatabaseFactory(folder: string): Promise<DatabaseFactory> {
  const { Level } = await import('level');
  return (elsewhere) =>
    new Level<string, Uint8Array>(elsewhere ?? folder, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      // Of a damaged block that is not compressed, what was not hit can still be read.
      compression: false,
    }) as unknown as Database; // its overloads accept exactly what `Database` says
}

/** A database in memory. One factory hands out the same content again after a close. */
export async function memoryDatabaseFactory(): Promise<DatabaseFactory> {
  const { MemoryLevel } = await import('memory-level');
  const database = new MemoryLevel<string, Uint8Array>({
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    storeEncoding: 'view',
  });
  return () => database as unknown as Database; // as above
}
