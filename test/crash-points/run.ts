/**
 * `npm run crash-points -- [--operations 3] [--sample 0] [--seed 1] [--seconds S]`: takes apart every workload of
 * up to so many operations (`workload.ts`), in both flush modes, then samples images of longer ones until so many
 * were opened. `--workload TEXT --flush sync` takes one apart. Exit code 1 when a promise was broken.
 */
import { parseArgs } from 'node:util';
import { SimRandom } from '../sim/random.ts';
import { type Count, explore, type Limits, PromiseBroken } from './explore.ts';
import { type Flush, operations } from './workload.ts';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '3' },
    sample: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '86400' },
    workload: { type: 'string' },
    flush: { type: 'string', default: 'sync' },
  },
});

const every: Limits = {
  imagesOfPlace: 65_536,
  recoveriesOneOf: 16,
  imagesOfRecovery: 64,
  placesOneOf: 1,
};
const sampled: Limits = {
  imagesOfPlace: 6,
  recoveriesOneOf: 32,
  imagesOfRecovery: 3,
  placesOneOf: 4,
};
const sampledOperationsMax = 24;

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const beganMs = performance.now();
const endMs = beganMs + Number(values.seconds) * 1_000;
let failed = 0;
let workloads = 0;

async function take(workload: string, flush: Flush, limits: Limits, count: Count): Promise<void> {
  workloads++;
  const random = new SimRandom(`${values.seed}/${workload}/${flush}`);
  try {
    await explore(workload, { flush, limits, random, count });
  } catch (error) {
    failed++;
    const isBroken = error instanceof PromiseBroken;
    out(
      isBroken
        ? `BROKEN ${error.message}`
        : `BROKEN ${workload} (flush ${flush}): ${String(error)}`,
    );
    out(`  npm run crash-points -- --workload '${workload}' --flush ${flush}`);
  }
}

function* workloadsOf(length: number): Generator<string> {
  if (length === 0) return yield '';
  for (const shorter of workloadsOf(length - 1)) {
    for (const operation of operations) yield shorter + operation;
  }
}

function say(what: string, { images, inRecovery, sampledPlaces }: Count): void {
  const seconds = (performance.now() - beganMs) / 1_000;
  out(
    `${what}: ${workloads} workloads, ${images} images opened and checked, ${inRecovery} of them crashes of a recovery, ` +
      `${sampledPlaces} places sampled; ${failed} failed; ${seconds.toFixed(1)} s, ${Math.round(images / seconds)} a second`,
  );
}

async function runAll(): Promise<void> {
  const count: Count = { images: 0, inRecovery: 0, sampledPlaces: 0 };
  const longest = Number(values.operations);
  for (let length = 1; length <= longest; length++) {
    for (const workload of workloadsOf(length)) {
      for (const flush of ['sync', 'async'] as const) {
        if (performance.now() < endMs) await take(workload, flush, every, count);
      }
    }
    say(`up to ${length} operations`, count);
  }
  const wanted = Number(values.sample);
  if (wanted === 0) return;
  const more: Count = { images: 0, inRecovery: 0, sampledPlaces: 0 };
  const random = new SimRandom(values.seed);
  while (more.images < wanted && performance.now() < endMs) {
    let workload = '';
    const length = random.between(4, sampledOperationsMax);
    // A stroke: the machine crashed, and what it left is taken on.
    while (workload.length < length) workload += random.pick([...operations, '|']);
    await take(workload, random.pick(['sync', 'async']), sampled, more);
  }
  say('longer ones', more);
}

if (values.workload === undefined) {
  await runAll();
} else {
  const count: Count = { images: 0, inRecovery: 0, sampledPlaces: 0 };
  const flush = values.flush === 'async' ? 'async' : 'sync';
  const limits = { ...every, recoveriesOneOf: 1 };
  await take(values.workload, flush, limits, count);
  say(values.workload, count);
}
process.exitCode = failed > 0 ? 1 : 0;
