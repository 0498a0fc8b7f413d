/**
 * Stores that Apache RocketMQ 5.4.0 wrote, taken over: every entry of their manifests holds, and the source is
 * as it was. Skipped where the recordings are not at hand.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import { decodeProperties, findProperty } from '../../src/protocol/message/properties.ts';
import { encodeStoredMessage } from '../../src/protocol/message/record.ts';
import type { Broker } from '../../src/server/broker/broker.ts';
import { decodeTimer } from '../../src/server/broker/schedule/timer.ts';
import type { LogStore } from '../../src/server/store/log-store.ts';
import {
  digestOf,
  goldenNames,
  haveGoldenStores,
  type Manifest,
  temporaryFolder,
  unpackGolden,
} from '../support/golden-store.ts';
import { importStore, messagesOf, withStore } from '../support/offline-store.ts';

describe.skipIf(!haveGoldenStores)('stores of Apache (skipped without ../shared)', () => {
  test.each(goldenNames)('%s: every entry of the manifest', async (name) => {
    const { store: source, manifest } = unpackGolden(name);
    const before = digestOf(source);
    const dataDir = temporaryFolder();
    const report = await importStore(source, dataDir);
    expect(digestOf(source)).toBe(before);
    expect(report).toMatchObject({
      records: manifest.records,
      maxPhysicalOffset: manifest.logEnd,
      holes: [],
    });
    await withStore(dataDir, async ({ store, broker }) => {
      expect(store.status().maxPhysicalOffset).toBe(manifest.logEnd);
      checkQueues(store, manifest);
      await checkMessages(store, manifest);
      await checkConfiguration(broker, manifest);
      await checkOffsets(broker, manifest);
    });
  });

  test('what waits for its time: not what fired, not what was recalled', async () => {
    const { store: source } = unpackGolden('clean');
    const dataDir = temporaryFolder();
    await importStore(source, dataDir);
    const waiting = await withStore(dataDir, ({ store }) => waitingKeys(store));
    const byLevel = ['level-6', 'level-7', 'level-8', 'level-9', 'level-10', 'level-11'];
    const byTime = ['timer-6', 'timer-7', 'timer-8', 'timer-9', 'timer-10', 'timer-11'];
    expect(waiting.sort()).toEqual([...byLevel, ...byTime].sort());
  });

  test('a group that was told to pop goes on popping', async () => {
    const { store: source } = unpackGolden('clean');
    const dataDir = temporaryFolder();
    await importStore(source, dataDir);
    const mode = await withStore(dataDir, ({ modes }) =>
      Promise.resolve(modes.get('gs-pop', 'gs-group-pop')),
    );
    expect(mode).toEqual({ mode: 'POP', popShareQueueCount: 8 });
  });

  test('what was not decided is asked about', async () => {
    const { store: source } = unpackGolden('clean');
    const dataDir = temporaryFolder();
    await importStore(source, dataDir);
    const open = await withStore(dataDir, async ({ store }) => {
      const keys: string[] = [];
      for await (const [, value] of store.loadState('transaction/')) {
        const { physicalOffset } = JSON.parse(Buffer.from(value).toString('utf8'));
        const half = await store.readAt(physicalOffset);
        keys.push(findProperty(half?.properties ?? Buffer.alloc(0), 'KEYS') ?? '');
      }
      return keys;
    });
    expect(open.sort()).toEqual(['tx-open-0', 'tx-open-1', 'tx-open-2']);
  });
});

function checkQueues(store: LogStore, manifest: Manifest): void {
  const queues = [...store.queues()].map(({ topic, queueId, minOffset, maxOffset }) => {
    return { topic, queueId, minOffset, maxOffset };
  });
  const key = (queue: { topic: string; queueId: number }): string =>
    `${queue.topic} ${queue.queueId}`;
  const byName = (list: readonly { topic: string; queueId: number }[]): unknown[] =>
    list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  expect(byName(queues)).toEqual(byName(manifest.queues));
}

/** What Apache's broker served, in the same places, byte for byte. */
async function checkMessages(store: LogStore, manifest: Manifest): Promise<void> {
  const served = new Map<string, StoredMessage>();
  for (const queue of store.queues()) {
    for (const [index, message] of (await messagesOf(store, queue)).entries()) {
      if (message === undefined) throw new Error(`nothing at ${queue.topic} ${index}`);
      const place = `${queue.topic} ${queue.queueId} ${queue.minOffset + index}`;
      served.set(place, message);
    }
  }
  for (const expected of manifest.messages) {
    const raw = await store.readAt(expected.physicalOffset as StoredMessage['physicalOffset']);
    if (raw === undefined) throw new Error(`no record at ${expected.physicalOffset}`);
    const hasChecksum = '__CRC32#' in expected.properties;
    const bytes = encodeStoredMessage(raw, hasChecksum);
    expect(createHash('sha1').update(bytes).digest('hex')).toBe(expected.recordSha1);
    // A light queue's own offset is not in the manifest: the record's is.
    if (expected.recordTopic !== undefined) continue;
    const found = served.get(`${expected.topic} ${expected.queueId} ${expected.queueOffset}`);
    expect(found?.physicalOffset).toBe(expected.physicalOffset);
    expect(found?.storeSizeBytes).toBe(expected.storeSize);
    if ((expected.sysFlag & 0x80) !== 0) continue;
    const { '__CRC32#': _, ...properties } = expected.properties;
    expect(Object.fromEntries(decodeProperties(found?.properties ?? Buffer.alloc(0)))).toEqual(
      properties,
    );
  }
}

async function checkConfiguration(broker: Broker, manifest: Manifest): Promise<void> {
  const topics = (await broker.listTopics()).map(({ topic }) => topic);
  const known = topics.filter((topic) => !topic.startsWith('%LMQ%'));
  expect(known.sort()).toEqual([...manifest.topics].sort());
  const groups = (await broker.listGroups()).map(({ group }) => group);
  expect(groups.sort()).toEqual([...manifest.groups].sort());
}

async function checkOffsets(broker: Broker, manifest: Manifest): Promise<void> {
  for (const [key, offsets] of Object.entries(manifest.consumerOffsets ?? {})) {
    const [topic = '', group = ''] = key.split('@');
    for (const [queueId, offset] of Object.entries(offsets)) {
      expect(await broker.getOffset(group, topic, Number(queueId))).toBe(offset);
    }
  }
}

async function waitingKeys(store: LogStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const [key, value] of store.loadState('timer/')) {
    if (key.startsWith('timer/!')) continue;
    const { physicalOffset } = decodeTimer(key.slice('timer/'.length), value);
    const record = await store.readAt(physicalOffset);
    keys.push(findProperty(record?.properties ?? Buffer.alloc(0), 'KEYS') ?? '');
  }
  return keys;
}
