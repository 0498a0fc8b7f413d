/** All commands. A command's file is loaded when it is called or listed in help. */
import type { AnyCommand, CommandEntry, NounEntry } from './shared/command.ts';

export const commandTree: readonly (NounEntry | CommandEntry)[] = [
  { name: 'start', load: async () => (await import('./start.ts')).start },
  {
    name: 'topic',
    summary: 'Create, list, describe and delete topics',
    commands: [
      { name: 'list', load: async () => (await import('./topic/list.ts')).topicList },
      { name: 'create', load: async () => (await import('./topic/create.ts')).topicCreate },
      { name: 'describe', load: async () => (await import('./topic/describe.ts')).topicDescribe },
      { name: 'delete', load: async () => (await import('./topic/delete.ts')).topicDelete },
    ],
  },
  { name: 'send', load: async () => (await import('./send.ts')).send },
  { name: 'tail', load: async () => (await import('./tail.ts')).tail },
  {
    name: 'cluster',
    summary: 'See the machines of a cluster',
    commands: [{ name: 'list', load: async () => (await import('./cluster/list.ts')).clusterList }],
  },
];

export interface FoundCommand {
  /** `['topic', 'list']` */
  readonly path: readonly string[];
  readonly command: AnyCommand;
}

/** Every command with its path, loaded. For completion, the reference and tests. */
export async function allCommands(): Promise<readonly FoundCommand[]> {
  const found: FoundCommand[] = [];
  for (const entry of commandTree) {
    if ('load' in entry) found.push({ path: [entry.name], command: await entry.load() });
    else {
      for (const inner of entry.commands) {
        found.push({ path: [entry.name, inner.name], command: await inner.load() });
      }
    }
  }
  return found;
}
