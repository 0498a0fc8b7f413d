/**
 * Taking delayed messages back. A recall is kept as a record of the log that ends the timer when it is
 * dispatched; a message that is being delivered cannot be recalled, and one that is being recalled is not
 * delivered. Checks and codes: facts/remoting.md §4.4.
 */
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { RecordHost } from '../../../protocol/message/message.ts';
import { decodeRecallHandle, type RecallHandle } from '../../../protocol/message/recall-handle.ts';
import type { Reply } from '../../../util/reply.ts';
import type { MessageStore } from '../../store/message-store.ts';
import type { RecallRequest } from '../api.ts';
import type { TopicTable } from '../topics/topic-table.ts';
import type { PendingTimers } from './pending-timers.ts';
import type { Timer } from './timer.ts';
import { recallRecord, timerKeyRange } from './timer-record.ts';

/** Timers of one second that are looked through for a handle of an Apache broker. */
const searchCountMax = 10_000;

interface RecallOptions {
  readonly store: MessageStore;
  readonly topics: TopicTable;
  readonly pending: PendingTimers;
  readonly clock: Clock;
  readonly brokerName: string;
  readonly storeHost: RecordHost;
  readonly delayMaxMs: number;
}

export class Recalls {
  readonly #options: RecallOptions;

  constructor(options: RecallOptions) {
    this.#options = options;
  }

  /** Answers with the message's id, once the recall is kept; also when it was recalled before. */
  recall(request: RecallRequest, reply: Reply<string, RmqError>): void {
    const { topics, clock } = this.#options;
    if (topics.get(request.topic) === undefined) {
      const text = `topic[${request.topic}] not exist, apply first please!`;
      return reply(new RmqError('TOPIC_NOT_FOUND', text));
    }
    const handle = decodeRecallHandle(request.recallHandle);
    const problem = this.#problemOf(request, handle, clock.nowMs());
    if (handle === undefined || problem !== undefined) {
      return reply(new RmqError('ILLEGAL_OPERATION', `recall failed, ${problem}`));
    }
    this.#search(handle, (timers) => {
      if (timers instanceof RmqError) reply(timers);
      else this.#take(handle, timers, reply);
    });
  }

  #problemOf(
    request: RecallRequest,
    handle: RecallHandle | undefined,
    nowMs: number,
  ): string | undefined {
    const { brokerName, delayMaxMs } = this.#options;
    if (handle === undefined) return 'the handle is invalid';
    if (handle.topic !== request.topic) return 'topic not match';
    if (handle.brokerName !== brokerName) return 'broker name not match';
    const leftMs = handle.deliverMs - nowMs;
    if (leftMs <= 0) return 'the delivery time has passed';
    return leftMs > delayMaxMs ? 'the delivery time is invalid' : undefined;
  }

  /** The timers that the handle means, by its exact time or by its second. */
  #search(handle: RecallHandle, reply: Reply<readonly Timer[], RmqError>): void {
    const { pending } = this.#options;
    const { deliverMs, uniqueKey } = handle;
    const failed = (error: unknown): void => {
      reply(new RmqError('STORE_FAILED', 'the timers cannot be read', { cause: error }));
    };
    let found: readonly Timer[] = [];
    const use = (timers: readonly Timer[]): void => {
      found = timers.filter((one) => one.uniqueKey === uniqueKey && one.topic === handle.topic);
      if (found.length > 0) reply(found);
    };
    const exact = timerKeyRange(deliverMs, uniqueKey);
    // Apache's handles have a millisecond behind the second before, whatever the message's own is.
    const isOfSecond = deliverMs % 1_000 === 1;
    pending
      .find(exact, searchCountMax, use)
      .then(async () => {
        if (found.length > 0) return;
        if (isOfSecond) {
          await pending.find(timerKeyRange(deliverMs, undefined), searchCountMax, use);
        }
        if (found.length === 0) reply([]);
      })
      .catch(failed);
  }

  #take(handle: RecallHandle, timers: readonly Timer[], reply: Reply<string, RmqError>): void {
    const { store, pending, clock, storeHost } = this.#options;
    const taken = timers.filter((timer) => pending.take(timer));
    if (taken.length < timers.length) {
      for (const timer of taken) pending.putBack(timer);
      const text = 'recall failed, the message is being delivered';
      return reply(new RmqError('ILLEGAL_OPERATION', text));
    }
    const nowMs = clock.nowMs();
    if (taken.length === 0) {
      // It may have been delivered while the timers were looked through. Found by the simulator.
      if (nowMs >= handle.deliverMs) {
        const text = 'recall failed, the delivery time has passed';
        return reply(new RmqError('ILLEGAL_OPERATION', text));
      }
      // Recalled before, or never there: it will not come either way.
      return reply(handle.uniqueKey);
    }
    const producer = { bornHost: storeHost, nowMs };
    const records = taken.map((timer) => recallRecord(timer, producer));
    store.append(records, (appended) => {
      if (!(appended instanceof RmqError)) return reply(handle.uniqueKey);
      for (const timer of taken) pending.putBack(timer);
      reply(appended);
    });
  }
}
