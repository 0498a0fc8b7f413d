import { expect, test } from 'vitest';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { settle } from '../../../support/manual-clock.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

const hourMs = 3_600_000;
const body = 'x'.repeat(9_000);

async function fill(t: TestStore, topic: string, count: number, queueCount = 1): Promise<void> {
  for (let index = 0; index < count; index++) {
    await t.append(draftOf(topic, index % queueCount, `${index} ${body}`));
  }
}

/** A round of deletion now. */
async function round(t: TestStore): Promise<void> {
  await t.store.deleteExpired();
  await settle(20);
}

test('by size: the oldest segments go, whatever their age, and never below the limit', async () => {
  const t = await new TestStore({ retentionBytes: 200 << 10 }).start();
  await fill(t, 'T', 60);
  await round(t);
  const { storeSizeBytes, minPhysicalOffset } = t.store.status();
  expect(storeSizeBytes).toBeLessThanOrEqual(200 << 10);
  expect(storeSizeBytes).toBeGreaterThan(136 << 10);
  expect(minPhysicalOffset % (64 << 10)).toBe(0);
  expect(Number.parseInt((await t.bodies('T', 0))[0] ?? '', 10)).toBe(42);
  await t.restart();
  expect(t.store.status().minPhysicalOffset).toBe(minPhysicalOffset);
  expect((await t.bodies('T', 0)).length).toBe(60 - t.store.queue('T', 0).minOffset);
});

test('by free space: what is needed goes at the next look at the disk, without waiting for a round', async () => {
  let freeBytes = 1 << 30;
  const t = new TestStore({ retentionFreeBytes: 1 << 20, minFreeBytes: 0 });
  t.files.freeBytes = () => Promise.resolve(freeBytes);
  await t.start();
  await fill(t, 'T', 60);
  const before = (await t.segments()).length;
  freeBytes = (1 << 20) - 70_000;
  await t.clock.advance(2_000);
  await settle(50);
  expect((await t.segments()).length).toBe(before - 2);
  freeBytes = 0;
  await t.clock.advance(2_000);
  await settle(50);
  expect((await t.segments()).length).toBe(1);
});

test('a topic may be kept for less long than others, or for longer', async () => {
  const t = await new TestStore({ retentionMs: hourMs }).start();
  t.store.retainTopics((topic) => ({ short: hourMs / 2, long: hourMs * 3 })[topic]);
  await fill(t, 'T', 10);
  await fill(t, 'long', 1);
  await fill(t, 'short', 3);
  await t.clock.advance(hourMs * 0.75);
  await round(t);
  expect(t.store.queue('short', 0)).toMatchObject({ minOffset: 3, maxOffset: 3 });
  expect(t.store.queue('T', 0).minOffset).toBe(0);
  await fill(t, 'T', 20);
  await t.clock.advance(hourMs);
  await round(t);
  // Everything up to the segment with the one message of `long` goes.
  expect(t.store.queue('long', 0)).toMatchObject({ minOffset: 0, maxOffset: 1 });
  expect(t.store.queue('T', 0).minOffset).toBeGreaterThan(0);
  expect((await t.segments()).length).toBeGreaterThan(2);
  expect(await t.bodies('long', 0)).toEqual([`0 ${body}`]);
  await t.clock.advance(hourMs * 2);
  await round(t);
  expect((await t.segments()).length).toBe(1);
  await t.restart();
  expect(t.store.queue('short', 0)).toMatchObject({ minOffset: 3, maxOffset: 3 });
});

test('a file that cannot be removed stays known, and goes later', async () => {
  const t = await new TestStore({ retentionMs: hourMs }).start();
  await fill(t, 'T', 40, 3);
  const names = await t.segments();
  await t.clock.advance(hourMs / 2);
  await fill(t, 'T', 40, 3);
  const remove = t.files.remove.bind(t.files);
  t.files.remove = (path) =>
    path.endsWith(String(names[1])) ? Promise.reject(new Error('EIO')) : remove(path);
  await t.clock.advance(hourMs * 0.6);
  await expect(t.store.deleteExpired()).rejects.toThrow('EIO');
  expect((await t.segments())[0]).toBe(names[1]);
  // Nothing in it is shown any more, and a restart finds everything in its place.
  await t.restart();
  const before = t.store.queue('T', 1).minOffset;
  expect(before).toBeGreaterThan(0);
  expect(await t.messages('T', 1)).not.toContain(undefined);
  t.files.remove = remove;
  await round(t);
  expect((await t.segments()).length).toBeLessThan(names.length + 3);
  expect(t.store.queue('T', 1).minOffset).toBe(before);
});

test('after a crash between index and files no queue begins at a record that is gone', async () => {
  class Unlocked extends MemoryFiles {
    override lockFolder = (): Promise<{ release: () => Promise<void> }> =>
      Promise.resolve({ release: () => Promise.resolve() });
  }
  const t = new TestStore({ retentionMs: hourMs });
  t.files = new Unlocked({ nowMs: () => t.clock.nowMs() });
  await t.start();
  await fill(t, 'T', 200, 2);
  await t.clock.advance(hourMs * 2);
  t.files.syncFolder = () => new Promise(() => {});
  void t.store.deleteExpired();
  await settle(50);
  await t.crash();
  for (const queueId of [0, 1]) expect(await t.messages('T', queueId)).not.toContain(undefined);
});

test('sends are answered while a round waits for the disk', async () => {
  const t = await new TestStore({ retentionMs: hourMs }).start();
  await fill(t, 'T', 40);
  await t.clock.advance(hourMs * 2);
  let removed = (): void => {};
  const remove = t.files.remove.bind(t.files);
  t.files.remove = (path) =>
    new Promise((resolve) => {
      removed = () => resolve(remove(path));
    });
  const isDone = t.store.deleteExpired();
  await settle(20);
  const [appended] = await t.append(draftOf('T', 0, 'meanwhile'));
  expect(appended?.queueOffset).toBe(40);
  t.files.remove = remove;
  removed();
  await isDone;
  expect((await t.segments()).length).toBe(1);
  expect((await t.bodies('T', 0)).at(-1)).toBe('meanwhile');
});
