/** `rmq context remove` */
import type { Command } from '../shared/command.ts';
import { contextNamed, readContexts, writeContexts } from '../shared/contexts.ts';
import { type ContextRow, contextColumns, contextRow, nameArgument } from './context-row.ts';

interface Options {
  readonly name: string;
}

export const contextRemove: Command<Options, ContextRow> = {
  summary: 'Forget the name of a cluster; the cluster itself stays as it is',
  impact: 'change',
  isRemote: false,
  arguments: [nameArgument],
  flags: [],
  columns: contextColumns,
  examples: [
    ['rmq context remove dev', 'it can be added again'],
    ['rmq context remove dev --output name', 'the same for a program'],
  ],
  async run({ host, stderr }, { name }) {
    const before = await readContexts(host);
    contextNamed(before, name);
    const without = (one: string | undefined): string | undefined =>
      one === name ? undefined : one;
    await writeContexts(host, {
      current: without(before.current),
      previous: without(before.previous),
      list: before.list.filter((one) => one.name !== name),
    });
    if (before.current === name) {
      await stderr.write('it was in use: commands go to 127.0.0.1:9876 until another one is\n');
    }
    return { ...contextRow(before, name), isCurrent: false };
  },
};
