/** A store and the broker's state in it, without ports, and without anything being delivered. */
import type { Clock } from '../../platform/clock.ts';
import type { Files } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import { Broker } from '../broker/broker.ts';
import { RequestModes } from '../broker/groups/request-modes.ts';
import type { Logger } from '../shared/logger.ts';
import { levelDatabaseFactory } from '../store/index/level-database.ts';
import { LogStore } from '../store/log-store.ts';
import type { TellProgress } from '../store/options.ts';
import { type Origin, readOrigin } from '../store/origin.ts';
import { isMissing } from './folder.ts';

export interface OfflinePorts {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface OfflineStore {
  /** Neither has been started. */
  readonly store: LogStore;
  readonly broker: Broker;
  readonly modes: RequestModes;
  readonly origin: Origin | undefined;
}

/** Of segments in stores of ours whose folder does not tell. */
const segmentSizeDefault = 64 << 20;

/** `folder` has the log; its database is made when it is missing. */
export async function openOffline(
  ports: OfflinePorts,
  folder: string,
  progress?: TellProgress,
): Promise<OfflineStore> {
  const { files, clock, random, logger } = ports;
  const databaseFolder = `${folder}/index`;
  await files.makeFolder(folder);
  const origin = await readOrigin(files, folder);
  const storeHost = { address: Buffer.from([127, 0, 0, 1]), port: 0 };
  const store = new LogStore({
    files,
    clock,
    logger,
    openDatabase: await levelDatabaseFactory(databaseFolder),
    databaseFolder,
    folder,
    flush: 'sync',
    segmentSizeBytes: origin?.segmentSizeBytes ?? (await segmentSizeOf(files, folder)),
    // Nothing is deleted while nobody looks.
    retentionMs: Number.MAX_SAFE_INTEGER,
    minFreeBytes: 0,
    storeHost,
    origin,
    ...(progress === undefined ? {} : { progress }),
  });
  const broker = new Broker({
    store,
    clock,
    random,
    logger,
    storeHost,
    origin,
    settings: {
      // Nobody hears of these: there are no ports.
      clusterName: '',
      brokerName: '',
      isAutoCreateTopicEnabled: false,
      isAutoCreateGroupEnabled: false,
      defaultTopicQueueCount: 1,
      delayMaxMs: Number.MAX_SAFE_INTEGER,
    },
  });
  return { store, broker, modes: new RequestModes(store), origin };
}

/** As its first two segments have it. */
async function segmentSizeOf(files: Files, folder: string): Promise<number> {
  try {
    const names = (await files.list(`${folder}/commitlog`)).filter((name) => /^\d{20}$/.test(name));
    const [first, second] = names.sort();
    return second === undefined ? segmentSizeDefault : Number(second) - Number(first);
  } catch (error) {
    if (isMissing(error)) return segmentSizeDefault;
    throw error;
  }
}

/** With everything in it; nothing happens when it is not there. */
export async function removeFolder(files: Files, folder: string): Promise<void> {
  let names: string[];
  try {
    names = await files.list(folder);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  for (const name of names) {
    const path = `${folder}/${name}`;
    if ((await files.stat(path)).isDirectory) await removeFolder(files, path);
    else await files.remove(path);
  }
  await files.removeFolder(folder);
}
