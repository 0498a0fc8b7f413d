/** Writes that are on the disk when they resolve, of the real disk. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { NodeFiles } from '../../../src/platform/node-files.ts';
import { draftOf, TestStore } from '../../support/test-store.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rmq-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('they go where they belong, among others, into one file', async () => {
  const path = join(await folder(), 'file');
  const file = await new NodeFiles().open(path, { create: true });
  await file.write(Buffer.alloc(16, '.'), 0);
  await Promise.all([
    file.writeSynced?.(Buffer.from('one'), 1),
    file.writeSynced?.(Buffer.from('two'), 12),
    file.write(Buffer.from('plain'), 6),
  ]);
  expect(await readFile(path, 'utf8')).toBe('.one..plain.two.');
  await file.close();
  await expect(file.datasync()).rejects.toThrow('closed');
});

test('a file that is gone is written all the same, in two steps', async () => {
  const path = join(await folder(), 'file');
  const file = await new NodeFiles().open(path, { create: true });
  await rm(path);
  await file.writeSynced?.(Buffer.from('kept'), 0);
  const target = Buffer.alloc(4);
  expect(await file.read(target, 0, 4, 0)).toBe(4);
  expect(String(target)).toBe('kept');
  await file.close();
});

test('messages small and large, over the ends of chunks and segments, are there after a restart', async () => {
  const held = new TestStore({
    files: new NodeFiles(),
    folder: await folder(),
    segmentSizeBytes: 2 << 20,
  });
  await held.start();
  onTestFinished(() => held.store.stop());
  const bodies = Array.from({ length: 60 }, (_, index) => String(index).repeat(1 + index * 700));
  await Promise.all(bodies.map((body) => held.append(draftOf('t', 0, body))));
  await held.restart();
  expect(await held.bodies('t', 0)).toEqual(bodies);
});
