/**
 * Opens and closes the store of a broker that does not run, with everything that follows from its log: what a start
 * of the broker would mend is mended, and nothing is served.
 */
import type { Clock } from '../platform/clock.ts';
import type { Files } from '../platform/files.ts';
import type { Random } from '../platform/random.ts';
import { openOffline } from './apache/offline.ts';
import { silentLogger } from './shared/logger.ts';
import type { RecoveryReport } from './store/message-store.ts';
import type { TellProgress } from './store/options.ts';
import { markIndexForRebuild } from './store/tools/mark-index.ts';

/**
 * `folder`: the broker's own. `isRebuild`: the index is made again from the whole log.
 * @throws RmqError DATA_DIR_IN_USE when a broker runs on it
 */
export async function openAndClose(
  folder: string,
  ports: { readonly files: Files; readonly clock: Clock; readonly random: Random },
  options: { readonly isRebuild: boolean; readonly progress?: TellProgress },
): Promise<RecoveryReport> {
  if (options.isRebuild) await markIndexForRebuild(ports.files, folder);
  const { progress } = options;
  const { store, broker } = await openOffline({ ...ports, logger: silentLogger }, folder, progress);
  const report = await store.start();
  broker.stop();
  await store.stop();
  return report;
}
