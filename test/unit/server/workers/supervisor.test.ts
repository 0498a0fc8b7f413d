/** The supervisor of a proxy's workers, over processes that are none. */
import { expect, test } from 'vitest';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import { nodeRandom } from '../../../../src/platform/node-random.ts';
import { nodeTls } from '../../../../src/platform/node-tls.ts';
import type { WorkerProcess } from '../../../../src/platform/worker-processes.ts';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { loadConfig } from '../../../../src/server/shared/config.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import type { RunningServer } from '../../../../src/server/start.ts';
import type { FromWorker, ToWorker } from '../../../../src/server/workers/messages.ts';
import { startWorkers } from '../../../../src/server/workers/supervisor.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

class FakeWorker implements WorkerProcess {
  readonly heard: ToWorker[] = [];
  readonly #listeners: ((message: unknown) => void)[] = [];
  readonly #exits: ((how: string) => void)[] = [];
  readonly pid: number;
  readonly #answers: (worker: FakeWorker, message: ToWorker) => void;

  constructor(pid: number, answers: (worker: FakeWorker, message: ToWorker) => void) {
    this.pid = pid;
    this.#answers = answers;
    queueMicrotask(() => this.say({ kind: 'hello' }));
  }

  send(message: unknown): Promise<void> {
    const heard = message as ToWorker; // what the supervisor says
    this.heard.push(heard);
    this.#answers(this, heard);
    return Promise.resolve();
  }

  say(message: FromWorker): void {
    for (const listener of this.#listeners) listener(message);
  }

  onMessage(run: (message: unknown) => void): void {
    this.#listeners.push(run);
  }

  onExit(run: (how: string) => void): void {
    this.#exits.push(run);
  }

  exit(how: string): void {
    for (const run of this.#exits.splice(0)) run(how);
  }

  kill(): void {
    this.exit('signal SIGKILL');
  }
}

/** Serves, and stops when told. */
function willing(worker: FakeWorker, message: ToWorker): void {
  if (message.kind === 'begin') {
    const grpc = { host: '127.0.0.1', port: message.settings.grpcPort };
    worker.say({ kind: 'ready', grpc, remoting: undefined });
  }
  if (message.kind === 'stop') worker.exit('exit code 0');
}

interface Run {
  readonly server: RunningServer;
  readonly workers: FakeWorker[];
  readonly clock: ManualClock;
}

async function start(
  behaviour: (worker: FakeWorker, message: ToWorker) => void,
  workers: FakeWorker[] = [],
): Promise<Run> {
  const clock = new ManualClock();
  const { server: settings } = await loadConfig({
    flags: { role: ['proxy'], memory: true, ports: 'auto', namesrv: ['127.0.0.1:1'] },
    environment: {},
    readFile: () => Promise.reject(new Error('no file')),
    defaultDataDir: '/nonexistent',
  });
  const server = await startWorkers({
    settings,
    workerCount: 2,
    ports: {
      clock,
      random: nodeRandom,
      network: nodeNetwork,
      tls: nodeTls,
      files: new MemoryFiles(),
      logger: silentLogger,
    },
    startWorker: () => {
      const worker = new FakeWorker(workers.length + 1, behaviour);
      workers.push(worker);
      return worker;
    },
  });
  return { server, workers, clock };
}

test('all workers get the same ports, none of them free', async () => {
  const { server, workers } = await start(willing);
  const begins = workers.flatMap(({ heard }) => heard.filter(({ kind }) => kind === 'begin'));
  expect(begins).toHaveLength(2);
  const ports = begins.map((one) => (one.kind === 'begin' ? one.settings.grpcPort : 0));
  expect(new Set(ports)).toEqual(new Set([server.endpoints.grpc?.port]));
  expect(ports).not.toContain(0);
  await server.stop();
});

test('a worker that dies again and again is started ever more slowly', async () => {
  let isFailing = false;
  const { server, workers, clock } = await start((worker, message) => {
    if (isFailing && message.kind === 'begin') return worker.exit('exit code 1');
    willing(worker, message);
  });
  isFailing = true;
  workers[0]?.exit('signal SIGSEGV');
  const started: number[] = [];
  for (let elapsedMs = 0; elapsedMs < 2_000; elapsedMs += 50) {
    const before = workers.length;
    await clock.advance(50);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    if (workers.length > before) started.push(elapsedMs + 50);
  }
  expect(started).toEqual([100, 300, 700, 1_500]);
  await server.stop();
});

test('a worker that dies while the others begin is started again', async () => {
  const workers: FakeWorker[] = [];
  const { server, clock } = await start((worker, message) => {
    if (worker.pid === 2 && message.kind === 'begin') workers[0]?.exit('signal SIGSEGV');
    willing(worker, message);
  }, workers);
  await clock.advance(100);
  expect(workers).toHaveLength(3);
  await server.stop();
});

test('a question reaches the siblings, and the dead and the silent hold up nobody', async () => {
  const { server, workers, clock } = await start(willing);
  const [one, two] = workers as [FakeWorker, FakeWorker]; // there are two
  const answersTo = (worker: FakeWorker): unknown[] =>
    worker.heard.flatMap((message) => (message.kind === 'answers' ? [message.answers] : []));
  const ask = (): void => {
    one.say({ kind: 'ask', id: 1, method: 'ListConsumerConnection', message: Buffer.of(1) });
  };
  ask();
  const asked = two.heard.at(-1);
  expect(asked).toMatchObject({ kind: 'asked', method: 'ListConsumerConnection' });
  if (asked?.kind === 'asked') two.say({ kind: 'answer', id: asked.id, message: Buffer.of(2) });
  expect(answersTo(one)).toEqual([[Buffer.of(2)]]);
  ask();
  await clock.advance(6_000);
  expect(answersTo(one)).toHaveLength(2);
  ask();
  two.exit('signal SIGKILL');
  expect(answersTo(one)).toEqual([[Buffer.of(2)], [], []]);
  await server.stop();
});

test('what the first worker cannot do is why the proxy does not start', async () => {
  const workers: FakeWorker[] = [];
  const failed = start((worker, message) => {
    if (message.kind === 'begin') {
      worker.say({ kind: 'failed', code: 'PORT_IN_USE', text: 'taken', hint: 'another' });
      worker.exit('exit code 0');
    }
  }, workers);
  await expect(failed).rejects.toMatchObject({ code: 'PORT_IN_USE', message: 'taken' });
  await expect(failed).rejects.toBeInstanceOf(RmqError);
  expect(workers).toHaveLength(1);
});
