/**
 * What a store has promised at each place of a journal, and whether a store that was opened from an image keeps
 * it: what was acknowledged is there, nothing is that was not sent, state says what it last said durably, and
 * what follows from the log is of one instant with it.
 */
import type { StoredMessage } from '../../src/protocol/message/message.ts';
import type { LogStore } from '../../src/server/store/log-store.ts';
import type {
  Appended,
  DerivedState,
  StateBatch,
  StateRange,
  StateSource,
} from '../../src/server/store/message-store.ts';
import { readBody } from '../sim/payload.ts';
import { readEntries, readMessages } from '../sim/store-calls.ts';
import { check } from '../sim/store-model.ts';

export const folder = 'store';

export interface Sent {
  readonly number: number;
  readonly topic: string;
  readonly queueId: number;
  /** Place in the journal before which it was not sent. */
  readonly sentAt: number;
  /** From here on it is acknowledged. */
  ackedAt: number;
  place: Appended | undefined;
}

/** A value of the one row of own state, and where in the journal it was asked for and answered. */
export interface Said {
  readonly value: number;
  readonly askedAt: number;
  answeredAt: number;
}

/** What is promised at one place in the journal. */
export interface Promised {
  readonly sent: readonly Sent[];
  readonly said: readonly Said[];
  /** Up to here in the journal. */
  readonly at: number;
  /** Physical offsets below are on the disk itself: acknowledged messages there must be kept. */
  readonly keptOffset: number;
  /** Retention may have deleted what lies below. */
  readonly expiredOffset: number;
}

/** State of the broker: one number that only grows. */
export class Counter implements StateSource {
  value = 0;
  #isDirty = false;

  set(value: number): void {
    this.value = value;
    this.#isDirty = true;
  }

  collect(batch: StateBatch): void {
    if (this.#isDirty) batch.put('counter/one', Buffer.from(String(this.value)));
    this.#isDirty = false;
  }
}

/** State that follows from the log: where each record lies. */
export class Tally implements DerivedState {
  readonly prefix = 'tally/';
  readonly places = new Map<number, string>();
  #dirty: [number, string][] = [];

  restore(key: string, value: Uint8Array): boolean {
    this.places.set(Number.parseInt(key.slice(this.prefix.length), 16), String(Buffer.from(value)));
    return true;
  }

  clear(): void {
    this.places.clear();
    this.#dirty = [];
  }

  dispatched(message: { readonly body: Uint8Array }, place: Appended): void {
    const text = String(readBody(message.body));
    check(!this.places.has(place.physicalOffset), `${text} was dispatched twice`);
    this.places.set(place.physicalOffset, text);
    this.#dirty.push([place.physicalOffset, text]);
  }

  collect(batch: StateBatch): void {
    for (const [offset, text] of this.#dirty) batch.put(keyOf(offset), Buffer.from(text));
    this.#dirty = [];
  }

  outdated(offset: number): StateRange {
    for (const place of this.places.keys()) if (place < offset) this.places.delete(place);
    return { from: this.prefix, until: keyOf(offset) };
  }
}

function keyOf(offset: number): string {
  return `tally/${offset.toString(16).padStart(14, '0')}`;
}

/** Reads everything and compares. Answers what was there, by number. */
export async function verify(
  store: LogStore,
  tally: Tally,
  promised: Promised,
): Promise<ReadonlyMap<number, StoredMessage>> {
  const seen = new Map<number, StoredMessage>();
  const known = new Map(promised.sent.map((sent) => [sent.number, sent]));
  for (const queue of store.queues()) {
    for (let next: number = queue.minOffset; next < queue.maxOffset; ) {
      const entries = await readEntries(store, queue, next, 64);
      check(entries.length > 0, `${queue.topic}/${queue.queueId}@${next}: no entry`);
      const messages = await readMessages(store, entries);
      for (const [index, message] of messages.entries()) {
        const at = next + index;
        check(entries[index]?.queueOffset === at, `${queue.topic}@${at}: entry in a wrong place`);
        if (message !== undefined)
          seen.set(checkMessage(message, queue, at, known, promised), message);
      }
      next += entries.length;
    }
  }
  checkKept(seen, promised);
  // Retention takes messages from the index first, then the files.
  const begin = Math.max(store.status().minPhysicalOffset, promised.expiredOffset);
  checkTally(tally, seen, begin);
  await checkState(store, promised);
  return seen;
}

function checkMessage(
  message: StoredMessage,
  queue: { readonly topic: string; readonly queueId: number },
  queueOffset: number,
  known: ReadonlyMap<number, Sent>,
  promised: Promised,
): number {
  const number = readBody(message.body);
  check(typeof number === 'number', `${queue.topic}@${queueOffset}: ${number}`);
  const sent = known.get(number);
  check(sent !== undefined && sent.sentAt <= promised.at, `message ${number} was never sent`);
  check(
    sent.topic === queue.topic && sent.queueId === queue.queueId,
    `message ${number} is in ${queue.topic}/${queue.queueId}`,
  );
  check(message.queueOffset === queueOffset, `message ${number} names another offset`);
  if (sent.place !== undefined && sent.ackedAt <= promised.at) {
    check(sent.place.queueOffset === queueOffset, `message ${number} changed its queue offset`);
    check(sent.place.physicalOffset === message.physicalOffset, `message ${number} moved`);
  }
  return number;
}

function checkKept(seen: ReadonlyMap<number, StoredMessage>, promised: Promised): void {
  for (const { number, place, ackedAt } of promised.sent) {
    if (place === undefined || ackedAt > promised.at || seen.has(number)) continue;
    if (place.physicalOffset < promised.expiredOffset) continue;
    const end = place.physicalOffset + place.storeSizeBytes;
    check(end > promised.keptOffset, `message ${number} was acknowledged and is gone`);
  }
}

function checkTally(
  tally: Tally,
  seen: ReadonlyMap<number, StoredMessage>,
  beginOffset: number,
): void {
  const places = [...tally.places].filter(([offset]) => offset >= beginOffset);
  const expected = [...seen].filter(([, one]) => one.physicalOffset >= beginOffset);
  for (const [number, { physicalOffset }] of expected) {
    const text = tally.places.get(physicalOffset);
    check(text === String(number), `message ${number}: what follows from the log says ${text}`);
  }
  check(
    places.length === expected.length,
    `what follows from the log has ${places.length} records, there are ${expected.length}`,
  );
}

/** The one number of own state that the database has. */
export async function stateOf(store: LogStore): Promise<number> {
  for await (const [, bytes] of store.loadState('counter/')) {
    return Number(String(Buffer.from(bytes)));
  }
  return 0;
}

async function checkState(store: LogStore, promised: Promised): Promise<void> {
  const value = await stateOf(store);
  let atLeast = 0;
  let atMost = 0;
  for (const said of promised.said) {
    if (said.answeredAt <= promised.at) atLeast = Math.max(atLeast, said.value);
    if (said.askedAt <= promised.at) atMost = Math.max(atMost, said.value);
  }
  check(
    value >= atLeast && value <= atMost,
    `state says ${value}, between ${atLeast} and ${atMost}`,
  );
}
