/** Imports, exports and looks into stores on the disk, without a server. */
import { nodeClock } from '../../src/platform/node-clock.ts';
import { NodeFiles } from '../../src/platform/node-files.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import { type ImportReport, importApache } from '../../src/server/apache/import.ts';
import { openOffline } from '../../src/server/apache/offline.ts';
import type { Broker } from '../../src/server/broker/broker.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import type { LogStore } from '../../src/server/store/log-store.ts';
import type { StoredQueue } from '../../src/server/store/message-store.ts';

export const diskPorts = {
  files: new NodeFiles(),
  clock: nodeClock,
  random: nodeRandom,
  logger: silentLogger,
};

export function importStore(from: string, dataDir: string): Promise<ImportReport> {
  const { signal } = new AbortController();
  return importApache({ ...diskPorts, from, dataDir, progress: () => {}, signal });
}

/** Opens the store of a data folder, looks, and closes it. */
export async function withStore<T>(
  dataDir: string,
  look: (opened: { store: LogStore; broker: Broker }) => Promise<T>,
): Promise<T> {
  const opened = await openOffline(diskPorts, `${dataDir}/broker`);
  await opened.store.start();
  try {
    await opened.broker.load();
    return await look(opened);
  } finally {
    await opened.store.stop();
  }
}

/** All messages of a queue, in order; undefined where one is lost. */
export async function messagesOf(
  store: LogStore,
  queue: StoredQueue,
): Promise<(StoredMessage | undefined)[]> {
  const found: (StoredMessage | undefined)[] = [];
  for (let from = queue.minOffset; from < queue.maxOffset; ) {
    const read = await new Promise<readonly (StoredMessage | undefined)[]>((resolve, reject) => {
      store.readEntries(queue, from, 64, (entries) => {
        if (entries instanceof Error) return reject(entries);
        store.readMessages(entries, (messages) => {
          if (messages instanceof Error) reject(messages);
          else resolve(messages);
        });
      });
    });
    if (read.length === 0) throw new Error(`no entry at offset ${from}`);
    found.push(...read);
    from = (from + read.length) as typeof from; // offsets of this queue
  }
  return found;
}
