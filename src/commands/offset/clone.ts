/** `rmq offset clone`: a group goes on where another one is. */
import { getGroup, groupOffsets } from '../../client/group-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { retryTopicPrefix } from '../../protocol/message/names.ts';
import { unknownGroup } from '../group/group-row.ts';
import type { Command } from '../shared/command.ts';
import { applyMoves, type MovedRow, movedColumns } from './moving.ts';

interface Options {
  readonly source: string;
  readonly target: string;
  readonly topic?: string;
}

export const offsetClone: Command<Options, MovedRow> = {
  summary: 'Let a group go on where another group is',
  impact: 'destroy',
  isRemote: true,
  arguments: [
    { name: 'source', description: 'group whose offsets are copied', isRequired: true },
    { name: 'target', description: 'group that is moved', isRequired: true },
  ],
  flags: [
    {
      name: 'topic',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'only this topic',
    },
  ],
  columns: movedColumns,
  examples: [
    ['rmq offset clone billing billing-v2 --dry-run', 'what would be copied'],
    ['rmq offset clone billing billing-v2 --topic orders --yes', 'one topic, without a question'],
  ],
  confirmation: ({ source, target }) => ({
    question: `group ${target} forgets how far it is and goes on where ${source} is`,
    name: target,
  }),
  async run(context, { source, target, topic }) {
    const admin = await context.connect();
    for (const group of [source, target]) {
      if ((await getGroup(admin, group)) === undefined) throw await unknownGroup(admin, group);
    }
    const offsets = (await groupOffsets(admin, source)).filter(
      (one) =>
        one.consumerOffset >= 0 &&
        (topic === undefined || one.topic === topic) &&
        // The other group's retries are none of ours.
        !one.topic.startsWith(retryTopicPrefix),
    );
    if (offsets.length === 0) {
      const where = topic === undefined ? '' : ` in ${topic}`;
      throw new RmqError('OFFSET_NOT_FOUND', `group ${source} has no offsets${where}`);
    }
    const before = await groupOffsets(admin, target);
    const moves = offsets.map((queue) => {
      const known = before.find(
        (one) =>
          one.topic === queue.topic &&
          one.brokerName === queue.brokerName &&
          one.queueId === queue.queueId,
      );
      const from =
        known === undefined || known.consumerOffset < 0 ? undefined : known.consumerOffset;
      return { queue, from, to: queue.consumerOffset };
    });
    return applyMoves(context, target, moves);
  },
};
