/**
 * Our server as a user runs it: real processes of `bin/rmq.js` on free ports, for suites and
 * benchmarks that look from outside. Everything that was started ends with `stop()`, and with the
 * process that started it (`--exit-with-parent`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const executable = fileURLToPath(new URL('../../bin/rmq.js', import.meta.url));

/** The line of `--ready-json`. */
export interface ReadyLine {
  readonly pid: number;
  readonly namesrv: string | null;
  readonly broker: string | null;
  readonly grpc: string | null;
  readonly remoting: string | null;
  readonly dataDir: string | null;
  readonly readyMs: number;
}

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly ready: ReadyLine;
  /** What it wrote on stderr so far. */
  readonly log: () => string;
  stop(): Promise<void>;
}

/**
 * Starts `rmq start --ports auto` with `flags` and waits until it serves.
 * @throws Error with its stderr when it ends first or is not ready in `deadlineMs`.
 */
export async function startProcess(
  flags: readonly string[],
  options: {
    readonly deadlineMs?: number;
    readonly executable?: string;
    /** On top of ours. */
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<ServerProcess> {
  const program = options.executable ?? executable;
  const args = [program, 'start', '--ports', 'auto', '--ready-json', '-', '--exit-with-parent'];
  const child = spawn(process.execPath, [...args, ...flags], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-100_000);
  });
  const ready = await readyLine(child, options.deadlineMs ?? 20_000, () => log);
  return { child, ready, log: () => log, stop: () => stopProcess(child) };
}

/** The line of `--ready-json -`. The child is ended when it does not come in time. */
async function readyLine(
  child: ChildProcess,
  deadlineMs: number,
  log: () => string,
): Promise<ReadyLine> {
  let late: NodeJS.Timeout | undefined;
  try {
    return await new Promise<ReadyLine>((resolve, reject) => {
      const { stdout } = child;
      if (stdout === null) return reject(new Error('no pipe to read from'));
      createInterface({ input: stdout }).on('line', (line) => {
        if (line.startsWith('{')) resolve(JSON.parse(line) as ReadyLine);
      });
      child.once('exit', (code) => reject(new Error(`rmq start ended with ${code}:\n${log()}`)));
      child.once('error', reject);
      late = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`rmq start was not ready within ${deadlineMs} ms:\n${log()}`));
      }, deadlineMs);
    });
  } finally {
    clearTimeout(late);
  }
}

/** SIGTERM, and SIGKILL when that did not end it within ten seconds. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(killer);
}

export interface Deployment {
  readonly grpc: string;
  readonly namesrv: string;
  /** The proxy's Remoting port. */
  readonly proxyRemoting: string;
  readonly processes: readonly ServerProcess[];
  stop(): Promise<void>;
}

function deployed(
  namesrv: string,
  { grpc, remoting }: ReadyLine,
  processes: readonly ServerProcess[],
  stop: () => Promise<void>,
): Deployment {
  return { namesrv, grpc: String(grpc), proxyRemoting: String(remoting), processes, stop };
}

/** Starts all roles, in one process or in three, in a data folder that goes away at the end. */
export async function startDeployment(
  kind: 'one' | 'three',
  flags: readonly string[] = [],
): Promise<Deployment> {
  const folder = await mkdtemp(join(tmpdir(), 'rmq-test-'));
  const processes: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const server of processes.toReversed()) await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const start = async (name: string, more: readonly string[]): Promise<ReadyLine> => {
    const server = await startProcess(['--data', join(folder, name), ...more, ...flags]);
    processes.push(server);
    return server.ready;
  };
  try {
    if (kind === 'one') {
      const all = await start('all', ['--remoting-port', '0']);
      return deployed(String(all.namesrv), all, processes, stop);
    }
    const { namesrv } = await start('nameserver', ['--role', 'nameserver']);
    await start('broker', ['--role', 'broker', '--namesrv', String(namesrv)]);
    const proxyFlags = ['--role', 'proxy', '--namesrv', String(namesrv), '--remoting-port', '0'];
    return deployed(String(namesrv), await start('proxy', proxyFlags), processes, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}
