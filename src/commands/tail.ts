/** `rmq tail` */
import type { AdminClient, QueueAddress } from '../client/admin-client.ts';
import { RmqError } from '../protocol/errors.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { type FollowedMessage, follow, type QueueCursor, type ReadQueue } from './shared/follow.ts';
import { type MessageRow, messageColumns, messageRow } from './shared/message-row.ts';
import { parseStartPoint, type StartPoint } from './shared/times.ts';
import { unknownTopic } from './topic/describe.ts';

interface Options {
  readonly topic: string;
  readonly from: string;
  readonly last?: number;
  readonly count?: number;
  readonly tag: string;
  readonly key?: string;
  readonly noFollow?: boolean;
}

const pullCount = 32;
/** Held by the broker; renewed for as long as the command runs. */
const pullWaitMs = 15_000;

export const tail: Command<Options, MessageRow> = {
  summary: 'Follow the messages of a topic, from now on or from an earlier point',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [
    {
      name: 'from',
      kind: { type: 'text', placeholder: 'POINT' },
      default: 'latest',
      description: 'earliest, latest, -15m (ago), an offset or a time such as 2026-01-31T12:00:00Z',
    },
    {
      name: 'last',
      kind: { type: 'integer', min: 1, max: 100_000 },
      description: 'begin with this many messages that are there already',
    },
    {
      name: 'count',
      short: 'c',
      kind: { type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
      description: 'end after this many messages',
    },
    {
      name: 'tag',
      kind: { type: 'text', placeholder: 'EXPRESSION' },
      default: '*',
      description: "only these tags: 'new || paid'",
    },
    {
      name: 'key',
      kind: { type: 'text', placeholder: 'KEY' },
      description: 'only messages with this key',
    },
    {
      name: 'no-follow',
      kind: { type: 'boolean' },
      description: 'end when all that is there has been shown',
    },
  ],
  columns: messageColumns,
  examples: [
    ['rmq tail orders', 'from now on, until Ctrl-C'],
    ['rmq tail orders --from -15m --tag paid', 'what was paid in the last 15 minutes, and on'],
    [
      'rmq tail orders --from earliest --no-follow --output json',
      'all that is there, as JSON lines',
    ],
  ],
  run: (context, options) => tailTopic(context, options),
};

async function* tailTopic(context: Context, options: Options): AsyncGenerator<MessageRow> {
  const start = parseStartPoint(options.from, context.clock.nowMs());
  const admin = await context.connect();
  const queues = await queuesOf(admin, options.topic);
  let left = options.count ?? Number.POSITIVE_INFINITY;
  for await (const { brokerName, message } of messages(admin, queues, start, options)) {
    const row = messageRow(message, brokerName);
    if (options.key !== undefined && !row.keys.includes(options.key)) continue;
    yield row;
    left--;
    if (left <= 0) return;
  }
}

async function queuesOf(admin: AdminClient, topic: string): Promise<readonly QueueAddress[]> {
  try {
    return await admin.queues(topic);
  } catch (error) {
    if (error instanceof RmqError && error.code === 'TOPIC_NOT_FOUND') {
      throw await unknownTopic(admin, topic);
    }
    throw error;
  }
}

async function* messages(
  admin: AdminClient,
  queues: readonly QueueAddress[],
  start: StartPoint,
  options: Options,
): AsyncGenerator<FollowedMessage> {
  const read = reader(admin, options);
  const isFollowing = options.noFollow !== true;
  if (options.last === undefined) {
    const cursors = await Promise.all(queues.map((queue) => cursorAt(admin, queue, start)));
    yield* follow(cursors, read, { isFollowing });
    return;
  }
  const { last } = options;
  const cursors = await Promise.all(queues.map((queue) => cursorBeforeEnd(admin, queue, last)));
  const newest: FollowedMessage[] = [];
  for await (const one of follow(cursors, read, { isFollowing: false })) {
    newest.push(one);
    if (newest.length > 2 * last) newest.splice(0, last);
  }
  yield* newest.slice(-last);
  if (!isFollowing) return;
  const behind = cursors.map((cursor) => ({
    ...cursor,
    startOffset: nextOffsetOf(cursor, newest),
  }));
  yield* follow(behind, read, { isFollowing: true });
}

interface TailCursor extends QueueCursor {
  readonly queue: QueueAddress;
  /** Where the queue ended when it was asked. */
  readonly maxOffset: number;
}

async function cursorAt(
  admin: AdminClient,
  queue: QueueAddress,
  start: StartPoint,
): Promise<TailCursor> {
  const [minOffset, maxOffset] = await Promise.all([
    admin.minOffset(queue),
    admin.maxOffset(queue),
  ]);
  const wanted = await offsetOf(admin, queue, start, { minOffset, maxOffset });
  const startOffset = Math.min(Math.max(wanted, minOffset), maxOffset);
  return { queue, brokerName: queue.brokerName, queueId: queue.queueId, startOffset, maxOffset };
}

async function offsetOf(
  admin: AdminClient,
  queue: QueueAddress,
  start: StartPoint,
  range: { readonly minOffset: number; readonly maxOffset: number },
): Promise<number> {
  switch (start.type) {
    case 'earliest':
      return range.minOffset;
    case 'latest':
      return range.maxOffset;
    case 'offset':
      return start.offset;
    case 'time':
      return admin.offsetByTime(queue, start.timestampMs);
  }
}

async function cursorBeforeEnd(
  admin: AdminClient,
  queue: QueueAddress,
  count: number,
): Promise<TailCursor> {
  const cursor = await cursorAt(admin, queue, { type: 'earliest' });
  return { ...cursor, startOffset: Math.max(cursor.startOffset, cursor.maxOffset - count) };
}

/** Behind what was seen of the queue. */
function nextOffsetOf(cursor: TailCursor, seen: readonly FollowedMessage[]): number {
  let next = cursor.maxOffset;
  for (const { brokerName, message } of seen) {
    const isSame = brokerName === cursor.brokerName && message.queueId === cursor.queueId;
    if (isSame) next = Math.max(next, message.queueOffset + 1);
  }
  return next;
}

function reader(admin: AdminClient, options: Options): ReadQueue<TailCursor> {
  return async ({ queue }, offset, isWaiting) => {
    const waitMs = isWaiting && options.noFollow !== true ? pullWaitMs : 0;
    const pulled = await admin.pull(queue, offset, {
      maxCount: pullCount,
      waitMs,
      expression: options.tag,
    });
    return { ...pulled, isAtEnd: pulled.nextOffset >= pulled.maxOffset };
  };
}
