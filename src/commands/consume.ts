/**
 * `rmq consume`: a member of a consumer group for scripts. A message is acknowledged once it has been
 * printed; what was taken and not printed when it ends is given back at once.
 */
import type { AdminClient } from '../client/admin-client.ts';
import { getGroup } from '../client/group-client.ts';
import {
  ack,
  giveBack,
  joinBroker,
  leaveBroker,
  type PopBroker,
  type PopMember,
  type Popped,
  pop,
} from '../client/pop-client.ts';
import { asRmqError, RmqError } from '../protocol/errors.ts';
import { unknownGroup } from './group/group-row.ts';
import type { Column, Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { type MessageRow, messageColumns, messageRow } from './shared/message-row.ts';

interface Options {
  readonly group: string;
  readonly topic: string;
  readonly count?: number;
  readonly idle?: number;
  readonly tag: string;
  readonly ack: boolean;
  readonly nack: boolean;
  readonly retryAfter: number;
  readonly invisible: number;
}

interface ConsumedRow extends MessageRow {
  /** From 1 on. */
  readonly deliveryAttempt: number;
}

const columns: readonly Column<ConsumedRow>[] = [
  ...messageColumns,
  { title: 'ATTEMPT', align: 'right', value: (row) => row.deliveryAttempt },
];

const popCountMax = 16;
const pollMs = 15_000;
const heartbeatMs = 30_000;

export const consume: Command<Options, ConsumedRow> = {
  summary: 'Consume messages as a member of a group, one line each',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  arguments: [
    { name: 'group', description: 'name of the consumer group', isRequired: true },
    { name: 'topic', description: 'name of the topic', isRequired: true },
  ],
  flags: [
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: 1_000_000_000 },
      description: 'end after this many',
    },
    {
      name: 'idle',
      kind: { type: 'duration', min: 1, max: 3_600_000 },
      description: 'end when none came for that long',
    },
    {
      name: 'tag',
      kind: { type: 'text', placeholder: 'TAGS' },
      default: '*',
      description: 'only messages of these tags, joined by ||; the others count as consumed',
    },
    {
      name: 'ack',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'acknowledge what was printed, as without --nack',
    },
    {
      name: 'nack',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'fail each: it is delivered again, and becomes a dead letter in the end',
    },
    {
      name: 'retry-after',
      kind: { type: 'duration', min: 1, max: 43_200_000 },
      default: '1s',
      description: 'with --nack: when it is delivered again',
    },
    {
      name: 'invisible',
      kind: { type: 'duration', min: 1_000, max: 43_200_000 },
      default: '30s',
      description: 'how long a message that was taken is nobody else’s',
    },
  ],
  columns,
  examples: [
    ['rmq consume billing orders', 'until Ctrl-C'],
    ['rmq consume billing orders --count 1 --output json', 'the next one'],
    ['rmq consume billing orders --idle 2s', 'all that waits'],
    ['rmq consume billing orders --nack --count 1', 'fail one, to see what comes of it'],
  ],
  run: (context, options) => consumeTopic(context, options),
};

async function* consumeTopic(context: Context, options: Options): AsyncGenerator<ConsumedRow> {
  if (options.ack && options.nack) {
    throw new RmqError('USAGE', '--ack and --nack exclude each other');
  }
  const { group, topic } = options;
  const admin = await context.connect();
  const found = await getGroup(admin, group);
  if (found === undefined) throw await unknownGroup(admin, group);
  const member: PopMember = {
    clientId: `rmq@${context.host.pid}@${context.clock.nowMs()}`,
    group,
    topic,
    expression: options.tag,
    isOrdered: found.config.isOrdered,
  };
  const brokers = new Map<string, PopBroker>();
  for (const { brokerName, address } of await admin.queues(topic)) {
    brokers.set(brokerName, { brokerName, address });
  }
  const consumer = new Consumer(context, admin, member, [...brokers.values()], options);
  try {
    await consumer.join();
    for (;;) {
      const popped = await consumer.next();
      if (popped === undefined) break;
      const row = messageRow(popped.message, popped.broker.brokerName);
      yield { ...row, deliveryAttempt: popped.deliveryAttempt };
      await consumer.settle(popped);
    }
  } finally {
    await consumer.leave();
  }
  if (context.signal.aborted) throw new RmqError('INTERRUPTED', 'interrupted');
}

class Consumer {
  readonly #context: Context;
  readonly #admin: AdminClient;
  readonly #member: PopMember;
  readonly #brokers: readonly PopBroker[];
  readonly #options: Options;
  /** Taken and not handed out yet. */
  readonly #ready: Popped[] = [];
  /** A pop waits at each of these. */
  readonly #pops = new Map<PopBroker, Promise<void>>();
  #handedCount = 0;
  #joinedMs = 0;
  #failure: RmqError | undefined = undefined;
  #isLeaving = false;

  constructor(
    context: Context,
    admin: AdminClient,
    member: PopMember,
    brokers: readonly PopBroker[],
    options: Options,
  ) {
    this.#context = context;
    this.#admin = admin;
    this.#member = member;
    this.#brokers = brokers;
    this.#options = options;
  }

  async join(): Promise<void> {
    this.#joinedMs = this.#context.clock.monotonicMs();
    for (const broker of this.#brokers) await joinBroker(this.#admin, broker, this.#member);
  }

  /** undefined: enough, nothing for too long, or interrupted. @throws what a broker answered */
  async next(): Promise<Popped | undefined> {
    const { clock, signal } = this.#context;
    const { count = Number.POSITIVE_INFINITY, idle } = this.#options;
    const untilMs = idle === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + idle;
    while (!signal.aborted && this.#handedCount < count) {
      const popped = this.#ready.shift();
      if (popped !== undefined) {
        this.#handedCount++;
        return popped;
      }
      if (this.#failure !== undefined) throw this.#failure;
      const nowMs = clock.monotonicMs();
      if (nowMs >= untilMs) return undefined;
      if (nowMs - this.#joinedMs >= heartbeatMs) await this.join();
      for (const broker of this.#brokers)
        this.#pop(broker, count - this.#handedCount, untilMs - nowMs);
      await Promise.race([...this.#pops.values(), this.#aborted()]);
    }
    return undefined;
  }

  #pop(broker: PopBroker, wantedCount: number, leftMs: number): void {
    if (this.#pops.has(broker)) return;
    const options = {
      // In order, the next one is there once this one is acknowledged.
      maxCount: this.#member.isOrdered ? 1 : Math.min(popCountMax, wantedCount),
      invisibleTimeMs: this.#options.invisible,
      waitMs: Math.ceil(Math.min(pollMs, leftMs)),
    };
    const popping = pop(this.#admin, broker, this.#member, options).then(
      async (popped) => {
        this.#pops.delete(broker);
        if (this.#isLeaving) await this.#release(popped);
        else this.#ready.push(...popped);
      },
      (error: unknown) => {
        this.#pops.delete(broker);
        this.#failure ??= asRmqError(error);
      },
    );
    this.#pops.set(broker, popping);
  }

  #aborted(): Promise<void> {
    const { signal } = this.#context;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** What was printed is done, or has failed. */
  settle(popped: Popped): Promise<void> {
    const { nack, retryAfter } = this.#options;
    if (!nack) return ack(this.#admin, this.#member, popped);
    const options = { invisibleTimeMs: retryAfter, isSuspend: false };
    return giveBack(this.#admin, this.#member, popped, options);
  }

  /** Others get at once what was taken and not printed. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#release(this.#ready.splice(0));
    for (const broker of this.#brokers) {
      await leaveBroker(this.#admin, broker, this.#member).catch(() => {
        // The broker notices by itself when the connection closes.
      });
    }
  }

  async #release(all: readonly Popped[]): Promise<void> {
    for (const popped of all) {
      const options = { invisibleTimeMs: 1, isSuspend: true };
      await giveBack(this.#admin, this.#member, popped, options).catch(() => {
        // It becomes visible again after its invisible time.
      });
    }
  }
}
