/** The simulated disk and database lose exactly what they may lose. */
import { expect, test } from 'vitest';
import { DatabaseDisk } from './database.ts';
import { Inode, SimDisk } from './disk.ts';
import { SimRandom } from './random.ts';

function diskWith(path: string): { readonly disk: SimDisk; readonly inode: Inode } {
  const disk = new SimDisk();
  disk.setNames('', [['folder', new Inode(true)]]);
  disk.syncFolder('');
  const inode = new Inode(false);
  disk.setNames('folder', [[path, inode]]);
  disk.syncFolder('folder');
  return { disk, inode };
}

function afterCut(disk: SimDisk, path: string, seed: number): string {
  disk.powerCut(new SimRandom(seed));
  return disk.lookup(path)?.cached.toBuffer().toString() ?? '';
}

test('a synced write survives every power cut, an unsynced one some', () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 50; seed += 1) {
    const { disk, inode } = diskWith('folder/f');
    disk.write(inode, Buffer.from('kept'), 0);
    disk.datasync(inode, disk.syncMark());
    disk.write(inode, Buffer.from('MORE'), 4);
    const found = afterCut(disk, 'folder/f', seed);
    expect(found.startsWith('kept')).toBe(true);
    outcomes.add(found);
  }
  expect([...outcomes].sort()).toEqual(['kept', 'keptMORE']);
});

test('a sync covers what was written before it was asked for, not what came later', () => {
  let lost = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const { disk, inode } = diskWith('folder/f');
    const mark = disk.syncMark();
    disk.write(inode, Buffer.from('late'), 0);
    disk.datasync(inode, mark);
    if (afterCut(disk, 'folder/f', seed) !== 'late') lost += 1;
  }
  expect(lost).toBeGreaterThan(0);
});

test('what a failed sync dropped is seen, and no later sync brings it back', () => {
  let lost = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const { disk, inode } = diskWith('folder/f');
    disk.write(inode, Buffer.from('data'), 0);
    disk.failDatasync(inode, disk.syncMark(), new SimRandom(seed));
    expect(inode.cached.toBuffer().toString()).toBe('data');
    disk.datasync(inode, disk.syncMark());
    if (afterCut(disk, 'folder/f', seed) !== 'data') lost += 1;
  }
  expect(lost).toBeGreaterThan(0);
});

test('large unsynced writes tear at sectors', () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= 200; seed += 1) {
    const { disk, inode } = diskWith('folder/f');
    disk.write(inode, Buffer.alloc(2_048, '.'), 0);
    disk.datasync(inode, disk.syncMark());
    disk.write(inode, Buffer.alloc(2_048, 'x'), 0);
    const found = afterCut(disk, 'folder/f', seed);
    kinds.add([0, 512, 1_024, 1_536].map((at) => found[at]).join(''));
  }
  expect(kinds.size).toBeGreaterThan(8);
});

test('a new name may be gone without a sync of its folder', () => {
  let lost = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const { disk } = diskWith('folder/f');
    disk.setNames('folder', [['folder/new', new Inode(false)]]);
    disk.powerCut(new SimRandom(seed));
    if (disk.lookup('folder/new') === undefined) lost += 1;
  }
  expect(lost).toBeGreaterThan(0);
  expect(lost).toBeLessThan(50);
});

test('a database loses a suffix of its unsynced batches, never a synced one', () => {
  const put = (name: string) =>
    ({ type: 'put', key: Buffer.from(name), value: Buffer.from('1') }) as const;
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const disk = new DatabaseDisk();
    disk.keep([put('a')], { isSynced: false });
    disk.keep([put('b')], { isSynced: true });
    disk.keep([put('c')], { isSynced: false });
    disk.keep([put('d')], { isSynced: false });
    disk.powerCut(new SimRandom(seed));
    outcomes.add(
      disk
        .content()
        .map(({ key }) => key.toString())
        .join(''),
    );
  }
  expect([...outcomes].sort()).toEqual(['ab', 'abc', 'abcd']);
});
