/** What keys do in the dashboard: one table for handling, footer and help. */
import type { Binding } from '../terminal/keys.ts';
import { type ListAction, listBindings } from '../terminal/list-window.ts';
import type { RowAction } from './view.ts';

export type DashboardAction =
  | ListAction
  | RowAction
  | 'open'
  | 'back'
  | 'filter'
  | 'jump'
  | 'next-view'
  | 'previous-view'
  | 'sort-next'
  | 'sort-previous'
  | 'sort-invert'
  | 'refresh'
  | 'copy'
  | 'copy-json'
  | 'save'
  | 'help'
  | 'quit';

export const dashboardBindings: readonly Binding<DashboardAction>[] = [
  { keys: ['enter'], action: 'open', help: 'open the row', footer: 'open' },
  { keys: ['esc', 'backspace', '-'], action: 'back', help: 'back', footer: 'back' },
  { keys: ['/'], action: 'filter', help: 'filter: text, !text, /re/', footer: 'filter' },
  { keys: [':', 'ctrl-p'], action: 'jump', help: 'to a view, topic, group', footer: 'go' },
  { keys: ['tab'], action: 'next-view', help: 'next view, or 0 to 6' },
  { keys: ['shift-tab'], action: 'previous-view', help: 'previous view' },
  { keys: ['>', '.'], action: 'sort-next', help: 'sort by the next column', footer: 'sort' },
  { keys: ['<', ','], action: 'sort-previous', help: 'sort by the one before' },
  { keys: ['i'], action: 'sort-invert', help: 'sort the other way round' },
  ...listBindings,
  { keys: ['ctrl-r'], action: 'refresh', help: 'ask for everything now' },
  { keys: ['c'], action: 'copy', help: 'copy the name' },
  { keys: ['y'], action: 'copy-json', help: 'copy the row as JSON' },
  { keys: ['e'], action: 'save', help: 'save the list as TSV' },
  { keys: ['m'], action: 'messages', help: 'its messages, live', footer: 'messages' },
  { keys: ['R'], action: 'redrive', help: 'send dead letters again', footer: 'redrive' },
  { keys: ['O'], action: 'reset-offset', help: 'move the group', footer: 'reset' },
  { keys: ['W'], action: 'drain', help: 'drain the broker, or not', footer: 'drain' },
  { keys: ['D'], action: 'delete-topic', help: 'delete the topic', footer: 'delete' },
  { keys: ['D'], action: 'delete-group', help: 'delete the group', footer: 'delete' },
  { keys: ['?'], action: 'help', help: 'these keys', footer: 'help' },
  { keys: ['q', 'ctrl-c'], action: 'quit', help: 'quit', footer: 'quit' },
];

const rowActions: ReadonlySet<string> = new Set<RowAction>([
  'messages',
  'redrive',
  'reset-offset',
  'drain',
  'delete-topic',
  'delete-group',
]);

/** Without what cannot be done in a view. */
export function bindingsFor(actions: readonly RowAction[]): readonly Binding<DashboardAction>[] {
  return dashboardBindings.filter(
    ({ action }) => !rowActions.has(action) || (actions as readonly string[]).includes(action),
  );
}
