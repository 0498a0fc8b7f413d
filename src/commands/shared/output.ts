/**
 * Prints what a command found: a table for people; JSON, YAML, tab-separated lines and bare names for programs. What
 * comes from outside (names, bodies) cannot move the cursor or change colours: control characters are
 * shown as symbols.
 */
import type { Column } from './command.ts';
import type { Context } from './context.ts';
import { paint, type Style } from './theme.ts';

/** Prints a list. An empty one is a sentence on stderr, and nothing on stdout. */
export async function printRows<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  if (isDocument(context)) return context.stdout.write(await documentOf(context, rows));
  if (rows.length === 0) return context.stderr.write('nothing found\n');
  if (context.format === 'name') {
    return context.stdout.write(rows.map((row) => nameLine(context, columns, row)).join(''));
  }
  if (context.format === 'tsv') {
    const lines = rows.map((row) => `${cellsOf(context, columns, row).join('\t')}\n`);
    return context.stdout.write(lines.join(''));
  }
  return context.stdout.write(formatTable(context, columns, rows));
}

/** Prints one thing: a line a column. */
export async function printItem<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  row: Row,
): Promise<void> {
  if (isDocument(context)) return context.stdout.write(await documentOf(context, row));
  if (context.format === 'name') return context.stdout.write(nameLine(context, columns, row));
  const cells = cellsOf(context, columns, row);
  const width = Math.max(...columns.map((column) => column.title.length));
  const lines = columns.map((column, index) => {
    const cell = cells[index] ?? '';
    if (context.format === 'tsv') return `${column.title.toLowerCase()}\t${cell}\n`;
    return `${paint(context.stdout, 'heading', column.title.padEnd(width))}  ${cell}\n`;
  });
  return context.stdout.write(lines.join(''));
}

/** JSON and YAML: all fields of a row, whatever columns show. */
function isDocument({ format }: Context): boolean {
  return format === 'json' || format === 'yaml';
}

async function documentOf({ format }: Context, value: object): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`;
  const yaml = await import('yaml');
  // Bundlers hand out a package of this kind as its default export alone.
  const { stringify } =
    (yaml as { readonly default?: Pick<typeof yaml, 'stringify'> }).default ?? yaml;
  return stringify(value);
}

/** The one cell by which other commands would name the row. */
function nameLine<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  row: Row,
): string {
  const column = columns.find(({ isName }) => isName === true) ?? columns[0];
  return `${visible(String(column?.value(row, context) ?? '-'))}\n`;
}

/**
 * Prints rows as they come, never redrawn: JSON objects, names or tab-separated cells, one a line; YAML as
 * documents.
 */
export async function printStream<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  rows: AsyncIterable<Row>,
): Promise<void> {
  for await (const row of rows) {
    if (context.format === 'json') await context.stdout.write(`${JSON.stringify(row)}\n`);
    else if (context.format === 'yaml') {
      await context.stdout.write(`---\n${await documentOf(context, row)}`);
    } else if (context.format === 'name') {
      await context.stdout.write(nameLine(context, columns, row));
    } else if (context.format === 'tsv') {
      await context.stdout.write(`${cellsOf(context, columns, row).join('\t')}\n`);
    } else await context.stdout.write(streamLine(context, columns, row));
  }
}

function streamLine<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  row: Row,
): string {
  const cells = cellsOf(context, columns, row).map((cell, index) => {
    const style = columns[index]?.style?.(row);
    return style === undefined ? cell : paint(context.stdout, style, cell);
  });
  return `${cells.join('  ')}\n`;
}

function cellsOf<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  row: Row,
): string[] {
  return columns.map((column) => {
    const value = column.value(row, context);
    return value === undefined || value === '' ? '-' : visible(String(value));
  });
}

/** Control characters as symbols: `\n` as ␊. */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0);
      if (code < 0x20) return String.fromCharCode(0x2400 + code);
      return code === 0x7f ? '\u2421' : '\ufffd';
    },
  );
}

function formatTable<Row extends object>(
  context: Context,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): string {
  const cells = rows.map((row) => cellsOf(context, columns, row));
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((line) => displayWidth(line[index] ?? ''))),
  );
  const limit = context.stdout.isTerminal ? context.stdout.columns : Number.POSITIVE_INFINITY;
  const lineOf = (line: readonly string[], styles: readonly (Style | undefined)[]): string => {
    let room = limit;
    const parts: string[] = [];
    for (const [index, column] of columns.entries()) {
      const isLast = index === columns.length - 1;
      const padded = pad(line[index] ?? '', widths[index] ?? 0, column.align ?? 'left');
      const text = cut(isLast ? padded.trimEnd() : `${padded}  `, room);
      const style = styles[index];
      parts.push(style === undefined ? text : paint(context.stdout, style, text));
      room -= displayWidth(text);
    }
    return `${parts.join('')}\n`;
  };
  const titles = columns.map((column) => column.title);
  const heading = lineOf(
    titles,
    columns.map(() => 'heading'),
  );
  const lines = rows.map((row, index) =>
    lineOf(
      cells[index] ?? [],
      columns.map((column) => column.style?.(row)),
    ),
  );
  return heading + lines.join('');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + space : space + text;
}

/** Terminal cells of a text without control characters: wide characters count two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += isWide(character.codePointAt(0) ?? 0) ? 2 : 1;
  return width;
}

function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0x1f300 && code <= 0x1faff)
  );
}

/** Cuts a text to a width, with `…` at the end. */
export function cut(text: string, limit: number): string {
  if (displayWidth(text) <= limit) return text;
  if (limit <= 0) return '';
  let out = '';
  let width = 0;
  for (const character of text) {
    width += displayWidth(character);
    if (width > limit - 1) break;
    out += character;
  }
  return `${out}…`;
}
