/**
 * Copies queue by queue, several queues at once. A batch is done when the target keeps all of it; then only the
 * state moves on. The n-th queue of the source goes to the n-th of the target, so order survives.
 */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { senderPropertiesOf } from '../../client/message-client.ts';
import { asRmqError, type RmqError } from '../../protocol/errors.ts';
import type { StoredMessage } from '../../protocol/message/message.ts';
import { decodeProperties, findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { SysFlag } from '../../protocol/message/sys-flag.ts';
import type { MirrorRow } from '../mirror.ts';
import type { Context } from '../shared/context.ts';
import { Progress, pause } from '../shared/progress.ts';
import type { StartPoint } from '../shared/times.ts';
import type { MirrorState } from './state.ts';

export interface MirrorOptions {
  readonly context: Context;
  readonly source: AdminClient;
  readonly target: AdminClient;
  readonly state: MirrorState;
  readonly start: StartPoint;
  readonly rate?: number;
  readonly follow: boolean;
  readonly unordered: boolean;
  readonly dryRun: boolean;
}

interface CopiedQueue {
  readonly queue: QueueAddress;
  readonly key: string;
  /** Place among the queues of the topic, over all brokers in turn. */
  readonly turn: number;
  nextOffset: number;
  maxOffset: number;
  copiedCount: number;
  missedCount: number;
}

const queuesAtOnce = 16;
const batchCount = 32;
const pollMs = 500;
const triesMax = 6;
const firstRetryMs = 200;

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #startedMs: number;
  #sentCount = 0;
  #failure: RmqError | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#startedMs = options.context.clock.monotonicMs();
  }

  /** @returns a row a topic. @throws RmqError of the first send that failed for good; the state has the rest. */
  async run(topics: readonly string[]): Promise<MirrorRow[]> {
    const { context, follow, dryRun } = this.#options;
    const queues = (await Promise.all(topics.map((topic) => this.#queues(topic)))).flat();
    const total = queues.reduce((sum, one) => sum + one.maxOffset - one.nextOffset, 0);
    const progress = new Progress(context, 'mirrored', total);
    while (!dryRun && !this.#isStopped()) {
      const before = this.#sentCount;
      await this.#round(queues, progress);
      if (this.#failure !== undefined || !follow) break;
      if (this.#sentCount === before) await pause(context, pollMs);
      for (const one of queues) one.maxOffset = await this.#options.source.maxOffset(one.queue);
    }
    await progress.end();
    if (this.#failure !== undefined) {
      await context.stderr.write(
        `stopped after ${this.#sentCount} messages; the same command goes on there\n`,
      );
      throw this.#failure;
    }
    return topics.map((topic) => rowOf(topic, queues, dryRun));
  }

  #isStopped(): boolean {
    return this.#options.context.signal.aborted || this.#failure !== undefined;
  }

  async #queues(topic: string): Promise<CopiedQueue[]> {
    const { source } = this.#options;
    const found = await source.queues(topic);
    const brokers = [...new Set(found.map(({ brokerName }) => brokerName))];
    return Promise.all(found.map((queue) => this.#open(queue, brokers)));
  }

  async #open(queue: QueueAddress, brokers: readonly string[]): Promise<CopiedQueue> {
    const { source, state, context } = this.#options;
    const key = `${queue.topic} ${queue.brokerName}:${queue.queueId}`;
    const [minOffset, maxOffset] = await Promise.all([
      source.minOffset(queue),
      source.maxOffset(queue),
    ]);
    const kept = state.get(key);
    const wanted = kept ?? (await this.#first(queue, { minOffset, maxOffset }));
    const missedCount = kept === undefined ? 0 : Math.max(0, minOffset - kept);
    if (missedCount > 0) {
      await context.stderr.write(
        `${key}: the source has deleted ${missedCount} messages that were not copied\n`,
      );
    }
    if (wanted > maxOffset) {
      await context.stderr.write(`${key}: the topic was made anew, beginning at its start\n`);
    }
    const nextOffset = wanted > maxOffset ? minOffset : Math.max(wanted, minOffset);
    const turn = queue.queueId * brokers.length + brokers.indexOf(queue.brokerName);
    return { queue, key, turn, nextOffset, maxOffset, copiedCount: 0, missedCount };
  }

  async #first(
    queue: QueueAddress,
    range: { readonly minOffset: number; readonly maxOffset: number },
  ): Promise<number> {
    const { start, source } = this.#options;
    if (start.type === 'earliest') return range.minOffset;
    if (start.type === 'latest') return range.maxOffset;
    if (start.type === 'offset') return Math.min(start.offset, range.maxOffset);
    return Math.min(await source.offsetByTime(queue, start.timestampMs), range.maxOffset);
  }

  /** Copies all queues to where they ended when the round began. */
  async #round(queues: readonly CopiedQueue[], progress: Progress): Promise<void> {
    const waiting = queues.filter((one) => one.nextOffset < one.maxOffset);
    const worker = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        try {
          await this.#copy(one, progress);
        } catch (error) {
          this.#failure ??= asRmqError(error);
        }
        if (this.#isStopped()) return;
      }
    };
    await Promise.all(Array.from({ length: queuesAtOnce }, worker));
  }

  async #copy(one: CopiedQueue, progress: Progress): Promise<void> {
    const { source, state } = this.#options;
    while (one.nextOffset < one.maxOffset && !this.#isStopped()) {
      const pull = { maxCount: this.#countAtOnce(), waitMs: 0, expression: '*' };
      const { messages, nextOffset } = await source.pull(one.queue, one.nextOffset, pull);
      if (nextOffset <= one.nextOffset) return; // What there was is gone meanwhile.
      await this.#send(messages, one.turn);
      one.nextOffset = nextOffset;
      one.copiedCount += messages.length;
      this.#sentCount += messages.length;
      await state.set(one.key, nextOffset);
      await progress.update(this.#sentCount);
      await this.#keepRate();
    }
  }

  /** With a low rate not a second's worth at once. */
  #countAtOnce(): number {
    const { rate } = this.#options;
    return rate === undefined
      ? batchCount
      : Math.min(batchCount, Math.max(1, Math.floor(rate / 10)));
  }

  /** The target keeps all of them when it resolves. */
  async #send(messages: readonly StoredMessage[], turn: number): Promise<void> {
    const isLoose =
      this.#options.unordered &&
      messages.every(
        ({ properties }) => findProperty(properties, PropertyName.messageGroup) === undefined,
      );
    if (!isLoose) {
      for (const message of messages) await this.#sendOne(message, turn);
      return;
    }
    const sent = await Promise.allSettled(messages.map((message) => this.#sendOne(message, turn)));
    const failed = sent.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Tries again what may succeed later; a send that only timed out may then be there twice. */
  async #sendOne(message: StoredMessage, turn: number): Promise<void> {
    const { target, context } = this.#options;
    const stored = decodeProperties(message.properties);
    const properties = senderPropertiesOf(stored);
    // It remains the same message, and was due at the same time.
    for (const name of [PropertyName.uniqueKey, PropertyName.timerDeliverMs]) {
      const value = stored.get(name);
      if (value !== undefined) properties.set(name, value);
    }
    for (let tries = 1; ; tries++) {
      try {
        await target.send({
          topic: message.topic,
          body: message.body,
          // The body is copied as it is stored.
          sysFlag: message.sysFlag & (SysFlag.compressed | SysFlag.compressionMask),
          properties,
          bornTimestampMs: message.bornTimestampMs,
          turn,
        });
        return;
      } catch (thrown) {
        const error = asRmqError(thrown);
        if (!error.kind.retryable || tries >= triesMax || context.signal.aborted) throw error;
        await pause(context, firstRetryMs * 2 ** (tries - 1));
      }
    }
  }

  async #keepRate(): Promise<void> {
    const { rate, context } = this.#options;
    if (rate === undefined) return;
    const dueMs = this.#startedMs + (this.#sentCount / rate) * 1_000;
    await pause(context, dueMs - context.clock.monotonicMs());
  }
}

function rowOf(topic: string, queues: readonly CopiedQueue[], isDryRun: boolean): MirrorRow {
  const mine = queues.filter(({ queue }) => queue.topic === topic);
  const sum = (count: (one: CopiedQueue) => number): number =>
    mine.reduce((total, one) => total + count(one), 0);
  return {
    topic,
    copiedCount: sum((one) => one.copiedCount),
    remainingCount: sum((one) => Math.max(0, one.maxOffset - one.nextOffset)),
    missedCount: sum((one) => one.missedCount),
    isDryRun,
  };
}
