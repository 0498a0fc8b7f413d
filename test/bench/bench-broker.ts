/** A broker on a disk of its own; shared by the benchmarks. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import { memoryDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { localHost } from '../support/plain-draft.ts';
import { makeStore } from './bench-store.ts';

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
  const inMemory = { openDatabase: await memoryDatabaseFactory(), databaseFolder: undefined };
  const store = await makeStore(folder, { flush, ...(index === 'memory' ? inMemory : {}) });
  const broker = new Broker({
    store,
    clock: nodeClock,
    random: nodeRandom,
    logger: silentLogger,
    storeHost: localHost,
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
