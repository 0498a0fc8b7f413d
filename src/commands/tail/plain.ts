/** The tail as lines, for pipes and for whoever wants lines: data on stdout, counters on stderr. */
import { RmqError } from '../../protocol/errors.ts';
import type { Column } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { type MessageRow, messageColumns, messageRow } from '../shared/message-row.ts';
import { printStream } from '../shared/output.ts';
import type { TailEntry } from './entry.ts';
import { compileFormat } from './format.ts';
import { isOneTopic } from './selection.ts';
import { openSession, type TailOptions, type TailSession } from './session.ts';

/** Columns where several topics come together. */
const manyColumns: readonly Column<MessageRow>[] = [
  ...messageColumns.slice(0, 1),
  { title: 'TOPIC', value: (row) => row.topic, style: () => 'name' },
  ...messageColumns.slice(1),
];

/** A message of the last moment may be on its way when its time has come. */
const untilGraceMs = 500;
const progressMs = 1_000;

interface Counters {
  seen: number;
  shown: number;
}

/** @throws RmqError INTERRUPTED after Ctrl-C, with the counters printed */
export async function tailPlain(context: Context, options: TailOptions): Promise<void> {
  const render = options.format === undefined ? undefined : compileFormat(options.format);
  const session = await openSession(context, options, {
    onTrouble: (text) => {
      if (text !== undefined) void context.stderr.write(`${text}\n`);
    },
  });
  const counters: Counters = { seen: 0, shown: 0 };
  const stop = (): void => session.stop();
  context.signal.addEventListener('abort', stop, { once: true });
  if (context.signal.aborted) stop();
  if (session.untilMs !== undefined) {
    context.clock.setTimer(session.untilMs + untilGraceMs - context.clock.nowMs(), stop);
  }
  const endProgress = showProgress(context, session, counters);
  const release = context.host.holdOpen();
  try {
    const entries = matching(session, options, counters);
    if (render === undefined) {
      const columns = isOneTopic(session.selection) ? messageColumns : manyColumns;
      await printStream(context, columns, rowsOf(entries));
    } else for await (const entry of entries) await context.stdout.write(render(entry));
  } finally {
    context.signal.removeEventListener('abort', stop);
    session.stop();
    endProgress();
    release();
  }
  if (session.condition !== undefined || context.stderr.isTerminal) {
    await context.stderr.write(`${summary(counters)}\n`);
  }
  if (context.signal.aborted) throw new RmqError('INTERRUPTED', 'interrupted');
}

async function* rowsOf(entries: AsyncIterable<TailEntry>): AsyncGenerator<MessageRow> {
  for await (const { message, brokerName } of entries) yield messageRow(message, brokerName);
}

async function* matching(
  session: TailSession,
  options: TailOptions,
  counters: Counters,
): AsyncGenerator<TailEntry> {
  const { reader, condition, untilMs = Number.POSITIVE_INFINITY } = session;
  const countMax = options.count ?? Number.POSITIVE_INFINITY;
  const wanted = (entry: TailEntry): boolean =>
    entry.message.storeTimestampMs <= untilMs && (condition === undefined || condition(entry));
  counters.seen += session.newest.length;
  for (let batch = session.newest; ; ) {
    for (const entry of batch) {
      if (!wanted(entry)) continue;
      counters.shown++;
      yield entry;
      if (counters.shown >= countMax) return;
    }
    const next = await reader.next();
    if (next === undefined) return;
    counters.seen += next.seenCount;
    batch = next.entries;
  }
}

function summary({ seen, shown }: Counters): string {
  const parts = [`${grouped(seen)} seen`, `${grouped(shown)} shown`];
  if (seen > shown) parts.push(`${grouped(seen - shown)} filtered out`);
  return parts.join(', ');
}

/** `12,345` */
function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** Where only stderr is a terminal, one line says how it goes. @returns how to end it */
function showProgress(context: Context, session: TailSession, counters: Counters): () => void {
  const { clock, stderr, stdout } = context;
  if (!stderr.isTerminal || stdout.isTerminal) return () => {};
  let isEnded = false;
  let before = 0;
  const tick = (): void => {
    if (isEnded) return;
    const rate = grouped(counters.seen - before);
    before = counters.seen;
    const behind = grouped(session.reader.behindCount);
    void stderr.write(`\r\u001b[K${summary(counters)}, ${rate}/s, ${behind} behind`);
    clock.setTimer(progressMs, tick);
  };
  clock.setTimer(progressMs, tick);
  return () => {
    isEnded = true;
    void stderr.write('\r\u001b[K');
  };
}
