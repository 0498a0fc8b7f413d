/** All rows of the dashboard's screen. Pure: state in, rows of exact width out. */
import { visible } from '../shared/output.ts';
import { tailRows } from '../tail/list-view.ts';
import { keyLabel } from '../terminal/keys.ts';
import { row, rowBetween, type Span } from '../terminal/rows.ts';
import type { Theme } from '../terminal/theme.ts';
import { cellsOf, fit } from '../terminal/widths.ts';
import { bindingsFor } from './bindings.ts';
import type { DashboardController } from './controller.ts';
import { tableRows } from './table.ts';
import { mainViews } from './views/all-views.ts';

/** Title, tabs, heading of the table, status, footer. */
const frameRows = 5;
/** A list is worth more than what stands above it. */
const listLeast = 5;

export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  /** Which cluster: a context's name or the NameServers. */
  readonly cluster: string;
}

/** Exactly `options.rows` rows. Tells the controller how much of the list is in sight. */
export function frameOf(
  controller: DashboardController,
  theme: Theme,
  options: FrameOptions,
): string[] {
  const { columns, rows } = options;
  if (controller.messages !== undefined) {
    const inner = tailRows(controller.messages.controller, theme, { columns, rows: rows - 1 });
    return [tabsRow(controller, theme, columns), ...inner].slice(0, rows);
  }
  const room = Math.max(1, rows - frameRows);
  const head = headRows(controller, theme, columns).slice(0, Math.max(0, room - listLeast));
  const listHeight = room - head.length;
  controller.resize(columns, listHeight);
  const content = controller.isHelpOpen
    ? helpRows(controller, theme, { columns, height: rows - 4 })
    : [...head, ...listRows(controller, theme, listHeight)];
  const blank = row(theme, columns, []);
  const body = [...content, ...Array<string>(rows).fill(blank)].slice(0, rows - 4);
  return [
    titleRow(controller, theme, options),
    tabsRow(controller, theme, columns),
    ...body,
    statusRow(controller, theme, columns),
    bottomRow(controller, theme, columns),
  ].slice(0, rows);
}

function titleRow(
  controller: DashboardController,
  theme: Theme,
  { columns, cluster }: FrameOptions,
): string {
  const { place, view } = controller;
  const title = visible(view?.title(place) ?? '');
  const bad = [...controller.state.machines.values()].some(({ problem }) => problem !== undefined);
  const state = bad ? '▲ not all well' : '● well';
  return rowBetween(
    theme,
    columns,
    [['plain', ` rmq dashboard  ${visible(cluster)}  ${title}`]],
    [['plain', `${state} `]],
    'bar',
  );
}

function tabsRow(controller: DashboardController, theme: Theme, columns: number): string {
  const spans: Span[] = [['plain', ' ']];
  for (const [digit, view] of mainViews) {
    const isHere = controller.place.view === view;
    spans.push(['key', digit], [isHere ? 'selected' : 'plain', ` ${view} `], ['plain', ' ']);
  }
  return row(theme, columns, spans);
}

function headRows(controller: DashboardController, theme: Theme, columns: number): string[] {
  const spans = controller.view?.head?.({ ...controller.scene, columns }) ?? [];
  return spans.map((line) => row(theme, columns, line.map(safe)));
}

/** Names come from the cluster. */
function safe([tone, text]: Span): Span {
  return [tone, visible(text)];
}

function listRows(controller: DashboardController, theme: Theme, height: number): string[] {
  const { view, window, rows, sort, scene } = controller;
  if (view === undefined) return [];
  const shown = rows.slice(window.top, window.top + height);
  const selected = window.cursor - window.top;
  const isFiltered = controller.filterText !== '' && rows.length === 0;
  const named = isFiltered ? { ...view, empty: 'nothing here is like the filter' } : view;
  return tableRows(named, scene, theme, { rows: shown, selected, sort });
}

/** In two columns where the screen is low. */
function helpRows(
  controller: DashboardController,
  theme: Theme,
  size: { readonly columns: number; readonly height: number },
): string[] {
  const bindings = bindingsFor(controller.view?.actions ?? []);
  const isLow = bindings.length + 2 > size.height;
  const perColumn = isLow ? Math.ceil(bindings.length / 2) : bindings.length;
  const width = isLow ? Math.floor(size.columns / 2) : size.columns;
  const cell = (index: number): string => {
    const { keys = [], help = '' } = bindings[index] ?? {};
    const labels = (isLow ? keys.slice(0, 2) : keys).map(keyLabel).join(' ');
    return row(theme, width, [
      ['key', ` ${fit(labels, isLow ? 14 : 16)}`],
      ['plain', help],
    ]);
  };
  const lines = Array.from({ length: perColumn }, (_, index) => {
    if (!isLow) return cell(index);
    return cell(index) + cell(index + perColumn) + ' '.repeat(size.columns - 2 * width);
  });
  return [
    row(theme, size.columns, [['heading', ' Keys of this view']]),
    ...lines,
    row(theme, size.columns, [['dim', ' any key closes this']]),
  ];
}

function statusRow(controller: DashboardController, theme: Theme, columns: number): string {
  const { notice, rows, state, filterText, window } = controller;
  const left: Span[] = [];
  const trouble = [...state.troubles.values()][0];
  if (notice !== undefined) {
    left.push([notice.isProblem ? 'bad' : 'good', ` ${visible(notice.text)}`]);
  } else if (trouble !== undefined) left.push(['bad', ` ${visible(trouble)}`]);
  else if (filterText !== '') left.push(['dim', ` filter: ${visible(filterText)}`]);
  const place = rows.length === 0 ? '' : `${window.cursor + 1} of ${rows.length} `;
  return rowBetween(theme, columns, left, [['dim', place]]);
}

function bottomRow(controller: DashboardController, theme: Theme, columns: number): string {
  const { question } = controller;
  if (question !== undefined) {
    const { before, after } = question.line;
    const spans: Span[] = [
      ['heading', ` ${visible(question.label)}`],
      ['plain', before],
      ['selected', after === '' ? ' ' : after.slice(0, 1)],
      ['plain', after.slice(1)],
    ];
    if (question.problem !== undefined) spans.push(['bad', `  ${visible(question.problem)}`]);
    if (question.choices !== undefined) spans.push(['dim', `  ${question.choices.join('  ')}`]);
    return row(theme, columns, spans);
  }
  const spans: Span[] = [['plain', ' ']];
  let cells = 1;
  for (const { keys, footer } of bindingsFor(controller.view?.actions ?? [])) {
    if (footer === undefined) continue;
    const label = keyLabel(keys[0] ?? '');
    cells += cellsOf(label) + footer.length + 3;
    if (cells > columns) break;
    spans.push(['key', label], ['dim', ` ${footer}  `]);
  }
  return row(theme, columns, spans);
}
