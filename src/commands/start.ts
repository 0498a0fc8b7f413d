/**
 * `rmq start`: the roles asked for, in this process, until a signal ends them. Says where each listens,
 * what was recovered and how to send the first message.
 */
import { formatHostPort } from '../platform/host-port.ts';
import type { HostPort } from '../platform/network.ts';
import type { ServerPorts } from '../server/ports.ts';
import { type Config, type FlagValues, loadConfig } from '../server/shared/config.ts';
import {
  environmentName,
  flagName,
  type Setting,
  type SettingKey,
  settings,
} from '../server/shared/config-table.ts';
import type { RunningServer } from '../server/start.ts';
import { type Command, type Flag, optionName } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { paint } from './shared/theme.ts';

/** Raw flag values by option name. */
type StartOptions = Readonly<Record<string, string | readonly string[] | boolean | undefined>>;

/** The line of `--ready-json`: a contract with scripts and tests in every language. */
interface ReadyLine {
  readonly pid: number;
  readonly namesrv: string | null;
  readonly broker: string | null;
  readonly grpc: string | null;
  /** The proxy's Remoting port; null without `--remoting-port`. */
  readonly remoting: string | null;
  readonly dataDir: string | null;
  readonly readyMs: number;
}

export const start: Command<StartOptions, never> = {
  summary: 'Run a NameServer, a broker and a proxy, or some of them',
  impact: 'change',
  isRemote: false,
  isDraining: true,
  flags: settings.map(flagOf),
  columns: [],
  examples: [
    ['rmq start', 'everything a first message needs, on 127.0.0.1'],
    ['rmq start --memory --ports auto --ready-json -', 'for a test: free ports, nothing on disk'],
    ['rmq start --role proxy --namesrv 10.0.0.1:9876', 'one more proxy for a cluster'],
    ['rmq start --role proxy --workers 4', 'the same on four cores'],
    ['rmq start --config rmq.yaml --flush async', 'settings from a file, one of them overruled'],
  ],
  async run(context, options) {
    const { host } = context;
    const writeLog = (line: string): void => void context.stderr.write(line);
    if (host.supervisor !== undefined) {
      const { runWorker } = await import('../server/workers/worker.ts');
      await runWorker(host.supervisor, writeLog);
      return undefined;
    }
    const config = await loadConfig({
      flags: flagValues(options),
      environment: host.environment,
      readFile: host.readFile,
      defaultDataDir: defaultDataDir(host),
    });
    for (const warning of config.warnings) {
      await context.stderr.write(`${paint(context.stderr, 'warning', 'warning:')} ${warning}\n`);
    }
    const { nodePorts, startServer } = await import('../server/start.ts');
    const ports = await nodePorts(config.server, writeLog);
    const server =
      config.workerCount === 1
        ? await startServer(config.server, ports)
        : await startWorkers(host, config, ports);
    const stopped = untilToldToStop(context, config);
    await announce(context, config, server);
    await stopped;
    await server.stop();
    return undefined;
  },
};

async function startWorkers(
  host: Context['host'],
  { server: settings, workerCount }: Config,
  ports: ServerPorts,
): Promise<RunningServer> {
  const [supervisor, startWorker] = await Promise.all([
    import('../server/workers/supervisor.ts'),
    host.loadWorkers(),
  ]);
  return await supervisor.startWorkers({ settings, ports, workerCount, startWorker });
}

function flagOf(setting: Setting): Flag {
  return {
    name: flagName(setting).slice(2),
    kind: setting.kind,
    description: flagName(setting).startsWith('--no-')
      ? `do not ${setting.description}`
      : setting.description,
    environment: environmentName(setting.key),
    group: setting.group,
    isRaw: true,
    ...(setting.default === undefined || setting.kind.type === 'boolean'
      ? {}
      : { shownDefault: setting.default }),
  };
}

function flagValues(options: StartOptions): FlagValues {
  const values: Partial<Record<SettingKey, string | readonly string[] | boolean>> = {};
  for (const setting of settings) {
    const flag = flagName(setting).slice(2);
    const value = options[optionName(flag)];
    if (value === undefined) continue;
    values[setting.key as SettingKey] = flag === setting.key ? value : false; // a key of the table
  }
  return values;
}

/** Where a user's data belongs on this system. */
function defaultDataDir(host: Context['host']): string {
  const { XDG_DATA_HOME, LOCALAPPDATA } = host.environment;
  if (XDG_DATA_HOME !== undefined && XDG_DATA_HOME !== '') return `${XDG_DATA_HOME}/rmq`;
  if (host.platform === 'darwin') return `${host.homeFolder}/Library/Application Support/rmq`;
  if (host.platform === 'win32') return `${LOCALAPPDATA ?? host.homeFolder}/rmq`;
  return `${host.homeFolder}/.local/share/rmq`;
}

/** Resolves when a signal or the parent's end asks for it. */
function untilToldToStop({ host, signal }: Context, config: Config): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (config.isExitWithParent) host.onParentGone(resolve);
  });
}

async function announce(context: Context, config: Config, server: RunningServer): Promise<void> {
  const { host } = context;
  const readyMs = Math.round(host.uptimeMs());
  const { readyJson } = config;
  if (readyJson !== '-') await context.stdout.write(banner(context, config, server, readyMs));
  if (readyJson === undefined) return;
  const { nameserver, broker, grpc, remoting } = server.endpoints;
  const line: ReadyLine = {
    pid: host.pid,
    namesrv: text(nameserver),
    broker: text(broker),
    grpc: text(grpc),
    remoting: text(remoting),
    dataDir: config.server.dataDir ?? null,
    readyMs,
  };
  const json = `${JSON.stringify(line)}\n`;
  if (readyJson === '-') await context.stdout.write(json);
  else await host.writeFile(readyJson, json);
}

function text(address: HostPort | undefined): string | null {
  return address === undefined ? null : formatHostPort(address);
}

function banner(context: Context, config: Config, server: RunningServer, readyMs: number): string {
  const { stdout } = context;
  const { nameserver, broker, grpc, remoting } = server.endpoints;
  const settingsOf = config.server;
  const rows: [string, string][] = [];
  if (nameserver !== undefined) rows.push(['NameServer', formatHostPort(nameserver)]);
  if (broker !== undefined) {
    rows.push(['Broker', `${formatHostPort(broker)}  ${settingsOf.brokerName}`]);
  }
  if (grpc !== undefined) {
    const workers = config.workerCount === 1 ? '' : `, ${config.workerCount} workers`;
    rows.push(['Proxy', `${formatHostPort(grpc)}  gRPC, plaintext and TLS${workers}`]);
  }
  if (remoting !== undefined) rows.push(['', `${formatHostPort(remoting)}  Remoting`]);
  if (broker !== undefined) rows.push(['Data', dataLine(config, server)]);
  const title = `rmq is ready in ${readyMs} ms`;
  const lines = rows.map(
    ([name, value]) => `  ${paint(stdout, 'name', name.padEnd(10))}  ${value}`,
  );
  const parts = [`${paint(stdout, 'heading', title)}\n${lines.join('\n')}`];
  if (broker !== undefined && settingsOf.flush === 'async' && settingsOf.dataDir !== undefined) {
    parts.push('  --flush async: a power cut may cost the messages of the last 500 ms');
  }
  if (nameserver !== undefined && broker !== undefined) {
    const namesrv = nameserver.port === 9876 ? '' : ` --namesrv ${formatHostPort(nameserver)}`;
    parts.push(
      `First message:\n  rmq send orders hello${namesrv}\n  rmq tail orders --from earliest${namesrv}`,
    );
  }
  return `${parts.join('\n\n')}\n`;
}

function dataLine(config: Config, { recovery }: RunningServer): string {
  const { dataDir } = config.server;
  if (dataDir === undefined) return 'in memory, gone with this process';
  if (recovery === undefined || recovery.maxPhysicalOffset === 0) return `${dataDir}  (new)`;
  const kept = recovery.maxPhysicalOffset - recovery.minPhysicalOffset;
  const notes = [`${(kept / 2 ** 20).toFixed(1)} MiB of log`];
  if (recovery.redispatchedMessages > 0) {
    notes.push(`${recovery.redispatchedMessages} messages indexed again`);
  }
  if (recovery.holes.length > 0) {
    notes.push(`${recovery.holes.length} damaged places in the log, passed over`);
  }
  if (recovery.problems.length > 0) notes.push('the index was damaged and is built again');
  if (recovery.truncatedBytes > 0) notes.push(`${recovery.truncatedBytes} B of a torn tail cut`);
  notes.push(`recovered in ${Math.round(recovery.durationMs)} ms`);
  return `${dataDir}  (${notes.join(', ')})`;
}
