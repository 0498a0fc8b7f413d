/**
 * Transactional messages: parked in the half topic until their producer decides, asked about when it
 * does not (facts/broker.md §8). A commit appends the message to its topic and the op record behind it in
 * one write; should a crash part the two, the commit record closes the transaction by itself, and the op record
 * does not.
 *
 * Other than Apache's, a check does not append the half message again, a check that reached no producer does
 * not count towards the limit, and a late decision about an open transaction is taken.
 */
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { MessageDraft, StoredMessage } from '../../../protocol/message/message.ts';
import {
  findProperty,
  withoutProperties,
  withProperties,
} from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';
import type { Reply } from '../../../util/reply.ts';
import { TimerWheel } from '../../../util/timer-wheel.ts';
import type { Logger } from '../../shared/logger.ts';
import type { MessageStore } from '../../store/message-store.ts';
import type { Origin } from '../../store/origin.ts';
import type { Cancel, EndTransactionRequest, TransactionChecker } from '../api.ts';
import { type TopicTable, topicOf } from '../topics/topic-table.ts';
import {
  givenUpTopic,
  halfTopic,
  type OpenTransaction,
  OpenTransactions,
  opTopic,
} from './open-transactions.ts';

export interface TransactionTuning {
  /** First question this long after the send, unless the message says another time. */
  readonly timeoutMs: number;
  readonly checkIntervalMs: number;
  /** Questions asked before a transaction is given up. */
  readonly checkCountMax: number;
}

export const defaultTransactionTuning: TransactionTuning = {
  timeoutMs: 6_000,
  checkIntervalMs: 30_000,
  checkCountMax: 15,
};

/** Properties that only a parked message has. */
const parkedProperties: readonly string[] = [PropertyName.realTopic, PropertyName.realQueueId];
/** A half message is not delayed by itself; facts/broker.md §7. */
const delayProperties: readonly string[] = [
  PropertyName.delayLevel,
  PropertyName.timerDeliverMs,
  PropertyName.timerDelayMs,
  PropertyName.timerDelaySeconds,
];

export function isTransactional(draft: MessageDraft): boolean {
  return findProperty(draft.properties, PropertyName.transactionPrepared) === 'true';
}

export class Transactions {
  readonly open: OpenTransactions;
  readonly #store: MessageStore;
  readonly #topics: TopicTable;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #brokerName: string;
  readonly #tuning: TransactionTuning;
  readonly #wheel: TimerWheel;
  readonly #checkers: TransactionChecker[] = [];
  #turn = 0;
  #isStopped = false;

  constructor(options: {
    readonly store: MessageStore;
    readonly topics: TopicTable;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly brokerName: string;
    readonly tuning?: TransactionTuning | undefined;
    readonly origin?: Origin | undefined;
  }) {
    this.#store = options.store;
    this.#topics = options.topics;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#brokerName = options.brokerName;
    this.#tuning = options.tuning ?? defaultTransactionTuning;
    this.#wheel = new TimerWheel(options.clock, { resolutionMs: 20 });
    this.open = new OpenTransactions(this.#tuning.timeoutMs, options.origin);
  }

  /** The store has been started: what is open is asked about from now on. */
  start(): void {
    this.open.events = {
      opened: (one) => this.#arm(one),
      closed: (one) => this.#disarm(one),
      outdated: (one) => {
        if (!one.isDeciding) this.#giveUp(one);
      },
    };
    for (const one of this.open.all()) this.#arm(one);
  }

  stop(): void {
    this.#isStopped = true;
    for (const one of this.open.all()) this.#disarm(one);
  }

  /** The draft as it is parked until its producer decides. */
  park(draft: MessageDraft, producerGroup: string): MessageDraft {
    const transactionId = findProperty(draft.properties, PropertyName.uniqueKey) ?? '';
    const properties = withProperties(
      withoutProperties(draft.properties, delayProperties),
      new Map<string, string>([
        [PropertyName.realTopic, draft.topic],
        [PropertyName.realQueueId, String(draft.queueId)],
        [PropertyName.producerGroup, producerGroup],
        [PropertyName.transactionId, transactionId],
      ]),
    );
    return {
      ...draft,
      topic: halfTopic,
      queueId: 0,
      sysFlag: draft.sysFlag & ~SysFlag.transactionMask,
      properties,
    };
  }

  end(request: EndTransactionRequest, reply: Reply<undefined, RmqError>): void {
    const one = this.open.find(request);
    if (one === undefined) return reply(notFound(request));
    const problem = mismatch(one, request);
    if (problem !== undefined) return reply(new RmqError('TRANSACTION_NOT_FOUND', problem));
    if (request.resolution === 'UNKNOWN') return reply(undefined);
    if (one.isDeciding) {
      const text = `transaction ${one.transactionId} is being decided already`;
      return reply(new RmqError('ILLEGAL_OPERATION', text));
    }
    if (request.resolution === 'ROLLBACK') return this.#write(one, [this.#op(one)], reply);
    one.isDeciding = true;
    this.#readHalf(one, (half) => {
      one.isDeciding = false;
      if (half instanceof RmqError) return reply(half);
      const committed = this.#committed(one, half);
      if (committed instanceof RmqError) return reply(committed);
      this.#write(one, [committed, this.#op(one, half)], reply);
    });
  }

  /** Appends what decides; the dispatch of it closes the transaction. */
  #write(
    one: OpenTransaction,
    drafts: readonly MessageDraft[],
    reply: Reply<undefined, RmqError>,
  ): void {
    one.isDeciding = true;
    this.#store.append(drafts, (appended) => {
      one.isDeciding = false;
      reply(appended instanceof RmqError ? appended : undefined);
    });
  }

  #readHalf(one: OpenTransaction, reply: Reply<StoredMessage, RmqError>): void {
    this.#store.readAt(one.physicalOffset).then(
      (half) => {
        if (half !== undefined) return reply(half);
        const text = `the half message of transaction ${one.transactionId} is no longer stored`;
        reply(new RmqError('TRANSACTION_NOT_FOUND', text));
      },
      (error: unknown) => {
        reply(
          error instanceof RmqError
            ? error
            : new RmqError('STORE_CORRUPT', String(error), { cause: error }),
        );
      },
    );
  }

  /** The half message for its own topic. */
  #committed(one: OpenTransaction, half: StoredMessage): MessageDraft | RmqError {
    const config = this.#topics.get(one.topic);
    if (config === undefined) {
      const text = `topic ${one.topic} of transaction ${one.transactionId} does not exist any more`;
      return new RmqError('TOPIC_NOT_FOUND', text, {
        hint: `create it again: rmq topic create ${one.topic}`,
      });
    }
    const wanted = Number(findProperty(half.properties, PropertyName.realQueueId) ?? '0');
    const queueCount = Math.max(config.readQueueCount, config.writeQueueCount);
    return {
      ...draftOf(half),
      topic: one.topic,
      // The topic may have fewer queues by now.
      queueId: wanted < queueCount ? wanted : wanted % config.writeQueueCount,
      sysFlag: half.sysFlag | SysFlag.transactionCommit,
      preparedTransactionOffset: one.physicalOffset,
      properties: withoutProperties(half.properties, parkedProperties),
    };
  }

  #op(one: OpenTransaction, half?: StoredMessage): MessageDraft {
    const host = half?.bornHost ?? { address: Buffer.alloc(4), port: 0 };
    return {
      topic: opTopic,
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestampMs: this.#clock.nowMs(),
      bornHost: host,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0,
      body: Buffer.from(`${one.queueOffset},`),
      properties: half === undefined ? opProperties : opBehindCopy,
    };
  }

  addChecker(checker: TransactionChecker): Cancel {
    this.#checkers.push(checker);
    return () => {
      const index = this.#checkers.indexOf(checker);
      if (index >= 0) this.#checkers.splice(index, 1);
    };
  }

  #arm(one: OpenTransaction): void {
    if (this.#isStopped) return;
    const waitMs = Math.max(0, one.nextCheckMs - this.#clock.nowMs());
    one.timer = this.#wheel.set(waitMs, () => {
      one.timer = undefined;
      this.#due(one);
    });
  }

  #disarm(one: OpenTransaction): void {
    if (one.timer !== undefined) this.#wheel.cancel(one.timer);
    one.timer = undefined;
  }

  #due(one: OpenTransaction): void {
    one.nextCheckMs = this.#clock.nowMs() + this.#tuning.checkIntervalMs;
    this.#arm(one);
    // No decision could be kept: a question would be one of the few that there are, and in vain.
    if (one.isDeciding || this.#store.status().refusing !== undefined) return;
    if (one.checkCount >= this.#tuning.checkCountMax) return this.#giveUp(one);
    const able = this.#checkers.filter((checker) => checker.hasProducer(one.producerGroup));
    if (able.length === 0) return;
    this.#readHalf(one, (half) => {
      if (!this.open.isOpen(one) || one.isDeciding) return;
      if (half instanceof RmqError) return this.#lost(one, half);
      this.#ask(one, half, able);
    });
  }

  #ask(one: OpenTransaction, half: StoredMessage, able: readonly TransactionChecker[]): void {
    const checkCount = one.checkCount + 1;
    const properties = withProperties(
      withoutProperties(half.properties, parkedProperties),
      new Map([[PropertyName.transactionCheckTimes, String(checkCount)]]),
    );
    const queueId = Number(findProperty(half.properties, PropertyName.realQueueId) ?? '0');
    const message: StoredMessage = { ...half, topic: one.topic, queueId, properties };
    const { queueOffset, physicalOffset, producerGroup, transactionId } = one;
    const check = { queueOffset, physicalOffset, producerGroup, transactionId, message };
    const turn = this.#turn++;
    for (let index = 0; index < able.length; index++) {
      const checker = able[(turn + index) % able.length] as TransactionChecker; // in range
      if (!checker.check({ ...check, brokerName: this.#brokerName })) continue;
      one.checkCount = checkCount;
      this.open.changed(one);
      this.#store.requestStateWrite();
      return;
    }
  }

  /** Nobody can tell: the message goes where an operator finds it. */
  #giveUp(one: OpenTransaction): void {
    one.isDeciding = true;
    this.#readHalf(one, (half) => {
      one.isDeciding = false;
      if (half instanceof RmqError) return this.#lost(one, half);
      if (this.#topics.get(givenUpTopic) === undefined) this.#topics.set(topicOf(givenUpTopic, 1));
      const copy = { ...draftOf(half), topic: givenUpTopic, queueId: 0 };
      this.#write(one, [copy, this.#op(one, half)], (error) => {
        const { transactionId, topic, checkCount } = one;
        const fields = { transactionId, topic, checks: checkCount };
        if (error === undefined) {
          this.#logger.warn('transaction given up', { ...fields, movedTo: givenUpTopic });
        } else {
          this.#logger.warn('transaction could not be given up, later again', {
            ...fields,
            reason: error.message,
          });
        }
      });
    });
  }

  #lost(one: OpenTransaction, error: RmqError): void {
    const { transactionId, topic } = one;
    this.#logger.warn('an open transaction cannot be read', {
      transactionId,
      topic,
      reason: error.message,
    });
    // Gone with its log segment: nobody can commit it any more.
    if (error.code === 'TRANSACTION_NOT_FOUND') this.open.forget(one);
  }
}

const opProperties = Buffer.from(`${PropertyName.tags}\u0001d\u0002`);
/** Behind a copy of the half message; a crash may have taken that and left this. */
const opBehindCopy = Buffer.concat([
  opProperties,
  Buffer.from(`${PropertyName.decidedBefore}\u00011\u0002`),
]);

function draftOf(half: StoredMessage): MessageDraft {
  return {
    topic: half.topic,
    queueId: half.queueId,
    flag: half.flag,
    sysFlag: half.sysFlag,
    bornTimestampMs: half.bornTimestampMs,
    bornHost: half.bornHost,
    reconsumeTimes: half.reconsumeTimes,
    preparedTransactionOffset: 0,
    body: half.body,
    properties: half.properties,
  };
}

function notFound({ transactionId, topic }: EndTransactionRequest): RmqError {
  const text = `no open transaction ${transactionId} of topic ${topic}`;
  return new RmqError('TRANSACTION_NOT_FOUND', text);
}

function mismatch(one: OpenTransaction, request: EndTransactionRequest): string | undefined {
  if (one.producerGroup !== request.producerGroup) return 'The producer group wrong';
  const isOther = request.transactionId !== '' && request.transactionId !== one.transactionId;
  return isOther ? 'Find prepared transaction message failed' : undefined;
}
