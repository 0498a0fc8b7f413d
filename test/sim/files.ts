/**
 * The port `Files` of one life of a process over a `SimDisk`. Operations take simulated time and
 * complete in the order that the seed says; what is under way when the process dies happens wholly,
 * in part, or not at all.
 */

import type { FileStat, Files, FolderLock, OpenFile } from '../../src/platform/files.ts';
import { RmqError } from '../../src/protocol/errors.ts';
import { epochMs } from './clock.ts';
import { pageBytes } from './content.ts';
import { Inode, parentOf, type SimDisk } from './disk.ts';
import { type DiskFaults, systemError } from './faults.ts';
import { type Incarnation, never } from './incarnation.ts';
import type { SimRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** What a machine's ports share. */
export interface Hardware {
  readonly scheduler: Scheduler;
  readonly disk: SimDisk;
  readonly random: SimRandom;
  readonly trace: Trace;
  faults: DiskFaults;
}

interface Operation<T> {
  readonly name: string;
  readonly failRate: (faults: DiskFaults) => number;
  readonly usual: readonly [lowUs: number, highUs: number];
  /** The effect and the result. */
  readonly complete: () => T;
  /** The effect when it fails with EIO. */
  readonly fail?: () => void;
  /** The effect when the process dies meanwhile; without one: all of `complete`, or nothing. */
  readonly abandon?: () => void;
}

const namesUs = [20, 300] as const;

export class SimFiles implements Files {
  readonly #hardware: Hardware;
  readonly #incarnation: Incarnation;

  constructor(hardware: Hardware, incarnation: Incarnation) {
    this.#hardware = hardware;
    this.#incarnation = incarnation;
  }

  /** Carries out one operation in simulated time; the only way to the disk. */
  operate<T>(operation: Operation<T>): Promise<T> {
    const { scheduler, random, trace } = this.#hardware;
    if (!this.#incarnation.enter()) return never();
    const { name, usual } = operation;
    trace.note(scheduler.nowUs, `+ ${name}`);
    const { faults } = this.#hardware;
    let delayUs = random.between(usual[0], usual[1]);
    if (random.chance(faults.isSlow)) delayUs += random.below(faults.slowestMs * 1000);
    const isFailing = random.chance(operation.failRate(faults));
    return new Promise<T>((resolve, reject) => {
      const abandon = (): void => {
        planned.isCancelled = true;
        if (operation.abandon !== undefined) operation.abandon();
        else if (random.chance(0.5)) attempt(operation.complete);
      };
      this.#incarnation.onDeath(abandon);
      const planned = scheduler.plan(delayUs, () => {
        this.#incarnation.offDeath(abandon);
        try {
          if (isFailing) {
            operation.fail?.();
            throw systemError('EIO', name);
          }
          const result = operation.complete();
          trace.note(scheduler.nowUs, `- ${name}`);
          resolve(result);
        } catch (error) {
          trace.note(scheduler.nowUs, `! ${name}: ${String(error)}`);
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  get hardware(): Hardware {
    return this.#hardware;
  }

  open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    return this.#names(`open ${path}`, () => {
      const { disk, scheduler } = this.#hardware;
      let inode = disk.lookup(path);
      if (inode === undefined) {
        if (!options.create) throw systemError('ENOENT', `open ${path}`);
        this.#mustBeFolder(parentOf(path), `open ${path}`);
        inode = new Inode(false);
        inode.modifiedUs = scheduler.nowUs;
        disk.setNames(parentOf(path), [[path, inode]]);
      }
      if (inode.isFolder) throw systemError('EISDIR', `open ${path}`);
      return new SimOpenFile(this, path, inode);
    });
  }

  readFile(path: string): Promise<Buffer> {
    return this.operate({
      name: `readFile ${path}`,
      failRate: (faults) => faults.readFails,
      usual: [30, 300],
      complete: () => this.#mustExist(path, `readFile ${path}`).cached.toBuffer(),
    });
  }

  replaceFile(path: string, content: Uint8Array): Promise<void> {
    const source = Buffer.from(content);
    return this.#names(`replaceFile ${path} ${source.length}`, () => {
      const { disk, scheduler } = this.#hardware;
      this.#mustBeFolder(parentOf(path), `replaceFile ${path}`);
      if (disk.freeBytes() < source.length + pageBytes) throw systemError('ENOSPC', path);
      const inode = new Inode(false);
      inode.modifiedUs = scheduler.nowUs;
      disk.write(inode, source, 0);
      disk.datasync(inode, disk.syncMark());
      disk.setNames(parentOf(path), [[path, inode]]);
      disk.syncFolder(parentOf(path));
    });
  }

  list(folder: string): Promise<string[]> {
    return this.#names(`list ${folder}`, () => {
      this.#mustBeFolder(folder, `list ${folder}`);
      return this.#hardware.disk.children(folder);
    });
  }

  stat(path: string): Promise<FileStat> {
    return this.#names(`stat ${path}`, () => {
      const inode = this.#mustExist(path, `stat ${path}`);
      return {
        sizeBytes: inode.cached.sizeBytes,
        modifiedMs: epochMs + Math.floor(inode.modifiedUs / 1000),
        isDirectory: inode.isFolder,
      };
    });
  }

  makeFolder(path: string): Promise<void> {
    return this.#names(`makeFolder ${path}`, () => {
      const { disk } = this.#hardware;
      const parts = path.split('/');
      for (let count = 1; count <= parts.length; count += 1) {
        const folder = parts.slice(0, count).join('/');
        if (disk.lookup(folder) !== undefined) continue;
        disk.setNames(parentOf(folder), [[folder, new Inode(true)]]);
        disk.syncFolder(parentOf(folder));
      }
    });
  }

  remove(path: string): Promise<void> {
    return this.#names(`remove ${path}`, () => {
      this.#mustExist(path, `remove ${path}`);
      this.#hardware.disk.setNames(parentOf(path), [[path, undefined]]);
    });
  }

  removeFolder(path: string): Promise<void> {
    return this.#names(`removeFolder ${path}`, () => {
      const { disk } = this.#hardware;
      for (const inside of disk.paths().reverse()) {
        if (inside !== path && !inside.startsWith(`${path}/`)) continue;
        disk.setNames(parentOf(inside), [[inside, undefined]]);
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#names(`rename ${from} ${to}`, () => {
      const { disk } = this.#hardware;
      const inode = this.#mustExist(from, `rename ${from}`);
      this.#mustBeFolder(parentOf(to), `rename ${to}`);
      disk.setNames(parentOf(to), [
        [from, undefined],
        [to, inode],
      ]);
    });
  }

  syncFolder(folder: string): Promise<void> {
    return this.operate({
      name: `syncFolder ${folder}`,
      failRate: (faults) => faults.namesFail,
      usual: [100, 3_000],
      complete: () => {
        this.#mustBeFolder(folder, `syncFolder ${folder}`);
        this.#hardware.disk.syncFolder(folder);
      },
    });
  }

  freeBytes(path: string): Promise<number> {
    return this.#names(`freeBytes ${path}`, () => this.#hardware.disk.freeBytes());
  }

  lockFolder(folder: string): Promise<FolderLock> {
    const { locks } = this.#hardware.disk;
    return this.operate({
      name: `lockFolder ${folder}`,
      failRate: () => 0,
      usual: namesUs,
      abandon: () => {},
      complete: () => {
        if (locks.has(folder)) {
          throw new RmqError('DATA_DIR_IN_USE', `${folder} is in use by ${locks.get(folder)}`);
        }
        locks.set(folder, this.#incarnation.number);
        this.#incarnation.onDeath(() => locks.delete(folder));
        return {
          release: async () => {
            if (this.#incarnation.isAlive) locks.delete(folder);
          },
        };
      },
    });
  }

  #names<T>(name: string, complete: () => T): Promise<T> {
    const failRate = (faults: DiskFaults): number => faults.namesFail;
    return this.operate({ name, failRate, usual: namesUs, complete });
  }

  #mustExist(path: string, what: string): Inode {
    const inode = this.#hardware.disk.lookup(path);
    if (inode === undefined) throw systemError('ENOENT', what);
    return inode;
  }

  #mustBeFolder(path: string, what: string): void {
    if (!this.#mustExist(path, what).isFolder) throw systemError('ENOTDIR', what);
  }
}

class SimOpenFile implements OpenFile {
  readonly #files: SimFiles;
  readonly #path: string;
  readonly #inode: Inode;
  #isClosed = false;

  constructor(files: SimFiles, path: string, inode: Inode) {
    this.#files = files;
    this.#path = path;
    this.#inode = inode;
  }

  read(target: Buffer, at: number, size: number, position: number): Promise<number> {
    return this.#files.operate({
      name: `read ${this.#path} ${position}+${size}`,
      failRate: (faults) => faults.readFails,
      usual: [10, 200],
      complete: () => {
        this.#mustBeOpen();
        return this.#inode.cached.read(target, at, size, position);
      },
    });
  }

  write(source: Uint8Array, position: number): Promise<void> {
    const { random } = this.#files.hardware;
    // The kernel may take the bytes at any time until the write completes; whoever changes them
    // meanwhile gets either.
    const early = random.chance(0.5) ? Buffer.from(source) : undefined;
    const writePart = (size: number): void => {
      const bytes = early ?? Buffer.from(source);
      if (size > 0) this.#writeWithin(bytes.subarray(0, size), position);
    };
    return this.#files.operate({
      name: `write ${this.#path} ${position}+${source.length}`,
      failRate: (faults) => faults.writeFails,
      usual: [15, 250],
      complete: () => {
        this.#mustBeOpen();
        writePart(source.length);
      },
      fail: () => attempt(() => writePart(random.below(source.length + 1))),
      abandon: () => {
        const isWhole = random.chance(0.3);
        attempt(() => writePart(isWhole ? source.length : random.below(source.length + 1)));
      },
    });
  }

  datasync(): Promise<void> {
    const { disk, random } = this.#files.hardware;
    const mark = disk.syncMark();
    return this.#files.operate({
      name: `datasync ${this.#path}`,
      failRate: (faults) => faults.syncFails,
      usual: [100, 3_000],
      complete: () => {
        this.#mustBeOpen();
        disk.datasync(this.#inode, mark);
      },
      fail: () => disk.failDatasync(this.#inode, mark, random),
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#files.operate({
      name: `truncate ${this.#path} ${sizeBytes}`,
      failRate: (faults) => faults.namesFail,
      usual: namesUs,
      complete: () => {
        this.#mustBeOpen();
        this.#files.hardware.disk.truncate(this.#inode, sizeBytes);
      },
    });
  }

  sizeBytes(): Promise<number> {
    return this.#files.operate({
      name: `size ${this.#path}`,
      failRate: () => 0,
      usual: [5, 20],
      complete: () => this.#inode.cached.sizeBytes,
    });
  }

  close(): Promise<void> {
    return this.#files.operate({
      name: `close ${this.#path}`,
      failRate: () => 0,
      usual: [5, 20],
      complete: () => {
        this.#isClosed = true;
      },
    });
  }

  /** Writes what fits; the rest of a write that finds the disk full is missing. */
  #writeWithin(bytes: Buffer, position: number): void {
    const { disk, scheduler } = this.#files.hardware;
    this.#inode.modifiedUs = scheduler.nowUs;
    const needed = this.#inode.cached.missingPages(position, bytes.length) * pageBytes;
    if (needed === 0 || needed <= disk.freeBytes()) {
      disk.write(this.#inode, bytes, position);
      return;
    }
    let fitting = bytes.length;
    while (
      fitting > 0 &&
      this.#inode.cached.missingPages(position, fitting) * pageBytes > disk.freeBytes()
    ) {
      fitting = Math.max(0, fitting - pageBytes);
    }
    if (fitting > 0) disk.write(this.#inode, bytes.subarray(0, fitting), position);
    throw systemError('ENOSPC', `write ${this.#path}`);
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw systemError('EBADF', this.#path);
  }
}

function attempt(run: () => unknown): void {
  try {
    run();
  } catch {
    // A dying process hears of no error.
  }
}
