import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { memoryDatabaseFactory } from '../../../../src/server/store/index/level-database.ts';
import { segmentName } from '../../../../src/server/store/log/segment.ts';
import { settle } from '../../../support/manual-clock.ts';
import { UnlockedFiles } from '../../../support/mortal.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

const codeOf = (error: unknown): unknown => (error instanceof RmqError ? error.code : error);

describe('append and read', () => {
  it('gives consecutive offsets per queue and the same bytes back, before and after a restart', async () => {
    const t = await new TestStore().start();
    const first = await t.append(draftOf('T', 0, 'a', { TAGS: 'x' }), draftOf('T', 1, 'b'));
    const [third] = await t.append(draftOf('T', 0, 'c'));
    expect(first.map((one) => one.queueOffset)).toEqual([0, 0]);
    expect(third?.queueOffset).toBe(1);
    expect(await t.bodies('T', 0)).toEqual(['a', 'c']);
    await t.restart();
    expect(t.report).toMatchObject({ redispatchedMessages: 0, truncatedBytes: 0, rebuilt: false });
    expect(await t.bodies('T', 0)).toEqual(['a', 'c']);
    expect(await t.bodies('T', 1)).toEqual(['b']);
    const [next] = await t.append(draftOf('T', 0, 'd'));
    expect(next?.queueOffset).toBe(2);
  });

  it('rolls over segments, and no record crosses one', async () => {
    const t = await new TestStore().start();
    const body = 'x'.repeat(9_000);
    for (let index = 0; index < 30; index++) await t.append(draftOf('T', 0, `${index} ${body}`));
    expect((await t.segments()).length).toBeGreaterThan(4);
    await t.restart();
    const bodies = await t.bodies('T', 0);
    expect(bodies.map((text) => Number.parseInt(text, 10))).toEqual([...Array(30).keys()]);
  });

  it('refuses what does not fit and stays usable', async () => {
    const t = await new TestStore({ maxBodyBytes: 1_000 }).start();
    await expect(t.append(draftOf('T', 0, 'x'.repeat(1_001)))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    const tooMany = Array.from({ length: 70 }, () => draftOf('T', 0, 'x'.repeat(1_000)));
    await expect(t.append(...tooMany)).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    const properties = { p: 'v'.repeat(32_768) };
    await expect(t.append(draftOf('T', 0, 'x', properties))).rejects.toMatchObject({
      code: 'PROPERTIES_TOO_LARGE',
    });
    expect(t.store.queue('T', 0).maxOffset).toBe(0);
    expect((await t.append(draftOf('T', 0, 'ok')))[0]?.queueOffset).toBe(0);
  });

  it('finds the first message at or after a time', async () => {
    const t = await new TestStore().start();
    const times: number[] = [];
    for (let index = 0; index < 10; index++) {
      times.push((await t.append(draftOf('T', 0, `${index}`)))[0]?.storeTimestampMs ?? 0);
      await t.clock.advance(100);
    }
    const queue = t.store.queue('T', 0);
    expect(await t.store.offsetByTime(queue, 0)).toBe(0);
    expect(await t.store.offsetByTime(queue, times[4] ?? 0)).toBe(4);
    expect(await t.store.offsetByTime(queue, (times[4] ?? 0) + 1)).toBe(5);
    expect(await t.store.offsetByTime(queue, Number.MAX_SAFE_INTEGER)).toBe(10);
  });

  it('is seen by readers only once it has been answered', async () => {
    const t = await new TestStore().start();
    const answered = t.append(draftOf('T', 0, 'a'));
    expect(t.store.queue('T', 0).maxOffset).toBe(0);
    await answered;
    expect(t.store.queue('T', 0).maxOffset).toBe(1);
  });
});

describe('recovery', () => {
  it('builds a deleted index again from the log', async () => {
    const t = await new TestStore().start();
    for (let index = 0; index < 200; index++) await t.append(draftOf('T', index % 3, `m${index}`));
    await t.store.stop();
    t.openDatabase = await memoryDatabaseFactory();
    await t.start();
    expect(t.report).toMatchObject({ rebuilt: true, redispatchedMessages: 200 });
    for (const queueId of [0, 1, 2]) {
      const expected = [...Array(200).keys()].filter((index) => index % 3 === queueId);
      expect(await t.bodies('T', queueId)).toEqual(expected.map((index) => `m${index}`));
    }
  });

  it('cuts a torn tail and nothing else', async () => {
    const t = await new TestStore().start();
    await t.append(draftOf('T', 0, 'kept'));
    const [torn] = await t.append(draftOf('T', 0, 'torn in the middle of a power cut'));
    await t.store.stop();
    await t.files.remove('/store/stopped');
    t.openDatabase = await memoryDatabaseFactory();
    const { physicalOffset = 0, storeSizeBytes = 0 } = torn ?? {};
    await t.damage(physicalOffset + 95, Buffer.alloc(storeSizeBytes - 95));
    await t.start();
    expect(t.report.holes).toEqual([]);
    expect(t.report.truncatedBytes).toBeGreaterThan(0);
    expect(await t.bodies('T', 0)).toEqual(['kept']);
    const [next] = await t.append(draftOf('T', 0, 'next'));
    expect(next).toMatchObject({ queueOffset: 1, physicalOffset: torn?.physicalOffset });
    await t.restart();
    expect(await t.bodies('T', 0)).toEqual(['kept', 'next']);
  });

  it('looks for what flush async lost, though flush is sync from now on', async () => {
    const options: { flush: 'sync' | 'async' } = { flush: 'async' };
    const t = new TestStore(options);
    t.files = new UnlockedFiles({ nowMs: () => t.clock.nowMs() });
    await t.start();
    const [lost] = await t.append(draftOf('T', 0, 'not synced'));
    await t.append(draftOf('T', 0, 'kept'));
    await t.store.writeStateNow();
    await t.damage(lost?.physicalOffset ?? 0, Buffer.alloc(lost?.storeSizeBytes ?? 0));
    options.flush = 'sync';
    await t.crash();
    expect(t.report.holes).toHaveLength(1);
    expect(await t.bodies('T', 0)).toEqual(['undefined', 'kept']);
  });

  it('cuts index entries that point past the end of the log', async () => {
    const t = new TestStore({ flush: 'async' });
    t.files = new UnlockedFiles({ nowMs: () => t.clock.nowMs() });
    await t.start();
    await t.append(draftOf('T', 0, 'kept'));
    const [lost] = await t.append(draftOf('T', 0, 'lost'));
    await t.append(draftOf('T', 0, 'lost too'), draftOf('U', 0, 'lost as well'));
    await t.store.writeStateNow();
    const at = lost?.physicalOffset ?? 0;
    // Not synced when power was cut.
    const damaged = t.damage(at, Buffer.alloc((64 << 10) - at));
    await t.crash();
    await damaged;
    expect(t.report.holes).toEqual([]);
    expect(t.store.queue('T', 0).maxOffset).toBe(1);
    expect(t.store.queue('U', 0).maxOffset).toBe(0);
    expect(await t.bodies('T', 0)).toEqual(['kept']);
    expect((await t.append(draftOf('U', 0, 'new')))[0]?.queueOffset).toBe(0);
    await t.restart();
    expect(await t.bodies('U', 0)).toEqual(['new']);
  });

  it('never serves a record whose body was damaged', async () => {
    const t = await new TestStore({ tuning: { tailCacheBytes: 0 } }).start();
    const [first] = await t.append(draftOf('T', 0, 'a'.repeat(300)));
    await t.append(draftOf('T', 0, 'b'));
    await t.restart();
    await t.damage((first?.physicalOffset ?? 0) + 100, Buffer.from('#'));
    const [damaged, whole] = await t.messages('T', 0);
    expect(damaged).toBeUndefined();
    expect(String(whole?.body)).toBe('b');
  });

  it('keeps every answered message, whatever bytes of the unwritten rest are random', async () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(bodies, fc.uint8Array({ maxLength: 600 }), async (list, noise) => {
        const t = await new TestStore().start();
        let end = 0;
        for (const body of list) {
          const [one] = await t.append(draftOf('T', 0, Buffer.from(body)));
          end = (one?.physicalOffset ?? 0) + (one?.storeSizeBytes ?? 0);
        }
        await t.store.stop();
        t.openDatabase = await memoryDatabaseFactory();
        const room = (64 << 10) - (end % (64 << 10));
        await t.damage(end, noise.subarray(0, Math.min(noise.length, room)));
        await t.start();
        const found = (await t.messages('T', 0)).map((message) => [...(message?.body ?? [])]);
        expect(found).toEqual(list.map((body) => [...body]));
      }),
      { numRuns: 40 },
    );
  });
});

describe('a full or failing disk', () => {
  it('refuses below the free bytes asked for and goes on by itself', async () => {
    const t = new TestStore({ minFreeBytes: 1 << 20 });
    await t.start();
    await t.append(draftOf('T', 0, 'a'));
    t.files.capacityBytes = 512 << 10;
    await t.clock.advance(3_000);
    await expect(t.append(draftOf('T', 0, 'b'))).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await t.bodies('T', 0)).toEqual(['a']);
    t.files.capacityBytes = 64 << 20;
    await t.clock.advance(3_000);
    expect((await t.append(draftOf('T', 0, 'c')))[0]?.queueOffset).toBe(1);
    await t.restart();
    expect(await t.bodies('T', 0)).toEqual(['a', 'c']);
  });

  it('loses nothing when space runs out in the middle of a batch', async () => {
    const t = new TestStore();
    await t.start();
    t.files.capacityBytes = 20 << 10;
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        t.append(draftOf('T', index % 2, `${index} ${'x'.repeat(1_000)}`)),
      ),
    );
    const codes = results.map((one) => (one.status === 'rejected' ? codeOf(one.reason) : 'kept'));
    expect(codes).toContain('DISK_FULL');
    t.files.capacityBytes = 64 << 20;
    const [after] = await t.append(draftOf('T', 0, 'after'));
    const keptInQueue0 = codes.filter((code, index) => code === 'kept' && index % 2 === 0).length;
    expect(after?.queueOffset).toBe(keptInQueue0);
    await t.restart();
    expect((await t.bodies('T', 0)).pop()).toBe('after');
  });

  it('accepts nothing more after a failed sync, and reads go on', async () => {
    const t = await new TestStore().start();
    await t.append(draftOf('T', 0, 'a'));
    const file = await t.files.open(`/store/commitlog/${'0'.repeat(20)}`, { create: false });
    file.datasync = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
    await expect(t.append(draftOf('T', 0, 'b'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    file.datasync = () => Promise.resolve();
    await expect(t.append(draftOf('T', 0, 'c'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await t.bodies('T', 0)).toEqual(['a']);
    expect(t.store.status().refusing?.code).toBe('STORE_FAILED');
  });
});

describe('retention', () => {
  it('deletes old segments, never the last, and moves the minimum offset', async () => {
    const t = await new TestStore({ retentionMs: 3_600_000 }).start();
    for (let index = 0; index < 30; index++) {
      await t.append(draftOf('T', 0, `${index} ${'x'.repeat(9_000)}`));
    }
    const before = (await t.segments()).length;
    await t.clock.advance(3_600_000 + 120_000);
    await settle(50);
    const after = await t.segments();
    expect(after.length).toBe(1);
    expect(before).toBeGreaterThan(4);
    const queue = t.store.queue('T', 0);
    expect(queue.minOffset).toBeGreaterThan(20);
    expect(queue.maxOffset).toBe(30);
    expect((await t.bodies('T', 0)).length).toBe(30 - queue.minOffset);
    const min = queue.minOffset;
    await t.restart();
    expect(t.store.queue('T', 0).minOffset).toBe(min);
    expect((await t.append(draftOf('T', 0, 'next')))[0]?.queueOffset).toBe(30);
  });
});

describe('state of the broker', () => {
  it('is written with the index and read back', async () => {
    const t = await new TestStore().start();
    t.store.addStateSource({
      collect: (batch) => {
        batch.put('topic/T', Buffer.from('one'));
        batch.put('topicless', Buffer.from('two'));
      },
    });
    await t.store.writeStateNow();
    await t.restart();
    const found: string[] = [];
    for await (const [key, value] of t.store.loadState('topic/'))
      found.push(`${key}=${String(Buffer.from(value))}`);
    expect(found).toEqual(['topic/T=one']);
  });

  it('locks the folder against a second store', async () => {
    const t = await new TestStore().start();
    const second = new TestStore();
    second.files = t.files;
    await expect(second.start()).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
    await t.store.stop();
  });
});

it('of segments made ahead the last goes first: a crash in between leaves no gap', async () => {
  const held = await new TestStore().start();
  await held.append(draftOf('orders', 0, 'one'));
  await held.store.stop();
  const { files } = held;
  const size = 64 << 10;
  for (const number of [1, 2, 3]) {
    const file = await files.open(`/store/commitlog/${segmentName(number * size)}`, {
      create: true,
    });
    await file.write(Buffer.alloc(16), 0);
    await file.close();
  }
  await files.remove('/store/stopped');
  const remove = files.remove.bind(files);
  const gone: string[] = [];
  files.remove = async (path) => {
    await remove(path);
    if (path.includes('/commitlog/')) gone.push(path);
  };
  await held.start();
  expect(gone).toEqual([3, 2, 1].map((number) => `/store/commitlog/${segmentName(number * size)}`));
  expect(await held.bodies('orders', 0)).toEqual(['one']);
  await held.store.stop();
});
