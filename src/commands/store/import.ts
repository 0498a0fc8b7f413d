/** `rmq store import` */
import { nodeClock } from '../../platform/node-clock.ts';
import { NodeFiles } from '../../platform/node-files.ts';
import { nodeRandom } from '../../platform/node-random.ts';
import type { ImportReport } from '../../server/apache/import.ts';
import { createLogger } from '../../server/shared/logger.ts';
import type { Command } from '../shared/command.ts';
import { progressOf } from './progress.ts';
import { requireData } from './require-data.ts';

interface Options {
  readonly folder: string;
  readonly data: string | undefined;
}

export const storeImport: Command<Options, ImportReport> = {
  summary: "Take over a store of Apache's broker",
  impact: 'change',
  isRemote: false,
  arguments: [
    { name: 'folder', description: "the storePathRootDir of Apache's broker", isRequired: true },
  ],
  flags: [
    {
      name: 'data',
      kind: { type: 'text', placeholder: 'DIR' },
      description: 'data folder to make the store in, for rmq start --data',
      environment: 'RMQ_DATA',
    },
  ],
  columns: [
    { title: 'Records', align: 'right', value: (row) => row.records },
    { title: 'Topics', align: 'right', value: (row) => row.topics },
    { title: 'Groups', align: 'right', value: (row) => row.groups },
    { title: 'Offsets', align: 'right', value: (row) => row.offsets },
    { title: 'Delayed', align: 'right', value: (row) => row.timers },
    { title: 'Transactions', align: 'right', value: (row) => row.transactions },
    { title: 'In flight', align: 'right', value: (row) => row.inFlight },
    {
      title: 'Damaged',
      align: 'right',
      value: (row) => row.holes.length,
      style: (row) => (row.holes.length > 0 ? 'bad' : undefined),
    },
  ],
  examples: [
    ['rmq store import /home/rocketmq/store --data /var/lib/rmq', 'the source is only read'],
    ['rmq store import /home/rocketmq/store --data /var/lib/rmq', 'again, after it was stopped'],
  ],
  async run(context, { folder, data }) {
    const { importApache } = await import('../../server/apache/import.ts');
    const progress = progressOf(context, 'importing');
    const write = (line: string): void => void context.stderr.write(line);
    try {
      return await importApache({
        files: new NodeFiles(),
        clock: nodeClock,
        random: nodeRandom,
        logger: createLogger({ level: 'warn', clock: nodeClock, write }),
        from: folder,
        dataDir: requireData(data),
        progress: progress.tell,
        signal: context.signal,
      });
    } finally {
      progress.end();
    }
  },
};
