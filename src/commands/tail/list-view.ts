/** The viewer's rows: title bar, messages, status, footer; help. Pure: state in, rows of exact width out. */
import { visible } from '../shared/output.ts';
import { type Binding, keyLabel } from '../terminal/keys.ts';
import { row, rowBetween, type Span } from '../terminal/rows.ts';
import { sparkline } from '../terminal/sparkline.ts';
import type { Theme } from '../terminal/theme.ts';
import { cellsOf, cutTo, fit } from '../terminal/widths.ts';
import { messageBindings, tailBindings } from './bindings.ts';
import type { TailController } from './controller.ts';
import type { TailEntry } from './entry.ts';
import { messageRows } from './message-view.ts';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** Rows that are not the list: title, headings, status, footer. */
const frameRows = 4;
/** Body bytes that a row can show at most. */
const previewMaxBytes = 600;

/** All rows of the viewer, `size.rows` of them. Tells the model how many messages fit. */
export function tailRows(controller: TailController, theme: Theme, size: ScreenSize): string[] {
  const { columns, rows } = size;
  controller.model.resize(rows - frameRows);
  const inner = { columns, rows: Math.max(0, rows - 3) };
  const content =
    controller.view === 'help'
      ? helpRows(theme, inner)
      : controller.view === 'message'
        ? messageRows(controller, theme, inner)
        : listRows(controller, theme, inner);
  const all = [
    titleRow(controller, theme, columns),
    ...content,
    statusRow(controller, theme, columns),
    bottomRow(controller, theme, columns),
  ];
  return all.slice(0, rows);
}

function titleRow({ model, title }: TailController, theme: Theme, columns: number): string {
  const isLive = model.isFollowing;
  const state = isLive ? '● live' : model.isFull ? '■ full' : '■ paused';
  const rates = model.rates;
  // The second that runs is not over yet.
  const perSecond = rates.at(-2) ?? 0;
  const graph = columns >= 100 ? `${sparkline(rates.slice(0, -1), 30)} ` : '';
  return rowBetween(
    theme,
    columns,
    [['plain', ` rmq tail  ${title}  ${state}`]],
    [['plain', `${graph}${grouped(perSecond)}/s `]],
    'bar',
  );
}

interface Widths {
  readonly place: number;
  readonly tag: number;
  readonly keys: number;
  readonly size: number;
}

function widthsOf(columns: number, entries: readonly TailEntry[], isOneTopic: boolean): Widths {
  const widest = (texts: readonly string[], min: number, max: number): number =>
    Math.min(max, Math.max(min, ...texts.map(cellsOf)));
  const share = Math.floor(columns / 5);
  return {
    place: widest(
      entries.map((entry) => placeOf(entry, isOneTopic)),
      5,
      Math.max(14, share),
    ),
    tag: widest(
      entries.map(({ tag }) => tag ?? ''),
      3,
      Math.min(20, Math.floor(columns / 8)),
    ),
    keys: widest(
      entries.map(({ keys }) => keys.join(' ')),
      4,
      share,
    ),
    size: 6,
  };
}

function listRows(controller: TailController, theme: Theme, size: ScreenSize): string[] {
  const { model } = controller;
  const entries = model.visible();
  const widths = widthsOf(size.columns, entries, controller.isOneTopic);
  const head: Span[] = [
    ['heading', `  ${fit('STORED', 12)}  ${fit('WHERE', widths.place)}  `],
    ['heading', `${fit('TAG', widths.tag)}  ${fit('KEYS', widths.keys)}  `],
    ['heading', `${fit('SIZE', widths.size, 'right')}  BODY`],
  ];
  const rows = [row(theme, size.columns, head)];
  const { cursor, top } = model.window;
  for (const [index, entry] of entries.entries()) {
    rows.push(entryRow(controller, theme, size.columns, widths, entry, top + index === cursor));
  }
  if (entries.length === 0) {
    const waiting =
      controller.filterText === '' ? 'waiting for messages' : 'nothing here is like the filter';
    rows.push(row(theme, size.columns, [['dim', `  ${waiting}`]]));
  }
  while (rows.length < size.rows) rows.push(row(theme, size.columns, []));
  return rows;
}

function entryRow(
  { model, isOneTopic }: TailController,
  theme: Theme,
  columns: number,
  widths: Widths,
  entry: TailEntry,
  isSelected: boolean,
): string {
  const isMarked = model.isMarked(entry);
  const isFound = model.isFound(entry);
  const left = isMarked ? '*' : isSelected ? '>' : ' ';
  const spans: Span[] = [
    [isMarked ? 'marked' : 'plain', `${left} `],
    ['dim', `${timeOf(entry.message.storeTimestampMs)}  `],
    ['dim', `${fit(placeOf(entry, isOneTopic), widths.place)}  `],
    ['name', `${fit(visible(entry.tag ?? ''), widths.tag)}  `],
    ['name', `${fit(visible(entry.keys.join(' ')), widths.keys)}  `],
    ['dim', `${fit(sizeText(entry.message.body.length), widths.size, 'right')}  `],
    [isFound ? 'match' : 'plain', preview(entry)],
  ];
  return row(theme, columns, spans, isSelected ? 'selected' : isMarked ? 'marked' : undefined);
}

/** With one topic its name stands in the title. */
function placeOf({ topic, message }: TailEntry, isOneTopic: boolean): string {
  const place = `${message.queueId}@${message.queueOffset}`;
  return isOneTopic ? place : `${topic}:${place}`;
}

/** The begin of the body on one line; bytes that are no text as hexadecimal. */
function preview(entry: TailEntry): string {
  const { body, sysFlag } = entry.message;
  const isCompressed = (sysFlag & 1) !== 0;
  const bytes = isCompressed ? entry.body() : body;
  entry.forget();
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, previewMaxBytes));
  const text = head.toString('utf8');
  // A character that was cut at the end is no sign of bytes.
  const broken = text.slice(0, -2).includes('\ufffd');
  return broken ? `0x${head.toString('hex', 0, 100)}` : visible(text);
}

/** `12:34:56.789`, of this machine's time zone. */
export function timeOf(timestampMs: number): string {
  const time = new Date(timestampMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

/** `512`, `1.2K`, `3.4M`: at most six cells. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return String(bytes);
  if (bytes < 1_000_000) return `${(bytes / 1_024).toFixed(1)}K`;
  return `${(bytes / 1_048_576).toFixed(1)}M`;
}

function statusRow(controller: TailController, theme: Theme, columns: number): string {
  const { model, notice, trouble, filterText, searchText } = controller;
  const left: Span[] = [['plain', ' ']];
  const problem = controller.prompt?.problem;
  if (problem !== undefined) left.push(['bad', visible(problem)]);
  else if (notice !== undefined)
    left.push([notice.isProblem ? 'bad' : 'good', visible(notice.text)]);
  else if (trouble !== undefined) left.push(['warning', visible(trouble)]);
  else {
    if (filterText !== '') left.push(['dim', 'filter '], ['warning', `${visible(filterText)}  `]);
    if (searchText !== '') left.push(['dim', 'search '], ['match', visible(searchText)]);
  }
  const parts = [`${grouped(model.seenCount)} seen`];
  if (model.count < model.seenCount) parts.push(`${grouped(model.count)} here`);
  if (model.marked.length > 0) parts.push(`${grouped(model.marked.length)} marked`);
  if (model.belowCount > 0) parts.push(`${grouped(model.belowCount)} below`);
  if (controller.behindCount > 1_000) parts.push(`${grouped(controller.behindCount)} behind`);
  const right: Span[] = [['dim', `${parts.join(' · ')} `]];
  if (model.skippedCount > 0) {
    right.unshift(['warning', `${grouped(model.skippedCount)} skipped · `]);
  }
  return rowBetween(theme, columns, left, right);
}

const questions = { filter: 'filter', search: 'search', save: 'save to', resend: 'send to topic' };

function bottomRow(controller: TailController, theme: Theme, columns: number): string {
  const { prompt } = controller;
  if (prompt !== undefined) {
    const { before, after } = prompt.line;
    const question = ` ${questions[prompt.purpose]}: `;
    const room = Math.max(10, columns - question.length - 2);
    const shown = before.length > room ? `…${before.slice(before.length - room + 1)}` : before;
    return row(theme, columns, [
      ['heading', question],
      ['plain', visible(shown)],
      ['selected', after === '' ? ' ' : visible(after.slice(0, 1))],
      ['plain', visible(after.slice(1))],
    ]);
  }
  const bindings: readonly Binding<string>[] =
    controller.view === 'message' ? messageBindings : tailBindings;
  return footerRow(bindings, theme, columns);
}

/** Help and quit at the right in any case; of the others those that fit. */
function footerRow(bindings: readonly Binding<string>[], theme: Theme, columns: number): string {
  const left: Span[] = [['plain', ' ']];
  const right: Span[] = [];
  const named = bindings.filter(({ footer }) => footer !== undefined);
  const isLast = ({ action }: Binding<string>): boolean => action === 'help' || action === 'quit';
  let room = columns - 1;
  for (const binding of [...named.filter(isLast), ...named.filter((one) => !isLast(one))]) {
    const label = keyLabel(binding.keys[0] ?? '');
    const text = ` ${binding.footer}  `;
    room -= cellsOf(label + text);
    if (room < 0) continue;
    (isLast(binding) ? right : left).push(['key', label], ['dim', text]);
  }
  return rowBetween(theme, columns, left, right);
}

function helpRows(theme: Theme, size: ScreenSize): string[] {
  const list = bindingRows('In the list', tailBindings);
  const message = bindingRows('In a message', messageBindings);
  const filters: Span[][] = [
    [['heading', ' Filters and searches']],
    ...[
      ['tag:a||b', 'tag'],
      ['key:K', 'key'],
      ['NAME=VALUE', 'property'],
      ['$.a.b > 3', 'JSON'],
      ['/re/i', 'body, regex'],
      ['text "a b"', 'body, text'],
      ['!term', 'not'],
    ].map(([term = '', what = '']): Span[] => [
      ['key', `  ${fit(term, 12)}`],
      ['plain', what],
    ]),
  ];
  const isWide = size.columns >= 110;
  const columns = isWide
    ? [list, message, filters]
    : [list, [...message.slice(0, 10), [], ...filters]];
  const width = Math.floor(size.columns / columns.length);
  const rows: string[] = [];
  for (let index = 0; index < size.rows; index++) {
    const cells = columns.map((one) => row(theme, width, one[index] ?? []));
    rows.push(cells.join('') + ' '.repeat(size.columns - width * columns.length));
  }
  return rows;
}

function bindingRows(title: string, bindings: readonly Binding<string>[]): Span[][] {
  return [
    [['heading', ` ${title}`]],
    ...bindings.map(({ keys, help }): Span[] => [
      ['key', `  ${fit(keys.map(keyLabel).join(' '), 11)} `],
      ['plain', cutTo(help, 60)],
    ]),
  ];
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}
