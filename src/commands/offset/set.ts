/** `rmq offset set`: one queue, one offset. */
import { RmqError } from '../../protocol/errors.ts';
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
  readonly offset: string;
}

export const offsetSet: Command<Options, MovedRow> = {
  summary: 'Set the offset of a group in one queue',
  impact: 'destroy',
  isRemote: true,
  arguments: [
    ...groupAndTopic,
    { name: 'offset', description: 'first offset to be consumed', isRequired: true },
  ],
  flags: queueFlags,
  columns: movedColumns,
  examples: [
    ['rmq offset set billing orders 1200 --queue 3 --dry-run', 'what that would skip or repeat'],
    ['rmq offset set billing orders 1200 --queue 3 --yes', 'go on at offset 1200 of queue 3'],
  ],
  confirmation: ({ group, topic, offset }) => ({
    question: `group ${group} goes on in ${topic} at ${offset}: messages are consumed again or never`,
    name: group,
  }),
  async run(context, options) {
    const { topic, queue, offset: text } = options;
    const offset = /^\d{1,15}$/.test(text) ? Number(text) : undefined;
    if (offset === undefined) {
      throw new RmqError('USAGE', `"${text}" is no offset: a whole number from 0 on`);
    }
    const admin = await context.connect();
    const chosen = (await admin.queues(topic)).filter(
      ({ queueId, brokerName }) =>
        (queue === undefined || queueId === queue) &&
        (options.broker === undefined || brokerName === options.broker),
    );
    if (chosen.length > 1) {
      throw new RmqError('USAGE', `${chosen.length} queues of ${topic} could be meant`, {
        hint: 'name one with --queue and --broker; rmq offset reset moves several',
      });
    }
    return moveQueues(context, options, ({ minOffset, maxOffset, queueId }) => {
      if (offset >= minOffset && offset <= maxOffset) return offset;
      const text = `offset ${offset} is not in queue ${queueId}, which has ${minOffset} to ${maxOffset}`;
      throw new RmqError('ILLEGAL_OFFSET', text);
    });
  },
};
