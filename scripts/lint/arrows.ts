/**
 * Who may import whom, as a lint rule: the arrows of docs/architecture.md, made from the one table
 * below. A folder may import itself and what its row names; nothing else of ours. Specifiers are
 * resolved first, so the rule sees files, not spellings, and it looks at static, dynamic and type
 * imports and at re-exports alike. A folder of `src/` that has no row is an error too.
 */
import { dirname, relative, resolve } from 'node:path';

interface Row {
  /** A folder or file below `src/`; the longest that holds a file is the one that counts. */
  readonly of: string;
  readonly mayImport: readonly string[];
}

const base = ['protocol', 'platform', 'util'];
const wire = ['transport', ...base];
const client = ['client', ...wire];
const serverBase = ['server/shared', ...base];
const serverWire = ['server/shared', 'server/remoting', ...wire];

export const rows: readonly Row[] = [
  { of: 'util', mayImport: [] },
  // The ports promise RmqErrors (PORT_IN_USE, DATA_DIR_IN_USE), so they need the table of errors.
  { of: 'platform', mayImport: ['util', 'protocol/errors.ts'] },
  { of: 'protocol', mayImport: ['util'] },
  { of: 'transport', mayImport: base },
  { of: 'client', mayImport: wire },
  { of: 'commands', mayImport: ['commands/start.ts', 'commands/store', ...client] },
  // They work on a data folder without a server.
  {
    of: 'commands/store',
    mayImport: [
      'commands',
      'server/store/tools',
      'server/offline.ts',
      'server/apache',
      'server/shared',
      ...client,
    ],
  },
  {
    of: 'commands/start.ts',
    mayImport: [
      'commands',
      'server/start.ts',
      'server/workers',
      'server/ports.ts',
      'server/shared',
      ...client,
    ],
  },
  { of: 'cli.ts', mayImport: ['commands', 'commands/start.ts', ...client] },
  { of: 'index.ts', mayImport: ['server/start.ts', 'server/shared', ...client] },
  { of: 'server', mayImport: client },
  { of: 'server/shared', mayImport: base },
  { of: 'server/remoting', mayImport: ['server/shared', ...wire] },
  { of: 'server/store', mayImport: serverBase },
  { of: 'server/store/tools', mayImport: ['server/store', ...serverBase] },
  { of: 'server/nameserver', mayImport: serverWire },
  // Nothing in the broker knows of sockets; its Remoting port is an adapter beside it.
  { of: 'server/broker', mayImport: ['server/store', ...serverBase] },
  // Stores of Apache's brokers, there and back.
  { of: 'server/apache', mayImport: ['server/broker', 'server/store', ...serverBase] },
  {
    of: 'server/broker/remoting',
    mayImport: ['server/broker', 'server/store', 'client', ...serverWire],
  },
  // The proxy knows BrokerApi, never the Broker: so it runs before somebody else's broker, too.
  { of: 'server/proxy', mayImport: ['server/broker/api.ts', 'client', ...serverWire] },
];

/** Node's modules that do I/O, time or processes: `platform/` alone loads them. */
const platformModules = new Set(
  [
    ['fs', 'fs/promises', 'net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'dns/promises'],
    ['child_process', 'worker_threads', 'cluster', 'timers', 'timers/promises', 'perf_hooks'],
  ].flat(),
);

/** grpc-js does its own I/O and is handed Node's sockets, so its folder is a second edge. */
const grpcFolder = 'server/proxy/grpc';

/** Libraries with a home: loaded there and nowhere else. */
const libraryHomes: ReadonlyArray<{ readonly library: RegExp; readonly homes: readonly string[] }> =
  [
    { library: /^@grpc\//, homes: [grpcFolder] },
    { library: /^(level|classic-level|memory-level|abstract-level)$/, homes: ['server/store'] },
    { library: /^(ink|react)(\/|$)/, homes: ['commands'] },
    { library: /^commander$/, homes: ['commands', 'cli.ts'] },
  ];

const isWithin = (path: string, unit: string): boolean =>
  path === unit || path.startsWith(`${unit}/`);

/** The row that rules `path` (below `src/`); undefined when the table forgot it. */
export function rowOf(path: string): Row | undefined {
  return rows
    .filter((row) => isWithin(path, row.of))
    .toSorted((a, b) => b.of.length - a.of.length)[0];
}

/** Why the file may not import `specifier`; undefined when it may. Paths are below `src/`. */
export function objection(file: string, specifier: string): string | undefined {
  const row = rowOf(file);
  if (row === undefined) return `src/${file} has no row in scripts/lint/arrows.ts`;
  if (!specifier.startsWith('.')) return objectionToPackage(file, specifier);
  const target = relative('/src', resolve('/src', dirname(file), specifier));
  if (target.startsWith('..')) return `src/ imports nothing from outside of src/ (${specifier})`;
  const unit = rowOf(target);
  if (unit === row) return undefined;
  // A row's folder is open as far as no row of its own rules a part of it; wiring sees all.
  const open =
    (row.of === 'server' && isWithin(target, 'server')) ||
    row.mayImport.some(
      (allowed) =>
        isWithin(target, allowed) && (allowed.endsWith('.ts') || rowOf(allowed) === unit),
    );
  return open ? undefined : `src/${row.of} may not import src/${target}`;
}

function objectionToPackage(file: string, specifier: string): string | undefined {
  const ownsSockets = isWithin(file, 'platform') || isWithin(file, grpcFolder);
  if (platformModules.has(specifier.replace(/^node:/, '')) && !ownsSockets) {
    return `only src/platform loads ${specifier}: take the port as a parameter`;
  }
  for (const { library, homes } of libraryHomes) {
    if (library.test(specifier) && !homes.some((home) => isWithin(file, home))) {
      return `only src/${homes.join(', src/')} may load ${specifier}`;
    }
  }
  return undefined;
}

/** What this rule uses of the syntax tree and of the linter. */
interface Node {
  readonly source?: { readonly type: string; readonly value?: unknown } | null;
}
interface Context {
  readonly filename: string;
  report(finding: { readonly node: Node; readonly message: string }): void;
}

const arrows = {
  create(context: Context): Record<string, (node: Node) => void> {
    const [, file] = /(?:^|[\\/])src[\\/](.*)$/.exec(context.filename) ?? [];
    if (file === undefined) return {};
    const check = (node: Node): void => {
      if (node.source?.type !== 'Literal' || typeof node.source.value !== 'string') return;
      const message = objection(file.replaceAll('\\', '/'), node.source.value);
      if (message !== undefined) context.report({ node, message });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      TSImportType: check,
    };
  },
};

// oxlint loads a plugin by its default export.
export default { meta: { name: 'rmq' }, rules: { arrows } };
