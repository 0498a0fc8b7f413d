/** `rmq export offsets` */
import { groupOffsets } from '../../client/group-client.ts';
import { isSystemGroup } from '../../protocol/message/names.ts';
import type { Command } from '../shared/command.ts';
import { isoTime } from '../shared/times.ts';
import { type ExportOptions, type ExportRow, exportColumns, exportFlags, Sink } from './sink.ts';

interface Options extends ExportOptions {
  readonly group?: string;
}

export const exportOffsets: Command<Options, ExportRow> = {
  summary: 'Write how far consumer groups are, one JSON line a queue',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'group',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'only this consumer group',
    },
    ...exportFlags,
  ],
  columns: exportColumns,
  examples: [
    ['rmq export offsets --file offsets.ndjson', 'all groups, to be able to go back'],
    ['rmq export offsets --group billing', 'one group, on stdout'],
  ],
  async run(context, options) {
    const admin = await context.connect();
    const sink = await Sink.open(context, options);
    const all = options.group === undefined ? [...(await admin.listGroups()).keys()] : [];
    const named = options.group === undefined ? [] : [options.group];
    for (const group of [...all.filter((name) => !isSystemGroup(name)).sort(), ...named]) {
      for (const one of await groupOffsets(admin, group)) {
        // Apache's brokers say -1 for a queue in which the group has not been.
        if (one.consumerOffset < 0) continue;
        await sink.write({
          kind: 'offset',
          group,
          topic: one.topic,
          brokerName: one.brokerName,
          queueId: one.queueId,
          offset: one.consumerOffset,
          consumedUpTo: isoTime(one.lastTimestampMs),
        });
      }
    }
    return sink.end('offset');
  },
};
