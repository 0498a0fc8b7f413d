/**
 * Sends dead letters again, chunk by chunk. A chunk is sent whole, then the place behind it is kept at the
 * broker: who is interrupted goes on there, and at worst one chunk is sent twice, never left out.
 */
import type { AdminClient } from '../../client/admin-client.ts';
import { type DeadLetterQueue, keepOffset } from '../../client/dead-letter-client.ts';
import { readQueue, sendCopy } from '../../client/message-client.ts';
import { asRmqError, type RmqError } from '../../protocol/errors.ts';
import type { StoredMessage } from '../../protocol/message/message.ts';
import { findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { Match } from '../message/matching.ts';
import type { Context } from '../shared/context.ts';
import { Progress, pause } from '../shared/progress.ts';
import { targetOf, withReadHint } from './dead-letters.ts';

export interface RedriveResult {
  readonly group: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly redrivenCount: number;
  /** By the filter. */
  readonly leftOutCount: number;
  /** First dead letter that was not looked at. */
  readonly nextOffset: number;
  readonly isDryRun: boolean;
  readonly state: 'done' | 'interrupted' | 'failed';
  readonly error: string | undefined;
}

export interface RedriveOptions {
  readonly context: Context;
  readonly admin: AdminClient;
  readonly group: string;
  readonly isDryRun: boolean;
  /** Whether the broker remembers how far this came. */
  readonly isKept: boolean;
  readonly match: Match | undefined;
  readonly to: string | undefined;
  readonly ratePerSecond: number | undefined;
  readonly maxCount: number;
}

interface Range {
  readonly queue: DeadLetterQueue;
  readonly beginOffset: number;
}

const chunkCountMax = 32;

export class Redriver {
  readonly #options: RedriveOptions;
  readonly #startedMs: number;
  #redrivenCount = 0;
  #isStopped = false;

  constructor(options: RedriveOptions) {
    this.#options = options;
    this.#startedMs = options.context.clock.monotonicMs();
  }

  /** A result a queue. Does not throw for what happens on the way: the results say it. */
  async run(ranges: readonly Range[]): Promise<RedriveResult[]> {
    const { context } = this.#options;
    const total = ranges.reduce(
      (sum, { queue, beginOffset }) => sum + Math.max(0, queue.maxOffset - beginOffset),
      0,
    );
    const verb = this.#options.isDryRun ? 'counted' : 'redriven';
    const progress = new Progress(context, verb, Math.min(total, this.#options.maxCount));
    const results: RedriveResult[] = [];
    for (const range of ranges) results.push(await this.#queue(range, progress));
    await progress.end();
    if (results.some(({ state }) => state !== 'done')) await this.#tellHowToGoOn(results);
    return results;
  }

  async #queue({ queue, beginOffset }: Range, progress: Progress): Promise<RedriveResult> {
    const { context, admin, match, isKept, isDryRun } = this.#options;
    const counts = { redriven: 0, leftOut: 0, nextOffset: beginOffset };
    let failure: RmqError | undefined;
    let chunk: StoredMessage[] = [];
    const flush = async (endOffset: number): Promise<void> => {
      const sent = chunk;
      chunk = [];
      if (!isDryRun) await this.#send(sent);
      counts.redriven += sent.length;
      this.#redrivenCount += sent.length;
      counts.nextOffset = endOffset;
      if (isKept && !isDryRun) await keepOffset(admin, queue, endOffset);
      await progress.update(this.#redrivenCount);
      await this.#keepRate();
    };
    try {
      const range = { beginOffset, endOffset: queue.maxOffset };
      for await (const message of readQueue(admin, queue, range)) {
        const isFull = this.#redrivenCount + chunk.length >= this.#options.maxCount;
        if (isFull || context.signal.aborted || this.#isStopped) break;
        if (match === undefined || match(message, queue.brokerName)) chunk.push(message);
        else counts.leftOut++;
        if (chunk.length >= this.#chunkCount()) await flush(message.queueOffset + 1);
        else if (chunk.length === 0) counts.nextOffset = message.queueOffset + 1;
      }
      const last = chunk.at(-1);
      if (last !== undefined && !context.signal.aborted) await flush(last.queueOffset + 1);
    } catch (error) {
      failure = asRmqError(withReadHint(error, this.#options.group));
      this.#isStopped = true;
    }
    const { group } = this.#options;
    const isInterrupted = context.signal.aborted && counts.nextOffset < queue.maxOffset;
    return {
      group,
      brokerName: queue.brokerName,
      queueId: queue.queueId,
      redrivenCount: counts.redriven,
      leftOutCount: counts.leftOut,
      nextOffset: counts.nextOffset,
      isDryRun,
      state: failure !== undefined ? 'failed' : isInterrupted ? 'interrupted' : 'done',
      error: failure?.message,
    };
  }

  /** With a low rate not a second's worth at once. */
  #chunkCount(): number {
    const { ratePerSecond } = this.#options;
    if (ratePerSecond === undefined) return chunkCountMax;
    return Math.min(chunkCountMax, Math.max(1, Math.floor(ratePerSecond / 10)));
  }

  /** All are kept when it resolves. Those of message groups leave one after the other. */
  async #send(messages: readonly StoredMessage[]): Promise<void> {
    const isOrdered = messages.some(
      ({ properties }) => findProperty(properties, PropertyName.messageGroup) !== undefined,
    );
    if (isOrdered) {
      for (const message of messages) await this.#sendOne(message);
      return;
    }
    const sent = await Promise.allSettled(messages.map((message) => this.#sendOne(message)));
    const failed = sent.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #sendOne(message: StoredMessage): Promise<void> {
    const { admin, context, to } = this.#options;
    const topic = targetOf(message, to);
    const bornTimestampMs = context.clock.nowMs();
    await sendCopy(admin, message, { topic, isSameMessage: true, bornTimestampMs });
  }

  async #keepRate(): Promise<void> {
    const { ratePerSecond, context, isDryRun } = this.#options;
    if (ratePerSecond === undefined || isDryRun) return;
    const dueMs = this.#startedMs + (this.#redrivenCount / ratePerSecond) * 1_000;
    await pause(context, dueMs - context.clock.monotonicMs());
  }

  async #tellHowToGoOn(results: readonly RedriveResult[]): Promise<void> {
    const { context, isKept, isDryRun } = this.#options;
    if (isDryRun) return;
    const starts = results.map(
      ({ brokerName, queueId, nextOffset }) => `--start ${brokerName}:${queueId}@${nextOffset}`,
    );
    const how = isKept ? 'the same command goes on there' : `go on with ${starts.join(' ')}`;
    await context.stderr.write(`stopped after ${this.#redrivenCount}; ${how}\n`);
  }
}
