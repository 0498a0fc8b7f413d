/**
 * Queues of an Apache store whose messages retention has taken all: how far they went is in no record any
 * more, only in their consume queue (facts/store.md §5), and their offsets must not run back.
 */
import type { Files } from '../../platform/files.ts';
import { getInt32, getInt64 } from '../../protocol/message/bytes.ts';
import type { LogStore } from '../store/log-store.ts';
import { isMissing } from './folder.ts';

export const queueEntrySizeBytes = 20;

export interface QueueEnd {
  readonly topic: string;
  readonly queueId: number;
  readonly max: number;
}

/** Those with a consume queue that `store` has no message of. */
export async function emptiedQueues(
  files: Files,
  path: string,
  store: LogStore,
): Promise<QueueEnd[]> {
  const found: QueueEnd[] = [];
  const root = `${path}/consumequeue`;
  for (const topic of await foldersIn(files, root)) {
    for (const name of await foldersIn(files, `${root}/${topic}`)) {
      if (!/^\d{1,5}$/.test(name)) continue;
      const queueId = Number(name);
      if (store.queue(topic, queueId).maxOffset > 0) continue;
      const max = await endOf(files, `${root}/${topic}/${name}`, store.status().minPhysicalOffset);
      if (max > 0) found.push({ topic, queueId, max });
    }
  }
  return found;
}

async function foldersIn(files: Files, folder: string): Promise<string[]> {
  try {
    return await files.list(folder);
  } catch (error) {
    if (isMissing(error)) return []; // a file, or nothing
    throw error;
  }
}

/** Behind the last entry whose record lay below the log's begin; others were cut with the log's end. */
async function endOf(files: Files, folder: string, beginOffset: number): Promise<number> {
  const name = (await foldersIn(files, folder)).filter((one) => /^\d{20}$/.test(one)).at(-1);
  if (name === undefined) return 0;
  const bytes = await files.readFile(`${folder}/${name}`);
  let count = Math.floor(bytes.length / queueEntrySizeBytes);
  for (; count > 0; count--) {
    const at = (count - 1) * queueEntrySizeBytes;
    if (getInt32(bytes, at + 8) > 0 && getInt64(bytes, at) < beginOffset) break;
  }
  return Number(name) / queueEntrySizeBytes + count;
}
