/** `rmq store verify` */
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { SegmentFindings } from '../../server/store/tools/verify-log.ts';
import type { Command } from '../shared/command.ts';

interface Options {
  readonly folder: string;
}

export const storeVerify: Command<Options, SegmentFindings> = {
  summary: "Check every record of a store's log, changing nothing",
  impact: 'read',
  isRemote: false,
  arguments: [{ name: 'folder', description: 'what rmq start --data was given', isRequired: true }],
  flags: [],
  columns: [
    { title: 'Segment', value: (row) => row.segment },
    { title: 'Records', align: 'right', value: (row) => row.recordCount },
    { title: 'End', align: 'right', value: (row) => row.endOffset },
    {
      title: 'Damaged',
      align: 'right',
      value: (row) => row.damagedCount,
      style: (row) => (row.damagedCount > 0 ? 'bad' : undefined),
    },
    { title: 'Problem', value: (row) => row.problem },
  ],
  examples: [
    ['rmq store verify /var/lib/rmq', 'also while a broker runs on it'],
    ['rmq store verify /var/lib/rmq --output json', 'for a program'],
  ],
  async *run(_context, { folder }) {
    const { verifyLog } = await import('../../server/store/tools/verify-log.ts');
    // The folder of `rmq start --data`; its broker keeps its store in `broker`.
    let damagedCount = 0;
    for await (const findings of verifyLog(new NodeFiles(), `${folder}/broker`)) {
      damagedCount += findings.damagedCount;
      yield findings;
    }
    if (damagedCount > 0) {
      throw new RmqError('STORE_CORRUPT', `${folder}: damaged places in the log: ${damagedCount}`, {
        hint: 'nothing was changed; restore the segments named above from a copy',
      });
    }
  },
};
