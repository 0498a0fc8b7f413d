/** `rmq store …` on the data folder of a real server that is stopped, damaged, and started again. */
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startRmq } from '../../src/index.ts';
import { rmq } from '../support/cli.ts';

const messageCount = 40;
let folder: string;

/** Runs a command of the noun on the folder; what it prints, one JSON object a line. */
async function store(verb: string): Promise<{ code: number | null; rows: unknown[] }> {
  const { code, stdout } = await rmq(['store', verb, folder, '--output', 'json']);
  const isStream = verb === 'verify' || verb === 'repair';
  const texts = isStream ? stdout.split('\n').filter((line) => line !== '') : [stdout];
  return { code, rows: texts.map((text) => JSON.parse(text) as unknown) };
}

async function flip(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 4;
  await file.write(byte, 0, 1, position);
  await file.close();
}

beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/rmq-store-`);
  const mine = folder;
  onTestFinished(() => rm(mine, { recursive: true }));
  const server = await startRmq({ dataDir: folder, topics: { kept: { queues: 2 } } });
  for (let index = 0; index < messageCount; index++) {
    await server.send('kept', { body: `message ${index} ${'x'.repeat(200)}`, key: `k${index}` });
  }
  await server.stop();
});

const logPath = (): string => `${folder}/broker/commitlog/${'0'.repeat(20)}`;

describe('a whole store', () => {
  test('inspect shows what is in it, verify finds nothing', async () => {
    expect(await store('inspect')).toMatchObject({
      code: 0,
      rows: [{ isStoppedInOrder: true, topicCount: 1, messageCount, segmentCount: 1 }],
    });
    const { code, rows } = await store('verify');
    expect({ code, rows }).toMatchObject({ code: 0 });
    expect(rows).toContainEqual(
      expect.objectContaining({ part: `log ${'0'.repeat(20)}`, count: messageCount }),
    );
    expect(await store('repair')).toMatchObject({ code: 0, rows: [] });
  });

  test('reading goes beside a broker, changing does not', async () => {
    const server = await startRmq({ dataDir: folder });
    expect((await store('verify')).code).toBe(0);
    expect((await store('inspect')).code).toBe(0);
    const refused = await rmq(['store', 'repair', folder]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/is in use/);
    expect((await rmq(['store', 'rebuild-index', folder])).stderr).toMatch(/is in use/);
    await server.stop();
  });

  test('rebuild-index gives the same store', async () => {
    expect(await store('rebuild-index')).toMatchObject({ code: 0, rows: [{ messageCount }] });
    expect((await store('verify')).code).toBe(0);
    expect(await store('inspect')).toMatchObject({ rows: [{ messageCount }] });
  });

  test('a folder without a store is wrong usage', async () => {
    expect((await rmq(['store', 'verify', tmpdir()])).code).toBe(2);
  });
});

describe('a damaged store', () => {
  test('verify finds a flipped bit, repair turns it back, and nothing is lost', async () => {
    await flip(logPath(), 150);
    const found = await rmq(['store', 'verify', folder]);
    expect(found.code).toBe(1);
    expect(found.stderr).toMatch(/rmq store repair/);
    expect(await store('repair')).toMatchObject({ code: 0, rows: [{ action: 'mended' }] });
    expect((await store('verify')).code).toBe(0);
    expect(await readdir(`${folder}/broker/mended`)).toEqual(['0']);
  });

  test('what cannot be mended is named, and the rest is served', async () => {
    const file = await open(logPath(), 'r+');
    await file.write(Buffer.alloc(512), 0, 512, 1_024);
    await file.close();
    const repaired = await store('repair');
    expect(repaired.code).toBe(6);
    expect(repaired.rows).toMatchObject([{ action: 'lost', part: 'log' }]);
    const server = await startRmq({ dataDir: folder });
    expect((await server.send('kept', { body: 'next' })).messageId).toBeDefined();
    await server.stop();
  });

  test('a damaged index is built again, topics stay', async () => {
    const names = await readdir(`${folder}/broker/index`);
    for (const name of names.filter((one) => /\.(log|ldb)$/.test(one))) {
      await flip(`${folder}/broker/index/${name}`, 40).catch(() => undefined);
    }
    expect((await store('verify')).code).toBe(1);
    expect((await store('repair')).rows).toMatchObject([{ action: 'rebuilt', part: 'index' }]);
    expect((await store('verify')).code).toBe(0);
    expect(await store('inspect')).toMatchObject({ rows: [{ messageCount, topicCount: 1 }] });
  });
});
