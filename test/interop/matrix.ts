/**
 * Every role against every other maker's: {our, Apache's} NameServer × broker × proxy, driven by the kits
 * of `../shared/interop`.
 *
 *   npm run matrix -- [--cells rrr,rra,…] [--kits "java node"] [--jobs N] [--quick] [--log DIR] [--write]
 *                     [--resume]
 *
 * A cell is three letters, for NameServer, broker and proxy: `r` is ours, `a` Apache's. What failed
 * runs once more by itself, since a machine that is busy fails for lack of time. The results of a cell
 * are kept in DIR, and `--resume` takes them from there instead of running the cell. `--write` puts the
 * table into docs/reference/compatibility.md (only of a whole run). Prints `N passed, N failed`; a
 * failure that `known-failures.ts` explains does not count as failed.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Failure, haveKits, type KitRun, runKitTwice } from './kits.ts';
import { explanation } from './known-failures.ts';
import { haveApache, type Makers, type MixedCluster, startMixedCluster } from './mixed-cluster.ts';

const document = fileURLToPath(new URL('../../docs/reference/compatibility.md', import.meta.url));
const allCells = ['rrr', 'rra', 'rar', 'raa', 'arr', 'ara', 'aar', 'aaa'];
const allKits = 'node python go rust java java-remoting ali-ons go-remoting java-proxy';

/** They change the whole server for a moment, so nothing else may run beside them. */
const alone = 'AdminBroker\\.(update|wipe|clean)';

const { values: flags } = parseArgs({
  options: {
    cells: { type: 'string', default: allCells.join(',') },
    kits: { type: 'string', default: allKits },
    jobs: { type: 'string', default: '6' },
    quick: { type: 'boolean', default: false },
    log: { type: 'string' },
    write: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
  },
});

interface ExplainedFailure extends Failure {
  /** Why it fails, when that is known and not ours to mend. */
  readonly why: string | undefined;
}

interface KitResult {
  /** Scenarios that passed, at once or when run again. */
  passed: number;
  readonly failures: ExplainedFailure[];
}

interface CellResult {
  readonly cell: string;
  readonly kits: ReadonlyMap<string, KitResult>;
}

function makersOf(cell: string): Makers {
  const [nameserver, broker, proxy] = [...cell].map((letter) =>
    letter === 'r' ? ('rmq' as const) : ('apache' as const),
  );
  if (nameserver === undefined || broker === undefined || proxy === undefined) {
    throw new Error(`a cell is three letters, r or a: ${cell}`);
  }
  return { nameserver, broker, proxy };
}

async function runCell(cell: string, cluster: MixedCluster): Promise<CellResult> {
  const kits = new Map<string, KitResult>();
  const wanted = flags.kits.split(/[ ,]+/);
  const run = async (kit: string, more: Partial<KitRun> = {}): Promise<void> => {
    if (!wanted.includes(kit)) return;
    const name = more.only === `^${alone}` ? `${kit}-alone` : kit;
    const outcome = await runKitTwice(kit, {
      grpc: cluster.grpc,
      namesrv: cluster.namesrv,
      quick: flags.quick,
      jobs: Number(flags.jobs),
      logFile: flags.log === undefined ? undefined : join(flags.log, `${cell}-${name}.log`),
      ...more,
    });
    const sum = kits.get(kit) ?? { passed: 0, failures: [] };
    kits.set(kit, sum);
    sum.passed += outcome.passed;
    for (const failure of outcome.failures) {
      sum.failures.push({ ...failure, why: explanation(cell, kit, failure) });
    }
    const seconds = outcome.seconds.toFixed(0);
    console.log(
      `${cell} ${name.padEnd(20)}${outcome.passed} passed ${outcome.failed} failed ${seconds} s`,
    );
    for (const { scenario, reason } of outcome.failures)
      console.log(`      ${scenario}: ${reason}`);
  };
  const lane = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) {
      if (name === 'java-proxy') await run(name, { remoting: cluster.proxyRemoting });
      else if (name !== 'java-remoting' || flags.quick) await run(name);
      else
        await run(name, {
          only: `^(Remoting|Admin(?!Broker\\.))|^AdminBroker\\.(?!update|wipe|clean)`,
        });
    }
  };
  await Promise.all([
    lane('java', 'java-remoting', 'java-proxy'),
    lane('node', 'python', 'go', 'rust', 'ali-ons', 'go-remoting'),
  ]);
  if (!flags.quick) await run('java-remoting', { only: `^${alone}` });
  return { cell, kits };
}

const makerNames = { rmq: 'rmq', apache: 'Apache' } as const;

/** The table and, below it, what failed and why, as Markdown. */
function report(results: readonly CellResult[]): string {
  const kits = flags.kits.split(/[ ,]+/);
  const lines = [
    `| NameServer | broker | proxy | ${kits.join(' | ')} |`,
    `| --- | --- | --- | ${kits.map(() => '---:').join(' | ')} |`,
  ];
  for (const { cell, kits: outcomes } of results) {
    const { nameserver, broker, proxy } = makersOf(cell);
    const cells = kits.map((kit) => {
      const outcome = outcomes.get(kit);
      return outcome === undefined ? '–' : `${outcome.passed} / ${outcome.failures.length}`;
    });
    const makers = [nameserver, broker, proxy].map((maker) => makerNames[maker]);
    lines.push(`| ${[...makers, ...cells].join(' | ')} |`);
  }
  const reasons = new Map<string, string[]>();
  for (const { cell, kits: outcomes } of results) {
    const where = makersOf(cell);
    const makers = [where.nameserver, where.broker, where.proxy].map((maker) => makerNames[maker]);
    for (const [kit, { failures }] of outcomes) {
      for (const { scenario, why } of failures) {
        const text = `${kit}, \`${scenario}\`: ${why ?? 'not explained yet'}`;
        reasons.set(text, [...(reasons.get(text) ?? []), makers.join('/')]);
      }
    }
  }
  lines.push('');
  for (const [text, where] of reasons) lines.push(`- ${text} (${where.join(', ')})`);
  return `${lines.join('\n')}\n`;
}

async function write(results: readonly CellResult[]): Promise<void> {
  const text = await readFile(document, 'utf8');
  const [begin, end] = ['<!-- matrix: npm run matrix -->', '<!-- end -->'];
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  if (from < begin.length || to < from) throw new Error(`no place for the table in ${document}`);
  await writeFile(document, `${text.slice(0, from)}\n\n${report(results)}\n${text.slice(to)}`);
}

function keptFile(cell: string): string | undefined {
  return flags.log === undefined ? undefined : join(flags.log, `${cell}.json`);
}

/** What an earlier run found, explained as it is now. */
async function keptResult(cell: string): Promise<CellResult | undefined> {
  const file = keptFile(cell);
  if (!flags.resume || file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const kept = JSON.parse(text) as Record<string, KitResult>; // written by `keep`
  const kits = Object.entries(kept).map(([kit, { passed, failures }]): [string, KitResult] => {
    const explained = failures.map((one) => ({ ...one, why: explanation(cell, kit, one) }));
    return [kit, { passed, failures: explained }];
  });
  return { cell, kits: new Map(kits) };
}

async function keep({ cell, kits }: CellResult): Promise<void> {
  const file = keptFile(cell);
  if (file === undefined || flags.log === undefined) return;
  await mkdir(flags.log, { recursive: true });
  await writeFile(file, JSON.stringify(Object.fromEntries(kits)));
}

async function main(): Promise<number> {
  if (!haveKits() || !haveApache()) {
    console.log('skipped: ../shared/interop and ../shared/reference are not here');
    console.log('0 passed, 0 failed');
    return 0;
  }
  const results: CellResult[] = [];
  let passed = 0;
  let failed = 0;
  const add = (result: CellResult): void => {
    results.push(result);
    for (const outcome of result.kits.values()) {
      passed += outcome.passed;
      failed += outcome.failures.filter(({ why }) => why === undefined).length;
    }
  };
  for (const cell of flags.cells.split(',')) {
    const kept = await keptResult(cell);
    if (kept !== undefined) {
      add(kept);
      continue;
    }
    const cluster = await startMixedCluster(makersOf(cell));
    try {
      const result = await runCell(cell, cluster);
      await keep(result);
      add(result);
      for (const gone of await cluster.ended()) {
        failed += 1;
        console.log(`FAIL ${cell} a server ended on its own: ${gone}`);
      }
    } finally {
      await cluster.stop();
    }
  }
  console.log(report(results));
  if (flags.write) await write(results);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
