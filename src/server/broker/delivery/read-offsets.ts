/** Reads messages by their queue offsets, some here, some there, with one reading of the log for all. */
import type { StoredMessage } from '../../../protocol/message/message.ts';
import type { MessageStore, QueueEntry, StoredQueue } from '../../store/message-store.ts';

/**
 * The messages at rising offsets of a queue, in order; undefined where there is none (any more). When
 * the store cannot be read, the error in each place.
 */
export function readOffsets(
  store: MessageStore,
  queue: StoredQueue,
  wanted: readonly { readonly offset: number }[],
  reply: (messages: readonly (StoredMessage | Error | undefined)[]) => void,
): void {
  if (wanted.length === 0) return reply([]);
  const entries = new Map<number, QueueEntry>();
  const readMessages = (): void => {
    const found = [...entries.values()];
    store.readMessages(found, (messages) => {
      if (messages instanceof Error) return reply(wanted.map(() => messages));
      const byOffset = new Map<number, StoredMessage>();
      for (const one of messages) if (one !== undefined) byOffset.set(one.queueOffset, one);
      reply(wanted.map(({ offset }) => byOffset.get(offset)));
    });
  };
  const readRun = (index: number): void => {
    const first = wanted[index];
    if (first === undefined) return readMessages();
    let end = index + 1;
    while (wanted[end]?.offset === first.offset + (end - index)) end++;
    const from = first.offset as QueueEntry['queueOffset']; // an offset of this queue
    store.readEntries(queue, from, end - index, (indexed) => {
      if (indexed instanceof Error) return reply(wanted.map(() => indexed));
      for (const entry of indexed) {
        if (entry.queueOffset >= from && entry.queueOffset < from + (end - index)) {
          entries.set(entry.queueOffset, entry);
        }
      }
      // A block of the index may end within the run.
      readRun(index + Math.max(1, indexed.length));
    });
  };
  readRun(0);
}
