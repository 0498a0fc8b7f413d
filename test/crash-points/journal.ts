/**
 * A disk and a database in memory that write down every change, so that each state in which a crash can leave
 * them can be built afterwards (`images.ts`). Operations are immediate; what is on the platters is what the
 * journal says was synced.
 */
import type { FileStat, Files, FolderLock, OpenFile } from '../../src/platform/files.ts';
import type {
  Database,
  DatabaseOperation,
  DatabaseRange,
} from '../../src/server/store/index/database.ts';

export type Rows = ReadonlyMap<string, Uint8Array>;

/** What a machine finds when it starts. Nobody changes it. */
export interface Image {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly rows: Rows;
}

export const emptyImage: Image = { files: new Map(), rows: new Map() };

/** Files are numbered as they come into being; a file keeps its number whatever its name. */
export type Change =
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: number; readonly sizeBytes: number }
  /** Makes durable what the file's changes before `mark` (a place in the journal) did. */
  | { readonly kind: 'sync'; readonly file: number; readonly mark: number }
  | { readonly kind: 'name'; readonly path: string; readonly file: number | undefined }
  | { readonly kind: 'syncNames'; readonly folder: string }
  | {
      readonly kind: 'batch';
      readonly operations: readonly DatabaseOperation[];
      readonly sync: boolean;
    }
  /** Nothing on the disk: something was promised to somebody. */
  | { readonly kind: 'note'; readonly text: string };

class JournalFile {
  readonly number: number;
  content: Buffer;
  sizeBytes: number;

  constructor(number: number, content: Buffer) {
    this.number = number;
    this.content = content;
    this.sizeBytes = content.length;
  }

  resize(sizeBytes: number): void {
    if (sizeBytes > this.content.length) {
      const grown = Buffer.alloc(Math.max(sizeBytes, this.content.length * 2, 1_024));
      this.content.copy(grown, 0, 0, this.sizeBytes);
      this.content = grown;
    }
    if (sizeBytes < this.sizeBytes) this.content.fill(0, sizeBytes, this.sizeBytes);
    this.sizeBytes = sizeBytes;
  }
}

/** Changes left out of the journal, to see that the check fails. */
export interface PlantedInDisk {
  readonly syncForgotten?: boolean;
  readonly namesForgotten?: boolean;
  readonly batchSyncForgotten?: boolean;
}

export class JournalDisk implements Files {
  readonly journal: Change[] = [];
  readonly database: JournalDatabase;
  readonly #files = new Map<string, JournalFile>();
  readonly #planted: PlantedInDisk;
  #fileCount = 0;

  constructor(image: Image, planted: PlantedInDisk = {}) {
    this.#planted = planted;
    for (const [path, content] of image.files) {
      this.#files.set(path, new JournalFile(this.#fileCount++, Buffer.from(content)));
    }
    this.database = new JournalDatabase(image.rows, this.journal, planted);
  }

  note(text: string): void {
    this.journal.push({ kind: 'note', text });
  }

  async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    let file = this.#files.get(path);
    if (file === undefined) {
      if (!options.create) throw missing(path);
      file = new JournalFile(this.#fileCount++, Buffer.alloc(0));
      this.#name(path, file);
    }
    return this.#opened(file);
  }

  #opened(file: JournalFile): OpenFile {
    const { journal } = this;
    return {
      read: async (target, at, size, position) => {
        const end = Math.min(position + size, file.sizeBytes);
        return end <= position ? 0 : file.content.copy(target, at, position, end);
      },
      write: async (source, position) => {
        const bytes = Buffer.from(source);
        journal.push({ kind: 'write', file: file.number, at: position, bytes });
        if (position + bytes.length > file.sizeBytes) file.resize(position + bytes.length);
        file.content.set(bytes, position);
      },
      datasync: async () => {
        const mark = journal.length;
        await Promise.resolve();
        if (this.#planted.syncForgotten === true) return;
        journal.push({ kind: 'sync', file: file.number, mark });
      },
      truncate: async (sizeBytes) => {
        journal.push({ kind: 'truncate', file: file.number, sizeBytes });
        file.resize(sizeBytes);
      },
      sizeBytes: async () => file.sizeBytes,
      close: async () => undefined,
    };
  }

  async readFile(path: string): Promise<Buffer> {
    const file = this.#mustFind(path);
    return Buffer.from(file.content.subarray(0, file.sizeBytes));
  }

  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    const file = new JournalFile(this.#fileCount++, Buffer.from(content));
    const { number } = file;
    this.journal.push({ kind: 'write', file: number, at: 0, bytes: file.content });
    this.journal.push({ kind: 'sync', file: number, mark: this.journal.length });
    this.#name(path, file);
    this.journal.push({ kind: 'syncNames', folder: parentOf(path) });
  }

  async list(folder: string): Promise<string[]> {
    const names = new Set<string>();
    for (const path of this.#files.keys()) {
      if (parentOf(path) === folder) names.add(path.slice(folder.length + 1));
    }
    return [...names].sort();
  }

  async stat(path: string): Promise<FileStat> {
    return { sizeBytes: this.#mustFind(path).sizeBytes, modifiedMs: 0, isDirectory: false };
  }

  async makeFolder(): Promise<void> {}

  async remove(path: string): Promise<void> {
    this.#mustFind(path);
    this.#files.delete(path);
    this.journal.push({ kind: 'name', path, file: undefined });
  }

  async removeFolder(folder: string): Promise<void> {
    for (const path of [...this.#files.keys()]) {
      if (path.startsWith(`${folder}/`)) await this.remove(path);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.#mustFind(from);
    await this.remove(from);
    this.#name(to, file);
  }

  async syncFolder(folder: string): Promise<void> {
    if (this.#planted.namesForgotten === true) return;
    this.journal.push({ kind: 'syncNames', folder });
  }

  async freeBytes(): Promise<number> {
    return 2 ** 40;
  }

  async lockFolder(): Promise<FolderLock> {
    return { release: async () => undefined };
  }

  #name(path: string, file: JournalFile): void {
    this.#files.set(path, file);
    this.journal.push({ kind: 'name', path, file: file.number });
  }

  #mustFind(path: string): JournalFile {
    const file = this.#files.get(path);
    if (file === undefined) throw missing(path);
    return file;
  }
}

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** What LevelDB promises of its writes: batches are atomic, and are lost from the newest back. */
export class JournalDatabase implements Database {
  readonly #rows: Map<string, Uint8Array>;
  readonly #journal: Change[];
  readonly #planted: PlantedInDisk;

  constructor(rows: Rows, journal: Change[], planted: PlantedInDisk) {
    this.#rows = new Map(rows);
    this.#journal = journal;
    this.#planted = planted;
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#rows.get(key);
  }

  async getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.#rows.get(key));
  }

  async batch(operations: DatabaseOperation[], options: { readonly sync: boolean }): Promise<void> {
    if (operations.length === 0) return;
    const copies = operations.map((one) =>
      one.type === 'del' ? one : { ...one, value: Buffer.from(one.value) },
    );
    const sync = options.sync && this.#planted.batchSyncForgotten !== true;
    this.#journal.push({ kind: 'batch', operations: copies, sync });
    applyBatch(this.#rows, copies);
  }

  async *iterator({ gte, lt }: DatabaseRange): AsyncIterable<[string, Uint8Array]> {
    const keys = [...this.#rows.keys()].filter((key) => key >= gte && key < lt).sort();
    for (const key of keys) yield [key, this.#rows.get(key) as Uint8Array]; // it is there
  }

  async clear({ gte, lt }: DatabaseRange): Promise<void> {
    const keys = [...this.#rows.keys()].filter((key) => key >= gte && key < lt);
    await this.batch(
      keys.map((key) => ({ type: 'del', key })),
      { sync: false },
    );
  }
}

export function applyBatch(
  rows: Map<string, Uint8Array>,
  operations: readonly DatabaseOperation[],
): void {
  for (const one of operations) {
    if (one.type === 'put') rows.set(one.key, one.value);
    else rows.delete(one.key);
  }
}
