/** A tail that is under way: its reader, its conditions, what was counted. Plain output and viewer share it. */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import { parseStartPoint, type StartPoint } from '../shared/times.ts';
import {
  allOf,
  bodyIs,
  type Condition,
  jsonHolds,
  keyIs,
  parseCondition,
  propertyIs,
  sqlHolds,
  tagIs,
} from './condition.ts';
import { compareStored, type TailEntry } from './entry.ts';
import { type Pull, type ReaderQueue, TailReader } from './reader.ts';
import { isOpen, queuesOf, readerQueue, type Selection, selectTopics } from './selection.ts';

export interface TailOptions {
  readonly topic?: readonly string[];
  readonly dlq?: readonly string[];
  readonly retry?: readonly string[];
  readonly from: string;
  readonly last?: number;
  readonly until?: string;
  readonly count?: number;
  readonly noFollow?: boolean;
  readonly tag: string;
  readonly sql?: string;
  readonly key?: string;
  readonly prop?: readonly string[];
  readonly grep?: string;
  readonly where?: string;
  readonly filter?: string;
  readonly format?: string;
  readonly plain?: boolean;
  readonly output?: string;
}

export interface TailSession {
  readonly admin: AdminClient;
  readonly selection: Selection;
  readonly reader: TailReader;
  /** What is left to check here; undefined: the brokers' filter is all. */
  readonly condition: Condition | undefined;
  /** Entries that stood there before the reader's first, for `--last`. */
  readonly newest: readonly TailEntry[];
  /** Begins at an earlier point and is to be read from there. */
  readonly isFromEarlier: boolean;
  /** What is followed, for people. */
  readonly title: string;
  /** Messages are read of this time or before. */
  readonly untilMs: number | undefined;
  stop(): void;
}

export interface SessionEvents {
  onTrouble(text: string | undefined): void;
}

/** Topics that are made later are looked for that often. */
const lookMs = 2_000;

/**
 * Finds the queues and their begin, and is ready to read.
 * @throws RmqError USAGE, ILLEGAL_FILTER, TOPIC_NOT_FOUND, CANNOT_CONNECT, INTERRUPTED
 */
export async function openSession(
  context: Context,
  options: TailOptions,
  events: SessionEvents,
): Promise<TailSession> {
  const opening = open(context, options, events);
  // Ctrl-C need not wait for a cluster that does not answer.
  const interrupted = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new RmqError('INTERRUPTED', 'interrupted'));
    if (context.signal.aborted) stop();
    else context.signal.addEventListener('abort', stop, { once: true });
  });
  interrupted.catch(() => undefined); // Nobody has to know once it is open.
  return Promise.race([opening, interrupted]);
}

async function open(
  context: Context,
  options: TailOptions,
  events: SessionEvents,
): Promise<TailSession> {
  const { clock } = context;
  const selection = selectionOf(options);
  const condition = conditionOf(options);
  const nowMs = clock.nowMs();
  const start = parseStartPoint(options.from, nowMs);
  const untilMs = untilOf(options, nowMs);
  const isFollowing = options.noFollow !== true && !(untilMs !== undefined && untilMs <= nowMs);
  const admin = await context.connect();
  const addresses = await queuesOf(admin, await selectTopics(admin, selection));
  const pull = await pullerOf(admin, addresses[0], options, events);
  const make = (queues: readonly ReaderQueue[]): TailReader =>
    new TailReader(queues, {
      pull,
      clock,
      onTrouble: (queue, error) =>
        events.onTrouble(error && `${queue.brokerName}: ${error.message}; trying again`),
    });
  const end = { isFollowing, untilMs: options.noFollow === true ? undefined : untilMs };
  const begin: StartPoint = options.last === undefined ? start : { type: 'latest' };
  const queues = await Promise.all(
    addresses.map((address) => readerQueue(admin, address, begin, end)),
  );
  const newest =
    options.last === undefined
      ? []
      : await newestOf(make(await before(admin, queues, options.last)), options.last);
  const reader = make(queues);
  const stopLooking =
    isOpen(selection) && isFollowing ? lookForMore(context, admin, selection, reader) : () => {};
  return {
    admin,
    selection,
    reader,
    condition,
    newest,
    isFromEarlier: options.last === undefined && start.type !== 'latest',
    title: titleOf(selection),
    untilMs: isFollowing ? untilMs : undefined,
    stop: () => {
      stopLooking();
      reader.stop();
    },
  };
}

function selectionOf({ topic = [], dlq = [], retry = [] }: TailOptions): Selection {
  if (topic.length + dlq.length + retry.length > 0) {
    return { topics: topic, deadLettersOf: dlq, retriesOf: retry };
  }
  throw new RmqError('USAGE', 'name a topic, a pattern, --dlq GROUP or --retry GROUP', {
    hint: 'see what there is: rmq topic list',
  });
}

function titleOf({ topics, deadLettersOf, retriesOf }: Selection): string {
  return [
    ...topics,
    ...deadLettersOf.map((group) => `dead letters of ${group}`),
    ...retriesOf.map((group) => `retries of ${group}`),
  ].join(', ');
}

function untilOf({ until }: TailOptions, nowMs: number): number | undefined {
  if (until === undefined) return undefined;
  if (until === 'now') return nowMs;
  const point = parseStartPoint(until, nowMs, '--until');
  if (point.type === 'time') return point.timestampMs;
  throw new RmqError(
    'USAGE',
    `--until: "${until}" is not allowed: now, -5m or 2026-01-31T12:00:00Z`,
  );
}

/** What the flags ask of a message. Tags are checked here, too: brokers compare their hashes only. */
export function conditionOf(options: TailOptions): Condition | undefined {
  const conditions: Condition[] = [];
  if (options.tag !== '*') conditions.push(tagIs(options.tag));
  if (options.key !== undefined) conditions.push(keyIs(options.key));
  for (const text of options.prop ?? []) {
    const equals = text.indexOf('=');
    if (equals < 1) throw new RmqError('USAGE', `--prop: "${text}" is not allowed: NAME=VALUE`);
    conditions.push(propertyIs(text.slice(0, equals), text.slice(equals + 1)));
  }
  if (options.grep !== undefined) conditions.push(bodyIs(options.grep));
  if (options.where !== undefined) conditions.push(jsonHolds(options.where));
  // A wrong expression is named before anybody is asked; brokers that filter make it true twice.
  if (options.sql !== undefined) conditions.push(sqlHolds(options.sql));
  const line = options.filter === undefined ? undefined : parseCondition(options.filter);
  return allOf(line === undefined ? conditions : [...conditions, line]);
}

/** How queues are read: the broker filters by tag or SQL92, unless it cannot (a setting of Apache's). */
async function pullerOf(
  admin: AdminClient,
  probe: QueueAddress | undefined,
  { tag, sql }: TailOptions,
  events: SessionEvents,
): Promise<Pull> {
  let expression = { expression: tag, expressionType: 'TAG' as 'TAG' | 'SQL92' };
  if (sql !== undefined && tag === '*' && probe !== undefined) {
    const asSql = { expression: sql, expressionType: 'SQL92' as const };
    try {
      await admin.pull(probe, 0, { maxCount: 1, waitMs: 0, ...asSql });
      expression = asSql;
    } catch (error) {
      if (!(error instanceof RmqError) || error.kind.retryable) throw error;
      events.onTrouble(`${probe.brokerName} does not filter by SQL92, so that is done here`);
    }
  }
  return (queue, offset, options) => admin.pull(queue, offset, { ...options, ...expression });
}

/** The same queues, up to where they begin, from `count` messages before. */
async function before(
  admin: AdminClient,
  queues: readonly ReaderQueue[],
  count: number,
): Promise<readonly ReaderQueue[]> {
  return Promise.all(
    queues.map(async ({ address, beginOffset }) => {
      const minOffset = await admin.minOffset(address);
      return {
        address,
        beginOffset: Math.max(minOffset, beginOffset - count),
        endOffset: beginOffset,
      };
    }),
  );
}

async function newestOf(reader: TailReader, count: number): Promise<readonly TailEntry[]> {
  const newest: TailEntry[] = [];
  for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
    newest.push(...batch.entries);
    if (newest.length > 2 * count + 1_000) newest.splice(0, newest.length - count);
  }
  return newest.sort(compareStored).slice(-count);
}

/** New topics of a pattern are read from their first message. @returns how to stop */
function lookForMore(
  context: Context,
  admin: AdminClient,
  selection: Selection,
  reader: TailReader,
): () => void {
  let isStopped = false;
  const look = async (): Promise<void> => {
    if (isStopped) return;
    try {
      const addresses = await queuesOf(admin, await selectTopics(admin, selection, true));
      reader.add(
        addresses
          .filter((address) => !reader.has(address))
          .map((address) => ({ address, beginOffset: 0, endOffset: Number.POSITIVE_INFINITY })),
      );
    } catch {
      // The next look may succeed; what is read already goes on.
    }
    context.clock.setTimer(lookMs, () => void look());
  };
  context.clock.setTimer(lookMs, () => void look());
  return () => {
    isStopped = true;
  };
}
