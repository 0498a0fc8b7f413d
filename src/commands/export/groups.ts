/** `rmq export groups` */
import { isSystemGroup } from '../../protocol/message/names.ts';
import type { Command } from '../shared/command.ts';
import { type ExportOptions, type ExportRow, exportColumns, exportFlags, Sink } from './sink.ts';

export const exportGroups: Command<ExportOptions, ExportRow> = {
  summary: 'Write the settings of all consumer groups, those of the system left out, as JSON lines',
  impact: 'read',
  isRemote: true,
  flags: exportFlags,
  columns: exportColumns,
  examples: [
    ['rmq export groups --file groups.ndjson', 'to keep them, or take them elsewhere'],
    ['rmq export groups | rmq import - --context other', 'make the same in another cluster'],
  ],
  async run(context, options) {
    const admin = await context.connect();
    const sink = await Sink.open(context, options);
    const groups = [...(await admin.listGroups())].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, config] of groups) {
      if (!isSystemGroup(name)) await sink.write({ kind: 'group', ...config });
    }
    return sink.end('group');
  },
};
