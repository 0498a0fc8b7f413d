/** The real command in a process of its own: what it wrote, where, and how it ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const executable = fileURLToPath(new URL('../../bin/rmq.js', import.meta.url));

/** A folder that does not exist: the contexts of whoever runs the tests have no effect. */
const noContexts = '/nonexistent/rmq-tests';

export interface CliResult {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Variables on top of a clean environment; nothing of RMQ_ comes from outside. */
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin has; nothing when left out. */
  readonly input?: string;
  /** Called with each chunk of stdout. */
  readonly onStdout?: (soFar: string, child: ChildProcess) => void;
  /** Called with the process once it runs. */
  readonly onStart?: (child: ChildProcess) => void;
  readonly deadlineMs?: number;
}

/** Runs `rmq` with `args` to its end. */
export function rmq(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(RMQ_|NO_COLOR|FORCE_COLOR)/.test(name),
  );
  const child = spawn(process.execPath, [executable, ...args], {
    env: { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: noContexts, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  options.onStart?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onStdout?.(stdout, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A command that ends without reading its input is none of our business.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const killer = setTimeout(() => child.kill('SIGKILL'), options.deadlineMs ?? 20_000);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(killer);
      resolve({ code, stdout, stderr });
    });
  });
}
