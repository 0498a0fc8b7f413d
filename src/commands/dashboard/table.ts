/** Rows of a view: which, in what order, how wide each column. */
import { visible } from '../shared/output.ts';
import { row, type Span } from '../terminal/rows.ts';
import type { Theme } from '../terminal/theme.ts';
import { cellsOf, fit } from '../terminal/widths.ts';
import type { AnyView, Scene, Sort, ViewColumn } from './view.ts';

const gap = '  ';
/** Narrower than that no column gets to make room for others. */
const narrowest = 8;

/** Whether a row is wanted, by the texts of its cells. */
export type RowFilter = (texts: readonly string[]) => boolean;

/** `text`, `!text` for those without it, `/re/` for a regular expression; case does not count. */
export function parseRowFilter(text: string): RowFilter | { readonly problem: string } | undefined {
  const wanted = text.trim();
  if (wanted === '') return undefined;
  if (wanted.startsWith('!')) {
    const other = parseRowFilter(wanted.slice(1));
    return typeof other === 'function' ? (texts) => !other(texts) : other;
  }
  const [, source] = /^\/(.+)\/$/.exec(wanted) ?? [];
  if (source !== undefined) {
    try {
      const expression = new RegExp(source, 'i');
      return (texts) => texts.some((cell) => expression.test(cell));
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  }
  const small = wanted.toLowerCase();
  return (texts) => texts.some((cell) => cell.toLowerCase().includes(small));
}

/** The view's rows that the filter lets through, sorted. */
export function arrangedRows(
  view: AnyView,
  scene: Scene,
  options: { readonly filter: RowFilter | undefined; readonly sort: Sort | undefined },
): readonly unknown[] {
  const { filter, sort } = options;
  let rows = view.rows(scene);
  if (filter !== undefined) {
    rows = rows.filter((one) => filter(view.columns.map((column) => column.value(one, scene))));
  }
  const column = sort === undefined ? undefined : view.columns[sort.column];
  if (column === undefined || sort === undefined) return rows;
  const sign = sort.isDescending ? -1 : 1;
  const keyed = rows.map((one) => ({ one, key: orderOf(column, one, scene) }));
  keyed.sort((a, b) => sign * compare(a.key, b.key) || compare(view.idOf(a.one), view.idOf(b.one)));
  return keyed.map(({ one }) => one);
}

function orderOf(column: ViewColumn<unknown>, one: unknown, scene: Scene): number | string {
  return column.order?.(one, scene) ?? column.value(one, scene);
}

function compare(a: number | string, b: number | string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Heading and rows, each exactly as wide as the screen. `rows` are those in sight. */
export function tableRows(
  view: AnyView,
  scene: Scene,
  theme: Theme,
  options: {
    readonly rows: readonly unknown[];
    /** Index in `rows`; -1: none. */
    readonly selected: number;
    readonly sort: Sort | undefined;
  },
): string[] {
  const { rows, selected, sort } = options;
  // Names come from the cluster.
  const cells = rows.map((one) => view.columns.map((column) => visible(column.value(one, scene))));
  const titles = view.columns.map((column, index) =>
    index === sort?.column ? `${column.title} ${sort.isDescending ? '↓' : '↑'}` : column.title,
  );
  const widths = widthsOf(view.columns, [titles, ...cells], scene.columns - 1 + gap.length);
  const line = (texts: readonly string[], toneOf: (index: number) => Span[0]): Span[] => {
    const spans: Span[] = [['plain', ' ']];
    for (const [index, text] of texts.entries()) {
      const width = widths[index] ?? 0;
      if (width === 0) continue;
      const align = view.columns[index]?.align ?? 'left';
      spans.push([toneOf(index), fit(text, width, align)], ['plain', gap]);
    }
    return spans;
  };
  const out = [
    row(
      theme,
      scene.columns,
      line(titles, () => 'heading'),
    ),
  ];
  for (const [index, one] of rows.entries()) {
    const spans = line(
      cells[index] ?? [],
      (at) => view.columns[at]?.tone?.(one, scene) ?? (at === 0 ? 'name' : 'plain'),
    );
    out.push(row(theme, scene.columns, spans, index === selected ? 'selected' : undefined));
  }
  if (rows.length === 0) out.push(row(theme, scene.columns, [['dim', ` ${view.empty}`]]));
  return out;
}

/** Cells of each column; 0: no room for it. Wide columns give way first, then those of high rank go. */
function widthsOf(
  columns: readonly ViewColumn<unknown>[],
  texts: readonly (readonly string[])[],
  room: number,
): number[] {
  const widths = columns.map((_, index) =>
    Math.max(...texts.map((line) => cellsOf(line[index] ?? ''))),
  );
  const total = (): number =>
    widths.reduce((sum, width) => sum + (width === 0 ? 0 : width + gap.length), 0);
  const least = widths.map((width) => Math.min(width, narrowest));
  const leastTotal = (): number =>
    least.reduce((sum, width) => sum + (width === 0 ? 0 : width + gap.length), 0);
  const byRank = [...columns.keys()].sort(
    (a, b) => (columns[b]?.rank ?? 0) - (columns[a]?.rank ?? 0) || b - a,
  );
  // The first column stays in any case.
  for (const index of byRank) {
    const isDispensable = (columns[index]?.rank ?? 0) > 0 && total() > room;
    const isImpossible = leastTotal() > room;
    if (index === 0 || !(isDispensable || isImpossible)) continue;
    widths[index] = 0;
    least[index] = 0;
  }
  while (total() > room) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= 1) break;
    widths[widest] = Math.max(1, width - (total() - room), Math.min(width - 1, narrowest));
    if (widths[widest] === width) break;
  }
  return widths;
}
