/** The `Host` of production: this process. Signals are handled here and nowhere else. */
import { fstatSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import type { Host, HostOutput, HostTerminal } from './host.ts';
import { nodeClock } from './node-clock.ts';
import type { ProcessChannel } from './worker-processes.ts';

const parentPollMs = 500;

/** Set in workers. */
export const workerVariable = 'RMQ_WORKER';

const parentChannel: ProcessChannel = {
  send: (message) =>
    new Promise((resolve) => {
      if (process.send === undefined || !process.connected) return resolve();
      process.send(message, () => resolve());
    }),
  onMessage: (run) => void process.on('message', run),
};

/** Takes over the process's streams and signals. Once a process. */
export function processHost(): Host {
  const abort = new AbortController();
  // A worker's end is its supervisor's to order: Ctrl-C and service managers tell all processes at once.
  const isWorker = process.env[workerVariable] === '1' && process.connected;
  const onSignal = (name: NodeJS.Signals): void => {
    if (isWorker) return;
    if (abort.signal.aborted) process.exit(130);
    abort.abort(name);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    stdin: {
      isTerminal: process.stdin.isTTY === true,
      readAll: async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of process.stdin) chunks.push(chunk as Buffer); // no encoding is set
        return Buffer.concat(chunks);
      },
      lines: () => createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }),
    },
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    terminal: terminalOf(process.stdin, process.stdout),
    clock: nodeClock,
    environment: process.env,
    signal: abort.signal,
    pid: process.pid,
    homeFolder: homedir(),
    platform: process.platform,
    loadWorkers: async () => (await import('./node-worker-processes.ts')).startWorker,
    supervisor: isWorker ? parentChannel : undefined,
    onParentGone,
    holdOpen: () => {
      const handle = setInterval(() => {}, 2 ** 30);
      return () => clearInterval(handle);
    },
    uptimeMs: () => process.uptime() * 1_000,
    readFile,
    writeFile,
    appendFile,
  };
}

function terminalOf(
  stdin: NodeJS.ReadStream,
  stdout: NodeJS.WriteStream,
): HostTerminal | undefined {
  if (stdin.isTTY !== true || stdout.isTTY !== true) return undefined;
  return {
    stdin,
    stdout,
    onCrash: (run) => {
      process.once('uncaughtExceptionMonitor', run);
      return () => void process.off('uncaughtExceptionMonitor', run);
    },
  };
}

function outputOf(stream: NodeJS.WriteStream): HostOutput {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has gone (`| head`): nobody is left to tell, and nothing is wrong.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 80;
    },
    write: (text) =>
      new Promise((resolve) => {
        if (stream.write(text)) resolve();
        else stream.once('drain', resolve);
      }),
  };
}

/** Stdin at its end says it at once when it is a pipe; the parent's process id says it for the rest. */
function onParentGone(run: () => void): void {
  const parent = process.ppid;
  let isTold = false;
  const tell = (): void => {
    if (isTold) return;
    isTold = true;
    run();
  };
  const poll = (): void => {
    if (process.ppid !== parent) tell();
    else nodeClock.setTimer(parentPollMs, poll);
  };
  poll();
  if (process.stdin.isTTY === true) return;
  // A file or /dev/null is at its end from the start and says nothing about the parent.
  if (isPipe(0)) process.stdin.on('end', tell).on('error', tell).resume();
}

function isPipe(descriptor: number): boolean {
  try {
    const stat = fstatSync(descriptor);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false; // Closed: it cannot tell us anything.
  }
}
