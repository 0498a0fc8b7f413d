/** `rmq dlq purge` */
import { keepOffset } from '../../client/dead-letter-client.ts';
import { deadLetterTopicOf } from '../../protocol/message/names.ts';
import type { Command } from '../shared/command.ts';
import { queuesOfGroup } from './dead-letters.ts';

interface Options {
  readonly group: string;
}

interface PurgedRow {
  readonly group: string;
  readonly messageCount: number;
  /** Of these, never sent again. */
  readonly waitingCount: number;
  /** False with --dry-run, and when there were none. */
  readonly isPurged: boolean;
}

export const dlqPurge: Command<Options, PurgedRow> = {
  summary: 'Delete all dead letters of a group',
  impact: 'destroy',
  isRemote: true,
  arguments: [{ name: 'group', description: 'name of the consumer group', isRequired: true }],
  flags: [],
  columns: [
    { title: 'GROUP', value: (row) => row.group },
    { title: 'DEAD', value: (row) => row.messageCount },
    { title: 'WAITING', value: (row) => row.waitingCount },
    { title: 'PURGED', value: (row) => (row.isPurged ? 'yes' : 'no') },
  ],
  examples: [
    ['rmq dlq purge billing --dry-run', 'how many would go'],
    ['rmq dlq purge billing --yes', 'without a question, for scripts'],
  ],
  confirmation: ({ group }) => ({
    question: `all dead letters of group ${group} go for good`,
    name: group,
  }),
  async run(context, { group }) {
    const admin = await context.connect();
    const queues = await queuesOfGroup(admin, group);
    const isPurged = !context.isDryRun && queues.length > 0;
    if (isPurged) {
      // New dead letters are counted from 0 again: what was kept of the old ones must not hide them.
      for (const queue of queues) await keepOffset(admin, queue, 0);
      await admin.deleteTopic(deadLetterTopicOf(group));
    }
    return {
      group,
      messageCount: queues.reduce((sum, one) => sum + one.maxOffset - one.minOffset, 0),
      waitingCount: queues.reduce((sum, one) => sum + one.maxOffset - one.nextOffset, 0),
      isPurged,
    };
  },
};
