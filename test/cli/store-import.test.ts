/** A store of Apache's broker at the command line: taken over, started on, written back. */
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ApacheLog } from '../support/apache-log.ts';
import { rmq } from '../support/cli.ts';
import { digestOf, temporaryFolder } from '../support/golden-store.ts';
import { startProcess } from '../support/processes.ts';

function apacheStore(): string {
  const log = new ApacheLog();
  for (let index = 0; index < 3; index++)
    log.add({ topic: 'orders', body: `${index}` }, Date.now());
  const folder = temporaryFolder();
  const topic = { topicName: 'orders', readQueueNums: 2, writeQueueNums: 2, perm: 6 };
  log.write(folder, { 'topics.json': { topicConfigTable: { orders: topic } } });
  return folder;
}

test('import says what it took over, export what broker.conf needs', async () => {
  const source = apacheStore();
  const dataDir = temporaryFolder();
  const taken = await rmq(['store', 'import', source, '--data', dataDir, '--output', 'json']);
  expect(taken).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(taken.stdout)).toMatchObject({ records: 3, topics: 1, holes: [] });
  const again = await rmq(['store', 'import', source, '--data', dataDir]);
  expect(again).toMatchObject({ code: 2, stdout: '' });
  expect(again.stderr).toContain(`${dataDir} holds a store already`);
  const to = join(temporaryFolder(), 'store');
  const written = await rmq(['store', 'export', to, '--data', dataDir]);
  expect(written.code).toBe(0);
  expect(written.stderr).toContain('mappedFileSizeCommitLog=65536');
  expect(readdirSync(to)).toContain('commitlog');
});

test("start on Apache's own folder serves a copy of it", async () => {
  const source = apacheStore();
  const before = digestOf(source);
  const server = await startProcess(['--data', source]);
  onTestFinished(() => server.stop());
  const { stdout } = await rmq(['topic', 'list', '--namesrv', String(server.ready.namesrv)]);
  expect(stdout).toContain('orders');
  expect(server.log()).toContain("the data folder is a store of Apache's broker");
  await server.stop();
  for (const own of ['broker', 'namesrv']) {
    await rm(join(source, own), { recursive: true, force: true });
  }
  expect(digestOf(source)).toBe(before);
});
