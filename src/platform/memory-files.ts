/**
 * Files in memory: `rmq start --memory`, and tests. Every write is durable at once; what a real disk
 * loses and breaks is simulated in `test/sim`, not here. Removed files stay readable through open
 * handles, as on POSIX.
 */
import { RmqError } from '../protocol/errors.ts';
import type { FileStat, Files, FolderLock, OpenFile } from './files.ts';

class MemoryFile implements OpenFile {
  content: Buffer = Buffer.alloc(0);
  size = 0;
  modifiedMs: number;
  private readonly disk: MemoryFiles;

  constructor(disk: MemoryFiles) {
    this.disk = disk;
    this.modifiedMs = disk.nowMs();
  }

  async read(target: Buffer, at: number, size: number, position: number): Promise<number> {
    const end = Math.min(position + size, this.size);
    if (end <= position) return 0;
    return this.content.copy(target, at, position, end);
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    const end = position + source.length;
    if (end > this.size) this.resize(end);
    this.content.set(source, position);
    this.modifiedMs = this.disk.nowMs();
  }

  async datasync(): Promise<void> {}

  async truncate(sizeBytes: number): Promise<void> {
    if (sizeBytes < this.size) this.content.fill(0, sizeBytes, this.size);
    this.resize(sizeBytes);
  }

  async sizeBytes(): Promise<number> {
    return this.size;
  }

  async close(): Promise<void> {}

  /** Content beyond the size is always zero. */
  resize(size: number): void {
    this.disk.take(size - this.size);
    if (size > this.content.length) {
      const grown = Buffer.alloc(
        Math.max(size, Math.min(this.content.length * 2, size + (16 << 20))),
      );
      this.content.copy(grown, 0, 0, this.size);
      this.content = grown;
    }
    this.size = size;
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/** A file system in memory with a capacity. */
export class MemoryFiles implements Files {
  private readonly files = new Map<string, MemoryFile>();
  private readonly folders = new Set<string>(['/', '.']);
  private readonly locks = new Set<string>();
  private readonly clockMs: () => number;
  /** May be changed at any time, to fill the disk or to free it. */
  capacityBytes: number;
  private usedBytes = 0;

  constructor(options: { readonly capacityBytes?: number; readonly nowMs?: () => number } = {}) {
    this.capacityBytes = options.capacityBytes ?? 64 * 2 ** 30;
    this.clockMs = options.nowMs ?? (() => 0);
  }

  nowMs(): number {
    return this.clockMs();
  }

  /** Counts bytes taken or, when negative, given back. @throws ENOSPC */
  take(sizeBytes: number): void {
    if (sizeBytes > 0 && this.usedBytes + sizeBytes > this.capacityBytes) {
      throw failure('ENOSPC', 'memory is full');
    }
    this.usedBytes += sizeBytes;
  }

  async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    const file = this.files.get(path);
    if (file !== undefined) return file;
    if (!options.create || !this.folders.has(parentOf(path))) throw failure('ENOENT', path);
    const created = new MemoryFile(this);
    this.files.set(path, created);
    return created;
  }

  async readFile(path: string): Promise<Buffer> {
    const file = this.mustFind(path);
    return Buffer.from(file.content.subarray(0, file.size));
  }

  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    if (!this.folders.has(parentOf(path))) throw failure('ENOENT', path);
    const file = new MemoryFile(this);
    await file.write(content, 0);
    this.forget(path);
    this.files.set(path, file);
  }

  async list(folder: string): Promise<string[]> {
    if (!this.folders.has(folder)) throw failure('ENOENT', folder);
    const names: string[] = [];
    for (const path of [...this.files.keys(), ...this.folders]) {
      if (path !== folder && parentOf(path) === folder) names.push(path.slice(folder.length + 1));
    }
    return names.sort();
  }

  async stat(path: string): Promise<FileStat> {
    if (this.folders.has(path)) return { sizeBytes: 0, modifiedMs: 0, isDirectory: true };
    const file = this.mustFind(path);
    return { sizeBytes: file.size, modifiedMs: file.modifiedMs, isDirectory: false };
  }

  async makeFolder(path: string): Promise<void> {
    let folder = path;
    while (!this.folders.has(folder)) {
      this.folders.add(folder);
      const parent = parentOf(folder);
      if (!folder.includes('/')) break;
      folder = parent;
    }
  }

  async remove(path: string): Promise<void> {
    this.mustFind(path);
    this.forget(path);
  }

  async removeFolder(path: string): Promise<void> {
    for (const name of [...this.files.keys()]) {
      if (name.startsWith(`${path}/`)) this.forget(name);
    }
    for (const name of [...this.folders]) {
      if (name === path || name.startsWith(`${path}/`)) this.folders.delete(name);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    if (this.folders.has(from)) {
      this.renameFolder(from, to);
      return;
    }
    const file = this.mustFind(from);
    if (from === to) return;
    this.forget(to);
    this.files.delete(from);
    this.files.set(to, file);
  }

  private renameFolder(from: string, to: string): void {
    const moved = (path: string): string => to + path.slice(from.length);
    for (const [path, file] of [...this.files]) {
      if (!path.startsWith(`${from}/`)) continue;
      this.files.delete(path);
      this.files.set(moved(path), file);
    }
    for (const path of [...this.folders]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.folders.delete(path);
      this.folders.add(moved(path));
    }
  }

  async syncFolder(_folder: string): Promise<void> {}

  async freeBytes(_path: string): Promise<number> {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  async lockFolder(folder: string): Promise<FolderLock> {
    if (this.locks.has(folder)) {
      throw new RmqError('DATA_DIR_IN_USE', `data folder ${folder} is in use by this process`);
    }
    await this.makeFolder(folder);
    this.locks.add(folder);
    return {
      release: async () => {
        this.locks.delete(folder);
      },
    };
  }

  private forget(path: string): void {
    const file = this.files.get(path);
    if (file === undefined) return;
    this.take(-file.size);
    this.files.delete(path);
  }

  private mustFind(path: string): MemoryFile {
    const file = this.files.get(path);
    if (file === undefined) throw failure('ENOENT', path);
    return file;
  }
}
