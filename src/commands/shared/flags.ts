/** The flags that mean the same in every command, and from flag text to option values. */
import { RmqError } from '../../protocol/errors.ts';
import { parseValue, ValueError } from '../../util/values.ts';
import { type AnyCommand, type Flag, optionName } from './command.ts';

const hour = 3_600_000;

/** For whatever talks to a cluster. */
export const remoteFlags: readonly Flag[] = [
  {
    name: 'namesrv',
    short: 'n',
    kind: { type: 'list', placeholder: 'HOST:PORT[;HOST:PORT]', separator: ';' },
    default: '127.0.0.1:9876',
    description: 'NameServers of the cluster',
    environment: 'RMQ_NAMESRV',
    group: 'Cluster',
  },
  {
    name: 'context',
    kind: { type: 'text', placeholder: 'NAME' },
    description: 'named cluster to use (rmq context); --namesrv goes before it',
    environment: 'RMQ_CONTEXT',
    group: 'Cluster',
    shownDefault: 'the one in use',
  },
  {
    name: 'timeout',
    kind: { type: 'duration', min: 1, max: hour },
    default: '5s',
    description: 'how long to wait for an answer',
    environment: 'RMQ_TIMEOUT',
    group: 'Cluster',
  },
];

/** For commands that destroy. */
export const destroyFlags: readonly Flag[] = [
  {
    name: 'yes',
    short: 'y',
    kind: { type: 'boolean' },
    default: 'false',
    description: 'do not ask',
  },
  {
    name: 'dry-run',
    kind: { type: 'boolean' },
    default: 'false',
    description: 'say what would happen, change nothing',
  },
];

/** For every command. */
export const outputFlags: readonly Flag[] = [
  {
    name: 'output',
    short: 'o',
    kind: { type: 'choice', choices: ['table', 'json', 'yaml', 'name', 'tsv'] },
    description: 'how the result is printed',
    environment: 'RMQ_OUTPUT',
    group: 'Output',
    shownDefault: 'table on a terminal, tsv elsewhere',
  },
  {
    name: 'color',
    kind: { type: 'choice', choices: ['auto', 'always', 'never'] },
    default: 'auto',
    description: 'colour the text',
    environment: 'RMQ_COLOR',
    group: 'Output',
  },
  {
    name: 'debug',
    kind: { type: 'boolean' },
    default: 'false',
    description: 'show where an error came from',
    environment: 'RMQ_DEBUG',
    group: 'Output',
  },
];

/** All flags of a command: its own, then the common ones it has. */
export function allFlags(command: AnyCommand): readonly Flag[] {
  return [
    ...command.flags,
    ...(command.impact === 'destroy' ? destroyFlags : []),
    ...(command.isRemote ? remoteFlags : []),
    ...outputFlags,
  ];
}

export interface ParsedOptions {
  /** By option name. A flag that was left out and has no default is not there. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Where a value came from: `--namesrv`, `RMQ_NAMESRV`, `default`. */
  readonly origins: Readonly<Record<string, string>>;
}

/**
 * Option values from what the command line said (by option name), the environment and the defaults.
 * @throws RmqError USAGE naming the flag or variable, the value and what is allowed.
 */
export function parseOptions(
  flags: readonly Flag[],
  said: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): ParsedOptions {
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const flag of flags) {
    const name = optionName(flag.name);
    if (flag.isRaw === true) {
      values[name] = said[name];
      continue;
    }
    const variable = flag.environment === undefined ? undefined : environment[flag.environment];
    if (said[name] !== undefined) {
      origins[name] = `--${flag.name}`;
      values[name] = parseFlag(flag, said[name], origins[name]);
    } else if (flag.environment !== undefined && variable !== undefined && variable !== '') {
      origins[name] = flag.environment;
      values[name] = parseFlag(flag, variable, origins[name]);
    } else if (flag.default !== undefined) {
      origins[name] = 'default';
      values[name] = parseFlag(flag, flag.default, 'default');
    }
  }
  return { values, origins };
}

function parseFlag(flag: Flag, raw: unknown, origin: string): unknown {
  try {
    return parseValue(flag.kind, raw);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const hint = error.meant === undefined ? {} : { hint: `did you mean ${error.meant}?` };
    throw new RmqError('USAGE', `${origin}: ${error.message}`, hint);
  }
}

/** `<HOST:PORT>` for usage and help; undefined for a switch. */
export function placeholder(flag: Flag): string | undefined {
  const { kind } = flag;
  switch (kind.type) {
    case 'boolean':
      return undefined;
    case 'choice':
      return kind.choices.join('|');
    case 'text':
    case 'list':
      return kind.placeholder;
    case 'port':
      return 'PORT';
    case 'integer':
      return 'N';
    case 'size':
      return 'SIZE';
    case 'duration':
      return 'TIME';
  }
}
