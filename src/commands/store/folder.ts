/** What the commands that work on a data folder share. */
import type { Argument } from '../shared/command.ts';

export const folderArgument: Argument = {
  name: 'folder',
  description: 'what rmq start --data was given',
  isRequired: true,
};

/** The broker keeps its store in a folder of its own. */
export function brokerFolder(folder: string): string {
  return `${folder}/broker`;
}
