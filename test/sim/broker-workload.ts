/**
 * The clients of a simulated broker: producers of all kinds, consumers that pop (and acknowledge, forget,
 * prolong), consumers that pull. Each belongs to one life of the broker's process and falls silent with it.
 */
import { RmqError } from '../../src/protocol/errors.ts';
import type { QueueOffset } from '../../src/protocol/message/message.ts';
import type {
  BrokerApi,
  PoppedMessage,
  PullResult,
  SendResult,
} from '../../src/server/broker/api.ts';
import {
  type BrokerConfig,
  drawKey,
  kinds,
  popGroup,
  producerGroup,
  pullGroup,
  topicOfKind,
} from './broker-config.ts';
import type { BrokerModel, PoppedKind, SimMessage } from './broker-model.ts';
import type { SimPorts } from './machine.ts';
import { drawBodySize, makeDraft, readBody } from './payload.ts';
import type { SimRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { check } from './store-model.ts';

const firstOffset = 0 as QueueOffset;

/** What a client talks to: a broker, and the life that it belongs to. */
export interface Server {
  readonly api: BrokerApi;
  readonly ports: SimPorts;
  /** Where a queue begins. */
  minOffset(topic: string, queueId: number): number;
}

export interface WorkloadOptions {
  readonly config: BrokerConfig;
  readonly model: BrokerModel;
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  /** Says to the trace what a client does. */
  note(text: string): void;
  /** A check has failed inside a callback. */
  fail(error: unknown): void;
}

export class BrokerWorkload {
  readonly #config: BrokerConfig;
  readonly #model: BrokerModel;
  readonly #scheduler: Scheduler;
  readonly #random: SimRandom;
  readonly #note: (text: string) => void;
  readonly #fail: (error: unknown) => void;

  constructor(options: WorkloadOptions) {
    this.#config = options.config;
    this.#model = options.model;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#note = options.note;
    this.#fail = options.fail;
  }

  /** The producers' half of the check-back: each stands by its decision. */
  addChecker(server: Server): void {
    const byId = (id: string): SimMessage | undefined =>
      this.#model.messages.find((message) => `sim-${message.number}` === id);
    server.api.addTransactionChecker({
      producerGroups: () => [producerGroup],
      hasProducer: (group) => group === producerGroup,
      check: (asked) => {
        const message = byId(asked.transactionId);
        check(message !== undefined, `${asked.transactionId} was never sent`);
        if (this.#random.chance(0.3)) return true; // the answer is lost
        this.#decide(server, message, asked);
        return true;
      },
    });
  }

  async produce(up: Server, endUs: number): Promise<void> {
    const random = this.#random.fork('producer');
    const pauseUs = random.pick([500, 20_000, 300_000]);
    for (let left = random.between(3, 40); left > 0; left -= 1) {
      if (this.#scheduler.nowUs >= endUs || !up.ports.incarnation.isAlive) return;
      if (this.#model.messages.length >= this.#config.messageCountMax) return;
      this.#send(up, random);
      await this.#sleep(random.below(pauseUs * 2) + 20);
    }
  }

  #send(server: Server, random: SimRandom): void {
    const { api, ports } = server;
    const kind = random.pick(kinds);
    const groupNumber = random.below(this.#config.groupCount);
    const topic = topicOfKind(kind);
    const { queueCount } = this.#config;
    // A priority names its queue.
    const queueId = kind === 'fifo' ? groupNumber % queueCount : random.below(queueCount);
    const decision = random.chance(0.5) ? 'COMMIT' : 'ROLLBACK';
    const group = kind === 'fifo' ? `group-${groupNumber}` : '';
    const sentAtUs = this.#scheduler.nowUs;
    const key = drawKey(kind, this.#config.keyCount, random);
    const message = this.#model.sent({ kind, topic, queueId, group, key, decision, sentAtUs });
    const properties: Record<string, string> = { UNIQ_KEY: `sim-${message.number}` };
    if (key !== '') properties['KEYS'] = key;
    if (kind === 'fifo') properties['__SHARDINGKEY'] = group;
    if (kind === 'transaction') properties['TRAN_MSG'] = 'true';
    if (kind === 'priority') properties['_SYS_MSG_PRIORITY_'] = String(queueId);
    if (kind === 'delay') Object.assign(properties, this.#delay(message, ports, random));
    const bodySizeBytes = drawBodySize(random, 3_000);
    const draft = makeDraft({ topic, queueId, number: message.number, bodySizeBytes, properties });
    api.send({ drafts: [draft], producerGroup, createFrom: undefined }, (result) => {
      if (!ports.incarnation.isAlive) return;
      if (result instanceof RmqError) {
        message.state = result.code === 'STORE_FAILED' ? 'unknown' : 'refused';
        return;
      }
      message.state = 'acked';
      const one = result[0];
      check(one !== undefined, 'an answer a message');
      this.#note(`sent ${message.number} ${topic}/${one.queueId}@${one.queueOffset} ${group}`);
      if (kind === 'delay') return this.#recallMaybe(server, message, one, random);
      if (kind !== 'transaction') {
        message.queueOffset = one.queueOffset;
        message.sentOffset = one.queueOffset;
        return;
      }
      // A third leaves the decision to the check.
      if (!random.chance(0.67)) return;
      this.#scheduler.plan(random.below(50_000), () => this.#decide(server, message, one));
    });
  }

  /** Properties of a delay by time or level; at times none that matters. */
  #delay(message: SimMessage, { clock }: SimPorts, random: SimRandom): Record<string, string> {
    // The clock has whole milliseconds, cut off.
    const nowUs = Math.floor(this.#scheduler.nowUs / 1_000) * 1_000;
    if (random.chance(0.3)) {
      const level = random.between(1, 3);
      message.dueUs = nowUs + [0, 1, 5, 10][level]! * 1_000_000;
      return { DELAY: String(level) };
    }
    const delayMs = random.below(random.pick([3, 300, 30_000]));
    message.dueUs = nowUs + delayMs * 1_000;
    return { TIMER_DELIVER_MS: String(clock.nowMs() + delayMs) };
  }

  #recallMaybe(
    { api, ports }: Server,
    message: SimMessage,
    { recallHandle }: SendResult,
    random: SimRandom,
  ): void {
    if (recallHandle === undefined || !random.chance(0.3)) return;
    this.#scheduler.plan(random.below(random.pick([100, 20_000, 2_000_000])), () => {
      if (!ports.incarnation.isAlive) return;
      const { topic } = message;
      const isSeen = message.deliveryCount > 0;
      message.recall = isSeen ? 'none' : 'asked';
      api.recall({ topic, recallHandle, producerGroup }, (result) => {
        if (!ports.incarnation.isAlive) return;
        this.#guard(() => {
          if (!(result instanceof RmqError)) {
            check(message.deliveryCount === 0, `message ${message.number} came and was recalled`);
            message.recall = 'kept';
          } else if (result.code !== 'STORE_FAILED') {
            message.recall = 'none';
          }
        });
      });
    });
  }

  #decide(
    { api, ports }: Server,
    message: SimMessage,
    half: Parameters<BrokerApi['endTransaction']>[0]['half'],
  ): void {
    if (!ports.incarnation.isAlive) return;
    const request = {
      topic: message.topic,
      producerGroup,
      transactionId: `sim-${message.number}`,
      half: this.#random.chance(0.5) ? half : undefined,
      resolution: message.decision,
      isFromCheck: false,
    };
    api.endTransaction(request, () => {});
  }

  /** Receives until its process dies. */
  consume(up: Server, kind: PoppedKind, forgets: number): void {
    const { api, ports } = up;
    const { incarnation } = ports;
    const random = this.#random.fork('consumer');
    const topic = topicOfKind(kind);
    const invisibleMs = this.#config.invisibleMs;
    const again = (delayUs: number): void => {
      this.#scheduler.plan(delayUs, () => {
        if (incarnation.isAlive) receive();
      });
    };
    const receive = (): void => {
      const request = {
        group: popGroup,
        topic,
        queueId: random.chance(0.7) ? -1 : random.below(this.#config.queueCount),
        maxCount: random.pick([1, 3, 32]),
        invisibleTimeMs: invisibleMs,
        pollingTimeMs: random.pick([0, 1_000, 15_000]),
        filter: { type: 'TAG', expression: '*' },
        startFrom: 'MIN',
        isOrdered: kind === 'fifo',
        attemptId: undefined,
      } as const;
      api.pop(request, (result) => {
        if (!incarnation.isAlive) return;
        this.#guard(() => {
          if (result instanceof RmqError) return again(1_000_000);
          this.noteExpired(up, topic);
          const batch = result.messages.map((popped) => this.#deliveryOf(popped));
          const at = { incarnation: incarnation.number, nowUs: this.#scheduler.nowUs, invisibleMs };
          for (const one of batch)
            this.#note(`popped ${one.message.number} attempt ${one.attempt}`);
          this.#model.delivered(batch, at);
          for (const [index, popped] of result.messages.entries()) {
            const { message } = batch[index] as { message: SimMessage }; // one a message
            this.#handle(up, popped, message, random, forgets);
          }
          again(random.below(20_000) + 100);
        });
      });
    };
    receive();
  }

  #deliveryOf(popped: PoppedMessage): {
    message: SimMessage;
    attempt: number;
    queueOffset: number;
  } {
    const message = this.#messageOf(popped.message);
    const { queueId } = popped.message;
    // With the index the topic's number of queues is gone, and what was parked goes to one that there is.
    const isMoved = this.#config.losesIndex && message.queueId !== 0 && queueId === 0;
    check(
      queueId === message.queueId || isMoved,
      `message ${message.number} came from queue ${queueId}`,
    );
    return { message, attempt: popped.deliveryAttempt, queueOffset: popped.message.queueOffset };
  }

  /** What a consumer does with a message, after a while. */
  #handle(
    { api, ports }: Server,
    { receiptHandle, message: { queueOffset } }: PoppedMessage,
    message: SimMessage,
    random: SimRandom,
    forgets: number,
  ): void {
    const { incarnation } = ports;
    const { topic, seenBy, attempt } = message;
    // What it has been appended as once more, maybe in the same answer, is another.
    const isSame = (): boolean => message.queueOffset === queueOffset;
    const isMine = (): boolean =>
      isSame() && message.seenBy === seenBy && message.attempt === attempt;
    const delayUs = random.below(random.pick([100, 10_000, 500_000]));
    this.#scheduler.plan(delayUs, () => {
      if (!incarnation.isAlive || random.chance(forgets)) return;
      if (random.chance(0.05)) {
        const invisibleTimeMs = random.pick([500, 5_000]);
        const request = { group: popGroup, topic, receiptHandle, invisibleTimeMs };
        const atUs = this.#scheduler.nowUs;
        // Too late or nearly: the broker may have given it up, and answers that it is done with it.
        const isLate = atUs >= message.visibleAtUs - 2_000;
        // Until it is answered either time may count.
        if (isSame()) {
          message.visibleAtUs = Math.min(message.visibleAtUs, atUs + invisibleTimeMs * 1_000);
        }
        const isSuspend = random.chance(0.5);
        this.#note(`${isSuspend ? 'suspend' : 'prolong'} ${message.number} ${invisibleTimeMs}`);
        api.changeInvisibleTime({ ...request, isSuspend }, (result) => {
          if (result instanceof RmqError || !isSuspend || !isMine()) return;
          this.#model.suspended(message, isLate);
        });
        return;
      }
      message.isDone = true;
      this.#note(`ack ${message.number} attempt ${attempt}`);
      api.ack({ group: popGroup, topic, receiptHandles: [receiptHandle] }, (outcomes) => {
        if (!incarnation.isAlive || outcomes instanceof RmqError || !isSame()) return;
        if (outcomes[0] === undefined) message.ackedBy = incarnation.number;
      });
    });
  }

  /** Compares where the queues of a topic begin with what may be gone. */
  noteExpired(up: Server, topic: string): void {
    if (!this.#config.hasRetention) return;
    for (let queueId = 0; queueId < this.#config.queueCount; queueId += 1) {
      const minOffset = up.minOffset(topic, queueId);
      this.#model.expired(topic, queueId, minOffset, this.#scheduler.nowUs);
    }
  }

  /** Reads a queue by offset from where its group was, until its process dies. */
  pull(up: Server, queueId: number): void {
    const { api, ports } = up;
    const { incarnation } = ports;
    const random = this.#random.fork('puller');
    const topic = topicOfKind('pull');
    const read = (offset: QueueOffset): void => {
      const request = {
        group: pullGroup,
        topic,
        queueId,
        offset,
        maxCount: random.pick([1, 4, 32]),
        maxSizeBytes: 1 << 20,
        filter: { type: 'TAG', expression: '*' },
        pollingTimeMs: random.pick([0, 1_000, 15_000]),
      } as const;
      api.pull(request, (result) => {
        if (!incarnation.isAlive) return;
        this.#guard(() => {
          this.noteExpired(up, topic);
          if (!(result instanceof RmqError) && result.status === 'OFFSET_TOO_SMALL') {
            return this.#planAlive(ports, 100, () => read(result.nextOffset));
          }
          const isFailed = result instanceof RmqError || result.nextOffset <= offset;
          const next = isFailed ? offset : this.#pulled(result, offset);
          const delayUs = isFailed ? 1_000_000 : random.below(50_000) + 100;
          this.#planAlive(ports, delayUs, () => {
            if (!isFailed) this.#model.consumed(topic, queueId, { from: offset, end: next });
            // Who commits late gets messages again after a crash.
            if (random.chance(0.7)) void api.putOffset(pullGroup, topic, queueId, next);
            read(next);
          });
        });
      });
    };
    void api
      .getOffset(pullGroup, topic, queueId)
      .then((offset) => read(offset ?? firstOffset), this.#fail);
  }

  /** Checks what a pull found; where the next one begins. */
  #pulled(result: PullResult, offset: QueueOffset): QueueOffset {
    let wanted: number = offset;
    for (const stored of result.messages) {
      const message = this.#messageOf(stored);
      // Offsets may be empty or deleted meanwhile; who was acknowledged there is missed at the end.
      check(
        stored.queueOffset >= wanted,
        `a pull at ${offset} finds ${stored.queueOffset} in the place of ${wanted}`,
      );
      this.#note(`pulled ${message.number}`);
      this.#model.pulled(message, stored.queueOffset);
      wanted = stored.queueOffset + 1;
    }
    check(result.nextOffset >= wanted, `a pull at ${offset} goes on at ${result.nextOffset}`);
    return result.nextOffset;
  }

  #messageOf(stored: { readonly body: Uint8Array; readonly topic: string }): SimMessage {
    const number = readBody(stored.body);
    check(typeof number === 'number', String(number));
    const message = this.#model.messages[number];
    check(message !== undefined, `message ${number} was never sent`);
    check(message.topic === stored.topic, `message ${number} came from another topic`);
    return message;
  }

  /** Later, if the process still lives and the run goes on. */
  #planAlive({ incarnation }: SimPorts, delayUs: number, run: () => void): void {
    this.#scheduler.plan(delayUs, () => {
      if (incarnation.isAlive) this.#guard(run);
    });
  }

  /** A failed check in a callback ends the run. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #sleep(us: number): Promise<void> {
    return new Promise((resolve) => this.#scheduler.plan(us, resolve));
  }
}
