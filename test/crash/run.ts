/**
 * `npm run crash -- [--rounds 50] [--flush sync|async|both] [--delete-index] [--seconds 1.5] [--seed N]`:
 * a real server under load is ended by `kill -9`, again and again, and after each restart everything
 * that was promised is looked for; after some rounds consumers receive what is left. With `--flush both` and without `--delete-index` the rounds take
 * turns. A folder that broke a promise is kept and named. Exit code 1 when one was broken.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BrokerModel } from '../sim/broker-model.ts';
import { SimRandom } from '../sim/random.ts';
import { Life } from './life.ts';
import { Load } from './load.ts';
import { putTopics, topicOfKind } from './messages.ts';
import { checkOffsets, verify } from './verify.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    flush: { type: 'string', default: 'both' },
    'delete-index': { type: 'boolean', default: false },
    seconds: { type: 'string', default: '1.5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const out = (text: string): void => void process.stdout.write(`${text}\n`);
/** Then the next rounds begin in an empty folder, so that looking at everything stays quick. */
const roundsPerFolder = 8;
const attemptsMax = 17;
/** For everybody to receive what is left in the end. */
const drainDeadlineMs = 20_000;

interface Totals {
  acked: number;
  consumed: number;
  restartMs: number[];
}

const flagsOf = (flush: string): string[] => ['--flush', flush, '--segment-size', '32MiB'];

/** Some rounds in one folder. */
async function runFolder(
  random: SimRandom,
  options: { readonly firstRound: number; readonly roundCount: number; readonly flush: string },
  totals: Totals,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'rmq-crash-'));
  const model = new BrokerModel({ attemptsMax, isAnsweredFirst: false });
  const sizes: number[] = [];
  let life = await Life.start(dataDir, flagsOf(options.flush));
  try {
    await putTopics(life.broker);
    for (let index = 0; index < options.roundCount; index += 1) {
      const round = options.firstRound + index;
      const load = await loadAndKill(life, { model, sizes, random, incarnation: round + 1 });
      const isIndexDeleted = values['delete-index'] || (values.flush === 'both' && round % 3 === 2);
      if (isIndexDeleted) await rm(join(dataDir, 'broker', 'index'), { recursive: true });
      const beganMs = performance.now();
      life = await Life.start(dataDir, flagsOf(options.flush));
      totals.restartMs.push(performance.now() - beganMs);
      if (isIndexDeleted) await putTopics(life.broker);
      const messageCount = await verify(life.broker, dataDir, model, sizes);
      totals.acked += load.ackedCount;
      totals.consumed += load.consumedCount;
      const how = `${options.flush}${isIndexDeleted ? ', index deleted' : ''}`;
      out(
        `round ${round} (${how}): ${load.ackedCount} acknowledged, ${load.consumedCount} consumed; ` +
          `${messageCount} messages hold, restart ${totals.restartMs.at(-1)?.toFixed(0)} ms`,
      );
    }
    await settleParked(life, model, sizes, random);
    await life.stop();
    await rm(dataDir, { recursive: true });
  } catch (error) {
    life.server.child.kill('SIGKILL');
    out(`a promise is broken, the folder is ${dataDir}; --seed ${values.seed}`);
    out(life.server.log());
    throw error;
  }
}

async function loadAndKill(
  life: Life,
  options: {
    readonly model: BrokerModel;
    readonly sizes: number[];
    readonly random: SimRandom;
    readonly incarnation: number;
  },
): Promise<Load> {
  const { broker, grpc } = life;
  let failure: Error | undefined;
  const failed = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
  };
  const load = new Load({ ...options, broker, grpc, failed });
  load.start();
  const forMs = Number(values.seconds) * 1_000 * (0.3 + options.random.fraction() * 1.4);
  await new Promise((resolve) => setTimeout(resolve, forMs));
  await life.kill();
  load.end();
  options.model.processDied();
  if (failure !== undefined) throw failure;
  return load;
}

/**
 * Each producer that is left without an answer says again what it decided, and delayed messages get the
 * time they need; then all must be there.
 */
async function settleParked(
  life: Life,
  model: BrokerModel,
  sizes: number[],
  random: SimRandom,
): Promise<void> {
  const { broker, grpc } = life;
  let failure: Error | undefined;
  const failed = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
  };
  const load = new Load({ model, sizes, broker, grpc, random, incarnation: -1, failed });
  for (const message of model.messages) {
    if (message.kind !== 'transaction' || message.state !== 'acked') continue;
    await new Promise<void>((resolve) => load.decide(message, undefined, () => resolve()));
  }
  let lastDueUs = 0;
  for (const { dueUs } of model.messages) lastDueUs = Math.max(lastDueUs, dueUs);
  const waitMs = Math.max(0, lastDueUs / 1_000 - performance.now()) + 1_000;
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  const messageCount = await verify(life.broker, String(life.server.ready.dataDir), model, sizes);
  const parked = { transaction: 0, delay: 0 };
  for (const kind of ['transaction', 'delay'] as const) {
    let visibleCount = 0;
    for (const { maxOffset } of await broker.topicQueues(topicOfKind[kind])) {
      visibleCount += maxOffset;
    }
    parked[kind] = model.messages.filter(
      (message) =>
        message.kind === kind &&
        message.state === 'acked' &&
        (kind === 'delay' || message.decision === 'COMMIT'),
    ).length;
    if (visibleCount < parked[kind]) {
      throw new Error(`${parked[kind]} messages (${kind}) must be visible, ${visibleCount} are`);
    }
  }
  load.consumers.isThorough = true;
  load.startConsumers();
  const deadlineMs = performance.now() + drainDeadlineMs;
  while (failure === undefined && model.messages.some((message) => model.isOwed(message, 0))) {
    if (performance.now() > deadlineMs) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  load.end();
  if (failure !== undefined) throw failure;
  model.checkComplete(0);
  await checkOffsets(broker, model);
  out(
    `  ${messageCount} messages, with ${parked.transaction} committed and ${parked.delay} delayed, all there and consumed`,
  );
}

async function main(): Promise<void> {
  const roundCount = Number(values.rounds);
  const totals: Totals = { acked: 0, consumed: 0, restartMs: [] };
  const random = new SimRandom(values.seed);
  out(`seed ${values.seed}`);
  for (let first = 0; first < roundCount; first += roundsPerFolder) {
    const isSync = (first / roundsPerFolder) % 2 === 0;
    const flush = values.flush === 'both' ? (isSync ? 'sync' : 'async') : values.flush;
    const count = Math.min(roundsPerFolder, roundCount - first);
    await runFolder(random, { firstRound: first, roundCount: count, flush }, totals);
  }
  const restarts = totals.restartMs.toSorted((a, b) => a - b);
  out(
    `${roundCount} kills, 0 messages lost: ${totals.acked} acknowledged, ${totals.consumed} consumed; ` +
      `restart to ready: median ${restarts[restarts.length >> 1]?.toFixed(0)} ms, worst ${restarts.at(-1)?.toFixed(0)} ms`,
  );
}

await main().catch((error: unknown) => {
  out(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
