/** Flush `async`: small writes by the loop itself, unless the disk is slow or many wait. */
import { expect, onTestFinished, test } from 'vitest';
import type { OpenFile } from '../../../../src/platform/files.ts';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

/** Files that can be written at once; what such a write takes, and whether it fails, is the test's. */
class QuickFiles extends MemoryFiles {
  nowCount = 0;
  onWrite: () => void = () => {};

  override async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    const file = await super.open(path, options);
    return Object.assign(file, {
      writeNow: (source: Uint8Array, position: number): void => {
        this.nowCount++;
        this.onWrite();
        // In memory nothing of it happens later.
        void file.write(Buffer.from(source), position);
      },
    });
  }
}

async function started(flush: 'sync' | 'async'): Promise<{ held: TestStore; files: QuickFiles }> {
  const files = new QuickFiles();
  const held = await new TestStore({ files, flush, segmentSizeBytes: 8 << 20 }).start();
  onTestFinished(() => held.store.stop());
  return { held, files };
}

const draft = (body: string | Buffer) => draftOf('t', 0, body);

test('a small write is done at once, with flush async alone', async () => {
  const { held, files } = await started('async');
  await held.append(draft('a'));
  expect(files.nowCount).toBe(1);
  await held.restart();
  expect(await held.bodies('t', 0)).toEqual(['a']);
  const synced = await started('sync');
  await synced.held.append(draft('a'));
  expect(synced.files.nowCount).toBe(0);
});

test('a large write, and one that many wait for, is left to others', async () => {
  const { held, files } = await started('async');
  await held.append(draft(Buffer.alloc(100_000, 'x')));
  await Promise.all(Array.from({ length: 100 }, (_, index) => held.append(draft(`m${index}`))));
  expect(files.nowCount).toBe(0);
});

test('after a slow one others write for some time', async () => {
  const { held, files } = await started('async');
  let tookMs = 4;
  let laterMs = 0;
  const { clock } = held;
  const monotonicMs = clock.monotonicMs.bind(clock);
  clock.monotonicMs = () => monotonicMs() + laterMs;
  files.onWrite = () => {
    laterMs += tookMs;
  };
  await held.append(draft('slow'));
  await held.append(draft('elsewhere'));
  expect(files.nowCount).toBe(1);
  tookMs = 0;
  laterMs += 11_000;
  await held.append(draft('back'));
  expect(files.nowCount).toBe(2);
  expect(await held.bodies('t', 0)).toEqual(['slow', 'elsewhere', 'back']);
});

test('one that fails is final, and nothing of it was acknowledged', async () => {
  const { held, files } = await started('async');
  await held.append(draft('kept'));
  files.onWrite = () => {
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  };
  await expect(held.append(draft('lost'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(held.append(draft('refused'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(await held.bodies('t', 0)).toEqual(['kept']);
});
