/** `rmq store repair` */
import { NodeFiles } from '../../platform/node-files.ts';
import { nodeRandom } from '../../platform/node-random.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { openAndClose } from '../../server/offline.ts';
import type { MendedLog } from '../../server/store/tools/mend-log.ts';
import type { StoreFinding } from '../../server/store/tools/verify-store.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { brokerFolder, folderArgument } from './folder.ts';
import { type Progress, progressOf } from './progress.ts';

interface Options {
  readonly folder: string;
}

interface Repaired {
  /** What was done, or could not be. */
  readonly action: 'mended' | 'lost' | 'cut' | 'rebuilt' | 'left';
  readonly part: string;
  readonly detail: string;
}

export const storeRepair: Command<Options, Repaired> = {
  summary: 'Make log, index and state of a stopped store agree again',
  impact: 'change',
  isRemote: false,
  arguments: [folderArgument],
  flags: [],
  columns: [
    {
      title: 'Action',
      value: (row) => row.action,
      style: (row) => (row.action === 'lost' || row.action === 'left' ? 'bad' : undefined),
    },
    { title: 'Part', value: (row) => row.part },
    { title: 'Detail', value: (row) => row.detail },
  ],
  examples: [
    ['rmq store repair /var/lib/rmq', 'of a broker that is stopped'],
    ['rmq store repair /var/lib/rmq --output json', 'for a program'],
  ],
  async *run(context, { folder }) {
    const progress = progressOf(context, 'reading the log');
    let isWhole = true;
    for await (const one of repair(context, brokerFolder(folder), progress.tell)) {
      if (one.action === 'lost' || one.action === 'left') isWhole = false;
      progress.end();
      yield one;
    }
    progress.end();
    if (isWhole) return;
    throw new RmqError('PARTIAL', `${folder}: the store opens, and some of it is lost`, {
      hint: 'consumers pass over what is lost; a copy of the segments named above would bring it back',
    });
  },
};

async function* repair(
  { clock }: Context,
  folder: string,
  progress: (progress: Progress) => void,
): AsyncGenerator<Repaired> {
  const files = new NodeFiles();
  const { mendLog } = await import('../../server/store/tools/mend-log.ts');
  const { openAndClose } = await import('../../server/offline.ts');
  const { verifyStore } = await import('../../server/store/tools/verify-store.ts');
  const lock = await files.lockFolder(folder);
  try {
    const { mended, lost } = await mendLog(files, folder, { isDryRun: false, progress });
    for (const hole of mended) yield { action: 'mended', part: 'log', detail: detailOf(hole) };
    for (const hole of lost) yield { action: 'lost', part: 'log', detail: detailOf(hole) };
  } finally {
    await lock.release();
  }
  const ports = { files, clock, random: nodeRandom };
  yield* ofReport(await openAndClose(folder, ports, { isRebuild: false, progress }));
  let wrong = await disagreements(verifyStore(files, folder));
  if (wrong.length > 0) {
    await openAndClose(folder, ports, { isRebuild: true, progress });
    const detail = `built again from the log: ${wrong[0]?.part}: ${wrong[0]?.problem}`;
    yield { action: 'rebuilt', part: 'index', detail };
    wrong = await disagreements(verifyStore(files, folder));
  }
  for (const { part, problem } of wrong) yield { action: 'left', part, detail: problem ?? '' };
}

function detailOf({ beginOffset, endOffset, problem }: MendedLog['lost'][number]): string {
  return `${beginOffset} to ${endOffset}: ${problem}`;
}

function* ofReport(report: Awaited<ReturnType<typeof openAndClose>>): Generator<Repaired> {
  for (const detail of report.problems) yield { action: 'rebuilt', part: 'index', detail };
  if (report.truncatedBytes > 0) {
    yield { action: 'cut', part: 'log', detail: `${report.truncatedBytes} bytes of a torn tail` };
  }
}

/** What is wrong, but for the log's holes, which have been told. */
async function disagreements(findings: AsyncIterable<StoreFinding>): Promise<StoreFinding[]> {
  const wrong: StoreFinding[] = [];
  for await (const one of findings) {
    if (one.damagedCount > 0 && !one.part.startsWith('log ')) wrong.push(one);
  }
  return wrong;
}
