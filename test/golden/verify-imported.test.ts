/** Stores of Apache's, taken over, have nothing that disagrees, also after their index was built again. */
import { expect, test } from 'vitest';
import { openAndClose } from '../../src/server/offline.ts';
import { verifyStore } from '../../src/server/store/tools/verify-store.ts';
import {
  goldenNames,
  haveGoldenStores,
  temporaryFolder,
  unpackGolden,
} from '../support/golden-store.ts';
import { diskPorts, importStore } from '../support/offline-store.ts';

async function problemsOf(dataDir: string): Promise<string[]> {
  const problems: string[] = [];
  for await (const { part, problem } of verifyStore(diskPorts.files, `${dataDir}/broker`)) {
    if (problem !== undefined) problems.push(`${part}: ${problem}`);
  }
  return problems;
}

test.skipIf(!haveGoldenStores).each(goldenNames)('%s (skipped without ../shared)', async (name) => {
  const dataDir = temporaryFolder();
  await importStore(unpackGolden(name).store, dataDir);
  expect(await problemsOf(dataDir)).toEqual([]);
  await openAndClose(`${dataDir}/broker`, diskPorts, { isRebuild: true });
  expect(await problemsOf(dataDir)).toEqual([]);
});
