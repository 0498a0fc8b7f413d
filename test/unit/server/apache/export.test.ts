/** Stores of ours written for Apache's broker, and read back; the broker itself is asked in test/interop/store.ts. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeProperties } from '../../../../src/protocol/message/properties.ts';
import { haveGoldenStores, temporaryFolder, unpackGolden } from '../../../support/golden-store.ts';
import {
  contentOf,
  exportStore,
  importStore,
  messagesOf,
  type StoreContent,
  withStore,
} from '../../../support/offline-store.ts';
import { OwnStore } from '../../../support/own-store.ts';

/** Imports what a store was exported to, and answers what both hold. */
async function back(dataDir: string, to: string): Promise<[StoreContent, StoreContent]> {
  const again = temporaryFolder();
  await importStore(to, again);
  return [await contentOf(dataDir), await contentOf(again)];
}

describe.skipIf(!haveGoldenStores)('stores of Apache (skipped without ../shared)', () => {
  test.each(['clean', 'torn', 'rare'] as const)('%s comes out as it went in', async (name) => {
    const { store: source, manifest } = unpackGolden(name);
    const dataDir = temporaryFolder();
    await importStore(source, dataDir);
    const to = join(temporaryFolder(), 'store');
    const report = await exportStore(dataDir, to);
    expect(report).toMatchObject({ records: manifest.records, lost: 0 });
    for (const segment of readdirSync(join(to, 'commitlog'))) {
      const bytes = readFileSync(join(source, 'commitlog', segment));
      // Behind the end may be what the log had lost before.
      const used = Math.min(bytes.length, manifest.logEnd - Number(segment));
      const written = readFileSync(join(to, 'commitlog', segment));
      expect(written).toHaveLength(bytes.length);
      expect(written.subarray(0, used).equals(bytes.subarray(0, used))).toBe(true);
    }
    const [before, after] = await back(dataDir, to);
    expect(after).toEqual(before);
  });
});

const steps = [
  'send',
  'delay',
  'timer',
  'fire',
  'recall',
  'half',
  'commit',
  'rollback',
  'ack',
] as const;

async function fill(own: OwnStore, plan: readonly (typeof steps)[number][]): Promise<void> {
  await own.topic('orders', 3);
  await own.topic('times', 2, 'DELAY');
  await own.topic('deals', 1, 'TRANSACTION');
  for (const [index, step] of plan.entries()) {
    const id = { UNIQ_KEY: `id-${index}`, KEYS: `key-${index}` };
    const half = { ...id, TRAN_MSG: 'true', PGROUP: 'producers' };
    const soon = { ...id, TIMER_DELAY_MS: '1' };
    const later = { ...id, TIMER_DELAY_MS: `${100_000 + index * 7_000_000}` };
    if (step === 'send') await own.send('orders', `${index}`, { ...id, TAGS: 'a' }, index % 3);
    if (step === 'delay')
      await own.send('times', `${index}`, { ...id, DELAY: `${14 + (index % 5)}` });
    if (step === 'timer') await own.send('times', `${index}`, later, 1);
    if (step === 'fire') {
      await own.send('times', `${index}`, soon);
      await own.pop('times', 'watchers', 1);
    }
    if (step === 'recall') {
      await own.recall('times', String((await own.send('times', 'r', later)).recallHandle));
    }
    if (step === 'half') await own.send('deals', `${index}`, half);
    if (step === 'commit') await own.end('deals', await own.send('deals', 'c', half), 'COMMIT');
    if (step === 'rollback') await own.end('deals', await own.send('deals', 'r', half), 'ROLLBACK');
    if (step === 'ack') {
      await own.send('orders', `${index}`, id, 2);
      const { messages } = await own.pop('orders', 'billing', 3);
      await own.ack('orders', 'billing', [messages[0]?.receiptHandle ?? '']);
    }
  }
  await own.commit('orders', 'readers', 1, 1);
}

test('what ours holds comes back the same, whatever happened to it', async () => {
  const plans = fc.array(fc.constantFrom(...steps), { minLength: 1, maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const dataDir = temporaryFolder();
      const own = await OwnStore.open(dataDir, { segmentSizeBytes: 4 << 10 });
      await fill(own, plan);
      await own.close();
      const to = join(temporaryFolder(), 'store');
      await exportStore(dataDir, to);
      const [before, after] = await back(dataDir, to);
      expect(after).toEqual(before);
    }),
    { numRuns: 4 },
  );
});

test('a level message that fired among those that wait does not fire again', async () => {
  const dataDir = temporaryFolder();
  const own = await OwnStore.open(dataDir);
  await fill(own, ['delay', 'send', 'fire']);
  await own.close();
  const to = join(temporaryFolder(), 'store');
  await exportStore(dataDir, to);
  const config = JSON.parse(readFileSync(join(to, 'config/delayOffset.json'), 'utf8'));
  expect(config.offsetTable).toEqual({ 14: 0 });
  const entry = readFileSync(join(to, 'consumequeue/SCHEDULE_TOPIC_XXXX/13/00000000000000000000'));
  // A delivery time, where others have the hash of their tag.
  expect(Number(entry.readBigInt64BE(12))).toBeGreaterThan(Date.now());
});

test('the wheel has the waiting timers only, and nothing of the log is taken up again', async () => {
  const dataDir = temporaryFolder();
  const own = await OwnStore.open(dataDir);
  await fill(own, ['timer', 'fire', 'timer', 'recall', 'fire']);
  await own.close();
  const to = join(temporaryFolder(), 'store');
  await exportStore(dataDir, to);
  const log = readFileSync(join(to, 'timerlog/00000000000000000000'));
  const wheel = readFileSync(join(to, 'timerwheel'));
  const found: number[] = [];
  for (let at = 0; at < wheel.length; at += 32) {
    if (wheel.readBigInt64BE(at) === 0n) continue;
    const last = Number(wheel.readBigInt64BE(at + 16));
    const outMs = Number(log.readBigInt64BE(last + 16)) + log.readInt32BE(last + 24);
    expect(outMs).toBe(Number(wheel.readBigInt64BE(at)) * 1_000);
    found.push(Number(log.readBigInt64BE(last + 28)));
  }
  const waiting = await withStore(dataDir, async ({ store }) => {
    const offsets: number[] = [];
    for (const message of await messagesOf(store, store.queue('rmq_sys_wheel_timer', 0))) {
      const key = decodeProperties(message?.properties ?? Buffer.alloc(0)).get('UNIQ_KEY') ?? '';
      if (message !== undefined && ['id-0', 'id-2'].includes(key))
        offsets.push(message.physicalOffset);
    }
    return offsets;
  });
  expect(found.sort((a, b) => a - b)).toEqual(waiting);
  const check = readFileSync(join(to, 'config/timercheck'));
  expect(Number(check.readBigInt64BE(16))).toBe(6);
  // The last entry names the last record of the topic: Apache goes on behind it.
  expect(Number(check.readBigInt64BE(8))).toBe(3 * 52);
});

test('a lost message is an empty one that says so: Apache cannot leave an offset out', async () => {
  const dataDir = temporaryFolder();
  const own = await OwnStore.open(dataDir, { segmentSizeBytes: 4 << 10 });
  await own.topic('orders', 1);
  const sent = [];
  for (let index = 0; index < 40; index++)
    sent.push(await own.send('orders', `${index}`.repeat(50)));
  await own.close();
  const hit = sent[3]?.physicalOffset ?? 0;
  const path = join(dataDir, 'broker/commitlog/00000000000000000000');
  const bytes = readFileSync(path);
  bytes.write('damage', hit + 95);
  writeFileSync(path, bytes);
  const { rm } = await import('node:fs/promises');
  await rm(join(dataDir, 'broker/index'), { recursive: true });
  const to = join(temporaryFolder(), 'store');
  expect(await exportStore(dataDir, to)).toMatchObject({ lost: 1 });
  const back = temporaryFolder();
  expect(await importStore(to, back)).toMatchObject({ holes: [] });
  await withStore(back, async ({ store }) => {
    const messages = await messagesOf(store, store.queue('orders', 0));
    const bodies = messages.map((one) => String(one?.body));
    expect(bodies.length).toBe(40);
    expect(bodies[2]).toBe('2'.repeat(50));
    expect(messages[3]).toBeUndefined();
    expect(bodies[4]).toBe('4'.repeat(50));
  });
});

test('a folder that has something, no store, a store in use: one line, and nothing is left behind', async () => {
  const dataDir = temporaryFolder();
  await expect(exportStore(dataDir, join(dataDir, 'x'))).rejects.toMatchObject({ code: 'USAGE' });
  const own = await OwnStore.open(dataDir);
  await own.topic('orders', 1);
  const to = temporaryFolder();
  await expect(exportStore(dataDir, join(to, 'x'))).rejects.toMatchObject({
    code: 'DATA_DIR_IN_USE',
  });
  await own.close();
  writeFileSync(join(to, 'file'), '');
  await expect(exportStore(dataDir, to)).rejects.toMatchObject({ code: 'USAGE' });
  expect(readdirSync(to)).toEqual(['file']);
});
