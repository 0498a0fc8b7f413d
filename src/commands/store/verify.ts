/** `rmq store verify` */
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { StoreFinding } from '../../server/store/tools/verify-store.ts';
import type { Column, Command } from '../shared/command.ts';
import { brokerFolder, folderArgument } from './folder.ts';
import { progressOf } from './progress.ts';

interface Options {
  readonly folder: string;
}

export const findingColumns: readonly Column<StoreFinding>[] = [
  { title: 'Part', value: (row) => row.part },
  { title: 'Count', align: 'right', value: (row) => row.count },
  {
    title: 'End',
    align: 'right',
    value: (row) => (row.endOffset < 0 ? undefined : row.endOffset),
  },
  {
    title: 'Damaged',
    align: 'right',
    value: (row) => row.damagedCount,
    style: (row) => (row.damagedCount > 0 ? 'bad' : undefined),
  },
  { title: 'Problem', value: (row) => row.problem },
];

export const storeVerify: Command<Options, StoreFinding> = {
  summary: 'Check that log, checksums, index, offsets and delivery state of a store agree',
  impact: 'read',
  isRemote: false,
  arguments: [folderArgument],
  flags: [],
  columns: findingColumns,
  examples: [
    ['rmq store verify /var/lib/rmq', 'also while a broker runs on it'],
    ['rmq store verify /var/lib/rmq --output json', 'for a program'],
  ],
  async *run(context, { folder }) {
    const { verifyStore } = await import('../../server/store/tools/verify-store.ts');
    const progress = progressOf(context, 'checking');
    let damagedCount = 0;
    const findings = verifyStore(new NodeFiles(), brokerFolder(folder), progress.tell);
    for await (const finding of findings) {
      damagedCount += finding.damagedCount;
      progress.end();
      yield finding;
    }
    progress.end();
    if (damagedCount > 0) {
      throw new RmqError('STORE_CORRUPT', `${folder}: damaged places: ${damagedCount}`, {
        hint: `nothing was changed; stop the broker, then: rmq store repair ${folder}`,
      });
    }
  },
};
