/** `rmq offset rewind`: again what was stored lately; nobody is moved forward by it. */
import { RmqError } from '../../protocol/errors.ts';
import { parseDuration } from '../../util/values.ts';
import type { Command } from '../shared/command.ts';
import {
  groupAndTopic,
  type MovedRow,
  movedColumns,
  moveQueues,
  type QueueChoice,
  queueFlags,
} from './moving.ts';

interface Options extends QueueChoice {
  readonly duration: string;
}

export const offsetRewind: Command<Options, MovedRow> = {
  summary: 'Let a group consume again what was stored in the last minutes or hours',
  impact: 'destroy',
  isRemote: true,
  arguments: [
    ...groupAndTopic,
    { name: 'duration', description: 'how far back: 90s, 15m, 2h, 3d', isRequired: true },
  ],
  flags: queueFlags,
  columns: movedColumns,
  examples: [
    ['rmq offset rewind billing orders 15m --dry-run', 'how many messages would come again'],
    ['rmq offset rewind billing orders 15m --yes', 'the last quarter of an hour again'],
  ],
  confirmation: ({ group, topic, duration }) => ({
    question: `group ${group} consumes the last ${duration} of ${topic} again`,
    name: group,
  }),
  run(context, options) {
    const ms = parseDuration(options.duration);
    if (ms === undefined) {
      throw new RmqError('USAGE', `"${options.duration}" is no duration: 90s, 15m, 2h, 3d`);
    }
    const sinceMs = context.clock.nowMs() - ms;
    return moveQueues(context, options, async (queue, admin) => {
      const offset = await admin.offsetByTime(queue, sinceMs);
      return Math.min(offset, queue.consumerOffset ?? offset);
    });
  },
};
