/** The store's calls with callbacks, as promises, for checks. */
import { RmqError } from '../../src/protocol/errors.ts';
import type { QueueOffset, StoredMessage } from '../../src/protocol/message/message.ts';
import type {
  MessageStore,
  QueueEntry,
  StoredQueue,
} from '../../src/server/store/message-store.ts';

export function readEntries(
  store: MessageStore,
  queue: StoredQueue,
  from: number,
  maxCount: number,
): Promise<readonly QueueEntry[]> {
  return new Promise((resolve, reject) => {
    store.readEntries(queue, from as QueueOffset, maxCount, (result) => {
      if (result instanceof RmqError) reject(result);
      else resolve(result);
    });
  });
}

export function readMessages(
  store: MessageStore,
  entries: readonly QueueEntry[],
): Promise<readonly (StoredMessage | undefined)[]> {
  return new Promise((resolve, reject) => {
    store.readMessages(entries, (result) => {
      if (result instanceof RmqError) reject(result);
      else resolve(result);
    });
  });
}
