/** `rmq message list`: what a topic stored in a span of time, oldest first. */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { follow, type QueueCursor, type ReadQueue } from '../shared/follow.ts';
import { type MessageRow, messageColumns, messageRow } from '../shared/message-row.ts';
import { parseTime } from '../shared/times.ts';
import { type MatchOptions, matchFlags, matchOf } from './matching.ts';

interface Options extends MatchOptions {
  readonly topic: string;
  readonly from?: string;
  readonly to?: string;
  readonly count: number;
}

const pullCount = 32;

export const messageList: Command<Options, MessageRow> = {
  summary: 'List the messages that a topic stored in a span of time',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [
    {
      name: 'from',
      kind: { type: 'text', placeholder: 'WHEN' },
      description: 'stored then or later: -15m or an ISO 8601 time',
      shownDefault: 'the oldest',
    },
    {
      name: 'to',
      kind: { type: 'text', placeholder: 'WHEN' },
      description: 'stored before',
      shownDefault: 'now',
    },
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: 1_000_000_000 },
      default: '100',
      description: 'at most this many, the oldest first',
    },
    ...matchFlags,
  ],
  columns: messageColumns,
  examples: [
    ['rmq message list orders --from -15m', 'of the last quarter of an hour'],
    ['rmq message list orders --from -2h --to -1h --tag paid --output json', 'an hour, one tag'],
    ['rmq message list %DLQ%billing --count 10', 'dead letters of a group'],
  ],
  run: (context, options) => listMessages(context, options),
};

interface RangeCursor extends QueueCursor {
  readonly queue: QueueAddress;
  /** Offset of the first message behind the span. */
  readonly endOffset: number;
}

async function* listMessages(context: Context, options: Options): AsyncGenerator<MessageRow> {
  const nowMs = context.clock.nowMs();
  const fromMs = parseTime(options.from, '--from', nowMs);
  const toMs = parseTime(options.to, '--to', nowMs);
  const match = matchOf(options);
  const admin = await context.connect();
  const cursors = await Promise.all(
    (await admin.queues(options.topic)).map((queue) => cursorOf(admin, queue, { fromMs, toMs })),
  );
  let left = options.count;
  for await (const { message, brokerName } of follow(cursors, reader(admin), {
    isFollowing: false,
  })) {
    if (match !== undefined && !match(message, brokerName)) continue;
    yield messageRow(message, brokerName);
    left--;
    if (left <= 0) return;
  }
}

async function cursorOf(
  admin: AdminClient,
  queue: QueueAddress,
  { fromMs, toMs }: { readonly fromMs: number | undefined; readonly toMs: number | undefined },
): Promise<RangeCursor> {
  const [startOffset, endOffset] = await Promise.all([
    fromMs === undefined ? admin.minOffset(queue) : admin.offsetByTime(queue, fromMs),
    toMs === undefined ? admin.maxOffset(queue) : admin.offsetByTime(queue, toMs),
  ]);
  const { brokerName, queueId } = queue;
  return { queue, brokerName, queueId, startOffset, endOffset };
}

function reader(admin: AdminClient): ReadQueue<RangeCursor> {
  return async ({ queue, endOffset }, offset) => {
    if (offset >= endOffset) return { messages: [], nextOffset: offset, isAtEnd: true };
    const options = { maxCount: pullCount, waitMs: 0, expression: '*' };
    const pulled = await admin.pull(queue, offset, options);
    const isStuck = pulled.nextOffset <= offset;
    return {
      messages: pulled.messages.filter(({ queueOffset }) => queueOffset < endOffset),
      nextOffset: pulled.nextOffset,
      isAtEnd: isStuck || pulled.nextOffset >= endOffset,
    };
  };
}
