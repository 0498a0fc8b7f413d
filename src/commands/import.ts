/** `rmq import`: takes the JSON lines that `rmq export` writes. */
import { RmqError } from '../protocol/errors.ts';
import { Importer } from './import/importer.ts';
import { ImportPlace } from './import/place.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { type FileLine, fileLines, fileSize } from './shared/file-lines.ts';
import { untilInterrupted } from './shared/interruptible.ts';
import { Progress } from './shared/progress.ts';

interface Options {
  readonly file: string;
  readonly topic?: string;
  readonly offsets: 'exact' | 'time';
  readonly rate?: number;
  readonly restart: boolean;
  readonly dryRun: boolean;
}

interface ImportRow {
  readonly topicCount: number;
  readonly groupCount: number;
  readonly offsetCount: number;
  readonly messageCount: number;
  /** Topics and groups that were there just so. */
  readonly unchangedCount: number;
  readonly isDryRun: boolean;
}

export const importLines: Command<Options, ImportRow> = {
  summary:
    'Take over topics, groups, offsets and messages from JSON lines; goes on where it stopped',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  arguments: [{ name: 'file', description: 'what rmq export wrote; - is stdin', isRequired: true }],
  flags: [
    {
      name: 'topic',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'send messages to this topic',
      shownDefault: 'the one that the line names',
    },
    {
      name: 'offsets',
      kind: { type: 'choice', choices: ['exact', 'time'] },
      default: 'exact',
      description: 'groups go on at the same number, or at the same time in another cluster',
    },
    {
      name: 'rate',
      kind: { type: 'integer', min: 1, max: 1_000_000 },
      description: 'messages a second, at most',
    },
    {
      name: 'restart',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'begin at the first line, wherever an earlier import of the file stopped',
    },
    {
      name: 'dry-run',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'read and check all lines, change nothing',
    },
  ],
  columns: [
    { title: 'TOPICS', align: 'right', value: (row) => row.topicCount },
    { title: 'GROUPS', align: 'right', value: (row) => row.groupCount },
    { title: 'OFFSETS', align: 'right', value: (row) => row.offsetCount },
    { title: 'MESSAGES', align: 'right', value: (row) => row.messageCount },
    { title: 'UNCHANGED', align: 'right', value: (row) => row.unchangedCount },
  ],
  examples: [
    ['rmq import topics.ndjson --dry-run', 'check every line'],
    ['rmq import orders.ndjson --rate 500', 'interrupted or not, the same line goes on'],
    ['rmq import orders.ndjson --topic orders-test', 'into another topic'],
  ],
  run: (context, options) => importAll(context, options),
};

async function importAll(context: Context, options: Options): Promise<ImportRow> {
  const isFile = options.file !== '-';
  const place = isFile && !options.dryRun ? new ImportPlace(context, options.file) : undefined;
  const begin = options.restart ? 0 : ((await place?.read()) ?? 0);
  if (begin > 0) {
    await context.stderr.write(`goes on at byte ${begin}; --restart begins at the first line\n`);
  }
  const lines = isFile ? fileLines(options.file, begin) : stdinLines(context);
  const importer = new Importer(context, await context.connect(), options);
  const progress = new Progress(
    context,
    'imported bytes',
    isFile ? await fileSize(options.file) : 0,
  );
  try {
    for await (const line of lines) {
      if (context.signal.aborted) break;
      const doneOffset = await importer.take(line, begin === 0 ? '' : ` behind byte ${begin}`);
      if (doneOffset === undefined) continue;
      await place?.note(doneOffset);
      if (isFile) await progress.update(doneOffset);
    }
    // What was taken is finished, also after Ctrl-C.
    const doneOffset = await importer.flush();
    await place?.write(doneOffset);
  } catch (error) {
    await place?.write(importer.doneOffset);
    await progress.end();
    await context.stderr.write(`stopped: ${importer.summary()}; the same command goes on there\n`);
    throw error;
  }
  await progress.end();
  if (context.signal.aborted) {
    const how = isFile ? '; the same command goes on there' : '';
    await context.stderr.write(`interrupted: ${importer.summary()}${how}\n`);
    throw new RmqError('INTERRUPTED', 'interrupted');
  }
  await place?.remove();
  return { ...importer.counts, isDryRun: options.dryRun };
}

async function* stdinLines(context: Context): AsyncGenerator<FileLine> {
  let number = 0;
  for await (const text of untilInterrupted(context.stdin.lines(), context.signal)) {
    number++;
    yield { text, number, endOffset: number };
  }
}
