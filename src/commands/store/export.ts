/** `rmq store export` */
import { nodeClock } from '../../platform/node-clock.ts';
import { NodeFiles } from '../../platform/node-files.ts';
import { nodeRandom } from '../../platform/node-random.ts';
import type { ExportReport } from '../../server/apache/export.ts';
import { createLogger } from '../../server/shared/logger.ts';
import type { Command } from '../shared/command.ts';
import { progressOf } from './progress.ts';
import { requireData } from './require-data.ts';

interface Options {
  readonly folder: string;
  readonly data: string | undefined;
}

/** Apache's own default of `mappedFileSizeCommitLog`; facts/store.md §22. */
const apacheSegmentSize = 1 << 30;

export const storeExport: Command<Options, ExportReport> = {
  summary: "Write a store directory that Apache's broker opens",
  impact: 'read',
  isRemote: false,
  arguments: [
    {
      name: 'folder',
      description: "to be the storePathRootDir of Apache's broker",
      isRequired: true,
    },
  ],
  flags: [
    {
      name: 'data',
      kind: { type: 'text', placeholder: 'DIR' },
      description: 'what rmq start --data was given; no broker may run on it',
      environment: 'RMQ_DATA',
    },
  ],
  columns: [
    { title: 'Records', align: 'right', value: (row) => row.records },
    { title: 'Queues', align: 'right', value: (row) => row.queues },
    { title: 'Topics', align: 'right', value: (row) => row.topics },
    { title: 'Groups', align: 'right', value: (row) => row.groups },
    { title: 'Offsets', align: 'right', value: (row) => row.offsets },
    { title: 'Delayed', align: 'right', value: (row) => row.timers },
    { title: 'Transactions', align: 'right', value: (row) => row.transactions },
    {
      title: 'Lost',
      align: 'right',
      value: (row) => row.lost,
      style: (row) => (row.lost > 0 ? 'warning' : undefined),
    },
    { title: 'Segment size', align: 'right', value: (row) => row.segmentSizeBytes },
  ],
  examples: [
    ['rmq store export /home/rocketmq/store --data /var/lib/rmq', 'the store itself stays'],
    ['rmq store export ./apache-store --data ./data --output json', 'for a program'],
  ],
  async run(context, { folder, data }) {
    const { exportApache } = await import('../../server/apache/export.ts');
    const progress = progressOf(context, 'exporting');
    const write = (line: string): void => void context.stderr.write(line);
    try {
      const report = await exportApache({
        files: new NodeFiles(),
        clock: nodeClock,
        random: nodeRandom,
        logger: createLogger({ level: 'warn', clock: nodeClock, write }),
        dataDir: requireData(data),
        to: folder,
        progress: progress.tell,
        signal: context.signal,
      });
      if (report.segmentSizeBytes !== apacheSegmentSize) {
        const line = `mappedFileSizeCommitLog=${report.segmentSizeBytes}`;
        await context.stderr.write(`set ${line} in Apache's broker.conf, or it will not start\n`);
      }
      return report;
    } finally {
      progress.end();
    }
  },
};
