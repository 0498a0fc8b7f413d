/** `rmq store rebuild-index` */
import { NodeFiles } from '../../platform/node-files.ts';
import { nodeRandom } from '../../platform/node-random.ts';
import type { Command } from '../shared/command.ts';
import { brokerFolder, folderArgument } from './folder.ts';
import { progressOf } from './progress.ts';

interface Options {
  readonly folder: string;
}

interface Rebuilt {
  readonly folder: string;
  readonly messageCount: number;
  /** Of the log. */
  readonly beginOffset: number;
  readonly endOffset: number;
  readonly damagedCount: number;
  readonly missingMessageCount: number;
  readonly durationMs: number;
}

export const storeRebuildIndex: Command<Options, Rebuilt> = {
  summary: 'Build the index of a stopped store again from its log',
  impact: 'change',
  isRemote: false,
  arguments: [folderArgument],
  flags: [],
  columns: [
    { title: 'Folder', value: (row) => row.folder },
    { title: 'Messages', value: (row) => row.messageCount },
    { title: 'Log from', value: (row) => row.beginOffset },
    { title: 'Log to', value: (row) => row.endOffset },
    { title: 'Damaged places', value: (row) => row.damagedCount },
    { title: 'Missing messages', value: (row) => row.missingMessageCount },
    { title: 'Took ms', value: (row) => Math.round(row.durationMs) },
  ],
  examples: [
    ['rmq store rebuild-index /var/lib/rmq', 'topics, groups and offsets stay'],
    ['rmq store rebuild-index /var/lib/rmq --output json', 'for a program'],
  ],
  async run(context, { folder }) {
    const { openAndClose } = await import('../../server/offline.ts');
    const progress = progressOf(context, 'indexing');
    const ports = { files: new NodeFiles(), random: nodeRandom, clock: context.clock };
    const report = await openAndClose(brokerFolder(folder), ports, {
      isRebuild: true,
      progress: progress.tell,
    });
    progress.end();
    return {
      folder,
      messageCount: report.redispatchedMessages,
      beginOffset: report.minPhysicalOffset,
      endOffset: report.maxPhysicalOffset,
      damagedCount: report.holes.length,
      missingMessageCount: report.missingMessages,
      durationMs: report.durationMs,
    };
  },
};
