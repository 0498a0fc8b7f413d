/**
 * The consumers of a crash test: by pop, with acknowledgements, other invisible times and messages that are
 * never answered; of lite topics; and by pull, with offsets of their own.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import type { QueueOffset } from '../../src/protocol/message/message.ts';
import type { PopResult, PullResult } from '../../src/server/broker/api.ts';
import type { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import type { BrokerModel, MessageKind } from '../sim/broker-model.ts';
import type { SimRandom } from '../sim/random.ts';
import {
  consumerGroup,
  identify,
  kinds,
  liteTopics,
  pullGroup,
  queueCount,
  topicOfKind,
} from './messages.ts';

const invisibleMs = 4_000;
const liteClientId = 'crash-lite-client';

export class Consumers {
  isOver = false;
  /** Nothing is left unanswered any more, so that all is consumed soon. */
  isThorough = false;
  consumedCount = 0;
  readonly #model: BrokerModel;
  readonly #sizes: readonly number[];
  readonly #broker: RemoteBroker;
  readonly #incarnation: number;
  readonly #failed: (error: unknown) => void;

  constructor(options: {
    readonly model: BrokerModel;
    readonly sizes: readonly number[];
    readonly broker: RemoteBroker;
    /** Names this life of the server. */
    readonly incarnation: number;
    /** Hears of broken promises. */
    readonly failed: (error: unknown) => void;
  }) {
    this.#model = options.model;
    this.#sizes = options.sizes;
    this.#broker = options.broker;
    this.#incarnation = options.incarnation;
    this.#failed = options.failed;
  }

  /** They run until `isOver` is set or the server is gone. */
  start(random: SimRandom): void {
    for (const kind of kinds) {
      if (kind === 'lite') this.#subscribe(random.fork('consumer'));
      else if (kind !== 'pull') this.#pop(kind, random.fork('consumer'));
    }
    for (let queueId = 0; queueId < queueCount; queueId += 1) this.#startPull(queueId);
  }

  #subscribe(random: SimRandom): void {
    this.#broker.syncLiteSubscription(
      {
        group: consumerGroup,
        topic: topicOfKind.lite,
        clientId: liteClientId,
        action: 'COMPLETE_ADD',
        liteTopics,
        startFrom: undefined,
      },
      (error) => {
        if (error === undefined) this.#pop('lite', random);
        else if (!isGone(error)) this.#failed(error);
      },
    );
  }

  #pop(kind: MessageKind, random: SimRandom): void {
    if (this.isOver) return;
    const request = {
      group: consumerGroup,
      topic: topicOfKind[kind],
      queueId: -1,
      maxCount: random.pick([1, 8, 32]),
      invisibleTimeMs: invisibleMs,
      pollingTimeMs: 500,
      filter: { type: 'TAG', expression: '*' },
      startFrom: 'MIN',
      isOrdered: kind === 'fifo',
      attemptId: undefined,
      liteClientId: kind === 'lite' ? liteClientId : undefined,
    } as const;
    this.#broker.pop(request, (result) => {
      if (result instanceof RmqError) {
        if (!isGone(result)) setTimeout(() => this.#pop(kind, random), 50);
        return;
      }
      try {
        this.#received(topicOfKind[kind], result, random);
      } catch (error) {
        return this.#failed(error);
      }
      this.#pop(kind, random);
    });
  }

  #received(topic: string, { messages, poppedAtMs }: PopResult, random: SimRandom): void {
    const batch = messages.map((popped) => ({
      message: identify(this.#model, this.#sizes, popped.message),
      attempt: popped.deliveryAttempt,
      queueOffset: popped.message.queueOffset,
    }));
    const nowUs = performance.now() * 1_000;
    this.#model.delivered(batch, { incarnation: this.#incarnation, nowUs, invisibleMs });
    // The broker counts from when it handed them out, which was before they came here.
    const poppedAtUs = Math.min(nowUs, nowUs - (Date.now() - poppedAtMs) * 1_000);
    const taken: string[] = [];
    for (const [index, { receiptHandle }] of messages.entries()) {
      const message = batch[index]?.message;
      const roll = this.isThorough ? 1 : random.fraction();
      if (message === undefined) continue;
      message.visibleAtUs = poppedAtUs + invisibleMs * 1_000;
      if (roll < 0.03) continue; // it comes again by itself
      if (roll > 0.1) {
        message.isDone = true;
        taken.push(receiptHandle);
        continue;
      }
      const invisibleTimeMs = random.between(100, 1_500);
      message.visibleAtUs = Math.min(message.visibleAtUs, nowUs + invisibleTimeMs * 1_000);
      const change = { group: consumerGroup, topic, receiptHandle, invisibleTimeMs } as const;
      this.#broker.changeInvisibleTime({ ...change, isSuspend: false }, () => {});
    }
    if (taken.length === 0) return;
    this.consumedCount += taken.length;
    this.#broker.ack({ group: consumerGroup, topic, receiptHandles: taken }, () => {});
  }

  #startPull(queueId: number): void {
    const topic = topicOfKind.pull;
    this.#broker.getOffset(pullGroup, topic, queueId).then(
      (offset) => this.#pull(queueId, offset ?? 0),
      (error: unknown) => {
        if (!isGone(error)) this.#failed(error);
      },
    );
  }

  #pull(queueId: number, offset: number): void {
    if (this.isOver) return;
    const request = {
      group: pullGroup,
      topic: topicOfKind.pull,
      queueId,
      offset: offset as QueueOffset, // as the broker said
      maxCount: 32,
      maxSizeBytes: 8 << 20,
      filter: { type: 'TAG', expression: '*' },
      pollingTimeMs: 500,
    } as const;
    this.#broker.pull(request, (result) => {
      if (result instanceof RmqError) {
        if (!isGone(result)) setTimeout(() => this.#pull(queueId, offset), 50);
        return;
      }
      try {
        this.#pulled(queueId, offset, result);
      } catch (error) {
        return this.#failed(error);
      }
    });
  }

  #pulled(queueId: number, from: number, { messages }: PullResult): void {
    const topic = topicOfKind.pull;
    const end = from + messages.length;
    for (const [index, stored] of messages.entries()) {
      const message = identify(this.#model, this.#sizes, stored);
      if (stored.queueOffset !== from + index) throw new Error(`${topic}/${queueId} has a gap`);
      this.#model.pulled(message, stored.queueOffset);
      message.isDone = true;
    }
    if (messages.length > 0) {
      this.consumedCount += messages.length;
      // One that is lost is told again by the next.
      this.#broker.putOffset(pullGroup, topic, queueId, end as QueueOffset).catch(() => {});
    }
    this.#pull(queueId, end);
  }
}

export function isGone(error: unknown): boolean {
  return (
    error instanceof RmqError &&
    ['CONNECTION_LOST', 'CANNOT_CONNECT', 'TIMEOUT'].includes(error.code)
  );
}
