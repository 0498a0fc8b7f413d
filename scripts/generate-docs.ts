/**
 * Makes the parts of docs/reference/ that have a table in the code: errors, exit codes, settings,
 * commands, request codes. `--check` writes nothing and fails when a page is stale or a runtime dependency has no
 * line in docs/reference/dependencies.md.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { argumentWord, type Flag } from '../src/commands/shared/command.ts';
import { destroyFlags, outputFlags, remoteFlags } from '../src/commands/shared/flags.ts';
import { allCommands, type FoundCommand } from '../src/commands/tree.ts';
import { ExitCode, errorKinds } from '../src/protocol/errors.ts';
import { requestKinds, roleNames } from '../src/protocol/remoting/codes.ts';
import {
  environmentName,
  flagName,
  type Setting,
  settings,
} from '../src/server/shared/config-table.ts';
import type { ValueKind } from '../src/util/values.ts';
import { grpcPage } from './docs/grpc-page.ts';
import { jsonPage } from './docs/json-page.ts';
import { mqadminPage } from './docs/mqadmin-page.ts';

const root = new URL('../', import.meta.url);
const note =
  '<!-- Made by `npm run docs` from the code. Change the table there, not this page. -->\n';

const exitMeanings: Readonly<Record<keyof typeof ExitCode, string>> = {
  done: 'Done. An empty list is done, too.',
  failed: 'Failed. The line on stderr says why.',
  usage: 'The command line or a setting is wrong; nothing was touched.',
  unreachable: 'A server could not be reached or did not answer in time.',
  notAllowed: 'Not allowed.',
  notFound: 'The topic, group or message does not exist.',
  partial: 'Done in part; stderr names the parts that failed.',
  interrupted: 'Stopped by Ctrl-C.',
};

function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

function errorsPage(): string {
  const rows = Object.entries(errorKinds).map(([code, kind]) => [
    `\`${code}\``,
    kind.meaning,
    String(kind.remoting),
    String(kind.grpc),
    String(kind.exit),
    kind.retryable ? 'yes' : 'no',
  ]);
  const head = ['code', 'meaning', 'Remoting', 'gRPC', 'exit', 'retry'];
  return `# Errors\n\n${note}
Every error has a stable code. Clients see it as a Remoting response code or as a gRPC
\`Status.code\`, the command line as an exit code ([exit-codes.md](exit-codes.md)). Retry: whether
the same request may succeed later without anybody changing it. Source: \`src/protocol/errors.ts\`.

${table(head, rows)}`;
}

function exitCodesPage(): string {
  const rows = Object.entries(ExitCode).map(([name, code]) => {
    const errors = Object.entries(errorKinds).filter(([, kind]) => kind.exit === code);
    const names = errors.map(([error]) => `\`${error}\``).join(', ');
    // Every name of ExitCode is a key of the meanings: both have the same type.
    return [String(code), exitMeanings[name as keyof typeof ExitCode], names];
  });
  return `# Exit codes\n\n${note}
Of every command, in scripts as on a terminal.

${table(['code', 'meaning', 'errors'], rows)}`;
}

function kindText(kind: ValueKind): string {
  switch (kind.type) {
    case 'text':
      return kind.placeholder;
    case 'port':
      return 'port, 0 to 65535';
    case 'integer':
      return `${kind.min} to ${kind.max}`;
    case 'size':
      return 'size, such as `64MiB`';
    case 'duration':
      return 'duration, such as `500ms`, `10s`, `72h`';
    case 'boolean':
      return '`true` or `false`';
    case 'choice':
      return kind.choices.map((choice) => `\`${choice}\``).join(', ');
    case 'list':
      return kind.choices?.map((choice) => `\`${choice}\``).join(', ') ?? kind.placeholder;
  }
}

function configPage(): string {
  const groups = [...new Set(settings.map((setting) => setting.group))];
  const row = (setting: Setting): string[] => [
    setting.isFileless === true ? '' : `\`${setting.key}\``,
    `\`${flagName(setting)}\``,
    `\`${environmentName(setting.key)}\``,
    kindText(setting.kind),
    setting.default ?? 'none',
    setting.description,
  ];
  const sections = groups.map((group) => {
    const rows = settings.filter((setting) => setting.group === group).map(row);
    return `## ${group}\n\n${table(['key', 'flag', 'variable', 'value', 'default', 'what it does'], rows)}`;
  });
  return `# Settings of a server\n\n${note}
A flag of \`rmq start\` wins over an environment variable, that over the config file, that over the
default. A key that is not in this list, or a value out of range, is an error that names where it
was set. A setting without a key is about the process and cannot stand in the file.

${sections.join('\n')}`;
}

const flagTitles = ['flag', 'value', 'default', 'variable', 'what it does'];

function flagRow(flag: Flag): string[] {
  const isDefaultOn = flag.kind.type === 'boolean' && flag.default === 'true';
  const short = flag.short === undefined ? '' : `\`-${flag.short}\`, `;
  return [
    `${short}\`--${isDefaultOn ? 'no-' : ''}${flag.name}\``,
    kindText(flag.kind),
    flag.shownDefault ?? flag.default ?? '',
    flag.environment === undefined ? '' : `\`${flag.environment}\``,
    flag.description,
  ];
}

function commandSection({ path, command }: FoundCommand): string {
  const words = (command.arguments ?? []).map(argumentWord);
  const usage = ['rmq', ...path, ...words, '[flags]'].join(' ');
  const examples = command.examples.map(([line, effect]) => `# ${effect}\n${line}`).join('\n\n');
  const isStart = path[0] === 'start';
  const flags = isStart
    ? 'Flags: every setting in [config.md](config.md).\n'
    : command.flags.length === 0
      ? ''
      : table(flagTitles, command.flags.map(flagRow));
  return `## rmq ${path.join(' ')}

${command.summary}. Impact: ${command.impact}.

\`\`\`
${usage}
\`\`\`

${flags}
\`\`\`sh
${examples}
\`\`\`
`;
}

async function commandsPage(): Promise<string> {
  const commands = await allCommands();
  return `# Commands\n\n${note}
What \`rmq COMMAND --help\` says, in one place. Every command takes the flags of the first table; those
that talk to a cluster also those of the second, and those whose impact is "destroy" those of the third.
All end with one of the codes of [exit-codes.md](exit-codes.md); the fields of \`--output json\` are in
[json.md](json.md). What mqadmin's commands are called here
says [mqadmin.md](mqadmin.md).

${table(flagTitles, outputFlags.map(flagRow))}
${table(flagTitles, remoteFlags.map(flagRow))}
${table(flagTitles, destroyFlags.map(flagRow))}
${table(
  ['command', 'impact', 'what it does'],
  commands.map(({ path, command }) => [
    `[rmq ${path.join(' ')}](#rmq-${path.join('-')})`,
    command.impact,
    command.summary,
  ]),
)}
${commands.map(commandSection).join('\n')}`;
}

/** Files below `test/` by the requests that they name, in a call or in a comment. */
function testsByRequest(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const folder = fileURLToPath(new URL('test/', root));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts')).toSorted()) {
    const text = readFileSync(join(folder, file), 'utf8');
    const names = new Set([...text.matchAll(/\b[A-Z][A-Z0-9_]{5,}\b/g)].map(([name]) => name));
    for (const name of names) found.set(name, [...(found.get(name) ?? []), basename(file)]);
  }
  return found;
}

function requestCodesPage(): string {
  const tests = testsByRequest();
  const say = (letters: string): string =>
    [...letters].map((letter) => roleNames[letter] ?? letter).join(', ');
  const rows = (isServed: boolean): string[][] =>
    Object.entries(requestKinds)
      .filter(([, kind]) => (kind.served !== '') === isServed)
      .map(([name, { code, served, roles, note }]) => [
        String(code),
        `\`${name}\``,
        ...(isServed
          ? [say(served), note ?? '', (tests.get(name) ?? []).join(', ')]
          : [say(roles) || 'nobody', note ?? '']),
      ]);
  return `# Remoting requests\n\n${note}
Every request code of RocketMQ 5.4. Those that are not served are answered with code 3 and the reason
below. Codes from 720001 on are extensions of ours. The Remoting port speaks both header formats, JSON
and ROCKETMQ, and answers in JSON. Source: \`src/protocol/remoting/codes.ts\`; tests hold the table to
what brokers and NameServers really register. Besides the tests named here, \`npm run interop\` runs
Apache's own clients and \`mqadmin\`, and \`npm run fuzz:remoting\` asks for every code with nonsense.

## Served

${table(['code', 'request', 'served by', 'remarks', 'tests'], rows(true))}
## Not served

${table(['code', 'request', "with Apache's for", 'why not here'], rows(false))}`;
}

/** Every generated page by its path below the project's root. */
export async function generatePages(): Promise<ReadonlyMap<string, string>> {
  const names = new Set((await allCommands()).map(({ path }) => path.join(' ')));
  return new Map([
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/exit-codes.md', exitCodesPage()],
    ['docs/reference/config.md', configPage()],
    ['docs/reference/commands.md', await commandsPage()],
    ['docs/reference/remoting.md', requestCodesPage()],
    ['docs/reference/mqadmin.md', mqadminPage(note, table, names)],
    ['docs/reference/json.md', await jsonPage(note, table)],
    ['docs/reference/grpc.md', grpcPage(note, table)],
  ]);
}

function read(path: string): string {
  try {
    return readFileSync(new URL(path, root), 'utf8');
  } catch {
    return ''; // A page that does not exist is as stale as one that differs.
  }
}

/** What is stale or missing; empty when the reference says what the code does. */
export async function staleDocs(): Promise<readonly string[]> {
  const stale: string[] = [];
  for (const [path, text] of await generatePages()) {
    if (read(path) !== text) stale.push(`${path} is stale: npm run docs`);
  }
  const tests = testsByRequest();
  for (const [name, { served }] of Object.entries(requestKinds)) {
    if (served !== '' && !tests.has(name)) stale.push(`no test names the request ${name}`);
  }
  const { dependencies } = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>;
  };
  const page = read('docs/reference/dependencies.md');
  for (const name of Object.keys(dependencies)) {
    if (!page.includes(`| \`${name}\` |`)) {
      stale.push(`docs/reference/dependencies.md has no line for ${name}`);
    }
  }
  for (const [, name = ''] of page.matchAll(/^\| `([^`]+)` \|/gm)) {
    if (!(name in dependencies)) stale.push(`docs/reference/dependencies.md still has ${name}`);
  }
  return stale;
}

async function main(): Promise<void> {
  if (process.argv.includes('--check')) {
    const stale = await staleDocs();
    for (const line of stale) console.error(line);
    process.exitCode = stale.length === 0 ? 0 : 1;
    return;
  }
  for (const [path, text] of await generatePages()) {
    writeFileSync(fileURLToPath(new URL(path, root)), text);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
