/** The process as a port: its streams, environment, signals and parent. */
import type { Clock } from './clock.ts';
import type { ProcessChannel, StartWorker } from './worker-processes.ts';

export interface HostOutput {
  /** Resolves when more may be written. A closed pipe ends the process silently. */
  write(text: string): Promise<void>;
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 when there is none. */
  readonly columns: number;
}

export interface HostInput {
  readonly isTerminal: boolean;
  readAll(): Promise<Buffer>;
  /** Lines without their line ends, as they come. */
  lines(): AsyncIterable<string>;
}

/** The terminal as programs see it that take all of it: keys in, screens out. */
export interface HostTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Calls `run` before the process dies of a defect, and before its trace is printed. Answers how to stop. */
  onCrash(run: () => void): () => void;
}

/** What the process is to the commands; tests hand in their own. */
export interface Host {
  readonly stdin: HostInput;
  readonly stdout: HostOutput;
  readonly stderr: HostOutput;
  /** undefined when keys or screen are no terminal (a pipe, a file). */
  readonly terminal: HostTerminal | undefined;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM, the reason being its name. A second one ends the process. */
  readonly signal: AbortSignal;
  readonly pid: number;
  /** The user's home folder. */
  readonly homeFolder: string;
  readonly platform: string;
  /** What starts this program once more. */
  loadWorkers(): Promise<StartWorker>;
  /** Who started this process as a worker; undefined: it is none. A worker hears no signals. */
  readonly supervisor: ProcessChannel | undefined;
  /** Runs when the process that started this one is gone. */
  onParentGone(run: () => void): void;
  /** Keeps the process alive, though only timers are left, until the answer is called. */
  holdOpen(): () => void;
  /** Milliseconds since this process was started. */
  uptimeMs(): number;
  readFile(path: string): Promise<Buffer>;
  writeFile(path: string, text: string): Promise<void>;
  appendFile(path: string, text: string): Promise<void>;
}
