/**
 * Files as a port. Implementations: `node-files.ts` (the disk), `memory-files.ts` (`--memory`,
 * tests) and `test/sim` (a disk that loses unsynced writes, tears sectors, fills up and fails).
 *
 * Every operation rejects with the platform's error (`code` such as ENOSPC or EIO); what the caller
 * makes of it is the caller's business. Paths are absolute or relative to the process; parts are
 * joined by the caller with `/`.
 */

export interface FileStat {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly isDirectory: boolean;
}

/** An open file. Reads and writes name their position; there is no cursor. */
export interface OpenFile {
  /** Reads up to `size` bytes at `position` into `target` at `at`; resolves to the bytes read, 0 at the end. */
  read(target: Buffer, at: number, size: number, position: number): Promise<number>;
  /** Writes all of `source` at `position`. After a rejection the range's content is undefined. */
  write(source: Uint8Array, position: number): Promise<void>;
  /** Makes everything written so far survive a power cut (fdatasync). A rejection is final. */
  datasync(): Promise<void>;
  /**
   * As `write` and then `datasync`, for these bytes alone, in one step. Undefined: cannot be done so. When it rejects,
   * nothing is known of any of the bytes.
   */
  writeSynced?(source: Uint8Array, position: number): Promise<void>;
  /**
   * As `write`, done when it returns. Handing a small write to another thread costs several times what the
   * write does; but this one waits, and all with it, when the system makes writers wait. Undefined: there is none.
   */
  writeNow?(source: Uint8Array, position: number): void;
  truncate(sizeBytes: number): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

/** Held while a process uses a data folder. */
export interface FolderLock {
  release(): Promise<void>;
}

export interface Files {
  /**
   * Opens for reading and writing; `create` makes the file when it is missing, else ENOENT. `isReadOnly`: nothing
   * will be written, and the right to is not needed.
   */
  open(
    path: string,
    options: { readonly create: boolean; readonly isReadOnly?: true },
  ): Promise<OpenFile>;
  readFile(path: string): Promise<Buffer>;
  /** Replaces the file in one step that survives a power cut: temporary file, sync, rename, folder sync. */
  replaceFile(path: string, content: Uint8Array): Promise<void>;
  /** Names in the folder, sorted; ENOENT when there is none. */
  list(folder: string): Promise<string[]>;
  stat(path: string): Promise<FileStat>;
  /** Makes the folder and those above it that are missing; they survive a power cut. */
  makeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes creations, removals and renames in the folder survive a power cut. */
  syncFolder(folder: string): Promise<void>;
  /** Bytes that this process may still write on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
  /**
   * Takes the folder for this process alone; the lock ends with the process, however it dies.
   * @throws RmqError DATA_DIR_IN_USE naming the holder's pid when somebody has it.
   */
  lockFolder(folder: string): Promise<FolderLock>;
}
