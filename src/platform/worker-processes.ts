/**
 * More processes of this program as a port: they listen on the same TCP ports, and connections are dealt out
 * among those that do. Messages between them and who started them are copied (structured clone).
 */

/** Messages to and from the process at the other end. Both are of this program, which knows their shapes. */
export interface ProcessChannel {
  /** Resolves when it has left; never rejects: an end that is gone hears nothing. */
  send(message: unknown): Promise<void>;
  onMessage(run: (message: unknown) => void): void;
}

export interface WorkerProcess extends ProcessChannel {
  readonly pid: number;
  /** Runs once, when it has ended; `how` is for people. */
  onExit(run: (how: string) => void): void;
  /** Ends it at once. */
  kill(): void;
}

/** Starts this program once more, with the same arguments. It ends with this process. */
export type StartWorker = () => WorkerProcess;
