/** `Files` on the disk, over node:fs. */

import { constants, existsSync, readFileSync, writeSync } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RmqError } from '../protocol/errors.ts';
import type { FileStat, Files, FolderLock, OpenFile } from './files.ts';

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  /** The same file, each write to which is on the disk when it returns; made by the first of them. */
  #synced: Promise<FileHandle | undefined> | undefined = undefined;
  readonly writeSynced?: (source: Uint8Array, position: number) => Promise<void>;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
    if (constants.O_DSYNC === undefined) return; // Windows has none
    this.writeSynced = async (source, position) => {
      const flags = constants.O_WRONLY | constants.O_DSYNC;
      this.#synced ??= open(this.#path, flags).catch(() => undefined);
      const synced = await this.#synced;
      if (synced !== undefined) return await writeAll(synced, source, position);
      // No handle to be had: two steps do as well.
      await this.write(source, position);
      await this.datasync();
    };
  }

  async read(target: Buffer, at: number, size: number, position: number): Promise<number> {
    let done = 0;
    while (done < size) {
      const { bytesRead } = await this.#handle.read(
        target,
        at + done,
        size - done,
        position + done,
      );
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  write(source: Uint8Array, position: number): Promise<void> {
    return writeAll(this.#handle, source, position);
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  writeNow(source: Uint8Array, position: number): void {
    for (let done = 0; done < source.length; ) {
      done += writeSync(this.#handle.fd, source, done, source.length - done, position + done);
    }
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#handle.truncate(sizeBytes);
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await (await this.#synced)?.close();
    await this.#handle.close();
  }
}

async function writeAll(handle: FileHandle, source: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < source.length) {
    const { bytesWritten } = await handle.write(
      source,
      done,
      source.length - done,
      position + done,
    );
    done += bytesWritten;
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export class NodeFiles implements Files {
  async open(
    path: string,
    options: { readonly create: boolean; readonly isReadOnly?: true },
  ): Promise<OpenFile> {
    if (options.isReadOnly === true) return new NodeFile(await open(path, 'r'), path);
    try {
      return new NodeFile(await open(path, 'r+'), path);
    } catch (error) {
      if (!options.create || codeOf(error) !== 'ENOENT') throw error;
      return new NodeFile(await open(path, 'wx+'), path);
    }
  }

  readFile(path: string): Promise<Buffer> {
    return readFile(path);
  }

  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    const temporary = `${path}.new`;
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncPath(dirname(path));
  }

  async list(folder: string): Promise<string[]> {
    return (await readdir(folder)).sort();
  }

  async stat(path: string): Promise<FileStat> {
    const found = await stat(path);
    return {
      sizeBytes: found.size,
      modifiedMs: found.mtimeMs,
      isDirectory: found.isDirectory(),
    };
  }

  async makeFolder(path: string): Promise<void> {
    const first = await mkdir(path, { recursive: true });
    // Names of new folders survive a power cut only when their own folder has been synced. The last
    // one is synced always: a process may have died between the two steps.
    const top = dirname(resolve(first ?? path));
    for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
      await syncPath(folder);
      if (folder === top || folder === dirname(folder)) return;
    }
  }

  remove(path: string): Promise<void> {
    return unlink(path);
  }

  async removeFolder(path: string): Promise<void> {
    await rmdir(path);
  }

  rename(from: string, to: string): Promise<void> {
    return rename(from, to);
  }

  syncFolder(folder: string): Promise<void> {
    return syncPath(folder);
  }

  async freeBytes(path: string): Promise<number> {
    const found = await statfs(path);
    return found.bavail * found.bsize;
  }

  /**
   * A file `LOCK` that names its holder by pid and start time. Whoever finds it checks whether that
   * very process still lives, so a lock ends with its holder, however it died.
   */
  async lockFolder(folder: string): Promise<FolderLock> {
    const path = `${folder}/LOCK`;
    const mine = holderText(process.pid);
    const draft = `${path}.${process.pid}`;
    await writeFile(draft, mine);
    try {
      for (let attempt = 0; attempt < 5; attempt++) {
        try {
          await link(draft, path); // one step: the name and its content appear together
          return { release: () => release(path, mine) };
        } catch (error) {
          if (codeOf(error) !== 'EEXIST') throw error;
        }
        await dropStaleLock(path, folder);
      }
    } finally {
      await rm(draft, { force: true });
    }
    throw inUse(folder, 'several processes start at once');
  }
}

async function release(path: string, mine: string): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => '');
  if (found === mine) await rm(path, { force: true });
}

async function dropStaleLock(path: string, folder: string): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found === undefined) return;
  const pid = Number(found.split(' ')[0]);
  if (Number.isInteger(pid) && pid > 0 && holderText(pid) === found && isAlive(pid)) {
    throw inUse(folder, `process ${pid} has it`);
  }
  await rm(path, { force: true });
}

function inUse(folder: string, why: string): RmqError {
  return new RmqError('DATA_DIR_IN_USE', `the data folder ${folder} is in use: ${why}`, {
    hint: 'stop that process, or name another folder with --data',
  });
}

/** Pid and, where the system tells it, the start time: a pid alone may be somebody else's by now. */
function holderText(pid: number): string {
  const path = `/proc/${pid}/stat`;
  if (!existsSync('/proc/self/stat')) return `${pid} -`;
  try {
    const text = readFileSync(path, 'utf8');
    // Field 22 counts from behind the command's closing parenthesis, which may hold spaces.
    return `${pid} ${text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '-'}`;
  } catch {
    return `${pid} gone`; // No such process: never equal to what a living one wrote.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}
