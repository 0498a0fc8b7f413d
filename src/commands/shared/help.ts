/** Help, made from the declarations: one sentence, usage, examples, flags by group with their variables. */
import {
  type AnyCommand,
  argumentWord,
  type CommandEntry,
  type Flag,
  type NounEntry,
} from './command.ts';
import type { Output } from './context.ts';
import { allFlags, placeholder } from './flags.ts';
import { paint } from './theme.ts';

/** `rmq topic create TOPIC [flags]` */
export function usageLine(path: readonly string[], command: AnyCommand): string {
  const words = (command.arguments ?? []).map(argumentWord);
  return ['rmq', ...path, ...words, '[flags]'].join(' ');
}

export function commandHelp(path: readonly string[], command: AnyCommand, out: Output): string {
  const parts = [`${command.summary}.`, `${title(out, 'Usage')}\n  ${usageLine(path, command)}`];
  if (command.arguments !== undefined && command.arguments.length > 0) {
    const rows = command.arguments.map((argument) => [
      `  ${argument.name.toUpperCase()}`,
      argument.description,
    ]);
    parts.push(`${title(out, 'Arguments')}\n${twoColumns(rows)}`);
  }
  if (command.examples.length > 0) {
    const lines = command.examples.map(
      ([line, effect]) => `  ${paint(out, 'dim', `# ${effect}`)}\n  ${line}`,
    );
    parts.push(`${title(out, 'Examples')}\n${lines.join('\n')}`);
  }
  const groups = Map.groupBy(allFlags(command), (flag) => flag.group ?? 'Flags');
  for (const [group, flags] of groups) {
    const rows = flags.map((flag) => [`  ${flagText(flag)}`, flagDescription(flag)]);
    if (group === 'Output') rows.push(['  -h, --help', 'show this']);
    parts.push(`${title(out, group)}\n${twoColumns(rows)}`);
  }
  return `${parts.join('\n\n')}\n`;
}

/** Help of `rmq topic`, or of `rmq` itself when `noun` is undefined. */
export async function listHelp(
  entries: readonly (NounEntry | CommandEntry)[],
  noun: NounEntry | undefined,
  out: Output,
): Promise<string> {
  const rows: string[][] = [];
  for (const entry of entries) {
    const summary = 'load' in entry ? (await entry.load()).summary : entry.summary;
    rows.push([`  ${entry.name}`, summary]);
  }
  const name = noun === undefined ? 'rmq' : `rmq ${noun.name}`;
  const summary = noun?.summary ?? 'RocketMQ 5 in one command: NameServer, Broker, Proxy and tools';
  const word = noun === undefined ? '<command>' : '<verb>';
  const parts = [
    `${summary}.`,
    `${title(out, 'Usage')}\n  ${name} ${word} [flags]`,
    `${title(out, 'Commands')}\n${twoColumns(rows)}`,
  ];
  if (noun === undefined) {
    parts.push(
      `${title(out, 'First message')}\n  rmq start\n  rmq send orders 'hello'\n  rmq tail orders --from earliest`,
    );
  }
  parts.push(`${name} ${word} --help shows flags and examples.`);
  return `${parts.join('\n\n')}\n`;
}

function title(out: Output, text: string): string {
  return paint(out, 'heading', text);
}

function flagText(flag: Flag): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
  const value = placeholder(flag);
  return `${short}--${flag.name}${value === undefined ? '' : ` ${value}`}`;
}

function flagDescription(flag: Flag): string {
  const notes: string[] = [];
  const shown = flag.shownDefault ?? (flag.kind.type === 'boolean' ? undefined : flag.default);
  if (shown !== undefined) notes.push(`default: ${shown}`);
  if (flag.environment !== undefined) notes.push(flag.environment);
  return notes.length === 0 ? flag.description : `${flag.description} (${notes.join('; ')})`;
}

/** Left column padded; what is too long for it has a line of its own. */
function twoColumns(rows: readonly (readonly string[])[]): string {
  const width = Math.min(34, Math.max(...rows.map(([left = '']) => left.length)) + 2);
  return rows
    .map(([left = '', right = '']) =>
      left.length + 2 > width
        ? `${left}\n${' '.repeat(width)}${right}`
        : `${left.padEnd(width)}${right}`,
    )
    .join('\n');
}
