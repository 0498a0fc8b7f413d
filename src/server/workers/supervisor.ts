/**
 * A proxy on several cores (`--workers n`): n processes, each a whole proxy, on the same ports. This one
 * serves nobody. It starts them, starts anew those that die, registers the proxy with the NameServers for
 * as long as one of them serves, and passes on what they ask each other.
 */
import { RemotingClient } from '../../client/remoting-client.ts';
import type { Timer } from '../../platform/clock.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import type { HostPort, Network } from '../../platform/network.ts';
import type { StartWorker, WorkerProcess } from '../../platform/worker-processes.ts';
import { RmqError } from '../../protocol/errors.ts';
import { advertised, type ServerPorts } from '../ports.ts';
import { ProxyRegistration } from '../proxy/proxy-registration.ts';
import type { Logger } from '../shared/logger.ts';
import type { ServerSettings } from '../shared/settings.ts';
import { probePorts, type RunningServer } from '../start.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { type Asked, Questions } from './questions.ts';

/** A worker that dies is back after this, twice as long each time in a row, up to the largest. */
const restartFirstMs = 100;
const restartLongestMs = 10_000;
/** One that has served for so long begins with the shortest wait again. */
const steadyMs = 10_000;
/** Longer than a worker needs to drain. */
const stopDeadlineMs = 12_000;

interface Ready {
  readonly grpc: HostPort;
  readonly remoting: HostPort | undefined;
}

class Worker implements Asked {
  readonly process: WorkerProcess;
  /** Monotonic ms since when it serves; undefined: it does not yet. */
  readySinceMs: number | undefined = undefined;
  readonly ended: Promise<void>;

  constructor(process: WorkerProcess) {
    this.process = process;
    this.ended = new Promise((resolve) => process.onExit(() => resolve()));
  }

  tell(message: ToWorker): void {
    void this.process.send(message);
  }

  ask(id: number, method: string, message: Uint8Array): void {
    this.tell({ kind: 'asked', id, method, message });
  }
}

export interface SupervisorOptions {
  readonly settings: ServerSettings;
  readonly ports: ServerPorts;
  readonly workerCount: number;
  readonly startWorker: StartWorker;
}

/**
 * Ready when all workers serve and the NameServers know the proxy.
 * @throws RmqError what the first worker that cannot begin says; none is left then.
 */
export async function startWorkers(options: SupervisorOptions): Promise<RunningServer> {
  const { network } = options.ports;
  await probePorts(options.settings, network);
  const settings = await withPorts(options.settings, network);
  const supervisor = new Supervisor({ ...options, settings });
  try {
    const { grpc, remoting } = await supervisor.start();
    return {
      endpoints: { nameserver: undefined, broker: undefined, grpc, remoting },
      broker: undefined,
      recovery: undefined,
      stop: () => supervisor.stop(),
    };
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
}

/** Free ports for those that are to be free: the same for all workers, and for those that come later. */
async function withPorts(settings: ServerSettings, network: Network): Promise<ServerSettings> {
  const free = async (port: number): Promise<number> => {
    if (port !== 0) return port;
    const probe = await network.listen({ host: settings.listenHost, port }, (connection) =>
      connection.destroy(),
    );
    await probe.close();
    return probe.local.port;
  };
  const { grpcPort, remotingPort } = settings;
  return {
    ...settings,
    grpcPort: await free(grpcPort),
    remotingPort: remotingPort === undefined ? undefined : await free(remotingPort),
  };
}

class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #logger: Logger;
  readonly #client: RemotingClient;
  readonly #questions: Questions;
  readonly #workers = new Set<Worker>();
  readonly #restarts = new Set<Timer>();
  #restartMs = restartFirstMs;
  #registration: ProxyRegistration | undefined = undefined;
  #isStarted = false;
  #stopping: Promise<void> | undefined = undefined;

  constructor(options: SupervisorOptions) {
    const { network, clock, logger } = options.ports;
    this.#options = options;
    this.#logger = logger.named('proxy');
    this.#client = new RemotingClient({ network, clock });
    this.#questions = new Questions(clock);
  }

  async start(): Promise<Ready> {
    // The first one alone: it makes the certificate that the others find.
    const ready = await this.#startWorker();
    const more = Array.from({ length: this.#options.workerCount - 1 }, () => this.#startWorker());
    await Promise.all(more);
    this.#isStarted = true;
    await this.#register();
    return ready;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { clock } = this.#options.ports;
    for (const timer of this.#restarts) clock.clearTimer(timer);
    // Out of the routes first, so that clients go elsewhere while what is under way is answered.
    await this.#registration?.stop();
    const workers = [...this.#workers];
    for (const worker of workers) worker.tell({ kind: 'stop' });
    const late = clock.setTimer(stopDeadlineMs, () => {
      for (const { process } of this.#workers) {
        this.#logger.error('a worker did not stop in time', { pid: process.pid });
        process.kill();
      }
    });
    await Promise.all(workers.map(({ ended }) => ended));
    clock.clearTimer(late);
    await this.#client.close();
  }

  /** Resolves when it serves. @throws RmqError when it ends before. */
  #startWorker(): Promise<Ready> {
    const worker = new Worker(this.#options.startWorker());
    this.#workers.add(worker);
    return new Promise((resolve, reject) => {
      let failure: RmqError | undefined;
      worker.process.onMessage((raw) => {
        const message = raw as FromWorker; // a worker says nothing else
        if (message.kind === 'ready') {
          worker.readySinceMs = this.#options.ports.clock.monotonicMs();
          resolve(message);
        } else if (message.kind === 'failed') {
          const { code, text, hint } = message;
          failure = new RmqError(code, text, hint === undefined ? {} : { hint });
        } else this.#hear(worker, message);
      });
      worker.process.onExit((how) => {
        reject(failure ?? new RmqError('INTERNAL', `a worker ended before it served: ${how}`));
        this.#ended(worker, failure?.message ?? how);
      });
    });
  }

  #hear(worker: Worker, message: Exclude<FromWorker, { kind: 'ready' | 'failed' }>): void {
    switch (message.kind) {
      case 'hello':
        worker.tell({ kind: 'begin', settings: this.#options.settings });
        if (this.#stopping !== undefined) worker.tell({ kind: 'stop' });
        return;
      case 'ask': {
        const siblings = [...this.#workers].filter(
          (other) => other !== worker && other.readySinceMs !== undefined,
        );
        const { id, method } = message;
        return this.#questions.ask(siblings, method, message.message, (answers) =>
          worker.tell({ kind: 'answers', id, answers }),
        );
      }
      default:
        return this.#questions.answered(worker, message.id, message.message);
    }
  }

  /** Its clients connect anew, to a sibling; one like it comes soon. */
  #ended(worker: Worker, how: string): void {
    this.#workers.delete(worker);
    this.#questions.gone(worker);
    const { readySinceMs } = worker;
    // At the start one that cannot begin ends all of it.
    const isFailedStart = !this.#isStarted && readySinceMs === undefined;
    if (isFailedStart || this.#stopping !== undefined) return;
    const { clock } = this.#options.ports;
    const servedMs = readySinceMs === undefined ? 0 : clock.monotonicMs() - readySinceMs;
    if (servedMs >= steadyMs) this.#restartMs = restartFirstMs;
    const inMs = this.#restartMs;
    this.#restartMs = Math.min(this.#restartMs * 2, restartLongestMs);
    const { pid } = worker.process;
    this.#logger.error('a worker ended and is started again', { pid, how, inMs });
    if (!this.#isServing) void this.#unregister();
    const timer = clock.setTimer(inMs, () => {
      this.#restarts.delete(timer);
      this.#startWorker().then(
        () => this.#register(),
        () => undefined, // `#ended` has heard of it, too.
      );
    });
    this.#restarts.add(timer);
  }

  get #isServing(): boolean {
    return [...this.#workers].some(({ readySinceMs }) => readySinceMs !== undefined);
  }

  async #register(): Promise<void> {
    if (this.#registration !== undefined || this.#stopping !== undefined) return;
    const { settings, ports } = this.#options;
    const { listenHost: host, grpcPort: port } = settings;
    const { address, table } = advertised(settings.advertise.grpc, { host, port }, ports.network);
    const name = settings.proxyName ?? formatHostPort(address);
    this.#registration = new ProxyRegistration({
      clusterName: settings.clusterName,
      self: { name, grpc: address, advertise: table },
      namesrv: settings.namesrv,
      client: this.#client,
      clock: ports.clock,
      intervalMs: settings.registerIntervalMs,
      windowMs: settings.registrationWindowMs,
    });
    await this.#registration.start();
  }

  async #unregister(): Promise<void> {
    const registration = this.#registration;
    this.#registration = undefined;
    await registration?.stop();
  }
}
