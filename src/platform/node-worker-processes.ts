/** Worker processes over node:cluster: the first process accepts connections and hands them out in turn. */
import cluster, { type Worker } from 'node:cluster';
import { workerVariable } from './node-host.ts';
import type { WorkerProcess } from './worker-processes.ts';

export function startWorker(): WorkerProcess {
  cluster.setupPrimary({
    args: process.argv.slice(2),
    serialization: 'advanced', // bytes stay bytes
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new NodeWorker(cluster.fork({ [workerVariable]: '1' }));
}

class NodeWorker implements WorkerProcess {
  readonly #worker: Worker;

  constructor(worker: Worker) {
    this.#worker = worker;
    // A message to one that is just ending; its exit is what counts.
    worker.on('error', () => undefined);
  }

  get pid(): number {
    return this.#worker.process.pid ?? 0;
  }

  send(message: unknown): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#worker.isConnected()) return resolve();
      this.#worker.process.send(message as object, () => resolve()); // cloned, not looked at
    });
  }

  onMessage(run: (message: unknown) => void): void {
    this.#worker.on('message', (message: unknown) => run(message));
  }

  onExit(run: (how: string) => void): void {
    this.#worker.once('exit', (code, signal) => {
      run(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }
}
