/** The kits of `../shared/interop`: other languages' clients, each a program that prints what passed. */
import { execFileSync, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../shared/interop', import.meta.url));

/** Whether the kits are beside the checkout. */
export const haveKits = (): boolean => existsSync(folder);

/** Scenarios that sleep or poll for over ten seconds. */
const slow =
  '[Tt]ransaction|recall|come by time|two consumers of a group share|unacked|invisible time made|acked messages stay away|empty topic|new process goes on|failed message';

interface Kit {
  /** Its folder, where that is not its name. */
  readonly folder?: string;
  /** Patterns of scenario names. */
  readonly all: string;
  readonly quick: string;
}

const grpcKit: Kit = { all: '', quick: `^(?!.*(${slow}))` };
const remotingKit: Kit = { all: '.', quick: '.' };

const kits: Readonly<Record<string, Kit>> = {
  node: grpcKit,
  python: grpcKit,
  go: grpcKit,
  rust: grpcKit,
  java: {
    all: '^Grpc',
    quick:
      '^GrpcSend\\.(sync|async|overTls|keys|largest|messageId)|^GrpcConsume\\.(push$|restart|tag|longPollingReturns)',
  },
  // Apache's 4.x clients and mqadmin, the same kit.
  'java-remoting': {
    folder: 'java',
    all: '^(Remoting|Admin)',
    quick: '^Remoting(Send|Pull|Request)\\.(sync|batch|oneway|subscribe|reply$)|^AdminTopic',
  },
  // The 4.x clients alone, for a proxy's Remoting port.
  'java-proxy': {
    folder: 'java',
    all: '^Remoting',
    quick: '^Remoting(Send|Pull)\\.(sync|batch|subscribe)',
  },
  'ali-ons': remotingKit,
  'go-remoting': remotingKit,
};

export const kitNames = Object.keys(kits);

/** Fails on Apache's servers, too, and by the client's fault (`expected-on-apache.txt` of each kit). */
const holdsBack = 'push: a failing message holds its message group back';
const clientsFaults: Readonly<Record<string, readonly string[]>> = {
  node: [holdsBack],
  go: [holdsBack],
};

export interface KitRun {
  readonly grpc: string;
  readonly namesrv: string;
  /** Where 4.x clients ask for routes, when that is not the NameServer: a proxy's Remoting port. */
  readonly remoting?: string | undefined;
  /** Serialisation of the Remoting header, by the clients that can choose. */
  readonly header?: 'json' | 'rocketmq' | undefined;
  readonly quick?: boolean | undefined;
  readonly only?: string | undefined;
  readonly jobs: number;
  /** Where its output goes as well. */
  readonly logFile?: string | undefined;
}

export interface Failure {
  readonly scenario: string;
  readonly reason: string;
}

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly Failure[];
  readonly seconds: number;
}

function environment(header: KitRun['header']): NodeJS.ProcessEnv {
  // The kits bring their own Node: a PATH without our node_modules finds the machine's.
  const path = (process.env['PATH'] ?? '')
    .split(':')
    .filter((part) => !part.includes('node_modules'))
    .join(':');
  const type = header?.toUpperCase();
  return {
    ...process.env,
    PATH: path,
    ...(type === undefined ? {} : { JAVA_TOOL_OPTIONS: `-Drocketmq.serialize.type=${type}` }),
  };
}

function outcomeOf(client: string, text: string, why: string, startedMs: number): Outcome {
  const seconds = (performance.now() - startedMs) / 1000;
  const [, passed, failed] = [...text.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1) ?? [];
  if (passed === undefined || failed === undefined || Number(passed) + Number(failed) === 0) {
    const reason = `${why}: ${text.trim().slice(-500)}`;
    return { passed: 0, failed: 1, failures: [{ scenario: 'the kit', reason }], seconds };
  }
  const faults = clientsFaults[client] ?? [];
  const names = scenariosOf(client);
  const all = [...text.matchAll(/^FAIL (.*)$/gm)].map(([, line = '']) => {
    // Names hold colons, too.
    const name = names.find((known) => line.startsWith(`${known}: `)) ?? line;
    return { scenario: name, reason: line.slice(name.length + 2) };
  });
  const failures = all.filter(({ scenario }) => !faults.includes(scenario));
  const known = all.length - failures.length;
  return { passed: Number(passed), failed: Number(failed) - known, failures, seconds };
}

/** The names of a kit's scenarios, the longest first. */
function scenariosOf(client: string): readonly string[] {
  const listed = execFileSync(programOf(client), ['--list'], { env: environment(undefined) });
  const names = listed
    .toString()
    .split('\n')
    .map((line) => line.trim());
  return names.filter((name) => name !== '').toSorted((a, b) => b.length - a.length);
}

function programOf(client: string): string {
  return join(folder, kits[client]?.folder ?? client, 'run');
}

/** Runs a kit against a server and waits for its end. What is its client's own fault does not count. */
export function runKit(client: string, run: KitRun): Promise<Outcome> {
  const kit = kits[client];
  if (kit === undefined) throw new Error(`no kit ${client}; there are ${kitNames.join(', ')}`);
  const only = run.only ?? (run.quick === true ? kit.quick : kit.all);
  const args = ['--grpc', run.grpc, '--namesrv', run.namesrv, '--only', only];
  args.push('--jobs', String(run.jobs));
  if (run.remoting !== undefined) args.push('--remoting', run.remoting);
  const startedMs = performance.now();
  const child = spawn(programOf(client), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(run.header),
  });
  let text = '';
  if (run.logFile !== undefined) mkdirSync(join(run.logFile, '..'), { recursive: true });
  const log = run.logFile === undefined ? undefined : createWriteStream(run.logFile);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      log?.write(chunk);
    });
  }
  return new Promise((resolve) => {
    const done = (why: string): void => {
      log?.end();
      resolve(outcomeOf(client, text, why, startedMs));
    };
    child.once('error', (error) => done(String(error)));
    child.once('close', (code) => done(`exit code ${code}`));
  });
}

/**
 * As `runKit`; what failed runs once more by itself, with nothing beside it, before it counts: clients have races of their
 * own, and a busy machine finds them. `firstFailures` says what failed at first.
 */
export async function runKitTwice(
  client: string,
  run: KitRun,
): Promise<Outcome & { readonly firstFailures: readonly Failure[] }> {
  const first = await runKit(client, run);
  const firstFailures = first.failures;
  if (first.failed === 0) return { ...first, firstFailures };
  const again = await runKit(client, {
    ...run,
    only: patternOf(firstFailures.map(({ scenario }) => scenario)),
    jobs: 1,
    logFile: run.logFile?.replace(/\.log$/, '-again.log'),
  });
  // A kit that did not run all of them says nothing about the others.
  if (again.passed + again.failed < first.failed) return { ...first, firstFailures };
  const seconds = first.seconds + again.seconds;
  return { ...again, passed: first.passed + again.passed, seconds, firstFailures };
}

/** A pattern for the kit's `--only` that finds just these. */
function patternOf(names: readonly string[]): string {
  return `^(${names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})$`;
}
