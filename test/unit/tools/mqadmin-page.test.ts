/** Every subcommand of mqadmin 5.4 has a row, and rows name commands that there are. */
import { expect, test } from 'vitest';
import { mqadminAreas } from '../../../scripts/docs/mqadmin-table.ts';
import { allCommands } from '../../../src/commands/tree.ts';

const rows = mqadminAreas.flatMap((area) => area.rows);

test('there is a row for each of the 90 subcommands, once', () => {
  expect(rows).toHaveLength(90);
  expect(new Set(rows.map(({ name }) => name)).size).toBe(90);
});

test('rows name commands of ours; those that name none say why', async () => {
  const commands = new Set((await allCommands()).map(({ path }) => path.join(' ')));
  for (const { name, ours, note } of rows) {
    for (const command of ours) expect(commands, name).toContain(command);
    if (ours.length === 0) expect(note, name).not.toBe('');
  }
});
