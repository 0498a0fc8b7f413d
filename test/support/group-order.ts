/**
 * Ordered consumption by many consumers at once, some of whose work fails, and the check that each
 * message group keeps its order: a message is delivered only when all before it in its group are done,
 * or before it in the same answer. A repeated delivery of a done one is allowed.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import type { BrokerApi, PoppedMessage } from '../../src/server/broker/api.ts';
import { plainDraft } from './plain-draft.ts';

const topic = 'fifo';
const group = 'fifo-consumers';

/** Numbers of a message: its group and its place there, from 0. */
interface Place {
  readonly group: number;
  readonly sequence: number;
}

export class GroupOrder {
  readonly groupCount: number;
  readonly perGroup: number;
  readonly queueCount: number;
  /** Of each group, how many messages are done: the first so many. */
  readonly #done: Int32Array;
  doneCount = 0;
  deliveryCount = 0;
  /** The first broken promise. */
  failure: Error | undefined = undefined;

  constructor(options: { groupCount: number; perGroup: number; queueCount: number }) {
    this.groupCount = options.groupCount;
    this.perGroup = options.perGroup;
    this.queueCount = options.queueCount;
    this.#done = new Int32Array(options.groupCount);
  }

  get isComplete(): boolean {
    return this.doneCount === this.groupCount * this.perGroup;
  }

  /** Sends all messages, each group's in order, the groups mixed. */
  async sendAll(broker: BrokerApi): Promise<void> {
    for (let sequence = 0; sequence < this.perGroup; sequence++) {
      const byQueue = Array.from({ length: this.queueCount }, (): MessageDraft[] => []);
      for (let of = 0; of < this.groupCount; of++) {
        byQueue[of % this.queueCount]?.push(this.#draft({ group: of, sequence }));
      }
      for (const drafts of byQueue) {
        for (let at = 0; at < drafts.length; at += 500) {
          await sent(broker, drafts.slice(at, at + 500));
        }
      }
    }
  }

  #draft(place: Place): MessageDraft {
    return plainDraft({
      topic,
      queueId: place.group % this.queueCount,
      bornTimestampMs: 0,
      body: Buffer.from(`${place.group}/${place.sequence}`),
      properties: encodeProperties({
        __SHARDINGKEY: `group-${place.group}`,
        UNIQ_KEY: `${place.group}/${place.sequence}`,
      }),
    });
  }

  /** One receive, its messages consumed in order; `chance` 0 to 1 decides what fails. */
  async receive(
    broker: BrokerApi,
    options: { chance: () => number; invisibleTimeMs: number; pollingTimeMs: number },
  ): Promise<void> {
    const { messages } = await popped(broker, options);
    const places = messages.map(({ message }) => placeOf(message.body));
    this.#check(places);
    const acked: string[] = [];
    const failed = new Set<number>();
    for (const [index, { receiptHandle }] of messages.entries()) {
      const place = places[index] as Place; // one a message
      if (failed.has(place.group)) continue;
      const roll = options.chance();
      if (roll > 0.05) {
        this.#finish(place);
        acked.push(receiptHandle);
        continue;
      }
      // The rest of its group waits: for the invisible time, or until it is given back.
      failed.add(place.group);
      if (roll < 0.03) await givenBack(broker, receiptHandle, roll < 0.01 ? 0 : 50);
    }
    if (acked.length > 0) await acknowledged(broker, acked);
  }

  #finish({ group: of, sequence }: Place): void {
    if (this.#done[of] !== sequence) return; // again
    this.#done[of] = sequence + 1;
    this.doneCount++;
  }

  #check(places: readonly Place[]): void {
    const reached = new Map<number, number>();
    for (const { group: of, sequence } of places) {
      this.deliveryCount++;
      const next = Math.max(reached.get(of) ?? 0, this.#done[of] ?? 0);
      if (sequence > next) {
        this.failure ??= new Error(`group ${of}: ${sequence} is delivered, ${next} is not done`);
      }
      reached.set(of, Math.max(next, sequence + 1));
    }
  }
}

function placeOf(body: Uint8Array): Place {
  const [of, sequence] = Buffer.from(body).toString().split('/').map(Number);
  return { group: of ?? -1, sequence: sequence ?? -1 };
}

function sent(broker: BrokerApi, drafts: readonly MessageDraft[]): Promise<void> {
  return new Promise((resolve, reject) => {
    broker.send({ drafts, producerGroup: 'p', createFrom: undefined }, (result) =>
      result instanceof Error ? reject(result) : resolve(),
    );
  });
}

function popped(
  broker: BrokerApi,
  { invisibleTimeMs, pollingTimeMs }: { invisibleTimeMs: number; pollingTimeMs: number },
): Promise<{ readonly messages: readonly PoppedMessage[] }> {
  return new Promise((resolve, reject) => {
    broker.pop(
      {
        group,
        topic,
        queueId: -1,
        maxCount: 32,
        invisibleTimeMs,
        pollingTimeMs,
        filter: { type: 'TAG', expression: '*' },
        startFrom: 'MIN',
        isOrdered: true,
        attemptId: undefined,
      },
      (result) => (result instanceof Error ? reject(result) : resolve(result)),
    );
  });
}

function acknowledged(broker: BrokerApi, receiptHandles: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    broker.ack({ group, topic, receiptHandles }, (outcomes) => {
      if (outcomes instanceof Error) return reject(outcomes);
      const bad = outcomes.find(
        (one) => one !== undefined && one.code !== 'INVALID_RECEIPT_HANDLE',
      );
      if (bad === undefined) resolve();
      else reject(bad);
    });
  });
}

function givenBack(
  broker: BrokerApi,
  receiptHandle: string,
  invisibleTimeMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = { group, topic, receiptHandle, invisibleTimeMs, isSuspend: false };
    broker.changeInvisibleTime(request, (result) => {
      const isLate = result instanceof RmqError && result.code === 'INVALID_RECEIPT_HANDLE';
      if (result instanceof Error && !isLate) reject(result);
      else resolve();
    });
  });
}
