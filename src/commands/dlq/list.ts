/** `rmq dlq list`: groups with dead letters. */
import { deadLetterTopicPrefix } from '../../protocol/message/names.ts';
import type { Command } from '../shared/command.ts';
import { ago, isoTime } from '../shared/times.ts';
import { queuesOfGroup } from './dead-letters.ts';

interface DlqRow {
  readonly group: string;
  /** Dead letters that are stored. */
  readonly messageCount: number;
  /** Of these, not sent again by `rmq dlq redrive` yet. */
  readonly waitingCount: number;
  readonly brokerNames: readonly string[];
  /** When the newest died, ISO 8601. */
  readonly newestTime: string | undefined;
}

interface Options {
  readonly all: boolean;
}

export const dlqList: Command<Options, DlqRow> = {
  summary: 'List the groups that have dead letters',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'all',
      short: 'a',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'with those that were sent again or are gone',
    },
  ],
  columns: [
    { title: 'GROUP', value: (row) => row.group, style: () => 'name' },
    { title: 'DEAD', align: 'right', value: (row) => row.messageCount },
    {
      title: 'WAITING',
      align: 'right',
      value: (row) => row.waitingCount,
      style: (row) => (row.waitingCount > 0 ? 'warning' : undefined),
    },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
    {
      title: 'NEWEST',
      value: ({ newestTime }, context) =>
        newestTime === undefined ? undefined : ago(Date.parse(newestTime), context.clock.nowMs()),
    },
  ],
  examples: [
    ['rmq dlq list', 'who has dead letters that wait'],
    ['rmq dlq list --all --output json', 'whoever ever had some, for a program'],
  ],
  async run(context, { all }) {
    const admin = await context.connect();
    const rows: DlqRow[] = [];
    for (const topic of [...(await admin.listTopics()).keys()].sort()) {
      if (!topic.startsWith(deadLetterTopicPrefix)) continue;
      const group = topic.slice(deadLetterTopicPrefix.length);
      const queues = await queuesOfGroup(admin, group);
      const newest = await Promise.all(
        queues.map(async (queue) => {
          if (queue.maxOffset === queue.minOffset) return 0;
          const options = { maxCount: 1, waitMs: 0, expression: '*' };
          const { messages } = await admin
            .pull(queue, queue.maxOffset - 1, options)
            .catch(() => ({ messages: [] })); // not readable: the time stays unknown
          return messages[0]?.storeTimestampMs ?? 0;
        }),
      );
      const count = (of: 'minOffset' | 'nextOffset'): number =>
        queues.reduce((sum, queue) => sum + queue.maxOffset - queue[of], 0);
      rows.push({
        group,
        messageCount: count('minOffset'),
        waitingCount: count('nextOffset'),
        brokerNames: [...new Set(queues.map(({ brokerName }) => brokerName))],
        newestTime: isoTime(Math.max(0, ...newest)),
      });
    }
    return all ? rows : rows.filter((row) => row.waitingCount > 0);
  },
};
