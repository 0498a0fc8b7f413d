/**
 * Opens and closes the store of a broker that does not run, with everything that follows from its log: what a start
 * of the broker would mend is mended, and nothing is served.
 */
import type { Clock } from '../platform/clock.ts';
import type { Files } from '../platform/files.ts';
import type { Random } from '../platform/random.ts';
import { Broker } from './broker/broker.ts';
import { silentLogger } from './shared/logger.ts';
import { levelDatabaseFactory } from './store/index/level-database.ts';
import { LogStore } from './store/log-store.ts';
import type { RecoveryReport } from './store/message-store.ts';
import type { TellProgress } from './store/options.ts';
import { markIndexForRebuild } from './store/tools/mark-index.ts';

/** Of a new segment; none is made here. */
const segmentSizeBytes = 1 << 20;

export interface OfflinePorts {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * `folder`: the broker's own. `isRebuild`: the index is made again from the whole log.
 * @throws RmqError DATA_DIR_IN_USE when a broker runs on it
 */
export async function openOffline(
  folder: string,
  ports: OfflinePorts,
  options: {
    readonly isRebuild: boolean;
    readonly progress?: TellProgress;
  },
): Promise<RecoveryReport> {
  const { files, clock, random } = ports;
  if (options.isRebuild) await markIndexForRebuild(files, folder);
  const storeHost = { address: Buffer.from([127, 0, 0, 1]), port: 0 };
  const { progress } = options;
  const store = new LogStore({
    files,
    clock,
    logger: silentLogger,
    openDatabase: await levelDatabaseFactory(`${folder}/index`),
    databaseFolder: `${folder}/index`,
    folder,
    flush: 'sync',
    segmentSizeBytes,
    retentionMs: Number.MAX_SAFE_INTEGER,
    minFreeBytes: 0,
    storeHost,
    ...(progress === undefined ? {} : { progress }),
  });
  // Registers what follows from the log: timers, transactions.
  const broker = new Broker({
    store,
    clock,
    random,
    logger: silentLogger,
    storeHost,
    settings: {
      clusterName: 'offline',
      brokerName: 'offline',
      isAutoCreateTopicEnabled: false,
      isAutoCreateGroupEnabled: false,
      defaultTopicQueueCount: 1,
      delayMaxMs: Number.MAX_SAFE_INTEGER,
    },
  });
  const report = await store.start();
  broker.stop();
  await store.stop();
  return report;
}
