/**
 * From a command line to an exit code: finds the command, parses, runs it, prints rows or the error.
 * Nothing throws out of here but a defect.
 */

import type { Host } from '../../platform/host.ts';
import { parseHostPort } from '../../platform/host-port.ts';
import { asRmqError, type ErrorCode, ExitCode, RmqError } from '../../protocol/errors.ts';
import { nearest } from '../../util/nearest.ts';
import { commandTree } from '../tree.ts';
import { type AnyCommand, type CommandEntry, type NounEntry, optionName } from './command.ts';
import { confirm } from './confirm.ts';
import type { Context, Output, OutputFormat } from './context.ts';
import { withContext } from './contexts.ts';
import { allFlags, type ParsedOptions, parseOptions, placeholder } from './flags.ts';
import { commandHelp, listHelp, usageLine } from './help.ts';
import { printItem, printRows, printStream } from './output.ts';
import { paint } from './theme.ts';

type Found =
  | { readonly type: 'command'; readonly path: string[]; readonly entry: CommandEntry }
  | { readonly type: 'list'; readonly noun: NounEntry | undefined; readonly isHelp: boolean };

interface Line {
  readonly path: readonly string[];
  readonly command: AnyCommand;
  readonly words: readonly string[];
}

/** Runs one command line (without `node rmq`). */
export async function runCommandLine(argv: readonly string[], host: Host): Promise<ExitCode> {
  let line: Line | undefined;
  try {
    const found = findCommand(argv);
    if (found.type === 'list') return await showList(found, host);
    const command = await found.entry.load();
    line = { path: found.path, command, words: argv.slice(found.path.length) };
    if (asksForHelp(line.words)) {
      const out = withColor(host, 'stdout', 'auto');
      await out.write(commandHelp(line.path, command, out));
      return ExitCode.done;
    }
    return await runCommand(line, host);
  } catch (error) {
    return reportError(error, argv, line, host);
  }
}

/** @throws RmqError USAGE with the nearest command. */
function findCommand(argv: readonly string[]): Found {
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
  const [first, second] = words;
  if (first === undefined || asksForHelp([first])) {
    return { type: 'list', noun: undefined, isHelp: true };
  }
  if (first.startsWith('-')) {
    throw new RmqError('USAGE', `flags come behind the command: ${first}`, {
      hint: 'rmq --help lists the commands',
    });
  }
  const entry = commandTree.find(({ name }) => name === first);
  if (entry === undefined) throw unknownCommand([], first, commandTree);
  if ('load' in entry) return { type: 'command', path: [first], entry };
  if (second === undefined || asksForHelp([second])) {
    return { type: 'list', noun: entry, isHelp: second !== undefined };
  }
  const inner = entry.commands.find(({ name }) => name === second);
  if (inner === undefined) throw unknownCommand([first], second, entry.commands);
  return { type: 'command', path: [first, second], entry: inner };
}

function unknownCommand(
  path: readonly string[],
  word: string,
  entries: readonly { readonly name: string }[],
): RmqError {
  const names = entries.map(({ name }) => name);
  const meant = nearest(word, names);
  const prefix = ['rmq', ...path].join(' ');
  return new RmqError('USAGE', `there is no command ${prefix} ${word}`, {
    hint:
      meant === undefined ? `there is: ${names.join(', ')}` : `did you mean ${prefix} ${meant}?`,
  });
}

function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  const flags = end < 0 ? words : words.slice(0, end);
  return flags.includes('--help') || flags.includes('-h');
}

async function showList(found: Extract<Found, { type: 'list' }>, host: Host): Promise<ExitCode> {
  const out = withColor(host, found.isHelp ? 'stdout' : 'stderr', 'auto');
  await out.write(await listHelp(found.noun?.commands ?? commandTree, found.noun, out));
  return found.isHelp ? ExitCode.done : ExitCode.usage;
}

async function runCommand(line: Line, host: Host): Promise<ExitCode> {
  const { command } = line;
  const said = await parseWords(line);
  const parsed = parseOptions(allFlags(command), said.flags, host.environment);
  const options = await withContext(command, parsed, host);
  const closers: (() => Promise<void>)[] = [];
  const context = contextOf(command, options, host, closers);
  const all = { ...options.values, ...said.arguments };
  try {
    const asked = command.confirmation?.(all);
    if (asked !== undefined && options.values['yes'] !== true && !context.isDryRun) {
      await confirm(context, asked, line.path);
    }
    const work = print(context, command, all).catch((error: unknown) => {
      throw withReachHint(error, context);
    });
    await (command.isDraining === true ? work : Promise.race([work, interrupted(host.signal)]));
    return ExitCode.done;
  } finally {
    for (const close of closers) await close();
  }
}

/** Who cannot be reached is told how to reach somebody. */
function withReachHint(error: unknown, { namesrv }: Context): unknown {
  if (!(error instanceof RmqError) || error.hint !== undefined) return error;
  if (error.code !== 'CANNOT_CONNECT' || namesrv.addresses.length === 0) return error;
  const origin = namesrv.origin === 'default' ? 'the default' : namesrv.origin;
  return new RmqError(error.code, error.message, {
    hint: `is a server running (rmq start)? the address is from ${origin}; --namesrv HOST:PORT names another`,
    cause: error,
  });
}

async function print(context: Context, command: AnyCommand, options: object): Promise<void> {
  const result = command.run(context, options);
  if (Symbol.asyncIterator in result) return printStream(context, command.columns, result);
  const rows = await result;
  if (rows === undefined) return undefined;
  if (Array.isArray(rows)) await printRows(context, command.columns, rows as readonly object[]);
  else await printItem(context, command.columns, rows);
  const verdict = command.verdict?.(rows);
  if (verdict !== undefined) throw verdict;
}

function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(new RmqError('INTERRUPTED', 'interrupted'));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** What the line says: flag texts by option name, arguments by name. @throws RmqError USAGE */
async function parseWords({ path, command, words }: Line): Promise<{
  readonly flags: Record<string, unknown>;
  readonly arguments: Record<string, string | readonly string[]>;
}> {
  const { Command, CommanderError, Option } = await import('commander');
  const parser = new Command(['rmq', ...path].join(' '))
    .exitOverride()
    .helpOption(false)
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const { name, isRequired, isVariadic } of command.arguments ?? []) {
    const word = isVariadic === true ? `${name}...` : name;
    parser.argument(isRequired ? `<${word}>` : `[${word}]`);
  }
  const flags = allFlags(command).map((flag) => {
    const value = placeholder(flag);
    const short = flag.short === undefined ? '' : `-${flag.short}, `;
    const option = new Option(`${short}--${flag.name}${value === undefined ? '' : ` <${value}>`}`);
    if (flag.kind.type === 'list') {
      option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
    }
    parser.addOption(option);
    // `--no-follow` is an option of its own to us, and `follow = false` to commander.
    return { name: optionName(flag.name), attribute: option.attributeName(), isNo: option.negate };
  });
  parser.action(() => {});
  try {
    await parser.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(error.message);
    throw error;
  }
  const said: Record<string, unknown> = {};
  for (const { name, attribute, isNo } of flags) {
    if (parser.getOptionValueSource(attribute) !== 'cli') continue;
    said[name] = isNo ? true : parser.getOptionValue(attribute);
  }
  const values: Record<string, string | readonly string[]> = {};
  for (const [index, { name }] of (command.arguments ?? []).entries()) {
    const value: unknown = parser.processedArgs[index];
    if (typeof value === 'string') values[optionName(name)] = value;
    else if (Array.isArray(value)) values[optionName(name)] = value.map(String);
  }
  return { flags: said, arguments: values };
}

/** commander: "error: unknown option '--quues'\n(Did you mean --queues?)" */
function usageError(message: string): RmqError {
  const [first = '', second] = message.replace(/^error: /, '').split('\n');
  const meant = /^\(Did you mean (.*)\?\)$/.exec(second ?? '')?.[1];
  return new RmqError(
    'USAGE',
    first,
    meant === undefined ? {} : { hint: `did you mean ${meant}?` },
  );
}

function contextOf(
  command: AnyCommand,
  options: ParsedOptions,
  host: Host,
  closers: (() => Promise<void>)[],
): Context {
  const { values, origins } = options;
  const color = String(values['color']);
  const stdout = withColor(host, 'stdout', color);
  const namesrv = {
    addresses: command.isRemote ? namesrvAddresses(values['namesrv'], origins['namesrv']) : [],
    origin: origins['namesrv'] ?? 'default',
  };
  const timeoutMs = Number(values['timeout'] ?? 0);
  let client: ReturnType<Context['connect']> | undefined;
  return {
    host,
    stdin: host.stdin,
    stdout,
    stderr: withColor(host, 'stderr', color),
    clock: host.clock,
    signal: host.signal,
    format: (values['output'] as OutputFormat | undefined) ?? (stdout.isTerminal ? 'table' : 'tsv'), // a choice
    isDryRun: values['dryRun'] === true,
    namesrv,
    timeoutMs,
    connect: () => {
      client ??= import('./connect.ts').then(({ connectAdmin }) => {
        const { admin, close } = connectAdmin({ namesrv: namesrv.addresses, timeoutMs });
        closers.push(close);
        return admin;
      });
      return client;
    },
  };
}

function namesrvAddresses(list: unknown, origin = 'default'): Context['namesrv']['addresses'] {
  return (list as readonly string[]).map((text) => {
    const address = parseHostPort(text);
    if (address !== undefined && address.port > 0) return address;
    throw new RmqError('USAGE', `${origin}: "${text}" is not allowed: HOST:PORT`);
  });
}

function withColor(host: Host, stream: 'stdout' | 'stderr', mode: string): Output {
  const output = host[stream];
  const { NO_COLOR, FORCE_COLOR } = host.environment;
  let hasColor = output.isTerminal;
  if (FORCE_COLOR !== undefined) hasColor = FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  if (NO_COLOR !== undefined && NO_COLOR !== '') hasColor = false;
  if (mode === 'always') hasColor = true;
  if (mode === 'never') hasColor = false;
  return {
    write: output.write,
    isTerminal: output.isTerminal,
    get columns() {
      return output.columns;
    },
    hasColor,
  };
}

/** What goes to stderr as JSON: a contract like the rows. */
interface ErrorRow {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

async function reportError(
  thrown: unknown,
  argv: readonly string[],
  line: Line | undefined,
  host: Host,
): Promise<ExitCode> {
  const error = asRmqError(thrown);
  const out = withColor(host, 'stderr', 'auto');
  if (error.code === 'INTERRUPTED') return error.kind.exit;
  const isDebug = argv.includes('--debug') || host.environment['RMQ_DEBUG'] === 'true';
  if (wantsJson(argv, host)) {
    const { code, message, hint } = error;
    const row: ErrorRow = { code, message, ...(hint === undefined ? {} : { hint }) };
    await out.write(`${JSON.stringify({ error: row })}\n`);
  } else {
    let text = `${paint(out, 'bad', 'error:')} ${error.message}\n`;
    if (error.hint !== undefined) text += `${paint(out, 'name', 'hint:')} ${error.hint}\n`;
    if (error.code === 'USAGE' && line !== undefined) {
      text += `usage: ${usageLine(line.path, line.command)}\n`;
    }
    if (error.code === 'INTERNAL' && !isDebug) text += 'hint: --debug shows where it came from\n';
    await out.write(text);
  }
  if (isDebug)
    await out.write(
      `${String(error.cause instanceof Error ? error.cause.stack : '')}\n${error.stack}\n`,
    );
  return error.kind.exit === ExitCode.done ? ExitCode.failed : error.kind.exit;
}

function wantsJson(argv: readonly string[], host: Host): boolean {
  return (
    /(^| )(--output|-o)[ =]json( |$)/.test(argv.join(' ')) ||
    host.environment['RMQ_OUTPUT'] === 'json'
  );
}
