/** `rmq store inspect` */
import { NodeFiles } from '../../platform/node-files.ts';
import type { StoreContents } from '../../server/store/tools/inspect-store.ts';
import type { Command } from '../shared/command.ts';
import { brokerFolder, folderArgument } from './folder.ts';
import { progressOf } from './progress.ts';

interface Options {
  readonly folder: string;
}

function timeText(timestampMs: number | undefined): string | undefined {
  return timestampMs === undefined ? undefined : new Date(timestampMs).toISOString();
}

export const storeInspect: Command<Options, StoreContents> = {
  summary: 'Show what is in a store',
  impact: 'read',
  isRemote: false,
  arguments: [folderArgument],
  flags: [],
  columns: [
    { title: 'Folder', value: (row) => row.folder },
    { title: 'Stopped in order', value: (row) => (row.isStoppedInOrder ? 'yes' : 'no') },
    { title: 'Segments', value: (row) => row.segmentCount },
    { title: 'Log bytes', value: (row) => row.logSizeBytes },
    { title: 'Begins at', value: (row) => row.beginOffset },
    { title: 'Indexed up to', value: (row) => row.dispatchedOffset },
    { title: 'Oldest message', value: (row) => timeText(row.oldestStoreTimestampMs) },
    { title: 'Topics', value: (row) => row.topicCount },
    { title: 'Queues', value: (row) => row.queueCount },
    { title: 'Messages', value: (row) => row.messageCount },
    { title: 'Index rows', value: (row) => row.indexRowCount },
    { title: 'Index bytes', value: (row) => row.indexSizeBytes },
    {
      title: 'State rows',
      value: (row) =>
        Object.entries(row.stateRowCounts)
          .map(([kind, count]) => `${kind} ${count}`)
          .join(', '),
    },
  ],
  examples: [
    ['rmq store inspect /var/lib/rmq', 'also while a broker runs on it'],
    ['rmq store inspect /var/lib/rmq --output json', 'for a program'],
  ],
  async run(context, { folder }) {
    const { inspectStore } = await import('../../server/store/tools/inspect-store.ts');
    const progress = progressOf(context, 'reading the index');
    const contents = await inspectStore(new NodeFiles(), brokerFolder(folder), progress.tell);
    progress.end();
    return contents;
  },
};
