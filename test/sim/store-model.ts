/**
 * What a store has promised, and the check that it keeps it. The model knows of each message sent
 * what was answered; after each restart everything that the store shows is compared with it.
 */
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import type { Appended, MessageStore, StoredQueue } from '../../src/server/store/message-store.ts';
import { readBody } from './payload.ts';
import { readEntries, readMessages } from './store-calls.ts';

export class CheckFailure extends Error {
  override name = 'CheckFailure';
}

export function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new CheckFailure(what);
}

/**
 * pending: not answered, its process lives. unknown: it will never be answered, or failed in a way
 * that leaves open whether it is kept. refused: must never be seen. acked: must be seen.
 * kept: was unknown and was seen, so it must stay. lost: allowed to be gone, and was.
 */
export type MessageState = 'pending' | 'acked' | 'kept' | 'unknown' | 'refused' | 'lost';

export interface SentMessage {
  readonly number: number;
  readonly topic: string;
  readonly queueId: number;
  state: MessageState;
  ackedAtUs: number;
  queueOffset: number;
  physicalOffset: number;
  storeTimestampMs: number;
}

export class StoreModel {
  readonly messages: SentMessage[] = [];
  readonly #queues = new Map<string, SentMessage[]>();

  /** A message is about to be sent. Numbers count from 0 in the order of `append`. */
  sent(topic: string, queueId: number): SentMessage {
    const message: SentMessage = {
      number: this.messages.length,
      topic,
      queueId,
      state: 'pending',
      ackedAtUs: 0,
      queueOffset: -1,
      physicalOffset: -1,
      storeTimestampMs: 0,
    };
    this.messages.push(message);
    const key = `${topic}/${queueId}`;
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, [message]);
    else queue.push(message);
    return message;
  }

  acked(message: SentMessage, appended: Appended, nowUs: number): void {
    check(message.state === 'pending', `message ${message.number} was answered twice`);
    for (let at = message.number - 1; at >= 0; at -= 1) {
      const before = this.messages[at] as SentMessage;
      if (before.state === 'acked' || before.state === 'kept') {
        check(
          before.physicalOffset < appended.physicalOffset,
          `message ${message.number} is at ${appended.physicalOffset}, not behind ${before.number} at ${before.physicalOffset}`,
        );
        break;
      }
    }
    message.state = 'acked';
    message.ackedAtUs = nowUs;
    message.queueOffset = appended.queueOffset;
    message.physicalOffset = appended.physicalOffset;
    message.storeTimestampMs = appended.storeTimestampMs;
  }

  /** The process died: what was not answered never will be. */
  processDied(): void {
    for (let at = this.messages.length - 1; at >= 0; at -= 1) {
      const message = this.messages[at] as SentMessage;
      if (message.state === 'pending') message.state = 'unknown';
    }
  }

  queueKeys(): IterableIterator<string> {
    return this.#queues.keys();
  }

  queueOf(key: string): readonly SentMessage[] {
    return this.#queues.get(key) ?? [];
  }

  ackedCount(): number {
    return this.messages.filter((message) => message.state === 'acked').length;
  }

  /** A message was read while its store is up. */
  checkRead(stored: StoredMessage, queue: StoredQueue, queueOffset: number): SentMessage {
    const where = `${queue.topic}/${queue.queueId}@${queueOffset}`;
    const number = readBody(stored.body);
    check(typeof number === 'number', `${where}: ${number}`);
    const message = this.messages[number];
    check(message !== undefined, `${where}: message ${number} was never sent`);
    const of = `${where}: message ${number}`;
    check(
      message.topic === queue.topic && message.queueId === queue.queueId,
      `${of} belongs elsewhere`,
    );
    check(stored.topic === queue.topic, `${of} has topic ${stored.topic}`);
    check(stored.queueId === queue.queueId, `${of} has queue ${stored.queueId}`);
    check(stored.queueOffset === queueOffset, `${of} says offset ${stored.queueOffset}`);
    check(message.state !== 'pending', `${of} is visible before it was answered`);
    check(message.state !== 'refused', `${of} was refused`);
    check(message.state !== 'lost', `${of} had been lost`);
    const properties = Buffer.from(stored.properties).toString();
    check(
      properties.includes(`UNIQ_KEY\u0001sim-${String(number).padStart(6, '0')}`),
      `${of} has properties ${properties}`,
    );
    if (message.state === 'acked' || message.state === 'kept') {
      check(
        message.queueOffset === queueOffset && message.physicalOffset === stored.physicalOffset,
        `${of} at ${stored.physicalOffset} was answered as @${message.queueOffset} at ${message.physicalOffset}`,
      );
      check(message.storeTimestampMs === stored.storeTimestampMs, `${of} changed its store time`);
    }
    return message;
  }
}

/** Before any time that a power cut may take messages from. */
const shownAtStart = -Infinity;

export interface VerifyOptions {
  readonly nowUs: number;
  /** Messages answered before this time (µs) may not be gone; Infinity: none may. */
  readonly keptUntilUs: number;
}

/** Reads the whole store and compares. Called with reads that do not fail. */
export async function verifyStore(
  store: MessageStore,
  model: StoreModel,
  options: VerifyOptions,
): Promise<void> {
  const seen = new Set<number>();
  for (const queue of store.queues()) {
    const known = model.queueOf(`${queue.topic}/${queue.queueId}`).length > 0;
    check(known || queue.maxOffset === 0, `${queue.topic}/${queue.queueId} was never written to`);
  }
  const physical = new Set<number>();
  for (const key of model.queueKeys()) {
    const slash = key.lastIndexOf('/');
    const queue = store.queue(key.slice(0, slash), Number(key.slice(slash + 1)));
    await verifyQueue(store, model, queue, seen, physical);
  }
  for (const message of model.messages) {
    if ((message.state !== 'acked' && message.state !== 'kept') || seen.has(message.number)) {
      if (message.state === 'unknown' && !seen.has(message.number)) message.state = 'lost';
      continue;
    }
    const of = `message ${message.number} of ${message.topic}/${message.queueId}@${message.queueOffset}`;
    check(message.ackedAtUs >= options.keptUntilUs, `${of} was acknowledged and is gone`);
    message.state = 'lost';
  }
}

async function verifyQueue(
  store: MessageStore,
  model: StoreModel,
  queue: StoredQueue,
  seen: Set<number>,
  physical: Set<number>,
): Promise<void> {
  const name = `${queue.topic}/${queue.queueId}`;
  let lastNumber = -1;
  // Later than 0 when the first ones were lost, which `verifyStore` judges.
  let next: number = queue.minOffset;
  while (next < queue.maxOffset) {
    const entries = await readEntries(store, queue, next, 64);
    check(
      entries.length > 0,
      `${name}@${next}: no entry, though the queue ends at ${queue.maxOffset}`,
    );
    const messages = await readMessages(store, entries);
    check(messages.length === entries.length, `${name}@${next}: ${messages.length} messages`);
    for (const [index, entry] of entries.entries()) {
      const stored = messages[index];
      check(
        entry.queueOffset === next,
        `${name}: entry ${entry.queueOffset} in the place of ${next}`,
      );
      if (stored === undefined) {
        // Lost, and passed over; who was acknowledged there is missed by `verifyStore`.
        next += 1;
        continue;
      }
      check(entry.storeSizeBytes > 0, `${name}@${next}: a message whose entry says it is lost`);
      const message = model.checkRead(stored, queue, next);
      check(!physical.has(entry.physicalOffset), `${name}@${next}: a record is indexed twice`);
      check(!seen.has(message.number), `message ${message.number} is there twice`);
      check(message.number > lastNumber, `${name}@${next}: ${message.number} behind ${lastNumber}`);
      check(
        entry.storeSizeBytes === stored.storeSizeBytes,
        `${name}@${next}: wrong size in the index`,
      );
      physical.add(entry.physicalOffset);
      seen.add(message.number);
      if (message.state === 'unknown') {
        message.state = 'kept';
        message.queueOffset = next;
        message.physicalOffset = stored.physicalOffset;
        message.storeTimestampMs = stored.storeTimestampMs;
      }
      // Recovery has shown it, so it is on the disk, whatever `flush` and the disk were before.
      message.ackedAtUs = shownAtStart;
      lastNumber = message.number;
      next += 1;
    }
  }
  const beyond = await readEntries(store, queue, next, 1);
  check(beyond.length === 0, `${name}: entries behind the end`);
}
