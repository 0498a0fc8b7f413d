/**
 * Follows the queues of a topic as one stream. What is there already comes merged by store time; what
 * arrives later comes as it arrives. Reads by offset with long polls: no group, nothing is left behind.
 */
import type { StoredMessage } from '../../protocol/message/message.ts';

/** A queue to read. */
export interface QueueCursor {
  readonly brokerName: string;
  readonly queueId: number;
  /** The next offset to read. */
  readonly startOffset: number;
}

export interface QueueBatch {
  readonly messages: readonly StoredMessage[];
  readonly nextOffset: number;
  /** The end of the queue was reached. */
  readonly isAtEnd: boolean;
}

export interface FollowedMessage {
  readonly brokerName: string;
  readonly message: StoredMessage;
}

/** Reads a batch from `offset` on; `isWaiting`: may wait for a first message. */
export type ReadQueue<Cursor extends QueueCursor> = (
  cursor: Cursor,
  offset: number,
  isWaiting: boolean,
) => Promise<QueueBatch>;

class Reading<Cursor extends QueueCursor> {
  readonly cursor: Cursor;
  readonly buffer: StoredMessage[] = [];
  nextOffset: number;
  isAtEnd = false;
  pending: Promise<void> | undefined = undefined;

  constructor(cursor: Cursor) {
    this.cursor = cursor;
    this.nextOffset = cursor.startOffset;
  }
}

/** Ends when `isFollowing` is false and all queues are at their end. */
export async function* follow<Cursor extends QueueCursor>(
  cursors: readonly Cursor[],
  read: ReadQueue<Cursor>,
  options: { readonly isFollowing: boolean },
): AsyncGenerator<FollowedMessage> {
  const readings = cursors.map((cursor) => new Reading(cursor));
  for (;;) {
    for (const reading of readings) {
      const isWanted = reading.buffer.length === 0 && (options.isFollowing || !reading.isAtEnd);
      if (!isWanted || reading.pending !== undefined) continue;
      reading.pending = fill(reading, read);
      // The race below tells of a failure; when nobody races any more, nobody has to know.
      reading.pending.catch(() => undefined);
    }
    const open = readings.filter((reading) => reading.pending !== undefined);
    const next = earliest(readings);
    // The order is known once every queue that may have older messages has shown its first.
    if (open.some((reading) => !reading.isAtEnd) || next === undefined) {
      if (open.length === 0) return;
      await Promise.race(open.flatMap((reading) => reading.pending ?? []));
      continue;
    }
    const message = next.buffer.shift();
    if (message !== undefined) yield { brokerName: next.cursor.brokerName, message };
  }
}

async function fill<Cursor extends QueueCursor>(
  reading: Reading<Cursor>,
  read: ReadQueue<Cursor>,
): Promise<void> {
  const batch = await read(reading.cursor, reading.nextOffset, reading.isAtEnd);
  reading.buffer.push(...batch.messages);
  reading.nextOffset = batch.nextOffset;
  reading.isAtEnd = batch.isAtEnd;
  reading.pending = undefined;
}

function earliest<Cursor extends QueueCursor>(
  readings: readonly Reading<Cursor>[],
): Reading<Cursor> | undefined {
  let best: Reading<Cursor> | undefined;
  for (const reading of readings) {
    const [head] = reading.buffer;
    if (head === undefined) continue;
    const leader = best?.buffer[0];
    if (leader === undefined || head.storeTimestampMs < leader.storeTimestampMs) best = reading;
  }
  return best;
}
