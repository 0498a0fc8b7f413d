/**
 * What a store has promised, and the check that it keeps it. The model knows of each message sent
 * what was answered; after each restart everything that the store shows is compared with it.
 */
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import { findProperty } from '../../src/protocol/message/properties.ts';
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
  /** Of compacted topics; none: ''. */
  readonly key: string;
  /** It has no body: its key is deleted. */
  isDeletion: boolean;
  state: MessageState;
  ackedAtUs: number;
  queueOffset: number;
  physicalOffset: number;
  storeTimestampMs: number;
}

/** What a store was told to delete; see `StoreConfig`. */
export interface Deletion {
  readonly hasRetention: boolean;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly segmentSizeBytes: number;
  readonly ownRetentionFactor: number;
  readonly keyCount: number;
}

export class StoreModel {
  readonly messages: SentMessage[] = [];
  readonly #queues = new Map<string, SentMessage[]>();
  readonly #deletion: Deletion;
  readonly #epochMs: number;
  /** The log has been as long as this. */
  #longest = 0;

  constructor(deletion: Deletion, epochMs: number) {
    this.#deletion = deletion;
    this.#epochMs = epochMs;
  }

  isCompacted(topic: string): boolean {
    return this.#deletion.keyCount > 0 && topic === 'topic-0';
  }

  /** Of a topic that is not kept as long as others. */
  ownRetentionMs(topic: string): number | undefined {
    const { hasRetention, retentionMs, ownRetentionFactor } = this.#deletion;
    if (!hasRetention || topic !== 'topic-1' || ownRetentionFactor === 1) return undefined;
    return retentionMs * ownRetentionFactor;
  }

  logIs(maxPhysicalOffset: number): void {
    this.#longest = Math.max(this.#longest, maxPhysicalOffset);
  }

  /** Whether retention may have taken it. */
  mayBeDeleted(message: SentMessage, nowUs: number): boolean {
    const { hasRetention, retentionMs, retentionBytes, segmentSizeBytes } = this.#deletion;
    if (!hasRetention) return false;
    // The segment that is over the limit goes as a whole.
    const overSize = this.#longest - retentionBytes + segmentSizeBytes;
    if (message.physicalOffset < overSize) return true;
    const ageMs = this.#epochMs + nowUs / 1_000 - message.storeTimestampMs;
    return ageMs > (this.ownRetentionMs(message.topic) ?? retentionMs);
  }

  /** A message is about to be sent. Numbers count from 0 in the order of `append`. */
  sent(topic: string, queueId: number, key = ''): SentMessage {
    const message: SentMessage = {
      number: this.messages.length,
      topic,
      queueId,
      key,
      isDeletion: false,
      state: 'pending',
      ackedAtUs: 0,
      queueOffset: -1,
      physicalOffset: -1,
      storeTimestampMs: 0,
    };
    this.messages.push(message);
    const name = `${topic}/${queueId}`;
    const queue = this.#queues.get(name);
    if (queue === undefined) this.#queues.set(name, [message]);
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
    this.logIs(appended.physicalOffset + appended.storeSizeBytes);
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
    const number = numberOf(stored);
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
      // The newest message of a key is moved before its segment goes.
      const isMoved =
        message.key !== '' &&
        this.#deletion.hasRetention &&
        queueOffset > message.queueOffset &&
        stored.physicalOffset > message.physicalOffset;
      if (isMoved) return message;
      check(
        message.queueOffset === queueOffset && message.physicalOffset === stored.physicalOffset,
        `${of} at ${stored.physicalOffset} was answered as @${message.queueOffset} at ${message.physicalOffset}`,
      );
      check(message.storeTimestampMs === stored.storeTimestampMs, `${of} changed its store time`);
    }
    return message;
  }
}

/** Of the message that has this body, or of one without by its name; or why there is none. */
function numberOf({ body, properties }: StoredMessage): number | string {
  if (body.length > 0) return readBody(body);
  const name = findProperty(properties, 'UNIQ_KEY') ?? '';
  return /^sim-\d{6}$/.test(name) ? Number(name.slice(4)) : `no body, and named ${name}`;
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
  const newest: NewestOfKeys = new Map();
  model.logIs(store.status().maxPhysicalOffset);
  for (const queue of store.queues()) {
    const known = model.queueOf(`${queue.topic}/${queue.queueId}`).length > 0;
    check(known || queue.maxOffset === 0, `${queue.topic}/${queue.queueId} was never written to`);
  }
  const physical = new Set<number>();
  for (const key of model.queueKeys()) {
    const slash = key.lastIndexOf('/');
    const queue = store.queue(key.slice(0, slash), Number(key.slice(slash + 1)));
    await verifyQueue(store, model, queue, { seen, physical, newest });
  }
  for (const message of model.messages) {
    if ((message.state !== 'acked' && message.state !== 'kept') || seen.has(message.number)) {
      const isLost = message.state === 'unknown' && !seen.has(message.number);
      // A newer one of its key may have replaced it.
      if (isLost && message.key === '') message.state = 'lost';
      continue;
    }
    const of = `message ${message.number} of ${message.topic}/${message.queueId}@${message.queueOffset}`;
    // What is only not shown any more comes back with an index that is built again.
    const isPowerCut = message.ackedAtUs >= options.keptUntilUs;
    if (mayBeGone(model, message, newest, options.nowUs)) {
      if (isPowerCut) message.state = 'unknown';
      continue;
    }
    check(isPowerCut, `${of} ${message.key} was acknowledged and is gone`);
    message.state = 'lost';
  }
}

/** The newest message of each key that a store shows. */
type NewestOfKeys = Map<string, number>;

function keyIn({ topic, queueId, key }: SentMessage): string {
  return `${topic}/${queueId} ${key}`;
}

/** Whether retention or compaction may have taken it. */
function mayBeGone(
  model: StoreModel,
  message: SentMessage,
  newest: NewestOfKeys,
  nowUs: number,
): boolean {
  const { topic, queueId, key, isDeletion, number } = message;
  if (key === '' || isDeletion) {
    if (model.mayBeDeleted(message, nowUs)) return true;
  }
  if (key === '') return false;
  const last = newest.get(keyIn(message));
  if (last !== undefined) return last > number;
  // What deleted its key may be gone as well.
  return model.queueOf(`${topic}/${queueId}`).some((one) => {
    const isKept = one.state !== 'refused' && one.state !== 'lost';
    const isBehind = one.key === key && one.number > number;
    return isKept && isBehind && one.isDeletion && model.mayBeDeleted(one, nowUs);
  });
}

/** A key of which more than one message is shown; none: ''. */
export async function doubledKey(store: MessageStore, model: StoreModel): Promise<string> {
  for (const name of model.queueKeys()) {
    const slash = name.lastIndexOf('/');
    const queue = store.queue(name.slice(0, slash), Number(name.slice(slash + 1)));
    const keys = new Set<string>();
    for (let next: number = queue.minOffset; next < queue.maxOffset; ) {
      const entries = await readEntries(store, queue, next, 64);
      if (entries.length === 0) break;
      for (const message of await readMessages(store, entries)) {
        const key = findProperty(message?.properties ?? noBytes, 'KEYS');
        if (key === undefined) continue;
        if (keys.has(key)) return `${name} ${key}`;
        keys.add(key);
      }
      next = (entries[entries.length - 1]?.queueOffset ?? next) + 1;
    }
  }
  return '';
}

const noBytes = Buffer.alloc(0);

async function verifyQueue(
  store: MessageStore,
  model: StoreModel,
  queue: StoredQueue,
  shown: {
    readonly seen: Set<number>;
    readonly physical: Set<number>;
    readonly newest: NewestOfKeys;
  },
): Promise<void> {
  const { seen, physical, newest } = shown;
  const name = `${queue.topic}/${queue.queueId}`;
  let lastNumber = -1;
  // Later than 0 when the first ones were lost, which `verifyStore` judges.
  let next: number = queue.minOffset;
  while (next < queue.maxOffset) {
    const entries = await readEntries(store, queue, next, 64);
    // Retention may have gone on meanwhile.
    if (queue.minOffset > next) next = entries[0]?.queueOffset ?? queue.minOffset;
    if (next >= queue.maxOffset) break;
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
      if (message.key === '') {
        check(!seen.has(message.number), `message ${message.number} is there twice`);
        const text = `${name}@${next}: ${message.number} behind ${lastNumber}`;
        check(message.number > lastNumber, text);
        lastNumber = message.number;
      } else {
        // It may have been moved; a key's messages keep their order all the same.
        const before = newest.get(keyIn(message)) ?? -1;
        const text = `${name}@${next}: ${message.number} of ${message.key} behind ${before}`;
        check(message.number >= before, text);
        newest.set(keyIn(message), message.number);
      }
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
      next += 1;
    }
  }
  const beyond = await readEntries(store, queue, next, 1);
  check(beyond.length === 0, `${name}: entries behind the end`);
}
