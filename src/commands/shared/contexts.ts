/**
 * Named clusters, kept in one file of the user: `contexts.json` in the folder where the platform keeps settings.
 * A flag beats a variable, that the context in use, that the default.
 */
import type { Host } from '../../platform/host.ts';
import { NodeFiles } from '../../platform/node-files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { nearest } from '../../util/nearest.ts';
import type { AnyCommand } from './command.ts';
import type { ParsedOptions } from './flags.ts';

/** A cluster by name. */
export interface ClusterContext {
  readonly name: string;
  /** HOST:PORT of each NameServer. */
  readonly namesrv: readonly string[];
  readonly description: string | undefined;
  /** Commands that change something are refused. */
  readonly isReadOnly: boolean;
}

export interface Contexts {
  readonly current: string | undefined;
  readonly previous: string | undefined;
  readonly list: readonly ClusterContext[];
}

type Where = Pick<Host, 'environment' | 'platform' | 'homeFolder'>;

/** The folder of the user's settings, by each platform's habit; `kind`: what is kept there. */
export function userFolder(
  { environment, platform, homeFolder }: Where,
  kind: 'config' | 'state',
): string {
  if (platform === 'win32') {
    const folder = environment[kind === 'config' ? 'APPDATA' : 'LOCALAPPDATA'];
    if (folder !== undefined && folder !== '') return `${folder}/rmq`;
  }
  const variable = environment[kind === 'config' ? 'XDG_CONFIG_HOME' : 'XDG_STATE_HOME'];
  // A relative one is to be ignored, says the specification of these variables.
  if (variable?.startsWith('/') === true) return `${variable}/rmq`;
  if (platform === 'darwin') {
    return `${homeFolder}/Library/${kind === 'config' ? 'Preferences' : 'Application Support'}/rmq`;
  }
  return `${homeFolder}/${kind === 'config' ? '.config' : '.local/state'}/rmq`;
}

export function contextsPath(where: Where): string {
  return `${userFolder(where, 'config')}/contexts.json`;
}

/** None when there is no file. @throws RmqError ILLEGAL_CONFIG when it cannot be read. */
export async function readContexts(host: Host): Promise<Contexts> {
  const path = contextsPath(host);
  let text: string;
  try {
    text = (await host.readFile(path)).toString('utf8');
  } catch (error) {
    const { code } = error as { readonly code?: unknown }; // whatever the platform throws
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return { current: undefined, previous: undefined, list: [] };
    }
    throw new RmqError('ILLEGAL_CONFIG', `cannot read ${path}: ${String(error)}`, { cause: error });
  }
  return parseContexts(text, path);
}

function parseContexts(text: string, path: string): Contexts {
  try {
    const json = JSON.parse(text) as Partial<Record<'current' | 'previous' | 'contexts', unknown>>;
    const list = Object.entries(json.contexts ?? {}).map(([name, value]): ClusterContext => {
      const { namesrv, description, readOnly } = value as Record<string, unknown>;
      if (!Array.isArray(namesrv) || !namesrv.every((one) => typeof one === 'string')) {
        throw new Error(`context ${name} has no list of NameServers`);
      }
      return {
        name,
        namesrv,
        description: typeof description === 'string' ? description : undefined,
        isReadOnly: readOnly === true,
      };
    });
    const named = (value: unknown): string | undefined =>
      list.find(({ name }) => name === value)?.name;
    return { current: named(json.current), previous: named(json.previous), list };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RmqError('ILLEGAL_CONFIG', `${path} is damaged: ${reason}`, {
      hint: 'mend it or remove it; rmq context add makes it anew',
      cause: error,
    });
  }
}

export async function writeContexts(
  host: Host,
  { current, previous, list }: Contexts,
): Promise<void> {
  const contexts = Object.fromEntries(
    list.map(({ name, namesrv, description, isReadOnly }) => [
      name,
      { namesrv, description, ...(isReadOnly ? { readOnly: true } : {}) },
    ]),
  );
  const files = new NodeFiles();
  await files.makeFolder(userFolder(host, 'config'));
  const text = `${JSON.stringify({ current, previous, contexts }, null, 2)}\n`;
  await files.replaceFile(contextsPath(host), Buffer.from(text));
}

/** @throws RmqError USAGE with the nearest one. */
export function contextNamed({ list }: Contexts, name: string, origin = 'context'): ClusterContext {
  const found = list.find((one) => one.name === name);
  if (found !== undefined) return found;
  const meant = nearest(
    name,
    list.map((one) => one.name),
  );
  throw new RmqError('USAGE', `${origin}: there is no context ${name}`, {
    hint:
      meant === undefined
        ? `see them: rmq context list; or make it: rmq context add ${name} HOST:PORT`
        : `did you mean ${meant}?`,
  });
}

/**
 * The options with the NameServers of the context that applies, where the command line and the environment
 * name none.
 * @throws RmqError USAGE for a context that does not exist, NO_PERMISSION when it is for reading only.
 */
export async function withContext(
  command: AnyCommand,
  options: ParsedOptions,
  host: Host,
): Promise<ParsedOptions> {
  const origin = options.origins['namesrv'];
  if (!command.isRemote || origin === '--namesrv') return options;
  const isAsked = options.origins['context'] === '--context';
  if (origin !== 'default' && !isAsked) return options;
  const contexts = await readContexts(host);
  const asked = options.values['context'];
  const name = typeof asked === 'string' ? asked : contexts.current;
  if (name === undefined) return options;
  const context = contextNamed(contexts, name, options.origins['context']);
  if (context.isReadOnly && command.impact !== 'read' && options.values['dryRun'] !== true) {
    throw new RmqError('NO_PERMISSION', `context ${name} is for reading only`, {
      hint: 'name the cluster with --namesrv, or another context with --context',
    });
  }
  return {
    values: { ...options.values, namesrv: context.namesrv },
    origins: { ...options.origins, namesrv: `context ${name}` },
  };
}
