/** `rmq context show` */
import type { Command } from '../shared/command.ts';
import { readContexts } from '../shared/contexts.ts';
import { type ContextRow, contextColumns, contextRow, nameArgument } from './context-row.ts';

interface Options {
  readonly name?: string;
}

export const contextShow: Command<Options, ContextRow> = {
  summary: 'Show a context; the one in use when none is named',
  impact: 'read',
  isRemote: false,
  arguments: [{ ...nameArgument, isRequired: false }],
  flags: [],
  columns: contextColumns,
  examples: [
    ['rmq context show', 'where commands go now'],
    ['rmq context show prod --output json', 'another one, for a program'],
  ],
  async run({ host }, { name }) {
    const contexts = await readContexts(host);
    return contextRow(contexts, name ?? contexts.current);
  },
};
