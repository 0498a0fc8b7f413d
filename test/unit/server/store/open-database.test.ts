/** A damaged database is replaced by what is whole in it, whenever that is cut short. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { NodeFiles } from '../../../../src/platform/node-files.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import {
  withChecksum,
  withoutChecksum,
} from '../../../../src/server/store/index/checked-database.ts';
import type { Database } from '../../../../src/server/store/index/database.ts';
import { levelDatabaseFactory } from '../../../../src/server/store/index/level-database.ts';
import { openDatabase } from '../../../../src/server/store/index/open-database.ts';

const rowCount = 40;

async function folderWithDatabase(): Promise<string> {
  const root = await mkdtemp(`${tmpdir()}/rmq-open-`);
  onTestFinished(() => rm(root, { recursive: true }));
  const folder = `${root}/index`;
  const open = await levelDatabaseFactory(folder);
  for (const life of [1, 2]) {
    const database = open();
    await database.open();
    for (let index = 0; index < rowCount; index++) {
      const key = `s/row/${index}`;
      const value = withChecksum(key, Buffer.from(`${life}`));
      await database.batch([{ type: 'put', key, value }], { sync: false });
    }
    await database.close();
  }
  return folder;
}

async function open(folder: string, files: NodeFiles = new NodeFiles()) {
  return await openDatabase({
    files,
    folder,
    open: await levelDatabaseFactory(folder),
    takeOver: (rows) => rows,
    nowMs: 1,
    logger: silentLogger,
  });
}

async function rowsOf(database: Database): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for await (const [key, stored] of database.iterator({ gte: 's/', lt: 's0' })) {
    rows.set(key, String(Buffer.from(withoutChecksum(key, stored) ?? [])));
  }
  await database.close();
  return rows;
}

/** One bit of the newest log. */
async function damage(folder: string): Promise<void> {
  const name =
    (await readdir(folder))
      .filter((one) => one.endsWith('.log'))
      .sort()
      .pop() ?? '';
  const content = await readFile(`${folder}/${name}`);
  const at = content.length >> 1;
  content[at] = (content[at] ?? 0) ^ 1;
  await writeFile(`${folder}/${name}`, content);
}

test('a whole database is opened as it is', async () => {
  const folder = await folderWithDatabase();
  const { database, problems } = await open(folder);
  expect(problems).toEqual([]);
  expect((await rowsOf(database)).size).toBe(rowCount);
});

test('a damaged one is moved aside, and its rows taken over', async () => {
  const folder = await folderWithDatabase();
  await damage(folder);
  const { database, problems } = await open(folder);
  expect(problems).toHaveLength(1);
  const rows = await rowsOf(database);
  expect(rows.size).toBe(rowCount);
  expect([...rows.values()].filter((value) => value === '2').length).toBeGreaterThan(rowCount - 3);
  expect(await readdir(`${folder}/..`)).toEqual(['index', 'index.damaged-1']);
  const again = await open(folder);
  expect(again.problems).toEqual([]);
  expect(await rowsOf(again.database)).toEqual(rows);
});

test.each([1, 2])('cut short at rename %d, it is finished the next time', async (which) => {
  const folder = await folderWithDatabase();
  await damage(folder);
  const files = new NodeFiles();
  const rename = files.rename.bind(files);
  let count = 0;
  files.rename = (from, to) => {
    count++;
    return count === which ? Promise.reject(new Error('the machine stops')) : rename(from, to);
  };
  await expect(open(folder, files)).rejects.toThrow('the machine stops');
  const { database } = await open(folder);
  const rows = await rowsOf(database);
  expect(rows.size).toBe(rowCount);
  expect([...rows.values()].filter((value) => value === '2').length).toBeGreaterThan(rowCount - 3);
});

test('one that somebody has open is left alone', async () => {
  const folder = await folderWithDatabase();
  const first = await open(folder);
  await expect(open(folder)).rejects.toThrow('failed to open');
  expect((await rowsOf(first.database)).size).toBe(rowCount);
  expect(await readdir(`${folder}/..`)).toEqual(['index']);
});
