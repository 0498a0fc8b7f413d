/** `rmq offset reset`: moves a group in every queue of a topic, or in one. */
import type { Command } from '../shared/command.ts';
import { parseStartPoint } from '../shared/times.ts';
import {
  groupAndTopic,
  type MovedRow,
  movedColumns,
  moveQueues,
  type QueueChoice,
  queueFlags,
  within,
} from './moving.ts';

interface Options extends QueueChoice {
  readonly to: string;
}

export const offsetReset: Command<Options, MovedRow> = {
  summary: 'Let a group consume again from an offset or a time, or skip',
  impact: 'destroy',
  isRemote: true,
  arguments: groupAndTopic,
  flags: [
    {
      name: 'to',
      kind: { type: 'text', placeholder: 'WHERE' },
      default: 'latest',
      description: 'earliest, latest, -15m, an offset or an ISO 8601 time',
    },
    ...queueFlags,
  ],
  columns: movedColumns,
  examples: [
    ['rmq offset reset billing orders --to -1h --dry-run', 'what would be consumed again'],
    ['rmq offset reset billing orders --to latest --yes', 'skip all that waits'],
    ['rmq offset reset billing orders --to 1200 --queue 3 --yes', 'one queue, by offset'],
  ],
  confirmation: ({ group, topic, to }) => ({
    question: `group ${group} goes on in ${topic} at ${to}: messages are consumed again or never`,
    name: group,
  }),
  run(context, options) {
    const start = parseStartPoint(options.to, context.clock.nowMs(), '--to');
    return moveQueues(context, options, (queue, admin) => {
      switch (start.type) {
        case 'earliest':
          return queue.minOffset;
        case 'latest':
          return queue.maxOffset;
        case 'time':
          return admin.offsetByTime(queue, start.timestampMs);
        case 'offset':
          return within(start.offset, queue);
      }
    });
  },
};
