/** Texts in terminal cells, as Ink and terminals count them: wide characters two, marks none. */
import stringWidth from 'string-width';

const printable = /^[\u0020-\u007e]*$/;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Cells of a text without control characters. */
export function cellsOf(text: string): number {
  return printable.test(text) ? text.length : stringWidth(text);
}

/** The text cut to at most `width` cells, `…` at the end when something was cut. */
export function cutTo(text: string, width: number): string {
  if (width <= 0) return '';
  if (text.length <= width && printable.test(text)) return text;
  // A cell is at least one UTF-16 unit: a long text need not be looked at whole.
  const head = text.length > 4 * width + 8 ? text.slice(0, 4 * width + 8) : text;
  if (head === text && cellsOf(text) <= width) return text;
  if (printable.test(head)) return `${head.slice(0, width - 1)}…`;
  let out = '';
  let cells = 0;
  for (const { segment } of graphemes.segment(head)) {
    cells += cellsOf(segment);
    if (cells > width - 1) break;
    out += segment;
  }
  return `${out}…`;
}

/** Exactly `width` cells: cut, or filled up with spaces. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const short = cutTo(text, width);
  const space = ' '.repeat(Math.max(0, width - cellsOf(short)));
  return align === 'left' ? short + space : space + short;
}

/** The text in lines of at most `width` cells, broken between characters. At least one line. */
export function wrapTo(text: string, width: number): string[] {
  const room = Math.max(1, width);
  if (printable.test(text)) {
    const lines: string[] = [];
    for (let at = 0; at < text.length; at += room) lines.push(text.slice(at, at + room));
    return lines.length === 0 ? [''] : lines;
  }
  const lines: string[] = [];
  let line = '';
  let cells = 0;
  for (const { segment } of graphemes.segment(text)) {
    const more = cellsOf(segment);
    if (cells + more > room && line !== '') {
      lines.push(line);
      line = '';
      cells = 0;
    }
    line += segment;
    cells += more;
  }
  lines.push(line);
  return lines;
}

/** The text without its last character, as a person sees characters. */
export function withoutLast(text: string): string {
  let last = 0;
  for (const { index } of graphemes.segment(text)) last = index;
  return text.slice(0, last);
}

/** The first character, as a person sees characters. */
export function firstOf(text: string): string {
  for (const { segment } of graphemes.segment(text)) return segment;
  return '';
}
