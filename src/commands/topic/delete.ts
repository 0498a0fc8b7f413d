/** `rmq topic delete` */
import type { Command } from '../shared/command.ts';
import { unknownTopic } from './describe.ts';

interface Options {
  readonly topic: string;
}

interface DeletedRow {
  readonly topic: string;
  readonly brokerNames: readonly string[];
  /** False with --dry-run: nothing was changed. */
  readonly isDeleted: boolean;
}

export const topicDelete: Command<Options, DeletedRow> = {
  summary: 'Delete a topic with its messages',
  impact: 'destroy',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
    { title: 'DELETED', value: (row) => (row.isDeleted ? 'yes' : 'no, dry run') },
  ],
  examples: [
    ['rmq topic delete orders', 'asks for the name, then deletes'],
    ['rmq topic delete orders --dry-run', 'says which brokers have it'],
    ['rmq topic delete orders --yes', 'without a question, for scripts'],
  ],
  confirmation: ({ topic }) => ({
    question: `topic ${topic} and all its messages go for good`,
    name: topic,
  }),
  async run(context, { topic }) {
    const admin = await context.connect();
    const configs = await admin.getTopic(topic);
    if (configs.length === 0) throw await unknownTopic(admin, topic);
    if (!context.isDryRun) await admin.deleteTopic(topic);
    const brokerNames = configs.map(({ brokerName }) => brokerName);
    return { topic, brokerNames, isDeleted: !context.isDryRun };
  },
};
