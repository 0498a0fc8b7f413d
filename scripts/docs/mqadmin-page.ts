/** docs/reference/mqadmin.md: from mqadmin's commands to ours. */
import { mqadminAreas } from './mqadmin-table.ts';

/** @throws Error when a row names a command that does not exist. */
export function mqadminPage(
  note: string,
  table: (head: readonly string[], rows: ReadonlyArray<readonly string[]>) => string,
  commands: ReadonlySet<string>,
): string {
  const sections = mqadminAreas.map(({ title, rows }) => {
    const lines = rows.map(({ name, ours, note: remark }) => {
      const unknown = ours.find((command) => !commands.has(command));
      if (unknown !== undefined) throw new Error(`mqadmin ${name}: there is no rmq ${unknown}`);
      const links = ours.map(
        (command) => `[rmq ${command}](commands.md#rmq-${command.replaceAll(' ', '-')})`,
      );
      return [`\`${name}\``, links.join(', ') || 'none', remark];
    });
    return `## ${title}\n\n${table(['mqadmin', 'here', 'remarks'], lines)}`;
  });
  return `# From mqadmin to rmq\n\n${note}
Every subcommand of mqadmin 5.4 and the command that does its job. All of them work on Apache's clusters as
well, with \`--namesrv\` where mqadmin takes \`-n\`.

${sections.join('\n')}`;
}
