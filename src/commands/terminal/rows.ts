/** Rows of a screen: spans with a meaning, cut and filled to an exact width. */
import type { Theme, Tone } from './theme.ts';
import { cellsOf, cutTo } from './widths.ts';

/** A piece of a row. The text has no control characters (`visible` of shared/output.ts sees to it). */
export type Span = readonly [tone: Tone, text: string];

/** The spans in a row of exactly `width` cells. A tone for the row replaces those of its spans. */
export function row(theme: Theme, width: number, spans: readonly Span[], tone?: Tone): string {
  let room = width;
  let out = '';
  for (const [own, text] of spans) {
    if (room <= 0) break;
    const short = cutTo(text, room);
    room -= cellsOf(short);
    out += tone === undefined ? theme.paint(own, short) : short;
  }
  const filled = out + ' '.repeat(Math.max(0, room));
  return tone === undefined ? filled : theme.paint(tone, filled);
}

/** Spans at the left and at the right of one row; the left gives way. */
export function rowBetween(
  theme: Theme,
  width: number,
  left: readonly Span[],
  right: readonly Span[],
  tone?: Tone,
): string {
  const rightCells = Math.min(
    width,
    right.reduce((cells, [, text]) => cells + cellsOf(text), 0),
  );
  const leftRoom = Math.max(0, width - rightCells);
  return row(theme, leftRoom, left, tone) + row(theme, width - leftRoom, right, tone);
}
