/** `rmq export topics` */
import type { TopicConfigBody } from '../../protocol/remoting/bodies/topic-config.ts';
import type { Command } from '../shared/command.ts';
import { topicRows } from '../topic/topic-row.ts';
import { type ExportOptions, type ExportRow, exportColumns, exportFlags, Sink } from './sink.ts';

interface TopicLine extends TopicConfigBody {
  readonly kind: 'topic';
  readonly brokerNames: readonly string[];
}

export const exportTopics: Command<ExportOptions, ExportRow> = {
  summary: 'Write the settings of all topics, those of the system left out, as JSON lines',
  impact: 'read',
  isRemote: true,
  flags: exportFlags,
  columns: exportColumns,
  examples: [
    ['rmq export topics --file topics.ndjson', 'to keep them, or take them elsewhere'],
    ['rmq export topics | rmq import - --context other', 'make the same in another cluster'],
  ],
  async run(context, options) {
    const admin = await context.connect();
    const sink = await Sink.open(context, options);
    const system = new Set(
      (await topicRows(admin)).filter((row) => row.isSystem).map(({ topic }) => topic),
    );
    const topics = [...(await admin.listTopics())].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [topic, configs] of topics) {
      const [first] = configs;
      if (first === undefined || system.has(topic)) continue;
      const { brokerName: _name, clusterName: _cluster, address: _address, ...config } = first;
      const brokerNames = configs.map((one) => one.brokerName);
      await sink.write({ kind: 'topic', ...config, brokerNames } satisfies TopicLine);
    }
    return sink.end('topic');
  },
};
