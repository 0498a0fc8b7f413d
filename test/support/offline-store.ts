/** Imports, exports and looks into stores on the disk, without a server. */
import { createHash } from 'node:crypto';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { NodeFiles } from '../../src/platform/node-files.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import { findProperty } from '../../src/protocol/message/properties.ts';
import { encodeStoredMessage } from '../../src/protocol/message/record.ts';
import { type ExportReport, exportApache } from '../../src/server/apache/export.ts';
import { type ImportReport, importApache } from '../../src/server/apache/import.ts';
import { type OfflineStore, openOffline } from '../../src/server/apache/offline.ts';
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
  look: (opened: OfflineStore) => Promise<T>,
): Promise<T> {
  const opened = await openOffline(diskPorts, `${dataDir}/broker`);
  await opened.store.start();
  try {
    await opened.broker.load();
    await opened.modes.load();
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

export function exportStore(dataDir: string, to: string): Promise<ExportReport> {
  const { signal } = new AbortController();
  return exportApache({ ...diskPorts, dataDir, to, progress: () => {}, signal });
}

/** What a store holds, for comparing: of the system only what shows to users. */
export interface StoreContent {
  readonly messages: readonly string[];
  readonly queues: readonly string[];
  readonly topics: readonly string[];
  readonly groups: readonly string[];
  readonly offsets: readonly string[];
  readonly timers: readonly string[];
  readonly transactions: readonly string[];
  readonly modes: readonly string[];
}

export function contentOf(dataDir: string): Promise<StoreContent> {
  return withStore(dataDir, async ({ store, broker, modes }) => {
    const messages: string[] = [];
    const queues: string[] = [];
    for (const queue of store.queues()) {
      const name = `${queue.topic} ${queue.queueId}`;
      queues.push(`${name} ${queue.minOffset} ${queue.maxOffset}`);
      for (const message of await messagesOf(store, queue)) {
        const digest = message === undefined ? 'lost' : digestOfRecord(message);
        messages.push(`${name} ${message?.queueOffset} ${message?.physicalOffset} ${digest}`);
      }
    }
    const timers: string[] = [];
    for await (const [key, value] of store.loadState('timer/')) {
      // The counts stand before the timers.
      if (!key.startsWith('timer/!')) timers.push(`${key} ${Buffer.from(value).toString('utf8')}`);
    }
    const offsets = broker
      .listOffsets(undefined)
      .filter(({ group }) => !group.startsWith('CID_RMQ_SYS_'));
    const halves = [...broker.openTransactions()].map(({ physicalOffset }) => `${physicalOffset}`);
    return {
      messages: messages.sort(),
      queues: queues.sort(),
      topics: (await broker.listTopics()).map((one) => JSON.stringify(one)).sort(),
      groups: (await broker.listGroups()).map((one) => JSON.stringify(one)).sort(),
      offsets: offsets
        .map((one) => `${one.group} ${one.topic} ${one.queueId} ${one.offset}`)
        .sort(),
      timers: timers.sort(),
      transactions: halves.sort(),
      modes: [...modes.all()].map((one) => JSON.stringify(one)).sort(),
    };
  });
}

function digestOfRecord(message: StoredMessage): string {
  return createHash('sha1').update(encodeStoredMessage(message)).digest('hex');
}

/** Every message of every queue with the digest of its record. */
export function rawMessagesOf(dataDir: string): Promise<
  {
    readonly topic: string;
    readonly queueId: number;
    readonly queueOffset: number;
    readonly physicalOffset: number;
    readonly recordSha1: string;
    readonly keys: string | null;
  }[]
> {
  return withStore(dataDir, async ({ store }) => {
    const found = [];
    for (const queue of store.queues()) {
      for (const message of await messagesOf(store, queue)) {
        if (message === undefined) continue;
        const { queueOffset, physicalOffset, properties } = message;
        const hasChecksum = 'hasChecksum' in message && message.hasChecksum === true;
        const record = encodeStoredMessage(message, hasChecksum);
        found.push({
          topic: queue.topic,
          queueId: queue.queueId,
          queueOffset,
          physicalOffset,
          recordSha1: createHash('sha1').update(record).digest('hex'),
          keys: findProperty(properties, 'KEYS') ?? null,
        });
      }
    }
    return found;
  });
}
