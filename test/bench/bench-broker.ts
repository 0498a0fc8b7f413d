/** A broker on a disk of its own, with the index in memory; shared by the benchmarks. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { NodeFiles } from '../../src/platform/node-files.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import { memoryDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';

const host = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

export interface Bench {
  readonly broker: Broker;
  stop(): Promise<void>;
}

export async function startBroker(flush: 'sync' | 'async'): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-bench-'));
  const store = new LogStore({
    files: new NodeFiles(),
    clock: nodeClock,
    logger: silentLogger,
    openDatabase: await memoryDatabaseFactory(),
    databaseFolder: undefined,
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
