/** Records of Apache's cover their bodies only; once taken over, every byte of them counts. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openAndClose } from '../../../../src/server/offline.ts';
import { verifyStore } from '../../../../src/server/store/tools/verify-store.ts';
import { ApacheLog } from '../../../support/apache-log.ts';
import { temporaryFolder } from '../../../support/golden-store.ts';
import { diskPorts, importStore, messagesOf, withStore } from '../../../support/offline-store.ts';

const segment = `commitlog/${'0'.repeat(20)}`;

/** Five messages m0 … m4; answers the folder of the broker, and where the third one lies. */
async function takenOver(): Promise<{ dataDir: string; begin: number; end: number }> {
  const log = new ApacheLog();
  const places = [0, 1, 2, 3, 4].map((index) => {
    const [physical] = log.add({ topic: 'T', body: `m${index}`, properties: { KEYS: 'k' } }, 1_000);
    return physical;
  });
  const source = temporaryFolder();
  log.write(source, {});
  const dataDir = temporaryFolder();
  await importStore(source, dataDir);
  return { dataDir, begin: places[2] ?? 0, end: places[3] ?? 0 };
}

async function bodies(dataDir: string): Promise<string[]> {
  return await withStore(dataDir, async ({ store }) => {
    const messages = await messagesOf(store, store.queue('T', 0));
    return messages.map((message) => (message === undefined ? 'lost' : String(message.body)));
  });
}

async function problems(dataDir: string): Promise<number> {
  let count = 0;
  for await (const one of verifyStore(diskPorts.files, `${dataDir}/broker`)) {
    if (one.problem !== undefined) count++;
  }
  return count;
}

test('any flipped bit of such a record is found, and costs that record', async () => {
  const { dataDir, begin, end } = await takenOver();
  const path = `${dataDir}/broker/${segment}`;
  const whole = readFileSync(path);
  expect(await problems(dataDir)).toBe(0);
  for (let at = begin; at < end; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(path, changed);
    expect(await problems(dataDir), `byte ${at - begin}`).toBeGreaterThan(0);
    if (at % 9 > 0) continue;
    expect(await bodies(dataDir), `byte ${at - begin}`).toEqual(['m0', 'm1', 'lost', 'm3', 'm4']);
  }
  await openAndClose(`${dataDir}/broker`, diskPorts, { isRebuild: true });
  expect(await bodies(dataDir)).toEqual(['m0', 'm1', 'lost', 'm3', 'm4']);
});

test('damaged checksums are told and made again', async () => {
  const { dataDir } = await takenOver();
  const folder = `${dataDir}/broker/checksums`;
  expect(readdirSync(folder)).toEqual(['0'.repeat(20)]);
  const path = `${folder}/${'0'.repeat(20)}`;
  const changed = readFileSync(path);
  changed[5] = (changed[5] ?? 0) ^ 1;
  writeFileSync(path, changed);
  expect(await problems(dataDir)).toBe(1);
  const report = await openAndClose(`${dataDir}/broker`, diskPorts, { isRebuild: true });
  expect(report.problems).toHaveLength(1);
  expect(await problems(dataDir)).toBe(0);
  rmSync(folder, { recursive: true });
  expect(await bodies(dataDir)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
});
