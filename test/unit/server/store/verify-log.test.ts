import { expect, test } from 'vitest';
import { type SegmentFindings, verifyLog } from '../../../../src/server/store/tools/verify-log.ts';
import { draftOf, TestStore } from '../../../support/test-store.ts';

const recordCount = 30;

/** Closed segments and a newest one. */
async function written(): Promise<TestStore> {
  const t = await new TestStore().start();
  for (let index = 0; index < recordCount; index++) {
    await t.append(draftOf('T', 0, `${index} ${'x'.repeat(9_000)}`));
  }
  return t;
}

async function verify(t: TestStore): Promise<SegmentFindings[]> {
  const all: SegmentFindings[] = [];
  for await (const one of verifyLog(t.files, '/store')) all.push(one);
  return all;
}

async function paths(t: TestStore): Promise<string[]> {
  return (await t.segments()).map((name) => `/store/commitlog/${name}`);
}

async function flip(t: TestStore, path: string, position: number): Promise<void> {
  const file = await t.files.open(path, { create: false });
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, position);
  await file.close();
}

const total = (all: SegmentFindings[]): number =>
  all.reduce((sum, one) => sum + one.recordCount, 0);

test('a whole log has every record and no problem, open and stopped, and stays as it is', async () => {
  const t = await written();
  const before = await Promise.all((await paths(t)).map((path) => t.files.readFile(path)));
  const found = await verify(t);
  expect(found.length).toBeGreaterThan(4);
  expect(total(found)).toBe(recordCount);
  expect(found.map((one) => one.problem).filter((one) => one !== undefined)).toEqual([]);
  expect(found.at(-1)?.endOffset).toBe(t.store.status().maxPhysicalOffset);
  const after = await Promise.all((await paths(t)).map((path) => t.files.readFile(path)));
  expect(after).toEqual(before);
  await t.store.stop();
  expect(total(await verify(t))).toBe(recordCount);
});

test.each([0, 4, 30, 500, 9_000])(
  'a flipped bit at byte %d costs one record and is located',
  async (at) => {
    const t = await written();
    await t.store.stop();
    const [, second = ''] = await paths(t);
    await flip(t, second, at);
    const found = await verify(t);
    expect(total(found)).toBe(recordCount - 1);
    expect(found[1]).toMatchObject({ damagedCount: 1, damagedOffset: found[1]?.beginOffset });
    expect(found[1]?.problem).toBeDefined();
    expect(found.filter((one) => one.damagedCount > 0)).toHaveLength(1);
  },
);

test('a bit flipped in the last record is damage, a part of it that is zeros a torn tail', async () => {
  const t = await written();
  const { maxPhysicalOffset } = t.store.status();
  await t.store.stop();
  const last = (await paths(t)).at(-1) ?? '';
  const begin = (await verify(t)).at(-1)?.beginOffset ?? 0;
  const end = maxPhysicalOffset - begin;
  await flip(t, last, end - 100);
  expect((await verify(t)).at(-1)).toMatchObject({ damagedCount: 1 });
  await flip(t, last, end - 100);
  const file = await t.files.open(last, { create: false });
  await file.write(Buffer.alloc(50), end - 50);
  expect((await verify(t)).at(-1)).toMatchObject({ damagedCount: 0 });
  expect((await verify(t)).at(-1)?.problem).toMatch(/^torn tail: /);
});

test('a closed segment that lost its end is damaged', async () => {
  const t = await written();
  await t.store.stop();
  const [first = ''] = await paths(t);
  const file = await t.files.open(first, { create: false });
  await file.truncate(9_500);
  await file.close();
  const [found] = await verify(t);
  expect(found).toMatchObject({ recordCount: 1, damagedCount: 1 });
});

test('a folder without a log is wrong usage', async () => {
  const t = await written();
  await expect(verifyLog(t.files, '/elsewhere').next()).rejects.toMatchObject({ code: 'USAGE' });
});
