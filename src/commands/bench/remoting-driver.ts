/**
 * Load over Remoting: SEND_MESSAGE_V2 or SEND_BATCH_MESSAGE to the brokers in turn; PULL_MESSAGE from the begin of
 * each queue, which needs no group and acknowledges nothing.
 */
import type { QueueAddress } from '../../client/admin-client.ts';
import { asRmqError } from '../../protocol/errors.ts';
import { encodeProperties } from '../../protocol/message/properties.ts';
import { encodeBatchBody } from '../../protocol/remoting/batch-body.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import { sendHeaderV2 } from '../../protocol/remoting/headers/send.ts';
import {
  type Connected,
  type Driver,
  type DriverPlan,
  makeBody,
  putStamp,
  stampSizeBytes,
} from './driver.ts';
import type { Work } from './load.ts';

const producerGroup = 'rmq-bench';
const waitMs = 1_000;

export class RemotingDriver implements Driver {
  readonly #plan: DriverPlan;
  readonly #connections: Connected[] = [];
  readonly #queues: QueueAddress[] = [];
  readonly #offsets: number[] = [];
  readonly #body: Buffer;
  readonly #idStart: string;
  #nextId = 0;
  #turn = 0;

  private constructor(plan: DriverPlan) {
    this.#plan = plan;
    this.#body = makeBody(plan.bodySizeBytes);
    this.#idStart = Math.floor(plan.clock.nowMs()).toString(16).toUpperCase().padStart(20, '0');
  }

  static async open(plan: DriverPlan): Promise<RemotingDriver> {
    const driver = new RemotingDriver(plan);
    for (let index = 0; index < plan.connectionCount; index++) {
      driver.#connections.push(plan.connect());
    }
    try {
      for (const topic of plan.topics) {
        driver.#queues.push(...(await driver.#connection(0).admin.queues(topic)));
      }
      for (const queue of driver.#queues) {
        driver.#offsets.push(await driver.#connection(0).admin.minOffset(queue));
      }
      return driver;
    } catch (error) {
      await driver.close();
      throw error;
    }
  }

  get consumerCountMax(): number {
    return this.#queues.length;
  }

  #connection(worker: number): Connected {
    return this.#connections[worker % this.#connections.length] as Connected; // one at least
  }

  readonly produce: Work = (worker, dueMs, finish) => {
    const { sendCount, messageType, clock } = this.#plan;
    // Message groups stay with their queue.
    const turn = messageType === 'FIFO' ? worker : this.#turn++;
    const queue = this.#queues[turn % this.#queues.length] as QueueAddress; // a route has one
    const isBatch = sendCount > 1;
    const properties = isBatch ? '' : this.#properties(worker).toString('latin1');
    const fields = sendHeaderV2.encode({
      producerGroup,
      topic: queue.topic,
      defaultTopic: 'TBW102',
      defaultTopicQueueCount: 4,
      queueId: queue.queueId,
      sysFlag: 0,
      bornTimestampMs: clock.nowMs(),
      flag: 0,
      properties,
      reconsumeTimes: 0,
      isUnitMode: false,
      maxReconsumeTimes: undefined,
      isBatch,
      brokerName: queue.brokerName,
    });
    const code = isBatch ? RequestCode.SEND_BATCH_MESSAGE : RequestCode.SEND_MESSAGE_V2;
    const body = isBatch ? this.#batch(worker, dueMs) : this.#stamped(dueMs);
    this.#connection(worker)
      .admin.call(queue.address, code, fields, body)
      .then(
        () => finish({ messageCount: sendCount }),
        (error: unknown) => finish(asRmqError(error)),
      );
  };

  #batch(worker: number, dueMs: number): Buffer {
    const entries = Array.from({ length: this.#plan.sendCount }, () => ({
      flag: 0,
      body: this.#stamped(dueMs),
      properties: this.#properties(worker),
    }));
    return encodeBatchBody(entries);
  }

  #stamped(dueMs: number): Buffer {
    const body = Buffer.from(this.#body);
    if (body.length >= stampSizeBytes) putStamp(body, 0, dueMs);
    return body;
  }

  #properties(worker: number): Buffer {
    const { messageType, delayMs, clock } = this.#plan;
    const id = (this.#nextId++).toString(16).toUpperCase().padStart(12, '0');
    const properties = new Map([
      ['UNIQ_KEY', this.#idStart + id],
      ['WAIT', 'true'],
    ]);
    if (messageType === 'FIFO') properties.set('__SHARDINGKEY', `group-${worker}`);
    if (messageType === 'DELAY') {
      properties.set('TIMER_DELIVER_MS', String(Math.round(clock.nowMs() + delayMs)));
    }
    if (messageType === 'PRIORITY') properties.set('_SYS_MSG_PRIORITY_', String(worker % 3));
    return encodeProperties(properties);
  }

  consume(use: (body: Uint8Array) => void): Work {
    return (worker, _dueMs, finish) => {
      this.#pull(worker, use).then(
        (messageCount) => finish({ messageCount }),
        (error: unknown) => finish(asRmqError(error)),
      );
    };
  }

  async #pull(index: number, use: (body: Uint8Array) => void): Promise<number> {
    const queue = this.#queues[index] as QueueAddress; // below `consumerCountMax`
    const { messages, nextOffset } = await this.#connection(index).admin.pull(
      queue,
      this.#offsets[index] ?? 0,
      { maxCount: this.#plan.receiveCount, waitMs, expression: '*' },
    );
    this.#offsets[index] = nextOffset;
    for (const { body } of messages) use(body);
    return messages.length;
  }

  /** They wait for a second, no longer. */
  cancelReceives(): void {}

  async close(): Promise<void> {
    await Promise.all(this.#connections.map(({ close }) => close()));
  }
}
