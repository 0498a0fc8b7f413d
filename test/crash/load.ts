/**
 * The load of a crash test, as real clients make it: producers over Remoting and gRPC (bodies of 1 B to
 * 4 MB, of all types), consumers that receive and acknowledge. What each was answered
 * goes into the model.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { findProperty } from '../../src/protocol/message/properties.ts';
import type { PoppedMessage } from '../../src/server/broker/api.ts';
import type { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import type { BrokerModel, PoppedKind, SimMessage } from '../sim/broker-model.ts';
import { makeProperties } from '../sim/payload.ts';
import type { SimRandom } from '../sim/random.ts';
import { check } from '../sim/store-model.ts';
import type { GrpcSender } from './grpc-sender.ts';

export const queueCount = 4;
export const consumerGroup = 'crash-consumers';
const producerGroup = 'crash-producers';
const largestBodyBytes = 4 << 20;
const invisibleMs = 60_000;
const groupCount = 10;
const host = { address: Buffer.from([127, 0, 0, 1]), port: 1 };

export const topicOfKind: Readonly<Record<PoppedKind, string>> = {
  delay: 'crash-delay',
  priority: 'crash-priority',
  normal: 'crash-normal',
  fifo: 'crash-fifo',
  transaction: 'crash-transaction',
};
export const kinds: readonly PoppedKind[] = ['normal', 'fifo', 'transaction', 'delay', 'priority'];

/** The body of a message, computed from its number, so that a single wrong bit shows. */
export function bodyOf(number: number, sizeBytes: number): Buffer {
  const body = Buffer.alloc(sizeBytes);
  let word = Math.imul(number + 1, 0x9e3779b1);
  for (let at = 0; at < sizeBytes; at += 1) {
    word = Math.imul(word, 0x01000193) + 0x6d2b;
    body[at] = word >>> 16;
  }
  return body;
}

/** The message that was stored with these properties and this body; throws when it is none of ours. */
export function identify(
  model: BrokerModel,
  sizes: readonly number[],
  stored: { readonly properties: Uint8Array; readonly body: Uint8Array },
): SimMessage {
  const key = findProperty(stored.properties, 'UNIQ_KEY') ?? '';
  const number = Number(/^crash-(\d+)$/.exec(key)?.[1] ?? Number.NaN);
  const message = model.messages[number];
  const size = sizes[number];
  check(message !== undefined && size !== undefined, `a message ${key} was never sent`);
  check(bodyOf(number, size).equals(stored.body), `message ${number}: the body is another one`);
  return message;
}

function drawSize(random: SimRandom): number {
  const roll = random.fraction();
  if (roll < 0.1) return 1;
  if (roll < 0.7) return random.between(2, 500);
  if (roll < 0.95) return random.between(500, 20_000);
  if (roll < 0.995) return random.between(20_000, 300_000);
  return roll < 0.998 ? largestBodyBytes : random.between(300_000, largestBodyBytes);
}

export class Load {
  readonly sizes: number[];
  isOver = false;
  ackedCount = 0;
  consumedCount = 0;
  readonly #model: BrokerModel;
  readonly #broker: RemoteBroker;
  readonly #grpc: GrpcSender;
  readonly #random: SimRandom;
  readonly #incarnation: number;
  readonly #failed: (error: unknown) => void;

  constructor(options: {
    readonly model: BrokerModel;
    readonly sizes: number[];
    readonly broker: RemoteBroker;
    readonly grpc: GrpcSender;
    readonly random: SimRandom;
    /** Names this life of the server. */
    readonly incarnation: number;
    /** Hears of broken promises. */
    readonly failed: (error: unknown) => void;
  }) {
    this.#model = options.model;
    this.sizes = options.sizes;
    this.#broker = options.broker;
    this.#grpc = options.grpc;
    this.#random = options.random;
    this.#incarnation = options.incarnation;
    this.#failed = options.failed;
  }

  /** Runs until `isOver` is set or the server is gone. */
  start(): void {
    for (let index = 0; index < 6; index += 1) this.#produce(this.#random.fork('producer'));
    for (const kind of kinds) this.#consume(kind, this.#random.fork('consumer'));
  }

  #produce(random: SimRandom): void {
    if (this.isOver) return;
    const kind = random.pick(kinds);
    const groupNumber = random.below(groupCount);
    const isOverGrpc = kind === 'normal' && random.chance(0.3);
    const queueId = kind === 'fifo' ? groupNumber % queueCount : random.below(queueCount);
    const group = kind === 'fifo' ? `g${groupNumber}` : '';
    const decision = random.chance(0.5) ? 'COMMIT' : 'ROLLBACK';
    const topic = topicOfKind[kind];
    const message = this.#model.sent({
      kind,
      topic,
      queueId: isOverGrpc ? -1 : queueId,
      group,
      decision,
      sentAtUs: 0,
    });
    const body = bodyOf(message.number, drawSize(random));
    this.sizes.push(body.length);
    const again = (): void => this.#produce(random);
    if (isOverGrpc) this.#sendOverGrpc(message, body, again);
    else this.#send(message, body, random, again);
  }

  #sendOverGrpc(message: SimMessage, body: Buffer, again: () => void): void {
    this.#grpc.send(message.topic, `crash-${message.number}`, body, (outcome) => {
      if (outcome === 'gone') return;
      message.state = outcome === 'acked' ? 'acked' : 'unknown';
      if (outcome === 'acked') this.ackedCount += 1;
      again();
    });
  }

  #send(message: SimMessage, body: Buffer, random: SimRandom, again: () => void): void {
    const fields: Record<string, string> = { UNIQ_KEY: `crash-${message.number}` };
    if (message.group !== '') fields['__SHARDINGKEY'] = message.group;
    if (message.kind === 'transaction') fields['TRAN_MSG'] = 'true';
    if (message.kind === 'priority') fields['_SYS_MSG_PRIORITY_'] = String(message.queueId);
    if (message.kind === 'delay') {
      const delayMs = random.below(4_000);
      fields['TIMER_DELIVER_MS'] = String(Date.now() + delayMs);
      // The two clocks do not tick together.
      message.dueUs = (performance.now() + delayMs - 5) * 1_000;
    }
    const draft: MessageDraft = {
      topic: message.topic,
      queueId: message.queueId,
      flag: 0,
      sysFlag: message.kind === 'transaction' ? 4 : 0,
      bornTimestampMs: 0,
      bornHost: host,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      body,
      properties: makeProperties(fields),
    };
    const request = { drafts: [draft], producerGroup, createFrom: undefined };
    this.#broker.send(request, (result) => {
      if (result instanceof RmqError) {
        message.state = 'unknown';
        if (isGone(result)) return;
        return again();
      }
      message.state = 'acked';
      this.ackedCount += 1;
      const one = result[0];
      if (one !== undefined) {
        if (message.kind === 'transaction') this.#decide(message, one, random);
        else if (message.kind !== 'delay') message.queueOffset = one.queueOffset;
      }
      again();
    });
  }

  #decide(
    message: SimMessage,
    half: Parameters<RemoteBroker['endTransaction']>[0]['half'],
    random: SimRandom,
  ): void {
    if (random.chance(0.2)) return; // left to the next life of its producer
    this.decide(message, half, () => {});
  }

  /** A producer stands by its decision, however often it is asked. */
  decide(
    message: SimMessage,
    half: Parameters<RemoteBroker['endTransaction']>[0]['half'],
    done: (error: RmqError | undefined) => void,
  ): void {
    this.#broker.endTransaction(
      {
        topic: message.topic,
        producerGroup,
        transactionId: `crash-${message.number}`,
        half,
        resolution: message.decision,
        isFromCheck: false,
      },
      done,
    );
  }

  #consume(kind: PoppedKind, random: SimRandom): void {
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
    } as const;
    this.#broker.pop(request, (result) => {
      if (result instanceof RmqError) {
        if (!isGone(result)) setTimeout(() => this.#consume(kind, random), 50);
        return;
      }
      try {
        this.#received(result.messages, random);
      } catch (error) {
        return this.#failed(error);
      }
      this.#consume(kind, random);
    });
  }

  #received(messages: readonly PoppedMessage[], random: SimRandom): void {
    const batch = messages.map((popped) => ({
      message: identify(this.#model, this.sizes, popped.message),
      attempt: popped.deliveryAttempt,
      queueOffset: popped.message.queueOffset,
    }));
    const nowUs = performance.now() * 1_000;
    this.#model.delivered(batch, {
      incarnation: this.#incarnation,
      nowUs,
      invisibleMs,
    });
    const taken = messages.filter((_, index) => {
      const isTaken = !random.chance(0.05);
      const message = batch[index]?.message;
      if (isTaken && message !== undefined) message.isDone = true;
      return isTaken;
    });
    if (taken.length === 0) return;
    this.consumedCount += taken.length;
    const receiptHandles = taken.map(({ receiptHandle }) => receiptHandle);
    const topic = messages[0]?.message.topic ?? '';
    this.#broker.ack({ group: consumerGroup, topic, receiptHandles }, () => {});
  }
}

function isGone(error: RmqError): boolean {
  return (
    error.code === 'CONNECTION_LOST' || error.code === 'CANNOT_CONNECT' || error.code === 'TIMEOUT'
  );
}
