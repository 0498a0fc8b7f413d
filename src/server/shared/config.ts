/**
 * Settings of a server from flags, environment, config file and defaults, in that order of weight.
 * Every value knows where it came from, and so does the error about it. Nothing is touched here but
 * the config file, which is read.
 */
import { parseHostPort } from '../../platform/host-port.ts';
import { RmqError } from '../../protocol/errors.ts';
import { nearest } from '../../util/nearest.ts';
import { parseValue, type Value, ValueError, type ValueKind } from '../../util/values.ts';
import { Advertised } from './advertise.ts';
import { environmentName, flagName, type SettingKey, settings } from './config-table.ts';
import type { FlushMode, Role, ServerSettings } from './settings.ts';

/** Flag values by key, as the command line had them; booleans as `true` or `false`. */
export type FlagValues = Readonly<
  Partial<Record<SettingKey, string | readonly string[] | boolean>>
>;

export interface ConfigSources {
  readonly flags: FlagValues;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads the config file. */
  readonly readFile: (path: string) => Promise<Uint8Array>;
  /** Folder that `rmq` keeps data in when nobody names one. */
  readonly defaultDataDir: string;
}

export interface Config {
  readonly server: ServerSettings;
  /** `--ready-json`: a file, or `-` for stdout. */
  readonly readyJson: string | undefined;
  readonly isExitWithParent: boolean;
  /** Processes that share the work of a proxy, which is the only role then; 1: this one does it. */
  readonly workerCount: number;
  /** Variables that start with RMQ_ and are none of ours, with the nearest that is. */
  readonly warnings: readonly string[];
}

/** @throws RmqError ILLEGAL_CONFIG naming the origin, the value and what is allowed. */
function parseSetting(kind: ValueKind, raw: unknown, origin: string): Value {
  try {
    return parseValue(kind, raw);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const hint = error.meant === undefined ? {} : { hint: `did you mean ${error.meant}?` };
    throw new RmqError('ILLEGAL_CONFIG', `${origin}: ${error.message}`, hint);
  }
}

function wrong(origin: string, value: string, allowed: string): RmqError {
  return new RmqError('ILLEGAL_CONFIG', `${origin}: ${new ValueError(value, allowed).message}`);
}

interface Given {
  readonly value: Value;
  readonly origin: string;
}

/** Variables of the commands and of tests; a server does not read them. */
const otherVariables = ['RMQ_OUTPUT', 'RMQ_TIMEOUT', 'RMQ_COLOR', 'RMQ_DEBUG', 'RMQ_WORKER'];

/** @throws RmqError ILLEGAL_CONFIG in one line, naming the setting and where it was set. */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const outer = readOuter(sources);
  const path = outer.get('config')?.value;
  const file =
    typeof path === 'string'
      ? await readConfigFile(path, sources.readFile)
      : new Map<string, Given>();
  const given = new Map([...file, ...outer]);
  const values = new Values(given);
  const server = buildSettings(values, sources.defaultDataDir);
  return {
    server,
    workerCount: workerCountOf(values, server),
    readyJson: given.get('ready-json')?.value as string | undefined, // parsed as text
    isExitWithParent: given.get('exit-with-parent')?.value === true,
    warnings: unknownVariables(sources.environment),
  };
}

function readOuter({ flags, environment }: ConfigSources): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const setting of settings) {
    const flag = flags[setting.key as SettingKey]; // the table's keys are SettingKeys
    const variable = environmentName(setting.key);
    const fromEnvironment = environment[variable];
    if (flag !== undefined) {
      const origin = flagName(setting);
      given.set(setting.key, { value: parseSetting(setting.kind, flag, origin), origin });
    } else if (fromEnvironment !== undefined && fromEnvironment !== '') {
      given.set(setting.key, {
        value: parseSetting(setting.kind, fromEnvironment, variable),
        origin: variable,
      });
    }
  }
  return given;
}

async function readConfigFile(
  path: string,
  readFile: ConfigSources['readFile'],
): Promise<Map<string, Given>> {
  const content = await parseConfigFile(path, await readBytes(path, readFile));
  const known = settings.filter((setting) => setting.isFileless !== true);
  const given = new Map<string, Given>();
  for (const [key, raw] of Object.entries(content)) {
    const setting = known.find((candidate) => candidate.key === key);
    if (setting === undefined) {
      const names = known.map((candidate) => candidate.key);
      const meant = nearest(
        key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`),
        names,
      );
      throw new RmqError('ILLEGAL_CONFIG', `${path}: unknown setting "${key}"`, {
        hint:
          meant === undefined ? 'rmq start --help lists all settings' : `did you mean ${meant}?`,
      });
    }
    if (raw === null || raw === undefined) continue;
    const origin = `${path}: ${key}`;
    given.set(key, { value: parseSetting(setting.kind, raw, origin), origin });
  }
  return given;
}

async function readBytes(path: string, readFile: ConfigSources['readFile']): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code; // errors of files carry one
    const reason = code === 'ENOENT' ? 'there is no such file' : (code ?? String(error));
    throw new RmqError('ILLEGAL_CONFIG', `cannot read config file ${path}: ${reason}`, {
      cause: error,
    });
  }
}

async function parseConfigFile(path: string, text: string): Promise<Record<string, unknown>> {
  let content: unknown;
  try {
    if (path.endsWith('.json')) content = JSON.parse(text);
    else content = await parseYaml(text);
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n');
    throw new RmqError('ILLEGAL_CONFIG', `cannot read config file ${path}: ${reason}`, {
      cause: error,
    });
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new RmqError('ILLEGAL_CONFIG', `config file ${path}: settings as "name: value" expected`);
  }
  return content as Record<string, unknown>; // an object, checked above
}

async function parseYaml(text: string): Promise<unknown> {
  const yaml = await import('yaml');
  // Bundled, the CommonJS package has its functions under `default` alone.
  const { parse } = (yaml as { readonly default?: Pick<typeof yaml, 'parse'> }).default ?? yaml;
  return parse(text);
}

function unknownVariables(environment: ConfigSources['environment']): string[] {
  const known = [...settings.map((setting) => environmentName(setting.key)), ...otherVariables];
  return Object.keys(environment)
    .filter((name) => name.startsWith('RMQ_') && !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      return `unknown variable ${name}${meant === undefined ? '' : `, did you mean ${meant}?`}`;
    });
}

/** Reads typed values with the table's defaults behind them. */
class Values {
  readonly #given: ReadonlyMap<string, Given>;

  constructor(given: ReadonlyMap<string, Given>) {
    this.#given = given;
  }

  has(key: SettingKey): boolean {
    return this.#given.has(key);
  }

  origin(key: SettingKey): string {
    return this.#given.get(key)?.origin ?? `default of ${key}`;
  }

  /** What was said, else the parsed default. The table's kinds make the casts below true. */
  value(key: SettingKey): Value {
    const given = this.#given.get(key);
    if (given !== undefined) return given.value;
    const setting = settings.find((candidate) => candidate.key === key);
    return setting?.default === undefined
      ? ''
      : parseSetting(setting.kind, setting.default, `default of ${key}`);
  }

  number(key: SettingKey): number {
    return this.value(key) as number;
  }

  text(key: SettingKey): string {
    return this.value(key) as string;
  }

  optionalText(key: SettingKey): string | undefined {
    return this.has(key) ? this.text(key) : undefined;
  }

  isOn(key: SettingKey): boolean {
    return this.value(key) === true;
  }
}

function buildSettings(values: Values, defaultDataDir: string): ServerSettings {
  const isAuto = values.text('ports') === 'auto';
  const port = (key: SettingKey): number => (isAuto && !values.has(key) ? 0 : values.number(key));
  const server: ServerSettings = {
    roles: values.value('role') as readonly Role[], // one of the choices
    dataDir: dataDirOf(values, defaultDataDir),
    namesrv: namesrvOf(values),
    listenHost: values.text('listen'),
    nameserverPort: port('nameserver-port'),
    brokerPort: port('broker-port'),
    grpcPort: port('grpc-port'),
    remotingPort: values.has('remoting-port') ? values.number('remoting-port') : undefined,
    advertise: {
      broker: advertiseOf(values, 'advertise-broker'),
      grpc: advertiseOf(values, 'advertise-grpc'),
    },
    clusterName: nameOf(values, 'cluster-name'),
    brokerName: nameOf(values, 'broker-name'),
    brokerId: values.number('broker-id'),
    proxyName: values.optionalText('proxy-name'),
    flush: values.text('flush') as FlushMode, // one of the choices
    isAutoCreateTopicEnabled: values.isOn('auto-create-topic'),
    isAutoCreateGroupEnabled: values.isOn('auto-create-group'),
    defaultTopicQueueCount: values.number('topic-queues'),
    segmentSizeBytes: values.number('segment-size'),
    retentionMs: values.number('retention'),
    retentionBytes: values.has('retention-size') ? values.number('retention-size') : undefined,
    retentionFreeBytes: values.number('retention-free'),
    delayMaxMs: values.number('max-delay'),
    minFreeBytes: values.number('min-free'),
    registerIntervalMs: values.number('register-interval'),
    registrationWindowMs: values.number('registration-window'),
    tls: tlsOf(values),
    isInsecureAllowed: values.isOn('insecure'),
    grpcTransport: values.text('grpc-transport') as ServerSettings['grpcTransport'], // one of the choices
    logLevel: values.text('log-level') as ServerSettings['logLevel'], // one of the choices
  };
  checkTogether(server, values);
  return server;
}

/** A broker has one event loop, and a NameServer needs no more. */
function workerCountOf(values: Values, { roles }: ServerSettings): number {
  const count = values.number('workers');
  if (count === 1 || (roles.length === 1 && roles[0] === 'proxy')) return count;
  throw new RmqError(
    'ILLEGAL_CONFIG',
    `${values.origin('workers')}: ${count} workers, but the roles are ${roles.join(', ')}`,
    { hint: 'workers are for a proxy: run it by itself, with --role proxy' },
  );
}

function dataDirOf(values: Values, defaultDataDir: string): string | undefined {
  if (!values.isOn('memory')) return values.optionalText('data') ?? defaultDataDir;
  // A flag wins over a folder in the file or the environment; two flags contradict each other.
  if (values.origin('data') === '--data' && values.origin('memory') === '--memory') {
    throw new RmqError('ILLEGAL_CONFIG', '--memory and --data exclude each other', {
      hint: 'leave one out: --memory keeps nothing on disk',
    });
  }
  return values.origin('data') === '--data' ? values.text('data') : undefined;
}

function namesrvOf(values: Values): readonly string[] {
  const roles = values.value('role') as readonly Role[]; // one of the choices
  if (!values.has('namesrv')) return roles.includes('nameserver') ? [] : ['127.0.0.1:9876'];
  const list = values.value('namesrv') as readonly string[]; // a list, by the table
  for (const address of list) {
    const { host, port } = parseHostPort(address) ?? { host: '', port: 0 };
    if (host === '' || port === 0) throw wrong(values.origin('namesrv'), address, 'HOST:PORT');
  }
  return list;
}

/** What one listener tells others: its own setting, else the one for all. */
function advertiseOf(values: Values, own: SettingKey): string {
  const key = values.has(own) ? own : 'advertise';
  const text = values.optionalText(key) ?? '';
  if (Advertised.parse(text, 0) === undefined) {
    throw wrong(values.origin(key), text, 'HOST[:PORT], or a list [NETWORK/BITS=]HOST[:PORT];…');
  }
  return text;
}

/** Cluster and broker names are topic names and parts of file names: Apache's alphabet. */
function nameOf(values: Values, key: SettingKey): string {
  const name = values.text(key);
  if (!/^[%|a-zA-Z0-9_-]{1,127}$/.test(name)) {
    throw wrong(values.origin(key), name, '1 to 127 of a-z A-Z 0-9 _ - % |');
  }
  return name;
}

function tlsOf(values: Values): ServerSettings['tls'] {
  const certFile = values.optionalText('tls-cert');
  const keyFile = values.optionalText('tls-key');
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    const missing = certFile === undefined ? 'tls-cert' : 'tls-key';
    throw new RmqError('ILLEGAL_CONFIG', `tls-cert and tls-key go together: ${missing} is missing`);
  }
  return { certFile, keyFile };
}

function checkTogether(server: ServerSettings, values: Values): void {
  if (!isLoopback(server.listenHost) && !server.isInsecureAllowed) {
    throw new RmqError(
      'ILLEGAL_CONFIG',
      `${values.origin('listen')}: ${server.listenHost} can be reached from other machines, and nobody has to log in`,
      { hint: 'say --insecure if that network is trusted, or leave --listen at 127.0.0.1' },
    );
  }
  const ports = [
    ['nameserver-port', server.nameserverPort, 'nameserver'],
    ['broker-port', server.brokerPort, 'broker'],
    ['grpc-port', server.grpcPort, 'proxy'],
    ['remoting-port', server.remotingPort ?? 0, 'proxy'],
  ] as const;
  const used = ports.filter(([, port, role]) => port !== 0 && server.roles.includes(role));
  for (const [index, [key, port]] of used.entries()) {
    const other = used.slice(0, index).find(([, taken]) => taken === port);
    if (other !== undefined) {
      throw new RmqError('ILLEGAL_CONFIG', `${key} and ${other[0]} are both ${port}`);
    }
  }
  if (server.registrationWindowMs < 2 * server.registerIntervalMs) {
    throw new RmqError(
      'ILLEGAL_CONFIG',
      `${values.origin('registration-window')}: ${server.registrationWindowMs} ms is under twice register-interval (${server.registerIntervalMs} ms)`,
    );
  }
}

/** Whether only this machine reaches the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
