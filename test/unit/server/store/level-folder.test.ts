/** LevelDB's files, read without LevelDB: the rows are the same, and no changed byte passes unseen. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Level } from 'level';
import { expect, onTestFinished, test } from 'vitest';
import { MemoryFiles } from '../../../../src/platform/memory-files.ts';
import { NodeFiles } from '../../../../src/platform/node-files.ts';
import { withChecksum } from '../../../../src/server/store/index/checked-database.ts';
import { readLevelFolder } from '../../../../src/server/store/index/level/level-folder.ts';
import { isGenuine } from '../../../../src/server/store/index/open-database.ts';
import { SimRandom } from '../../../sim/random.ts';

/** A database with tables and a log, as files in memory, and the rows that it should have. */
async function database(
  compression: boolean,
): Promise<{ files: MemoryFiles; rows: Map<string, string> }> {
  const folder = await mkdtemp(`${tmpdir()}/rmq-level-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  const rows = new Map<string, string>();
  for (let life = 0; life < 3; life++) {
    const level = new Level<string, Uint8Array>(folder, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      compression,
    });
    for (let index = 0; index < 300; index++) {
      const key = `s/${(index * 7 + life) % 250}`;
      const value = `${life} ${index} ${'x'.repeat(index % 90)}`;
      await level.put(key, withChecksum(key, Buffer.from(value)));
      rows.set(key, value);
      if (index % 9 > 0) continue;
      const gone = `s/${index % 200}`;
      await level.del(gone);
      rows.delete(gone);
    }
    await level.close();
  }
  const node = new NodeFiles();
  const files = new MemoryFiles();
  await files.makeFolder('/db');
  for (const name of await node.list(folder)) {
    if (name === 'LOCK' || name.startsWith('LOG')) continue;
    await files.replaceFile(`/db/${name}`, await node.readFile(`${folder}/${name}`));
  }
  return { files, rows };
}

async function rowsOf(
  files: MemoryFiles,
): Promise<{ rows: Map<string, string>; problems: number }> {
  const content = await readLevelFolder(files, '/db', { isGenuine });
  const rows = new Map<string, string>();
  for (const [key, stored] of content?.rows ?? []) rows.set(key, String(stored.subarray(0, -4)));
  return { rows, problems: content?.problems.length ?? 0 };
}

test.each([true, false])('rows of tables and log, compression %s', async (compression) => {
  const { files, rows } = await database(compression);
  expect((await files.list('/db')).filter((name) => name.endsWith('.ldb')).length).toBeGreaterThan(
    1,
  );
  const read = await rowsOf(files);
  expect(read.problems).toBe(0);
  expect(read.rows).toEqual(rows);
});

test('any flipped bit is found, costs a few rows and makes none up', async () => {
  const { files, rows } = await database(false);
  const random = new SimRandom(1);
  const names = await files.list('/db');
  let lost = 0;
  const runCount = 400;
  for (let run = 0; run < runCount; run++) {
    const path = `/db/${random.pick(names)}`;
    const content = await files.readFile(path);
    const at = random.below(content.length);
    const changed = Buffer.from(content);
    changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
    await files.replaceFile(path, changed);
    const read = await rowsOf(files);
    expect(read.problems, `${path} at ${at}`).toBeGreaterThan(0);
    for (const [key, value] of read.rows) {
      // A row may be as it was before, when its newest version was hit; never something else.
      if (rows.get(key) !== value) expect(value).toMatch(/^\d \d+ x*$/);
    }
    for (const [key, value] of rows) if (read.rows.get(key) !== value) lost++;
    await files.replaceFile(path, content);
  }
  expect(lost / runCount).toBeLessThan(3);
});

test('a folder that is none', async () => {
  expect(await readLevelFolder(new MemoryFiles(), '/none', { isGenuine })).toBeUndefined();
});
