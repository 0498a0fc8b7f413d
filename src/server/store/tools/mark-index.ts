/** Says in a store's database that its index is to be built again at the next opening. */
import type { Files } from '../../../platform/files.ts';
import { CheckedDatabase } from '../index/checked-database.ts';
import { levelDatabaseFactory } from '../index/level-database.ts';
import { damagedKey } from '../index/queue-index.ts';

/** @throws RmqError DATA_DIR_IN_USE */
export async function markIndexForRebuild(files: Files, folder: string): Promise<void> {
  const lock = await files.lockFolder(folder);
  try {
    const open = await levelDatabaseFactory(`${folder}/index`);
    const database = new CheckedDatabase(open(), () => undefined);
    await database.open();
    await database.batch([{ type: 'put', key: damagedKey, value: Buffer.from('1') }], {
      sync: true,
    });
    await database.close();
  } finally {
    await lock.release();
  }
}
