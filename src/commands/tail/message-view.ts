/** An open message: its body (pretty JSON, text), properties, bytes, its way. Rows of exact width. */
import { visible } from '../shared/output.ts';
import { isoTime } from '../shared/times.ts';
import { row, type Span } from '../terminal/rows.ts';
import type { Theme, Tone } from '../terminal/theme.ts';
import { fit, wrapTo } from '../terminal/widths.ts';
import { messageTabs, type TailController } from './controller.ts';
import type { TailEntry } from './entry.ts';

/** Of a body, what is laid out for the screen; saving it gives all. */
const shownMaxBytes = 256 << 10;

export function messageRows(
  controller: TailController,
  theme: Theme,
  size: { readonly columns: number; readonly rows: number },
): string[] {
  const { opened, tab } = controller;
  if (opened === undefined) return [];
  const { columns } = size;
  const tabs = messageTabs.flatMap((name): Span[] => [
    [name === tab ? 'selected' : 'dim', ` ${name} `],
    ['plain', ' '],
  ]);
  const head = [
    row(theme, columns, headOf(opened)),
    row(theme, columns, [['plain', ' '], ...tabs]),
  ];
  const lines = linesOf(controller, opened, Math.max(10, columns - 2));
  const height = Math.max(1, size.rows - head.length);
  controller.extent = { lines: lines.length, height };
  controller.scroll = Math.min(controller.scroll, Math.max(0, lines.length - height));
  const shown = lines.slice(controller.scroll, controller.scroll + height);
  const rows = [...head, ...shown.map((spans) => row(theme, columns, [['plain', ' '], ...spans]))];
  while (rows.length < size.rows) rows.push(row(theme, columns, []));
  return rows;
}

function headOf(entry: TailEntry): Span[] {
  return [
    ['heading', ` ${entry.topic} `],
    ['dim', `${entry.place}  `],
    ['name', visible(`${entry.tag ?? ''} ${entry.keys.join(' ')}`)],
  ];
}

function linesOf(controller: TailController, entry: TailEntry, width: number): Span[][] {
  switch (controller.tab) {
    case 'body':
      return bodyLines(entry, width);
    case 'properties':
      return propertyLines(entry, width);
    case 'hex':
      return hexLines(entry, width);
    case 'trace':
      return traceLines(controller);
  }
}

function bodyLines(entry: TailEntry, width: number): Span[][] {
  const text = entry.text();
  if (text === undefined) return [[['dim', 'no text:']], ...hexLines(entry, width)];
  const json = text.length <= shownMaxBytes ? entry.json() : undefined;
  if (json !== undefined) {
    return JSON.stringify(json, null, 2)
      .split('\n')
      .flatMap((line) => jsonLines(line, width));
  }
  const lines = text
    .slice(0, shownMaxBytes)
    .split(/\r?\n/)
    .flatMap((line) => wrapTo(visible(line.replaceAll('\t', '  ')), width))
    .map((line): Span[] => [['plain', line]]);
  if (text.length > shownMaxBytes) lines.push([['warning', '… cut here; e saves all of it']]);
  return lines;
}

/** A line of `JSON.stringify`, names and values in their tones; wrapped when it is too long. */
function jsonLines(line: string, width: number): Span[][] {
  const [, indent = '', name = '', rest = ''] =
    /^(\s*)("(?:[^"\\]|\\.)*": )?(.*)$/s.exec(line) ?? [];
  const tone: Tone = rest.startsWith('"') ? 'good' : /^[-\dtfn]/.test(rest) ? 'warning' : 'plain';
  const room = width - indent.length - name.length;
  if (room < 10 || rest.length <= room) {
    return [
      [
        ['plain', indent],
        ['name', visible(name)],
        [tone, visible(rest)],
      ],
    ];
  }
  return wrapTo(visible(rest), room).map((part, index): Span[] => [
    ['plain', index === 0 ? indent : ' '.repeat(indent.length + name.length)],
    ['name', index === 0 ? visible(name) : ''],
    [tone, part],
  ]);
}

function propertyLines(entry: TailEntry, width: number): Span[][] {
  const { message } = entry;
  const facts: (readonly [string, string])[] = [
    ['topic', entry.topic],
    ['where', entry.place],
    ['message id', entry.messageId ?? '-'],
    ['born', `${isoTime(message.bornTimestampMs) ?? '-'} on ${hostText(message.bornHost)}`],
    ['stored', `${isoTime(message.storeTimestampMs) ?? '-'} on ${hostText(message.storeHost)}`],
    ['deliveries', String(message.reconsumeTimes)],
    ['body', `${entry.body().length.toLocaleString('en-US')} bytes`],
    ['log offset', String(message.physicalOffset)],
  ];
  const properties = [...entry.properties()];
  const widest = Math.min(30, Math.max(12, ...properties.map(([name]) => name.length)));
  const line = (tone: Tone, name: string, value: string): Span[][] =>
    wrapTo(visible(value), Math.max(10, width - widest - 2)).map((part, index): Span[] => [
      [tone, `${fit(index === 0 ? visible(name) : '', widest)}  `],
      ['plain', part],
    ]);
  return [
    ...facts.flatMap(([name, value]) => line('dim', name, value)),
    [],
    [['heading', 'properties']],
    ...properties.flatMap(([name, value]) => line('name', name, value)),
  ];
}

function hostText({
  address,
  port,
}: {
  readonly address: Uint8Array;
  readonly port: number;
}): string {
  return `${[...address].join(address.length === 4 ? '.' : ':')}:${port}`;
}

/** `00000010  68 65 6c 6c 6f …  |hello|` */
function hexLines(entry: TailEntry, width: number): Span[][] {
  const body = entry.body();
  const bytes = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, shownMaxBytes / 4));
  const perLine = width >= 76 ? 16 : 8;
  const lines: Span[][] = [];
  for (let at = 0; at < bytes.length; at += perLine) {
    const part = bytes.subarray(at, at + perLine);
    const hex = (part.toString('hex').match(/../g) ?? []).join(' ');
    lines.push([
      ['dim', `${at.toString(16).padStart(8, '0')}  `],
      ['plain', hex.padEnd(perLine * 3)],
      ['name', ` ${part.toString('latin1').replace(/[^\u0020-\u007e]/g, '.')}`],
    ]);
  }
  if (bytes.length < body.length) lines.push([['warning', '… cut here; e saves all of it']]);
  return lines;
}

function traceLines({ trace }: TailController): Span[][] {
  if (trace === undefined) return [[['dim', 'asking …']]];
  if ('problem' in trace) return [[['bad', visible(trace.problem)]]];
  const lines = trace.map((one): Span[] => [
    ['dim', `${fit(one.time ?? '', 24)}  `],
    [
      one.isSuccess === false ? 'bad' : one.event === 'waiting' ? 'warning' : 'good',
      fit(one.event, 12),
    ],
    ['name', `${fit(visible(one.group ?? ''), 24)}  `],
    ['plain', visible([one.where, one.detail].filter((text) => text !== undefined).join('  '))],
    ['dim', one.durationMs === undefined ? '' : `  ${one.durationMs} ms`],
  ]);
  if (!trace.some(({ source }) => source === 'client')) {
    lines.push([], [['dim', 'no client traced this message: this is what the brokers know']]);
  }
  return lines;
}
