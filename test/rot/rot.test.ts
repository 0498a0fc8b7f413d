/** A few hundred of what `npm run rot` does a hundred thousand times. */
import { rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { SimRandom } from '../sim/random.ts';
import { runCase } from './check.ts';
import { makeFixture, scratchFolder } from './fixture.ts';

const caseCount = 250;

test(`${caseCount} damaged stores: found, nothing false served, no more lost than was hit`, {
  timeout: 60_000,
}, async () => {
  const folder = await scratchFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const fixture = await makeFixture(`${folder}/store`, new SimRandom('rot'));
  const failures: string[] = [];
  let damagedCount = 0;
  for (let index = 0; index < caseCount; index++) {
    try {
      const random = new SimRandom(`rot/${index}`);
      if ((await runCase(fixture, `${folder}/copy`, random)).isDamaged) damagedCount++;
    } catch (error) {
      failures.push(`case ${index}: ${String(error)}`);
    }
  }
  expect(failures).toEqual([]);
  expect(damagedCount).toBeGreaterThan(caseCount / 2);
});
