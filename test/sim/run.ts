/**
 * `npm run sim -- [--broker] --seeds 1000 [--from 1] [--seed N] [--verbose]`: runs seeds of the store, or
 * of the whole broker, prints a line on each failure with the command that repeats it, and a summary.
 * Exit code 1 when one failed.
 */
import { parseArgs } from 'node:util';
import { BrokerRun } from './broker-run.ts';
import { StoreRun } from './store-run.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    broker: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const out = (text: string): void => void process.stdout.write(`${text}\n`);
const beganMs = performance.now();
let failed = 0;
let acked = 0;
let deaths = 0;
let simulatedMs = 0;

for (let seed = from; seed < from + count; seed += 1) {
  const options = values.verbose ? { print: out } : {};
  const run = values.broker ? new BrokerRun(seed, options) : new StoreRun(seed, options);
  try {
    const outcome = await run.run();
    acked += outcome.acked;
    deaths += outcome.deaths;
    simulatedMs += outcome.simulatedMs;
    if (count === 1) out(`seed ${seed} passed: ${JSON.stringify(outcome)}`);
  } catch (error) {
    failed += 1;
    out(`SEED=${seed} failed: ${error instanceof Error ? error.message : String(error)}`);
    if (count === 1 && error instanceof Error) out(error.stack ?? '');
    out(
      `  trace ${run.trace.hash()}; repeat it: npm run sim -- ${values.broker ? '--broker ' : ''}--seed ${seed} --verbose`,
    );
  }
}

const tookMs = performance.now() - beganMs;
out(
  `${count} seeds, ${failed} failed; ${acked} messages acknowledged, ${deaths} deaths, ` +
    `${(simulatedMs / 3_600_000).toFixed(2)} simulated hours in ${(tookMs / 1000).toFixed(1)} s ` +
    `(${Math.round(simulatedMs / tookMs)} times real time)`,
);
process.exitCode = failed > 0 ? 1 : 0;
