/**
 * Every setting of a server, once: flag, environment variable, key in the config file, type, default
 * and range. `rmq start --help`, the checks and the reference are made from this table.
 */

import type { ValueKind } from '../../util/values.ts';

export type SettingGroup = 'Roles and data' | 'Addresses' | 'Cluster' | 'Messages' | 'Process';

export interface Setting {
  /** Key in the config file; `--key` on the command line, `RMQ_KEY` in the environment. */
  readonly key: string;
  readonly kind: ValueKind;
  readonly group: SettingGroup;
  /** What help shows as default; undefined: none. */
  readonly default: string | undefined;
  /** One sentence without a full stop. */
  readonly description: string;
  /** Flag and variable only: it names the process, not the server. */
  readonly isFileless?: true;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;

export const roleNames = ['nameserver', 'broker', 'proxy'] as const;

export const settingsTable = [
  {
    key: 'role',
    kind: { type: 'list', placeholder: 'ROLE', separator: ',', choices: roleNames },
    group: 'Roles and data',
    default: 'nameserver,broker,proxy',
    description: 'run this role: nameserver, broker or proxy (repeatable)',
  },
  {
    key: 'data',
    kind: { type: 'text', placeholder: 'DIR' },
    group: 'Roles and data',
    default: 'your data folder, such as ~/.local/share/rmq',
    description: 'keep everything in this folder',
  },
  {
    key: 'memory',
    kind: { type: 'boolean' },
    group: 'Roles and data',
    default: 'false',
    description: 'keep nothing on disk: the messages go with the process',
  },
  {
    key: 'listen',
    kind: { type: 'text', placeholder: 'HOST' },
    group: 'Addresses',
    default: '127.0.0.1',
    description: 'address that every role listens on',
  },
  {
    key: 'nameserver-port',
    kind: { type: 'port' },
    group: 'Addresses',
    default: '9876',
    description: 'Remoting port of the NameServer; 0 takes a free one',
  },
  {
    key: 'broker-port',
    kind: { type: 'port' },
    group: 'Addresses',
    default: '10911',
    description: 'Remoting port of the broker; 0 takes a free one',
  },
  {
    key: 'grpc-port',
    kind: { type: 'port' },
    group: 'Addresses',
    default: '8081',
    description: 'gRPC port of the proxy; 0 takes a free one',
  },
  {
    key: 'remoting-port',
    kind: { type: 'port' },
    group: 'Addresses',
    default: undefined,
    description: 'Remoting port of the proxy, for 4.x clients (Apache: 8080); 0 takes a free one',
  },
  {
    key: 'ports',
    kind: { type: 'choice', choices: ['fixed', 'auto'] },
    group: 'Addresses',
    default: 'fixed',
    description: 'auto: free ports for all that are not set',
  },
  {
    key: 'advertise',
    kind: { type: 'text', placeholder: 'HOST[:PORT]' },
    group: 'Addresses',
    default: 'the address a client reached us by',
    description: 'address told to others; by their network: NET/BITS=HOST[:PORT];…',
  },
  {
    key: 'advertise-broker',
    kind: { type: 'text', placeholder: 'HOST[:PORT]' },
    group: 'Addresses',
    default: 'what --advertise says',
    description: 'the same for the Remoting port of the broker alone',
  },
  {
    key: 'advertise-grpc',
    kind: { type: 'text', placeholder: 'HOST[:PORT]' },
    group: 'Addresses',
    default: 'what --advertise says',
    description: 'the same for the gRPC port of the proxy alone',
  },
  {
    key: 'insecure',
    kind: { type: 'boolean' },
    group: 'Addresses',
    default: 'false',
    description: 'listen beyond loopback although nobody has to log in',
  },
  {
    key: 'tls-cert',
    kind: { type: 'text', placeholder: 'FILE' },
    group: 'Addresses',
    default: 'self-signed, made at first start',
    description: 'certificate chain of the gRPC port (PEM)',
  },
  {
    key: 'tls-key',
    kind: { type: 'text', placeholder: 'FILE' },
    group: 'Addresses',
    default: 'made at first start',
    description: 'private key of the certificate (PEM)',
  },
  {
    key: 'namesrv',
    kind: { type: 'list', placeholder: 'HOST:PORT[;HOST:PORT]', separator: ';' },
    group: 'Cluster',
    default: 'the NameServer of this process, else 127.0.0.1:9876',
    description: 'NameServers to register with',
  },
  {
    key: 'cluster-name',
    kind: { type: 'text', placeholder: 'NAME' },
    group: 'Cluster',
    default: 'DefaultCluster',
    description: 'cluster that the broker and the proxy belong to',
  },
  {
    key: 'broker-name',
    kind: { type: 'text', placeholder: 'NAME' },
    group: 'Cluster',
    default: 'broker-a',
    description: 'name of the broker, unique in the cluster',
  },
  {
    key: 'broker-id',
    kind: { type: 'integer', min: 0, max: 65_535 },
    group: 'Cluster',
    default: '0',
    description: 'id of the broker among those of its name; 0 is the master',
  },
  {
    key: 'proxy-name',
    kind: { type: 'text', placeholder: 'NAME' },
    group: 'Cluster',
    default: 'its address',
    description: 'name of the proxy in the cluster list',
  },
  {
    key: 'register-interval',
    kind: { type: 'duration', min: 100, max: 60 * second },
    group: 'Cluster',
    default: '3s',
    description: 'how often brokers and proxies renew their registration',
  },
  {
    key: 'registration-window',
    kind: { type: 'duration', min: 300, max: 600 * second },
    group: 'Cluster',
    default: '10s',
    description: 'a machine silent for longer leaves the routes',
  },
  {
    key: 'flush',
    kind: { type: 'choice', choices: ['sync', 'async'] },
    group: 'Messages',
    default: 'sync',
    description: 'acknowledge after the disk has it (sync), or up to 500 ms before (async)',
  },
  {
    key: 'auto-create-topic',
    kind: { type: 'boolean' },
    group: 'Messages',
    default: 'true',
    description: 'create unknown topics when somebody sends to them',
  },
  {
    key: 'auto-create-group',
    kind: { type: 'boolean' },
    group: 'Messages',
    default: 'true',
    description: 'create unknown consumer groups when somebody consumes with them',
  },
  {
    key: 'topic-queues',
    kind: { type: 'integer', min: 1, max: 1_024 },
    group: 'Messages',
    default: '8',
    description: 'most queues of a topic created on the way',
  },
  {
    key: 'segment-size',
    kind: { type: 'size', min: 8 * MiB, max: GiB },
    group: 'Messages',
    default: '64MiB',
    description: 'size of a commit log file; it grows into it in steps',
  },
  {
    key: 'retention',
    kind: { type: 'duration', min: second, max: 3_650 * day },
    group: 'Messages',
    default: '72h',
    description: 'messages older than this may be deleted',
  },
  {
    key: 'retention-size',
    kind: { type: 'size', min: 16 * MiB, max: 1_024 * 1_024 * GiB },
    group: 'Messages',
    default: undefined,
    description:
      'delete the oldest messages, whatever their age, above this size of the commit log',
  },
  {
    key: 'retention-free',
    kind: { type: 'size', min: 0, max: 1_024 * GiB },
    group: 'Messages',
    default: '0',
    description:
      'the same while less disk space than this is free; more than min-free to be of use',
  },
  {
    key: 'max-delay',
    kind: { type: 'duration', min: second, max: 3_650 * day },
    group: 'Messages',
    default: '72h',
    description: 'delivery times further ahead than this are refused',
  },
  {
    key: 'min-free',
    kind: { type: 'size', min: 0, max: 1_024 * GiB },
    group: 'Messages',
    default: '256MiB',
    description: 'refuse messages below this much free disk space',
  },
  {
    key: 'config',
    kind: { type: 'text', placeholder: 'FILE' },
    group: 'Process',
    default: undefined,
    description: 'read settings from this YAML or JSON file',
    isFileless: true,
  },
  {
    key: 'ready-json',
    kind: { type: 'text', placeholder: 'FILE|-' },
    group: 'Process',
    default: undefined,
    description: 'write one JSON line with the addresses when everything serves',
    isFileless: true,
  },
  {
    key: 'exit-with-parent',
    kind: { type: 'boolean' },
    group: 'Process',
    default: 'false',
    description: 'stop when the process that started this one is gone',
    isFileless: true,
  },
  {
    key: 'workers',
    kind: { type: 'integer', min: 1, max: 64 },
    group: 'Process',
    default: '1',
    description: 'processes that share the work of a proxy, on one port; --role proxy alone',
  },
  {
    key: 'grpc-transport',
    kind: { type: 'choice', choices: ['own', 'grpc-js'] },
    group: 'Process',
    default: 'own',
    description: 'what carries gRPC: our own HTTP/2, or the library grpc-js, which is slower',
  },
  {
    key: 'log-level',
    kind: { type: 'choice', choices: ['error', 'warn', 'info', 'debug'] },
    group: 'Process',
    default: 'warn',
    description: 'how much is written to stderr',
  },
] as const satisfies readonly Setting[];

export type SettingKey = (typeof settingsTable)[number]['key'];

/** The settings with their literal types given up, to iterate over. */
export const settings: readonly Setting[] = settingsTable;

/** `RMQ_GRPC_PORT` for `grpc-port`. */
export function environmentName(key: string): string {
  return `RMQ_${key.toUpperCase().replaceAll('-', '_')}`;
}

/** `--grpc-port`; a boolean that is on by default is switched off: `--no-auto-create-topic`. */
export function flagName(setting: Setting): string {
  const isOn = setting.kind.type === 'boolean' && setting.default === 'true';
  return isOn ? `--no-${setting.key}` : `--${setting.key}`;
}
