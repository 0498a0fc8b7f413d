/** docs/reference/json.md: the fields of what each command prints as JSON. */
import { rowTypes } from './row-types.ts';

export async function jsonPage(
  note: string,
  table: (head: readonly string[], rows: ReadonlyArray<readonly string[]>) => string,
): Promise<string> {
  const sections = (await rowTypes()).map(({ commands, fields }) => {
    const names = commands.map(
      (name) => `[rmq ${name}](commands.md#rmq-${name.replaceAll(' ', '-')})`,
    );
    const rows = fields.map(({ path, type, isOptional, comment }) => [
      `\`${path}\``,
      type,
      isOptional ? 'no' : 'yes',
      comment,
    ]);
    return `## ${names.join(', ')}\n\n${table(['field', 'value', 'always', 'what it is'], rows)}`;
  });
  return `# JSON\n\n${note}
What \`--output json\` prints, and \`--output yaml\` in its own form. Commands that list print an array of such objects, those
that show or do one thing a single object, those whose rows come one after the other (\`tail\`, \`consume\`, \`send\`,
\`message list\` …) an object a line.

This is a contract: a field keeps its name and its meaning within a major version; new ones may come, so pass over those
that you do not know. Fields that are not always there are left out where their value is not known. Times are ISO 8601
in UTC; names that end in \`Ms\` are milliseconds, times among them since 1970; sizes end in \`Bytes\`. In a path \`[]\` stands for
each element, \`*\` for each name of an object. The fields of \`rmq export\` are what it prints with \`--file\` or \`--dry-run\`; without
them stdout gets the export itself, for \`rmq import\` ([how-to](../how-to/copy-between-clusters.md)).

${sections.join('\n')}`;
}
