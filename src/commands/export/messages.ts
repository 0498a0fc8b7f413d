/** `rmq export messages` */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { readQueue } from '../../client/message-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { type MatchOptions, matchFlags, matchOf } from '../message/matching.ts';
import type { Command } from '../shared/command.ts';
import { messageRow } from '../shared/message-row.ts';
import { Progress } from '../shared/progress.ts';
import { parseStartPoint, type StartPoint } from '../shared/times.ts';
import { type ExportOptions, type ExportRow, exportColumns, exportFlags, Sink } from './sink.ts';

interface Options extends ExportOptions, MatchOptions {
  readonly topic: string;
  readonly from: string;
  readonly until: string;
}

export const exportMessages: Command<Options, ExportRow> = {
  summary: 'Write the messages of a topic as JSON lines, queue by queue',
  impact: 'read',
  isRemote: true,
  isDraining: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [
    {
      name: 'from',
      kind: { type: 'text', placeholder: 'POINT' },
      default: 'earliest',
      description: 'earliest, -15m (ago), an offset or a time such as 2026-01-31T12:00:00Z',
    },
    {
      name: 'until',
      kind: { type: 'text', placeholder: 'POINT' },
      default: 'latest',
      description: 'up to here, in the same forms; what comes meanwhile is left out',
    },
    ...matchFlags,
    ...exportFlags,
  ],
  columns: exportColumns,
  examples: [
    ['rmq export messages orders --file orders.ndjson', 'all that the topic holds'],
    ['rmq export messages orders --from -1h --tag paid | gzip > paid.gz', 'a part, by a pipe'],
  ],
  async run(context, options) {
    const nowMs = context.clock.nowMs();
    const from = parseStartPoint(options.from, nowMs);
    const until = parseStartPoint(options.until, nowMs, '--until');
    const match = matchOf(options);
    const admin = await context.connect();
    const ranges = await Promise.all(
      (await admin.queues(options.topic)).map(async (queue) => ({
        queue,
        beginOffset: await offsetAt(admin, queue, from),
        endOffset: await offsetAt(admin, queue, until),
      })),
    );
    const total = ranges.reduce(
      (sum, one) => sum + Math.max(0, one.endOffset - one.beginOffset),
      0,
    );
    const sink = await Sink.open(context, options);
    const progress = new Progress(context, 'exported', total);
    let seen = 0;
    for (const { queue, ...range } of ranges) {
      for await (const message of readQueue(admin, queue, range)) {
        if (context.signal.aborted) break;
        seen++;
        if (match !== undefined && !match(message, queue.brokerName)) continue;
        await sink.write({ kind: 'message', ...messageRow(message, queue.brokerName) });
        await progress.update(seen);
      }
    }
    await progress.end();
    const row = await sink.end('message');
    if (!context.signal.aborted) return row;
    await context.stderr.write(`interrupted: ${sink.count} messages of ${total} were written\n`);
    throw new RmqError('INTERRUPTED', 'interrupted');
  },
};

async function offsetAt(
  admin: AdminClient,
  queue: QueueAddress,
  point: StartPoint,
): Promise<number> {
  const [minOffset, maxOffset] = await Promise.all([
    admin.minOffset(queue),
    admin.maxOffset(queue),
  ]);
  switch (point.type) {
    case 'earliest':
      return minOffset;
    case 'latest':
      return maxOffset;
    case 'offset':
      return Math.min(Math.max(point.offset, minOffset), maxOffset);
    case 'time': {
      const offset = await admin.offsetByTime(queue, point.timestampMs);
      return Math.min(Math.max(offset, minOffset), maxOffset);
    }
  }
}
