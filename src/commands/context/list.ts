/** `rmq context list` */
import type { Command } from '../shared/command.ts';
import { readContexts } from '../shared/contexts.ts';
import { type ContextRow, contextColumns, contextRows } from './context-row.ts';

export const contextList: Command<object, ContextRow> = {
  summary: 'List the clusters that have a name',
  impact: 'read',
  isRemote: false,
  flags: [],
  columns: contextColumns,
  examples: [
    ['rmq context list', 'all of them, the one in use marked'],
    ['rmq context list --output name', 'the names alone'],
  ],
  run: async ({ host }) => contextRows(await readContexts(host)),
};
