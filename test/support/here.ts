/**
 * A command line run in this process, against whatever `env` names: all but the process itself is real. For
 * what needs one (signals, terminals, start-up) there is `cli.ts`.
 */

import { runCommandLine } from '../../src/commands/shared/runner.ts';
import type { Host } from '../../src/platform/host.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import type { CliResult } from './cli.ts';

/** Runs `rmq` with `args` to its end; stdin is empty, nothing is a terminal. */
export async function rmqHere(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const output = (stream: keyof typeof written): Host['stdout'] => ({
    isTerminal: false,
    columns: 80,
    write: (text) => {
      written[stream] += text;
      return Promise.resolve();
    },
  });
  const noFiles = (): Promise<never> => Promise.reject(new Error('no file is touched here'));
  const host: Host = {
    stdin: {
      isTerminal: false,
      readAll: () => Promise.resolve(Buffer.alloc(0)),
      lines: async function* () {},
    },
    stdout: output('stdout'),
    stderr: output('stderr'),
    terminal: undefined,
    clock: nodeClock,
    environment: env,
    signal: new AbortController().signal,
    pid: process.pid,
    homeFolder: '/nonexistent',
    platform: process.platform,
    loadWorkers: () => Promise.reject(new Error('no process is started here')),
    supervisor: undefined,
    onParentGone: () => {},
    holdOpen: () => () => {},
    uptimeMs: () => 0,
    readFile: noFiles,
    writeFile: noFiles,
    appendFile: noFiles,
  };
  const code = await runCommandLine(args, host);
  return { code, ...written };
}
