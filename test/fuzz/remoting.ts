/**
 * Attacks the Remoting ports of a real server and watches who suffers.
 *
 *   npm run fuzz:remoting -- [--seconds 60] [--seed N] [--idle 2000] [--jobs 8]
 *
 * All the while an honest client sends and pulls on both ports: each of its requests must be answered,
 * within two seconds. At the end the process must still be there, its log must have no error of ours, and
 * its memory must come back to what it was, with so many idle connections open. Ends with
 * `N passed, N failed`; `--seed` repeats the same attacks.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { RequestCode } from '../../src/protocol/remoting/codes.ts';
import { SimRandom } from '../sim/random.ts';
import { startProcess } from '../support/processes.ts';
import { attacks, openIdle, type Target } from './remoting-attacks.ts';

/** What the attacks may add to the memory while they run, and what may be left of it. */
const peakMaxMiB = 900;
const leftMaxMiB = 250;
const answerMaxMs = 2_000;

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    idle: { type: 'string', default: '2000' },
    jobs: { type: 'string', default: '8' },
  },
});

const outcomes: { readonly name: string; readonly problem: string | undefined }[] = [];

function note(name: string, problem: string | undefined): void {
  outcomes.push({ name, problem });
  console.log(problem === undefined ? `PASS ${name}` : `FAIL ${name}: ${problem}`);
}

/** Resident memory in MiB; 0 where the system does not say. */
function memoryMiB(pid: number): number {
  try {
    const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Math.round(Number(kib ?? 0) / 1024);
  } catch {
    return 0;
  }
}

function toTarget(address: string): Target {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

/** Sends and asks for routes until it is told to stop. */
class HonestClient {
  readonly #client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  readonly #broker: string;
  readonly #namesrv: string;
  readonly durationsMs: number[] = [];
  readonly problems: string[] = [];
  isStopped = false;

  constructor(broker: string, namesrv: string) {
    this.#broker = broker;
    this.#namesrv = namesrv;
  }

  async run(): Promise<void> {
    const send = { a: 'honest', b: 'honest', c: 'TBW102', d: '4', e: '0' };
    while (!this.isStopped) {
      await this.#ask(this.#broker, RequestCode.SEND_MESSAGE_V2, send, 'hello');
      await this.#ask(this.#namesrv, RequestCode.GET_BROKER_CLUSTER_INFO, {}, '');
      await sleep(20);
    }
    await this.#client.close();
  }

  async #ask(
    address: string,
    code: number,
    extFields: Record<string, string>,
    body: string,
  ): Promise<void> {
    const beganMs = performance.now();
    try {
      const options = { timeoutMs: 10_000 };
      const answer = await this.#client.invoke(
        address,
        code,
        extFields,
        Buffer.from(body),
        options,
      );
      if (answer.code !== 0) this.problems.push(`${code}: ${answer.code} ${answer.remark}`);
    } catch (error) {
      this.problems.push(`${code}: ${String(error)}`);
    }
    this.durationsMs.push(performance.now() - beganMs);
  }

  percentile(share: number): number {
    const sorted = this.durationsMs.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  }
}

async function attackUntil(
  endMs: number,
  targets: readonly Target[],
  job: SimRandom,
): Promise<number> {
  const names = Object.keys(attacks);
  let count = 0;
  while (performance.now() < endMs) {
    const name = names[job.below(names.length)] ?? '';
    const target = targets[job.below(targets.length)];
    try {
      if (target !== undefined) await attacks[name]?.(target, job);
    } catch (error) {
      note(name, String(error));
      return count;
    }
    count++;
  }
  return count;
}

async function main(): Promise<number> {
  console.log(`seed ${flags.seed}, ${flags.seconds} s`);
  const server = await startProcess(['--memory', '--role', 'nameserver', '--role', 'broker']);
  const { namesrv, broker, pid } = server.ready;
  const targets = [toTarget(String(broker)), toTarget(String(namesrv))];
  const honest = new HonestClient(String(broker), String(namesrv));
  const honestDone = honest.run();
  await sleep(1_000);
  const before = memoryMiB(pid);
  const idleCount = Number(flags.idle);
  const idle = [];
  for (let index = 0; index < idleCount; index++) {
    const target = targets[index % targets.length];
    if (target !== undefined) idle.push(await openIdle(target));
  }
  const withIdle = memoryMiB(pid);
  let peak = withIdle;
  const watch = setInterval(() => (peak = Math.max(peak, memoryMiB(pid))), 100);
  const random = new SimRandom(flags.seed);
  const endMs = performance.now() + Number(flags.seconds) * 1_000;
  const jobs = Array.from({ length: Number(flags.jobs) }, (_, index) =>
    attackUntil(endMs, targets, random.fork(`job ${index}`)),
  );
  const count = (await Promise.all(jobs)).reduce((sum, one) => sum + one, 0);
  await sleep(3_000);
  clearInterval(watch);
  honest.isStopped = true;
  await honestDone;
  const after = memoryMiB(pid);
  for (const socket of idle) socket.destroy();

  const slowest = honest.percentile(1);
  const perIdle = Math.round(((withIdle - before) * 1024) / Math.max(1, idleCount));
  console.log(
    `${count} attacks, ${honest.durationsMs.length} honest requests (p50 ${honest.percentile(0.5)} ms, p99 ${honest.percentile(0.99)} ms, slowest ${slowest} ms)`,
  );
  console.log(
    `memory: ${before} MiB, ${withIdle} with ${idleCount} idle connections (${perIdle} KiB each), at most ${peak}, ${after} at the end`,
  );
  const { child } = server;
  const isAlive = child.exitCode === null && child.signalCode === null;
  note('the server is still there', isAlive ? undefined : server.log().slice(-2_000));
  note('honest requests are answered', honest.problems[0]);
  const isSlow = slowest > answerMaxMs;
  note(`answered within ${answerMaxMs} ms`, isSlow ? `${slowest} ms` : undefined);
  const errors = server.log().match(/^\S+ ERROR .*$/gm) ?? [];
  note('no error of ours in the log', errors[0]);
  note(
    'closed connections have a line in the log',
    count === 0 || server.log().includes('connection closed') ? undefined : 'none has',
  );
  const isHigh = peak - before > peakMaxMiB;
  note(`at most ${peakMaxMiB} MiB more meanwhile`, isHigh ? `${peak - before} MiB` : undefined);
  const isLeaking = after - withIdle > leftMaxMiB;
  note(`at most ${leftMaxMiB} MiB left`, isLeaking ? `${after - withIdle} MiB` : undefined);
  await server.stop();
  const failed = outcomes.filter(({ problem }) => problem !== undefined).length;
  console.log(`${outcomes.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
