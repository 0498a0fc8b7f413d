/** `rmq context use` and `rmq context previous` */
import { RmqError } from '../../protocol/errors.ts';
import type { Command } from '../shared/command.ts';
import { readContexts } from '../shared/contexts.ts';
import { type ContextRow, contextColumns, nameArgument, useContext } from './context-row.ts';

interface Options {
  readonly name: string;
}

export const contextUse: Command<Options, ContextRow> = {
  summary: 'Let commands go to another cluster from now on',
  impact: 'change',
  isRemote: false,
  arguments: [nameArgument],
  flags: [],
  columns: contextColumns,
  examples: [
    ['rmq context use prod', 'until another one is used'],
    ['rmq context use dev --output json', 'the same for a program'],
  ],
  run: (context, { name }) => useContext(context, name),
};

export const contextPrevious: Command<object, ContextRow> = {
  summary: 'Go back to the cluster that was in use before',
  impact: 'change',
  isRemote: false,
  flags: [],
  columns: contextColumns,
  examples: [
    ['rmq context previous', 'and once more: there again'],
    ['rmq context previous --output name', 'say only which one it is'],
  ],
  async run(context) {
    const { previous } = await readContexts(context.host);
    if (previous !== undefined) return useContext(context, previous);
    throw new RmqError('USAGE', 'no other context was in use before', {
      hint: 'rmq context use NAME; rmq context list shows what there is',
    });
  },
};
