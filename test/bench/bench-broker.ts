/** A broker on a disk of its own; shared by the benchmarks. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { NodeFiles } from '../../src/platform/node-files.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import {
  levelDatabaseFactory,
  memoryDatabaseFactory,
} from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';

const host = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

export interface Bench {
  readonly broker: Broker;
  stop(): Promise<void>;
}

/** `index`: in memory, or LevelDB on disk. */
export async function startBroker(
  flush: 'sync' | 'async',
  index: 'memory' | 'level' = 'memory',
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-bench-'));
  const databaseFolder = index === 'level' ? join(folder, 'index') : undefined;
  const store = new LogStore({
    files: new NodeFiles(),
    clock: nodeClock,
    logger: silentLogger,
    openDatabase:
      databaseFolder === undefined
        ? await memoryDatabaseFactory()
        : await levelDatabaseFactory(databaseFolder),
    databaseFolder,
    folder: join(folder, 'store'),
    flush,
    segmentSizeBytes: 64 << 20,
    retentionMs: 3_600_000,
    minFreeBytes: 0,
    storeHost: host,
  });
  const broker = new Broker({
    store,
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
    storeHost: host,
    settings: {
      clusterName: 'bench',
      brokerName: 'bench',
      isAutoCreateTopicEnabled: true,
      isAutoCreateGroupEnabled: true,
      defaultTopicQueueCount: 1,
      delayMaxMs: 259_200_000,
    },
  });
  await store.start();
  await broker.start();
  const stop = async (): Promise<void> => {
    broker.stop();
    await store.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { broker, stop };
}
