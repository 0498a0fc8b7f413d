/**
 * `npm run rot -- [--count 1000] [--seed 1] [--from 0]`: damages copies of a store at random, one place a case, and
 * checks what `check.ts` says. Exit code 1 when one failed; `--count 1 --from N` repeats one.
 */
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SimRandom } from '../sim/random.ts';
import { runCase } from './check.ts';
import { makeFixture, scratchFolder } from './fixture.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
  },
});

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const folder = await scratchFolder();
const beganMs = performance.now();
const sum = { failed: 0, damaged: 0, lostMessages: 0, lostState: 0 };
const kinds = new Map<string, { cases: number; lostMessages: number; lostState: number }>();
const count = Number(values.count);
try {
  const fixture = await makeFixture(`${folder}/store`, new SimRandom(values.seed));
  for (let index = Number(values.from); index < Number(values.from) + count; index++) {
    try {
      const random = new SimRandom(`${values.seed}/${index}`);
      const outcome = await runCase(fixture, `${folder}/copy`, random);
      if (outcome.isDamaged) sum.damaged++;
      sum.lostMessages += outcome.lostMessages;
      sum.lostState += outcome.lostState;
      const kind = kinds.get(outcome.kind) ?? { cases: 0, lostMessages: 0, lostState: 0 };
      kind.cases++;
      kind.lostMessages += outcome.lostMessages;
      kind.lostState += outcome.lostState;
      kinds.set(outcome.kind, kind);
    } catch (error) {
      sum.failed++;
      out(`FAILED case ${index}: ${error instanceof Error ? error.message : String(error)}`);
      out(`  npm run rot -- --seed ${values.seed} --count 1 --from ${index}`);
      if (count === 1 && error instanceof Error)
        out((error.cause as Error | undefined)?.stack ?? '');
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
for (const [kind, { cases, lostMessages, lostState }] of kinds) {
  out(`${kind}: ${cases} cases, ${lostMessages} messages lost, ${lostState} rows of state lost`);
}
const seconds = (performance.now() - beganMs) / 1_000;
out(
  `${count} cases, ${sum.failed} failed; ${sum.damaged} with damage that means something, all found; messages lost ` +
    `${sum.lostMessages}, rows of state lost ${sum.lostState}, nothing false served; ${seconds.toFixed(1)} s`,
);
process.exitCode = sum.failed > 0 ? 1 : 0;
