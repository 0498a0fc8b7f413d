/**
 * Delayed messages: parked in the log, delivered at their time, recalled before it. A delivery appends the
 * message to its own topic, and the dispatch of that record ends the timer; so a crash anywhere in between
 * neither loses a message nor delivers it twice. Never early; late by some milliseconds while the broker
 * keeps up.
 */
import type { Clock, Timer as ClockTimer } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type {
  MessageDraft,
  QueueOffset,
  StoredMessage,
} from '../../../protocol/message/message.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { encodeRecallHandle } from '../../../protocol/message/recall-handle.ts';
import type { Reply } from '../../../util/reply.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Appended, MessageStore, QueueEntry } from '../../store/message-store.ts';
import type { Origin } from '../../store/origin.ts';
import { ClockWatch, setBackMinMs } from '../clock-watch.ts';
import type { TopicTable } from '../topics/topic-table.ts';
import { PendingTimers } from './pending-timers.ts';
import type { Timer } from './timer.ts';
import { deliveredCopy, dueOf, type Parked, park, rolledCopy } from './timer-record.ts';

/** Messages, and bytes of them, that one round delivers: a few milliseconds of the loop. */
const roundCountMax = 256;
const roundSizeMaxBytes = 4 << 20;
/** Records of neighbouring timers that are read together; groups are read at the same time. */
const readGroupCount = 32;
/** The longest sleep while somebody waits: a clock that jumps is noticed that soon. */
const sleepMaxMs = 1_000;
const pauseMinMs = 100;
const pauseMaxMs = 5_000;
/** A message that alone cannot be stored is tried again after this. */
const aloneAgainMs = 60_000;

export class Schedule {
  readonly pending: PendingTimers;
  readonly #store: MessageStore;
  readonly #topics: TopicTable;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #brokerName: string;
  readonly #delayMaxMs: number;
  #timer: ClockTimer | undefined = undefined;
  /** When the timer runs, by the wall clock. */
  #timerMs = Number.POSITIVE_INFINITY;
  #isDelivering = false;
  #isPullingIn = false;
  /** After a failure: no round before this, monotonic. */
  #pausedUntilMs = 0;
  #pauseMs = 0;
  #isStarted = false;
  readonly #clockWatch: ClockWatch;

  constructor(options: {
    readonly store: MessageStore;
    readonly topics: TopicTable;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly brokerName: string;
    /** Times further ahead are refused. */
    readonly delayMaxMs: number;
    readonly nearTimerCount?: number | undefined;
    readonly origin?: Origin | undefined;
  }) {
    this.#store = options.store;
    this.#topics = options.topics;
    this.#clock = options.clock;
    this.#clockWatch = new ClockWatch(options.clock);
    this.#logger = options.logger;
    this.#brokerName = options.brokerName;
    this.#delayMaxMs = options.delayMaxMs;
    this.pending = new PendingTimers(options.nearTimerCount, options.origin);
  }

  /** The store has been started: what is due is delivered from now on. */
  start(): void {
    this.#isStarted = true;
    this.#watchClock();
    this.pending.changed = (): void => this.#arm();
    this.pending.roll = (timers): Promise<void> => this.#roll(timers);
    this.pending.start(this.#store);
    if (this.pending.newestLevelMs > this.#clock.nowMs() + setBackMinMs) this.#pullIn();
    this.#arm();
  }

  stop(): void {
    this.#isStarted = false;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** See `park`: the draft as it waits, undefined when it does not have to. */
  park(draft: MessageDraft): Parked | RmqError | undefined {
    return park(draft, this.#clock.nowMs(), this.#delayMaxMs);
  }

  /** What a parked message is recalled by. */
  recallHandle(parked: Parked, appended: Appended, uniqueKey: string): string | undefined {
    const due = dueOf(parked.draft, appended.storeTimestampMs);
    if (!parked.isRecallable || due === undefined) return undefined;
    const topic = findProperty(parked.draft.properties, PropertyName.realTopic) ?? '';
    const brokerName = this.#brokerName;
    return encodeRecallHandle({ topic, brokerName, deliverMs: due.dueMs, uniqueKey });
  }

  #arm(): void {
    if (!this.#isStarted || this.#isDelivering) return;
    const nowMs = this.#clock.nowMs();
    // Not all could be read: the next round asks again.
    const farMs = this.pending.isPartial ? nowMs + sleepMaxMs : undefined;
    const nextMs = this.pending.nextMs() ?? farMs;
    if (nextMs === undefined) return;
    if (this.#timer !== undefined) {
      if (this.#timerMs <= nextMs) return;
      this.#clock.clearTimer(this.#timer);
    }
    const pauseMs = this.#pausedUntilMs - this.#clock.monotonicMs();
    const waitMs = Math.min(sleepMaxMs, Math.max(1, nextMs - nowMs, pauseMs));
    this.#timerMs = nowMs + waitMs;
    this.#timer = this.#clock.setTimer(waitMs, () => {
      this.#timer = undefined;
      this.#round();
    });
  }

  #round(): void {
    if (!this.#isStarted || this.#isDelivering) return;
    this.#watchClock();
    if (this.#clock.monotonicMs() < this.#pausedUntilMs) return this.#arm();
    const due = this.pending.takeDue(this.#clock.nowMs(), roundCountMax, roundSizeMaxBytes);
    if (due.length === 0) return this.#arm();
    this.#isDelivering = true;
    this.#read(due, (records) => {
      if (records instanceof RmqError) this.#finish(due, records);
      else this.#deliver(due, records);
    });
  }

  /** The records of timers, in their order. */
  #read(
    timers: readonly Timer[],
    reply: Reply<readonly (StoredMessage | undefined)[], RmqError>,
  ): void {
    const records: (StoredMessage | undefined)[] = [];
    let waitingCount = Math.ceil(timers.length / readGroupCount);
    let failure: RmqError | undefined;
    for (let begin = 0; begin < timers.length; begin += readGroupCount) {
      const entries = timers.slice(begin, begin + readGroupCount).map(entryOf);
      this.#store.readMessages(entries, (messages) => {
        if (messages instanceof RmqError) failure = messages;
        else messages.forEach((message, index) => (records[begin + index] = message));
        if (--waitingCount === 0) reply(failure ?? records);
      });
    }
  }

  #deliver(timers: readonly Timer[], records: readonly (StoredMessage | undefined)[]): void {
    const nowMs = this.#clock.nowMs();
    let failure: RmqError | undefined;
    const failed: Timer[] = [];
    let waitingCount = timers.length;
    const done = (): void => {
      if (--waitingCount === 0) this.#finish(failed, failure);
    };
    for (const [index, timer] of timers.entries()) {
      const record = records[index];
      if (record === undefined) {
        this.#lost(timer);
        done();
        continue;
      }
      const copy = deliveredCopy(record, timer.key, this.#targetOf(record, timer), nowMs);
      // Each by itself: one that cannot be stored holds up nobody. They share the write and the sync.
      this.#store.append([copy], (appended) => {
        if (appended instanceof RmqError) {
          if (isOfTheMessage(appended)) this.#postpone(timer, appended);
          else {
            failure = appended;
            failed.push(timer);
          }
        }
        done();
      });
    }
  }

  /** A topic that is gone gets its messages all the same, as on Apache's brokers: it may come back. */
  #targetOf(record: StoredMessage, timer: Timer): { topic: string; queueId: number } {
    const wanted = Number(findProperty(record.properties, PropertyName.realQueueId) ?? '0');
    const queueId = Number.isSafeInteger(wanted) && wanted >= 0 ? wanted : 0;
    const { topic } = timer;
    const config = this.#topics.get(topic);
    if (config === undefined) {
      this.#logger.warn('a delayed message is delivered to a topic that does not exist', { topic });
      return { topic, queueId };
    }
    // The topic may have fewer queues by now.
    return { topic, queueId: queueId % Math.max(config.readQueueCount, config.writeQueueCount, 1) };
  }

  #finish(failed: readonly Timer[], failure: RmqError | undefined): void {
    this.#isDelivering = false;
    for (const timer of failed) this.pending.putBack(timer);
    if (failure === undefined) {
      this.#pauseMs = 0;
    } else {
      if (this.#pauseMs === 0) {
        const reason = failure.message;
        this.#logger.warn('delayed messages cannot be delivered, later again', { reason });
      }
      this.#pauseMs = Math.min(pauseMaxMs, Math.max(pauseMinMs, 2 * this.#pauseMs));
      this.#pausedUntilMs = this.#clock.monotonicMs() + this.#pauseMs;
    }
    const nextMs = this.pending.nextMs();
    const isMore = failure === undefined && nextMs !== undefined && nextMs <= this.#clock.nowMs();
    // Behind whatever else arrived meanwhile: sends are not held up.
    if (isMore) this.#clock.afterTick(() => this.#round());
    else this.#arm();
  }

  #lost(timer: Timer): void {
    const { topic, uniqueKey, physicalOffset } = timer;
    this.#logger.error('a delayed message is no longer readable and cannot be delivered', {
      topic,
      messageId: uniqueKey,
      physicalOffset,
    });
    this.pending.forget(timer);
  }

  #postpone(timer: Timer, error: RmqError): void {
    const { topic, uniqueKey: messageId } = timer;
    this.#logger.error('a delayed message cannot be stored in its topic, later again', {
      topic,
      messageId,
      reason: error.message,
    });
    this.pending.putBack(timer, this.#clock.nowMs() + aloneAgainMs);
  }

  /** Appends timers anew, because their segments are about to go. */
  #roll(timers: readonly Timer[]): Promise<void> {
    return new Promise((resolve) => {
      this.#read(timers, (records) => {
        let waitingCount = timers.length;
        for (const [index, timer] of timers.entries()) {
          const record = records instanceof RmqError ? records : records[index];
          this.#rollOne(timer, record, () => {
            if (--waitingCount === 0) resolve();
          });
        }
      });
    });
  }

  #rollOne(timer: Timer, record: StoredMessage | RmqError | undefined, done: () => void): void {
    if (record === undefined) {
      this.#lost(timer);
      return done();
    }
    const failed = (error: RmqError): void => {
      this.pending.putBack(timer);
      const reason = error.message;
      this.#logger.warn('old segments stay: delayed messages in them cannot be moved', { reason });
      done();
    };
    if (record instanceof RmqError) return failed(record);
    this.#store.append([rolledCopy(record, timer.key)], (appended) => {
      if (appended instanceof RmqError) failed(appended);
      else done();
    });
  }

  #watchClock(): void {
    if (this.#clockWatch.setBackMs() > 0) this.#pullIn();
  }

  #pullIn(): void {
    if (this.#isPullingIn) return;
    this.#isPullingIn = true;
    this.pending.pullIn(this.#clock.nowMs()).then(
      (isMore) => {
        this.#isPullingIn = false;
        if (isMore && this.#isStarted) this.#clock.setTimer(sleepMaxMs, () => this.#pullIn());
      },
      (error: unknown) => {
        this.#isPullingIn = false;
        this.#logger.warn('timers cannot be read', { reason: String(error) });
      },
    );
  }
}

function entryOf({ physicalOffset, storeSizeBytes }: Timer): QueueEntry {
  const queueOffset = 0 as QueueOffset; // not looked at when reading records
  return { queueOffset, physicalOffset, storeSizeBytes, tagsCode: 0 };
}

/** Whether it is this message that cannot be stored, rather than any. */
function isOfTheMessage(error: RmqError): boolean {
  return error.code === 'PROPERTIES_TOO_LARGE' || error.code === 'MESSAGE_TOO_LARGE';
}
