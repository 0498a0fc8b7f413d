/**
 * Reads queues by offset as one stream. What is there already comes merged by store time; what arrives
 * later comes as it arrives, in order as far as it came together. Long polls, no group: nothing is left
 * behind. Pulls only as far as its consumer takes, so a slow consumer costs a bounded memory.
 */
import type { PulledMessages, QueueAddress } from '../../client/admin-client.ts';
import type { Clock } from '../../platform/clock.ts';
import { asRmqError, type RmqError } from '../../protocol/errors.ts';
import { compareStored, TailEntry } from './entry.ts';

/** A queue, and what of it is to be read. */
export interface ReaderQueue {
  readonly address: QueueAddress;
  readonly beginOffset: number;
  /** Read up to here, exclusive; Infinity: go on with what comes. */
  readonly endOffset: number;
}

export interface TailBatch {
  readonly entries: readonly TailEntry[];
  /** Messages that were passed, those included that the server's filter kept back. */
  readonly seenCount: number;
}

/** Reads from `offset` on; with `waitMs` it may wait for a first message. @throws RmqError */
export type Pull = (
  queue: QueueAddress,
  offset: number,
  options: { readonly maxCount: number; readonly waitMs: number },
) => Promise<PulledMessages>;

export interface TailReaderOptions {
  readonly pull: Pull;
  readonly clock: Clock;
  /** Told when a queue cannot be read for now, and (undefined) when it can again. */
  readonly onTrouble?: (queue: QueueAddress, error: RmqError | undefined) => void;
}

/** Messages of one pull: Apache's brokers give no more. */
const pullCount = 32;
/** Held by the broker; renewed for as long as the reader runs. */
const pullWaitMs = 15_000;
/**
 * Pulls of one queue at a time when it lies behind: one alone brings no more than 32 messages a round trip,
 * which a broker under load may take 30 ms for.
 */
const widthMax = 8;
/** A busy queue is asked again after that at the earliest, so that a pull brings several messages. */
const busyPauseMs = 20;
/** Nothing came of a pull that should have brought something. */
const idlePauseMs = 100;
const retryMinMs = 250;
const retryMaxMs = 5_000;

class Reading {
  readonly queue: ReaderQueue;
  buffer: TailEntry[] = [];
  nextOffset: number;
  maxOffset: number;
  isPulling = false;
  /** Pulls at once; grows while each brings what it can, so not where a filter leaves gaps. */
  width = 1;
  /** It has been read to its end once: from there on it does not hold up the others. */
  isLive = false;
  hasAnswered = false;
  failureCount = 0;
  /** Not to be asked earlier, monotonic ms. */
  notBeforeMs = 0;

  constructor(queue: ReaderQueue) {
    this.queue = queue;
    this.nextOffset = queue.beginOffset;
    this.maxOffset = queue.beginOffset;
  }

  get isDone(): boolean {
    return this.nextOffset >= this.queue.endOffset;
  }
}

export class TailReader {
  readonly #options: TailReaderOptions;
  readonly #readings: Reading[] = [];
  #seenCount = 0;
  #failure: RmqError | undefined = undefined;
  #isStopped = false;
  #wake: (() => void) | undefined = undefined;

  constructor(queues: readonly ReaderQueue[], options: TailReaderOptions) {
    this.#options = options;
    this.add(queues);
  }

  /** Messages that are in the queues and were not read yet, as far as the brokers told. */
  get behindCount(): number {
    let count = 0;
    for (const { maxOffset, nextOffset, buffer } of this.#readings) {
      count += Math.max(0, maxOffset - nextOffset) + buffer.length;
    }
    return count;
  }

  get queueCount(): number {
    return this.#readings.length;
  }

  /** Further queues, such as those of a new topic. */
  add(queues: readonly ReaderQueue[]): void {
    for (const queue of queues) this.#readings.push(new Reading(queue));
    this.#wakeUp();
  }

  /** Whether that queue is read already. */
  has({ topic, brokerName, queueId }: QueueAddress): boolean {
    return this.#readings.some(({ queue: { address } }) => {
      const isSame = address.topic === topic && address.brokerName === brokerName;
      return isSame && address.queueId === queueId;
    });
  }

  /** Goes on near the end: `keepCount` messages of all queues are still read. @returns how many are not. */
  skipToEnd(keepCount: number): number {
    let skipped = 0;
    const keepOfQueue = Math.ceil(keepCount / Math.max(1, this.#readings.length));
    for (const reading of this.#readings) {
      const offset = Math.min(reading.maxOffset, reading.queue.endOffset) - keepOfQueue;
      if (offset <= reading.nextOffset) continue;
      skipped += offset - reading.nextOffset + reading.buffer.length;
      reading.buffer = [];
      reading.nextOffset = offset;
    }
    return skipped;
  }

  /** `next` answers undefined from now on. */
  stop(): void {
    this.#isStopped = true;
    this.#wakeUp();
  }

  /**
   * The next messages, as soon as there are some; undefined at the end. One caller at a time.
   * @throws RmqError when a queue cannot be read
   */
  async next(): Promise<TailBatch | undefined> {
    for (;;) {
      if (this.#isStopped) return undefined;
      if (this.#failure !== undefined) throw this.#failure;
      for (const reading of this.#readings) this.#pullIfNeeded(reading);
      const entries = this.#takeOrdered();
      if (entries.length > 0 || this.#seenCount > 0) {
        const seenCount = this.#seenCount;
        this.#seenCount = 0;
        return { entries, seenCount };
      }
      if (this.#readings.every((one) => one.isDone && one.buffer.length === 0)) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /**
   * What can be handed out in order: everything up to the time to which each queue, that is not read to its
   * end yet, is known.
   */
  #takeOrdered(): TailEntry[] {
    let knownMs = Number.POSITIVE_INFINITY;
    for (const reading of this.#readings) {
      if (reading.isLive || reading.isDone) continue;
      const last = reading.buffer.at(-1);
      // Nothing is known of it yet, or it is in trouble: then nobody waits for it.
      if (last === undefined && reading.failureCount > 0) continue;
      knownMs = Math.min(knownMs, last?.message.storeTimestampMs ?? -1);
    }
    const taken: TailEntry[] = [];
    for (const reading of this.#readings) {
      const { buffer } = reading;
      let count = 0;
      while (
        count < buffer.length &&
        (buffer[count]?.message.storeTimestampMs ?? Number.NaN) <= knownMs
      ) {
        taken.push(buffer[count] as TailEntry); // count < length
        count++;
      }
      if (count === buffer.length && count > 0) reading.buffer = [];
      else if (count > 0) reading.buffer = buffer.slice(count);
    }
    return taken.sort(compareStored);
  }

  #pullIfNeeded(reading: Reading): void {
    if (reading.isPulling || reading.isDone || reading.buffer.length >= pullCount) return;
    reading.isPulling = true;
    const waitMs = reading.notBeforeMs - this.#options.clock.monotonicMs();
    if (waitMs > 0) this.#options.clock.setTimer(waitMs, () => void this.#pull(reading));
    else void this.#pull(reading);
  }

  /** Never rejects. */
  async #pull(reading: Reading): Promise<void> {
    if (this.#isStopped) return;
    const { queue, nextOffset } = reading;
    const isFollowing = queue.endOffset === Number.POSITIVE_INFINITY;
    const waitMs = isFollowing && reading.isLive ? pullWaitMs : 0;
    const end = Math.min(reading.maxOffset, queue.endOffset);
    const offsets = [nextOffset];
    for (let at = nextOffset + pullCount; at < end && offsets.length < reading.width; ) {
      offsets.push(at);
      at += pullCount;
    }
    try {
      const answers = await Promise.all(
        offsets.map((offset) =>
          this.#options.pull(queue.address, offset, {
            maxCount: pullCount,
            waitMs: offsets.length === 1 ? waitMs : 0,
          }),
        ),
      );
      let isFull = true;
      for (const [index, pulled] of answers.entries()) {
        const offset = offsets[index] as number; // one for each
        // It was sent elsewhere meanwhile, or a filter went further than was guessed.
        if (reading.nextOffset !== offset) break;
        this.#pulled(reading, pulled);
        isFull &&= pulled.nextOffset === offset + pullCount;
      }
      reading.width = isFull ? Math.min(widthMax, reading.width * 2) : 1;
    } catch (error) {
      this.#failed(reading, asRmqError(error));
    }
    reading.isPulling = false;
    this.#wakeUp();
  }

  #pulled(reading: Reading, pulled: PulledMessages): void {
    const { queue, nextOffset } = reading;
    const nowMs = this.#options.clock.monotonicMs();
    if (reading.failureCount > 0) this.#options.onTrouble?.(queue.address, undefined);
    reading.failureCount = 0;
    reading.hasAnswered = true;
    for (const message of pulled.messages) {
      if (message.queueOffset >= queue.endOffset) break;
      reading.buffer.push(new TailEntry(message, queue.address.brokerName));
    }
    const reached = Math.min(pulled.nextOffset, queue.endOffset);
    this.#seenCount += Math.max(0, reached - nextOffset);
    reading.nextOffset = pulled.nextOffset;
    reading.maxOffset = pulled.maxOffset;
    const isAtEnd = pulled.nextOffset >= pulled.maxOffset;
    if (isAtEnd) {
      // The end is where it ends now, when nobody waits for more.
      if (queue.endOffset !== Number.POSITIVE_INFINITY) reading.nextOffset = queue.endOffset;
      reading.isLive = true;
      reading.notBeforeMs = nowMs + busyPauseMs;
    } else if (pulled.nextOffset === nextOffset) reading.notBeforeMs = nowMs + idlePauseMs;
  }

  #failed(reading: Reading, error: RmqError): void {
    const isFollowing = reading.queue.endOffset === Number.POSITIVE_INFINITY;
    if (!isFollowing || !reading.hasAnswered || !error.kind.retryable) {
      this.#failure ??= error;
      return;
    }
    const waitMs = Math.min(retryMaxMs, retryMinMs * 2 ** reading.failureCount);
    reading.failureCount = Math.min(reading.failureCount + 1, 10);
    reading.notBeforeMs = this.#options.clock.monotonicMs() + waitMs;
    this.#options.onTrouble?.(reading.queue.address, error);
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
