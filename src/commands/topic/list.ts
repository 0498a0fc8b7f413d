/** `rmq topic list` */
import type { Command } from '../shared/command.ts';
import { type TopicRow, topicColumns, topicRows } from './topic-row.ts';

interface Options {
  readonly all: boolean;
}

export const topicList: Command<Options, TopicRow> = {
  summary: 'List topics',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'all',
      short: 'a',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'include the system topics and those of retries and dead letters',
    },
  ],
  columns: topicColumns,
  examples: [
    ['rmq topic list', 'the topics of the cluster'],
    ['rmq topic list --all --output json', 'all of them, for a program'],
  ],
  async run(context, { all }) {
    const rows = await topicRows(await context.connect());
    return all ? rows : rows.filter((row) => !row.isSystem);
  },
};
