/**
 * The load of a crash test, as real clients make it: producers over Remoting and gRPC (bodies of 1 B to
 * 4 MB, of all types), and consumers of all kinds. What each was answered goes into the model.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import { MessageType } from '../../src/protocol/grpc/generated/messages.ts';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import type { SendResult } from '../../src/server/broker/api.ts';
import type { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import type { BrokerModel, MessageKind, SimMessage } from '../sim/broker-model.ts';
import { makeProperties } from '../sim/payload.ts';
import type { SimRandom } from '../sim/random.ts';
import { plainDraft } from '../support/plain-draft.ts';
import { Consumers, isGone } from './consumers.ts';
import type { GrpcSender } from './grpc-sender.ts';
import { bodyOf, drawSize, kinds, liteTopics, queueCount, topicOfKind } from './messages.ts';

const producerGroup = 'crash-producers';
const producerCount = 8;
const groupCount = 10;
/** A producer that was refused waits for so long. */
const pauseMs = 50;

/** Who sends what in which way; drawn before each send. */
interface Plan {
  readonly kind: MessageKind;
  readonly isOverGrpc: boolean;
  readonly queueId: number;
  /** Message group; empty: none. */
  readonly group: string;
  readonly liteTopic: string;
  readonly delayMs: number;
}

const grpcTypes: Readonly<Partial<Record<MessageKind, number>>> = {
  normal: MessageType.NORMAL,
  pull: MessageType.NORMAL,
  fifo: MessageType.FIFO,
  delay: MessageType.DELAY,
  priority: MessageType.PRIORITY,
  lite: MessageType.LITE,
};

function drawPlan(random: SimRandom): Plan {
  const kind = random.pick(kinds);
  const isOverGrpc = grpcTypes[kind] !== undefined && random.chance(0.3);
  const groupNumber = random.below(groupCount);
  const isFifo = kind === 'fifo';
  const queueId = isFifo ? groupNumber % queueCount : random.below(queueCount);
  return {
    kind,
    isOverGrpc,
    // Over gRPC the proxy chooses, by the group where there is one.
    queueId: isOverGrpc || kind === 'lite' ? -1 : queueId,
    group: isFifo ? `${isOverGrpc ? 'h' : 'g'}${groupNumber}` : '',
    liteTopic: kind === 'lite' ? random.pick(liteTopics) : '',
    delayMs: random.below(4_000),
  };
}

export class Load {
  readonly sizes: number[];
  readonly consumers: Consumers;
  ackedCount = 0;
  /** Refusals by what was said. */
  readonly refusals = new Map<string, number>();
  /** No more is sent; consumers go on. */
  isSendingOver = false;
  readonly #model: BrokerModel;
  readonly #broker: RemoteBroker;
  readonly #grpc: GrpcSender;
  readonly #random: SimRandom;

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
    this.consumers = new Consumers(options);
  }

  get consumedCount(): number {
    return this.consumers.consumedCount;
  }

  /** Runs until `end` or until the server is gone. */
  start(): void {
    this.startProducers();
    this.startConsumers();
  }

  startProducers(): void {
    for (let index = 0; index < producerCount; index += 1) {
      this.#produce(this.#random.fork('producer'));
    }
  }

  startConsumers(): void {
    this.consumers.start(this.#random);
  }

  end(): void {
    this.isSendingOver = true;
    this.consumers.isOver = true;
  }

  #produce(random: SimRandom): void {
    if (this.isSendingOver) return;
    const plan = drawPlan(random);
    const decision = random.chance(0.5) ? 'COMMIT' : 'ROLLBACK';
    const { kind, queueId, group } = plan;
    const topic = topicOfKind[kind];
    const message = this.#model.sent({ kind, topic, queueId, group, decision, sentAtUs: 0 });
    const body = bodyOf(message.number, drawSize(random));
    this.sizes.push(body.length);
    // The two clocks do not tick together.
    if (kind === 'delay') message.dueUs = (performance.now() + plan.delayMs - 5) * 1_000;
    const again = (isRefused: boolean): void => {
      if (isRefused) setTimeout(() => this.#produce(random), pauseMs);
      else this.#produce(random);
    };
    if (plan.isOverGrpc) this.#sendOverGrpc(message, plan, body, again);
    else this.#send(message, plan, body, random, again);
  }

  #sendOverGrpc(
    message: SimMessage,
    plan: Plan,
    body: Buffer,
    again: (isRefused: boolean) => void,
  ): void {
    const { kind, group, liteTopic, delayMs } = plan;
    const properties = {
      messageId: `crash-${message.number}`,
      messageType: grpcTypes[kind],
      messageGroup: group === '' ? undefined : group,
      liteTopic: liteTopic === '' ? undefined : liteTopic,
      deliveryTimestampMs: kind === 'delay' ? Date.now() + delayMs : undefined,
      priority: kind === 'priority' ? message.number % queueCount : undefined,
    };
    this.#grpc.send(message.topic, body, properties, (outcome) => {
      if (outcome === 'gone') return;
      const isAcked = outcome === 'OK';
      message.state = isAcked ? 'acked' : 'unknown';
      if (isAcked) this.ackedCount += 1;
      else this.#refused(`gRPC ${outcome}`);
      again(!isAcked);
    });
  }

  #refused(reason: string): void {
    const what = reason.replace(/\d{6,}/g, 'n').replace(/\/[^\s,]+/g, 'FOLDER');
    this.refusals.set(what, (this.refusals.get(what) ?? 0) + 1);
  }

  #send(
    message: SimMessage,
    plan: Plan,
    body: Buffer,
    random: SimRandom,
    again: (isRefused: boolean) => void,
  ): void {
    const fields: Record<string, string> = { UNIQ_KEY: `crash-${message.number}` };
    if (plan.group !== '') fields['__SHARDINGKEY'] = plan.group;
    if (plan.liteTopic !== '') fields['__LITE_TOPIC'] = plan.liteTopic;
    if (plan.kind === 'transaction') fields['TRAN_MSG'] = 'true';
    if (plan.kind === 'priority') fields['_SYS_MSG_PRIORITY_'] = String(plan.queueId);
    if (plan.kind === 'delay') fields['TIMER_DELIVER_MS'] = String(Date.now() + plan.delayMs);
    const draft: MessageDraft = plainDraft({
      topic: message.topic,
      queueId: plan.queueId,
      sysFlag: plan.kind === 'transaction' ? 4 : 0,
      bornTimestampMs: 0,
      body,
      properties: makeProperties(fields),
    });
    const request = { drafts: [draft], producerGroup, createFrom: undefined };
    this.#broker.send(request, (result) => {
      if (result instanceof RmqError) {
        message.state = 'unknown';
        if (isGone(result)) return;
        this.#refused(`${result.code} ${result.message}`);
        return again(true);
      }
      this.#acked(message, result[0], random);
      again(false);
    });
  }

  #acked(message: SimMessage, result: SendResult | undefined, random: SimRandom): void {
    message.state = 'acked';
    this.ackedCount += 1;
    if (result === undefined) return;
    if (message.kind === 'transaction') this.#decide(message, result, random);
    else if (message.kind !== 'delay') message.queueOffset = result.queueOffset;
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
}
