/** `rmq offset skip`: what waits is not consumed; nobody is moved back by it. */
import { RmqError } from '../../protocol/errors.ts';
import type { Command } from '../shared/command.ts';
import { parseTime } from '../shared/times.ts';
import {
  groupAndTopic,
  type MovableQueue,
  type MovedRow,
  movedColumns,
  moveQueues,
  type QueueChoice,
  queueFlags,
} from './moving.ts';

interface Options extends QueueChoice {
  readonly count?: number;
  readonly until?: string;
}

export const offsetSkip: Command<Options, MovedRow> = {
  summary: 'Let a group skip what waits, all of it or the next ones',
  impact: 'destroy',
  isRemote: true,
  arguments: groupAndTopic,
  flags: [
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
      description: 'only the next N of each queue',
    },
    {
      name: 'until',
      kind: { type: 'text', placeholder: 'WHEN' },
      description: 'only what was stored before: -15m or an ISO 8601 time',
    },
    ...queueFlags,
  ],
  columns: movedColumns,
  examples: [
    ['rmq offset skip billing orders --dry-run', 'how many messages wait'],
    ['rmq offset skip billing orders --yes', 'nothing that waits is consumed'],
    ['rmq offset skip billing orders --queue 2 --count 1 --yes', 'one message that blocks a queue'],
  ],
  confirmation: ({ group, topic, count }) => ({
    question: `group ${group} never consumes ${count === undefined ? 'what waits' : `the next ${count} of each queue`} in ${topic}`,
    name: group,
  }),
  run(context, options) {
    const { count, until } = options;
    if (count !== undefined && until !== undefined) {
      throw new RmqError('USAGE', '--count and --until exclude each other');
    }
    const untilMs = parseTime(until, '--until', context.clock.nowMs());
    return moveQueues(context, options, async (queue, admin) => {
      const from = startOf(queue);
      if (count !== undefined) return Math.min(from + count, queue.maxOffset);
      if (untilMs === undefined) return queue.maxOffset;
      return Math.max(from, await admin.offsetByTime(queue, untilMs));
    });
  },
};

/** A group that has not been there has all of it before it. */
function startOf({ consumerOffset, minOffset }: MovableQueue): number {
  return Math.max(consumerOffset ?? minOffset, minOffset);
}
