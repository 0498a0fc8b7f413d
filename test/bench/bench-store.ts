/** A store on a real disk, and typical messages for it; shared by the benchmarks of the store. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { NodeFiles } from '../../src/platform/node-files.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import { levelDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import type { LogStoreOptions } from '../../src/server/store/options.ts';
import { localHost, plainDraft } from '../support/plain-draft.ts';

export async function makeStore(
  folder: string,
  options: Partial<LogStoreOptions> = {},
): Promise<LogStore> {
  return new LogStore({
    files: new NodeFiles(),
    clock: nodeClock,
    logger: silentLogger,
    openDatabase: await levelDatabaseFactory(join(folder, 'index')),
    databaseFolder: join(folder, 'index'),
    folder,
    flush: 'async',
    segmentSizeBytes: 64 << 20,
    retentionMs: 72 * 3_600_000,
    minFreeBytes: 0,
    storeHost: localHost,
    ...options,
  });
}

/** With the properties that a client and a broker give a message. */
export function typicalDraft(
  topic: string,
  queueId: number,
  number: number,
  body: Buffer,
): MessageDraft {
  const properties = encodeProperties(
    new Map([
      ['UNIQ_KEY', `7F00000100002A139F16${number.toString(16).toUpperCase().padStart(12, '0')}`],
      ['CLUSTER', 'DefaultCluster'],
      ['MSG_REGION', 'DefaultRegion'],
      ['TRACE_ON', 'true'],
      ['WAIT', 'true'],
    ]),
  );
  return plainDraft({
    topic,
    queueId,
    bornTimestampMs: Date.now(),
    body,
    properties,
  });
}

/** Appends `count` drafts, some hundred at a time; rejects when one is refused. */
export async function appendAll(
  store: LogStore,
  count: number,
  draftOf: (index: number) => MessageDraft,
): Promise<void> {
  const inFlightMax = 512;
  let inFlight = 0;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  for (let index = 0; index < count; index++) {
    inFlight++;
    store.append([draftOf(index)], (result) => {
      inFlight--;
      if (result instanceof Error) failure ??= result;
      if (inFlight <= inFlightMax / 2) wake?.();
    });
    if (failure !== undefined) throw failure;
    if (inFlight < inFlightMax) continue;
    await new Promise<void>((resolve) => (wake = resolve));
    await setImmediate();
  }
  while (inFlight > 0) await setImmediate();
  if (failure !== undefined) throw failure;
}

/** Bytes that the files of a folder take on the disk. */
export async function diskBytes(files: NodeFiles, folder: string): Promise<number> {
  let sum = 0;
  for (const name of await files.list(folder)) {
    const one = await stat(join(folder, name)).catch(() => undefined);
    if (one === undefined) continue; // gone meanwhile
    sum += one.isDirectory() ? await diskBytes(files, join(folder, name)) : one.blocks * 512;
  }
  return sum;
}
