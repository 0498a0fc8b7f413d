/** Reading by offset (facts/broker.md §3). No group's state is touched. */
import type { Clock } from '../../platform/clock.ts';
import { RmqError } from '../../protocol/errors.ts';
import { type MessageFilter, tryCompileFilter } from '../../protocol/filter/message-filter.ts';
import type { QueueOffset, StoredMessage } from '../../protocol/message/message.ts';
import type { Reply } from '../../util/reply.ts';
import { TimerWheel, type WheelTimer } from '../../util/timer-wheel.ts';
import { limits } from '../shared/limits.ts';
import type { MessageStore, QueueEntry, StoredQueue } from '../store/message-store.ts';
import type { Cancel, PullRequest, PullResult } from './api.ts';

interface Waiting {
  readonly request: PullRequest;
  readonly reply: Reply<PullResult, RmqError>;
  readonly filter: MessageFilter;
  readonly queue: StoredQueue;
  timer: WheelTimer | undefined;
  isDone: boolean;
}

export class Pulling {
  readonly #store: MessageStore;
  readonly #waiting = new Map<StoredQueue, Set<Waiting>>();
  readonly #wheel: TimerWheel;
  #waitingCount = 0;

  constructor(options: { readonly store: MessageStore; readonly clock: Clock }) {
    this.#store = options.store;
    this.#wheel = new TimerWheel(options.clock, { resolutionMs: 10 });
    this.#store.onVisible((queue) => this.#wake(queue));
  }

  pull(request: PullRequest, reply: Reply<PullResult, RmqError>): Cancel {
    const filter = tryCompileFilter(request.filter);
    if (filter instanceof RmqError) {
      reply(filter);
      return () => undefined;
    }
    const waiting: Waiting = {
      request,
      reply,
      filter,
      queue: this.#store.queue(request.topic, request.queueId),
      timer: undefined,
      isDone: false,
    };
    this.#look(waiting, request.pollingTimeMs > 0);
    return () => this.#end(waiting, 'OFFSET_OVERFLOW_ONE');
  }

  #look(waiting: Waiting, mayWait: boolean): void {
    const { request, queue } = waiting;
    const status = statusAt(queue, request.offset);
    if (status === undefined) return this.#read(waiting);
    const isAtEnd = request.offset === queue.maxOffset;
    if (mayWait && isAtEnd) return this.#wait(waiting);
    this.#end(waiting, status);
  }

  #wait(waiting: Waiting): void {
    if (this.#waitingCount >= limits.parkedReceiveCountMax) {
      return this.#end(waiting, 'OFFSET_OVERFLOW_ONE');
    }
    this.#waitingCount++;
    let set = this.#waiting.get(waiting.queue);
    if (set === undefined) {
      set = new Set();
      this.#waiting.set(waiting.queue, set);
    }
    set.add(waiting);
    waiting.timer = this.#wheel.set(waiting.request.pollingTimeMs, () => {
      this.#end(waiting, statusAt(waiting.queue, waiting.request.offset) ?? 'OFFSET_OVERFLOW_ONE');
    });
  }

  #wake(queue: StoredQueue): void {
    for (const waiting of [...(this.#waiting.get(queue) ?? [])]) this.#look(waiting, false);
  }

  #end(waiting: Waiting, status: PullResult['status']): void {
    const next = nextOffset(waiting.queue, waiting.request.offset, status);
    this.#answer(waiting, { status, messages: [], nextOffset: next });
  }

  #answer(
    waiting: Waiting,
    result: Pick<PullResult, 'status' | 'messages' | 'nextOffset'> | RmqError,
  ): void {
    if (waiting.isDone) return;
    waiting.isDone = true;
    if (waiting.timer !== undefined) {
      this.#wheel.cancel(waiting.timer);
      this.#waitingCount--;
    }
    const set = this.#waiting.get(waiting.queue);
    set?.delete(waiting);
    if (set?.size === 0) this.#waiting.delete(waiting.queue);
    if (result instanceof Error) return waiting.reply(result);
    const { minOffset, maxOffset } = waiting.queue;
    waiting.reply({ ...result, minOffset, maxOffset });
  }

  /** One look at the index: what matches of it, and behind it the next offset. */
  #read(waiting: Waiting): void {
    const { request, queue, filter } = waiting;
    const maxCount = Math.min(Math.max(1, request.maxCount), limits.receiveCountMax);
    const readCount = filter.isAll ? maxCount : limits.examinedEntryCountMax;
    this.#store.readEntries(queue, request.offset, readCount, (entries) => {
      if (entries instanceof Error) return this.#answer(waiting, entries);
      const wanted = entries.filter((entry) => filter.mayMatch(entry.tagsCode));
      const fitting = fit(wanted.slice(0, maxCount), request.maxSizeBytes);
      const isCut = fitting.length < wanted.length;
      const last = isCut ? fitting[fitting.length - 1] : entries[entries.length - 1];
      const next = (last === undefined ? request.offset : last.queueOffset + 1) as QueueOffset;
      this.#store.readMessages(fitting, (found) => {
        if (found instanceof Error) return this.#answer(waiting, found);
        const messages = found.filter((message): message is StoredMessage => {
          return message !== undefined && filter.matches(message.properties);
        });
        const status = messages.length > 0 ? 'FOUND' : 'NO_MATCHED_MESSAGE';
        this.#answer(waiting, { status, messages, nextOffset: next });
      });
    });
  }

  releaseAll(): void {
    for (const set of [...this.#waiting.values()]) {
      for (const waiting of [...set]) this.#end(waiting, 'OFFSET_OVERFLOW_ONE');
    }
    this.#wheel.clear();
  }
}

function fit(entries: readonly QueueEntry[], maxSizeBytes: number): readonly QueueEntry[] {
  let size = 0;
  for (let index = 0; index < entries.length; index++) {
    size += (entries[index] as QueueEntry).storeSizeBytes; // index < length
    if (size > maxSizeBytes && index > 0) return entries.slice(0, index);
  }
  return entries;
}

/** Why there is nothing to read at `offset`; undefined when there is. */
function statusAt(queue: StoredQueue, offset: number): PullResult['status'] | undefined {
  if (queue.maxOffset === 0) return 'NO_MESSAGE_IN_QUEUE';
  if (offset < queue.minOffset) return 'OFFSET_TOO_SMALL';
  if (offset < queue.maxOffset) return undefined;
  return offset === queue.maxOffset ? 'OFFSET_OVERFLOW_ONE' : 'OFFSET_OVERFLOW_BADLY';
}

function nextOffset(
  queue: StoredQueue,
  offset: QueueOffset,
  status: PullResult['status'],
): QueueOffset {
  if (status === 'OFFSET_TOO_SMALL') return queue.minOffset;
  if (status === 'OFFSET_OVERFLOW_BADLY') return queue.maxOffset;
  if (status === 'NO_MESSAGE_IN_QUEUE') return 0 as QueueOffset; // facts/broker.md §3
  return offset;
}
