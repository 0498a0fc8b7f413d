/**
 * `npm run sim -- [--broker] [--seeds 1000] [--from 1]`: runs seeds of the store, or of the whole broker,
 * and prints a line on each failure with the command that repeats it, and a summary. Exit code 1 when one
 * failed. `--seed N` runs one, with `--verbose` showing every event; `--shrink` makes it short and says which
 * `--with '{…}'` to add.
 */
import { parseArgs } from 'node:util';
import { BrokerRun } from './broker-run.ts';
import { type AnyOverrides, shrink } from './shrink.ts';
import { StoreRun } from './store-run.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    broker: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    with: { type: 'string', default: '{}' },
  },
});

const shrinkRunCountMax = 3_000;
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const given = JSON.parse(values.with) as AnyOverrides; // checked below
const out = (text: string): void => void process.stdout.write(`${text}\n`);

function make(seed: number, overrides: AnyOverrides): BrokerRun | StoreRun {
  const options = { overrides, ...(values.verbose && !values.shrink ? { print: out } : {}) };
  return values.broker ? new BrokerRun(seed, options) : new StoreRun(seed, options);
}

function commandOf(seed: number, overrides: AnyOverrides): string {
  const kind = values.broker ? '--broker ' : '';
  const more = Object.keys(overrides).length === 0 ? '' : ` --with '${JSON.stringify(overrides)}'`;
  return `npm run sim -- ${kind}--seed ${seed}${more}`;
}

async function makeShort(seed: number): Promise<void> {
  const shrunk = await shrink((overrides) => make(seed, overrides), shrinkRunCountMax, given);
  if (shrunk === undefined) return out(`seed ${seed} passed: nothing to shrink`);
  const { failure, eventCount, runCount, overrides } = shrunk;
  process.exitCode = 1;
  out(`SEED=${seed} failed: ${failure}`);
  out(
    `  in ${eventCount} events, the shortest of ${runCount} runs; repeat it: ${commandOf(seed, overrides)} --verbose`,
  );
}

async function runAll(): Promise<void> {
  const beganMs = performance.now();
  const beganCpu = process.cpuUsage();
  const sum = { failed: 0, acked: 0, deaths: 0, events: 0, simulatedMs: 0 };
  for (let seed = from; seed < from + count; seed += 1) {
    const run = make(seed, given);
    try {
      const outcome = await run.run();
      sum.acked += outcome.acked;
      sum.deaths += outcome.deaths;
      sum.events += outcome.events;
      sum.simulatedMs += outcome.simulatedMs;
      if (count === 1) out(`seed ${seed} passed: ${JSON.stringify(outcome)}`);
    } catch (error) {
      sum.failed += 1;
      out(`SEED=${seed} failed: ${error instanceof Error ? error.message : String(error)}`);
      if (count === 1 && error instanceof Error) out(error.stack ?? '');
      out(`  trace ${run.trace.hash()}; repeat it: ${commandOf(seed, given)} --verbose`);
      out(`  make it short: ${commandOf(seed, given)} --shrink`);
    }
  }
  const tookMs = performance.now() - beganMs;
  const cpu = process.cpuUsage(beganCpu);
  const cpuMs = (cpu.user + cpu.system) / 1_000;
  process.exitCode = sum.failed > 0 ? 1 : 0;
  out(
    `${count} seeds, ${sum.failed} failed; ${sum.acked} messages acknowledged, ${sum.deaths} deaths, ` +
      `${sum.events} events, ${(sum.simulatedMs / 3_600_000).toFixed(2)} simulated hours in ` +
      `${(tookMs / 1000).toFixed(1)} s, ${(cpuMs / 1000).toFixed(1)} s of CPU (${Math.round(sum.simulatedMs / cpuMs)} times real time)`,
  );
}

for (const name of Object.keys(given)) {
  if (name !== 'salt' && !(name in make(from, {}).config)) {
    throw new Error(`--with: a run has no setting ${name}`);
  }
}
await (values.shrink ? makeShort(from) : runAll());
