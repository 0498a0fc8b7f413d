/**
 * Every image that a crash can leave. At a place in the journal the disk holds for sure what was synced; of the
 * rest, each 512-byte sector holds any of the versions it has had since, each file any of its sizes, each name is
 * there or is not, and the database has lost any number of its newest unsynced batches. All of these are
 * independent of each other, which is more than real disks do.
 */
import { crc32 } from 'node:zlib';
import type { SimRandom } from '../sim/random.ts';
import { applyBatch, type Change, type Image, parentOf } from './journal.ts';

const sectorBytes = 512;

interface Version {
  readonly order: number;
  readonly bytes: Buffer;
}

class FileHistory {
  durable: Buffer;
  /** What a process sees; never shorter than any version needs. */
  #seen: Buffer;
  seenSize: number;
  /** By sector: contents since the last sync, oldest first. */
  readonly versions = new Map<number, Version[]>();
  /** Sizes since the last sync, oldest first. */
  sizes: { readonly order: number; readonly sizeBytes: number }[] = [];

  constructor(content: Buffer) {
    this.durable = content;
    this.#seen = Buffer.from(content);
    this.seenSize = content.length;
  }

  write(order: number, at: number, bytes: Buffer): void {
    this.#grow(at + bytes.length);
    this.#change(order, at, bytes.length, () => this.#seen.set(bytes, at));
    if (at + bytes.length > this.seenSize) this.#resize(order, at + bytes.length);
  }

  truncate(order: number, sizeBytes: number): void {
    this.#grow(sizeBytes);
    const cut = Math.max(0, this.seenSize - sizeBytes);
    this.#change(order, sizeBytes, cut, () => this.#seen.fill(0, sizeBytes, sizeBytes + cut));
    this.#resize(order, sizeBytes);
  }

  #resize(order: number, sizeBytes: number): void {
    this.seenSize = sizeBytes;
    this.sizes.push({ order, sizeBytes });
  }

  #grow(sizeBytes: number): void {
    const wanted = Math.ceil(sizeBytes / sectorBytes) * sectorBytes;
    if (wanted <= this.#seen.length) return;
    this.#seen = Buffer.concat([this.#seen, Buffer.alloc(wanted - this.#seen.length)]);
  }

  #change(order: number, at: number, size: number, apply: () => void): void {
    const first = Math.floor(at / sectorBytes);
    const end = Math.ceil((at + size) / sectorBytes);
    const before = Buffer.from(this.#seen.subarray(first * sectorBytes, end * sectorBytes));
    apply();
    for (let sector = first; sector < end; sector++) {
      const bytes = this.#seen.subarray(sector * sectorBytes, (sector + 1) * sectorBytes);
      const old = before.subarray(
        (sector - first) * sectorBytes,
        (sector - first + 1) * sectorBytes,
      );
      if (bytes.equals(old)) continue;
      const list = this.versions.get(sector);
      const version = { order, bytes: Buffer.from(bytes) };
      if (list === undefined) this.versions.set(sector, [version]);
      else list.push(version);
    }
  }

  sync(mark: number): void {
    const chosen = new Map<number, Buffer>();
    for (const [sector, list] of this.versions) {
      const newest = list.findLast((version) => version.order < mark);
      if (newest === undefined) continue;
      chosen.set(sector, newest.bytes);
      const rest = list.filter((version) => version.order >= mark);
      if (rest.length === 0) this.versions.delete(sector);
      else this.versions.set(sector, rest);
    }
    const size = this.sizes.findLast((one) => one.order < mark)?.sizeBytes ?? this.durable.length;
    this.sizes = this.sizes.filter((one) => one.order >= mark);
    this.durable = this.build(chosen, size);
  }

  build(chosen: ReadonlyMap<number, Buffer>, sizeBytes: number): Buffer {
    if (chosen.size === 0 && sizeBytes === this.durable.length) return this.durable;
    const out = Buffer.alloc(Math.ceil(sizeBytes / sectorBytes) * sectorBytes);
    this.durable.copy(out, 0, 0, Math.min(sizeBytes, this.durable.length));
    for (const [sector, bytes] of chosen) {
      if (sector * sectorBytes < out.length) out.set(bytes, sector * sectorBytes);
    }
    return out.subarray(0, sizeBytes);
  }
}

interface PendingName {
  readonly path: string;
  readonly file: number | undefined;
}

/** One thing that may be one way or another: `optionCount` ways, the last is the newest. */
interface Dimension {
  readonly what: string;
  readonly optionCount: number;
}

/** Follows a journal and can say at each place what a crash there may leave. */
export class CrashHistory {
  readonly #files = new Map<number, FileHistory>();
  readonly #durableNames = new Map<string, number>();
  #pendingNames: PendingName[] = [];
  readonly #durableRows: Map<string, Uint8Array>;
  #pendingBatches: Change[] = [];
  /** Where in each file the newest written byte that is not zero lies: all before is synced when it is. */
  readonly #writtenEnds = new Map<number, { readonly order: number; readonly end: number }[]>();
  /** By path: how far the content is on the disk itself. */
  readonly syncedEnds = new Map<number, number>();
  #order = 0;

  constructor(image: Image) {
    let number = 0;
    for (const [path, content] of image.files) {
      this.#files.set(number, new FileHistory(content));
      let end = content.length;
      while (end > 0 && content[end - 1] === 0) end--;
      this.syncedEnds.set(number, end);
      this.#durableNames.set(path, number++);
    }
    this.#durableRows = new Map(image.rows);
  }

  follow(change: Change): void {
    const order = this.#order++;
    switch (change.kind) {
      case 'write': {
        this.#file(change.file).write(order, change.at, change.bytes);
        if (change.bytes.some((byte) => byte !== 0)) {
          const ends = this.#writtenEnds.get(change.file) ?? [];
          ends.push({ order, end: change.at + change.bytes.length });
          this.#writtenEnds.set(change.file, ends);
        }
        return;
      }
      case 'truncate': {
        const synced = Math.min(change.sizeBytes, this.syncedEnds.get(change.file) ?? 0);
        this.syncedEnds.set(change.file, synced);
        this.#writtenEnds.delete(change.file);
        return this.#file(change.file).truncate(order, change.sizeBytes);
      }
      case 'sync': {
        this.#file(change.file).sync(change.mark);
        const ends = this.#writtenEnds.get(change.file) ?? [];
        const synced = ends.filter((one) => one.order < change.mark).map((one) => one.end);
        const before = this.syncedEnds.get(change.file) ?? 0;
        this.syncedEnds.set(change.file, Math.max(before, ...synced));
        return;
      }
      case 'name':
        this.#pendingNames.push(change);
        return;
      case 'syncNames':
        this.#pendingNames = this.#pendingNames.filter((pending) => {
          if (parentOf(pending.path) !== change.folder) return true;
          this.#setName(this.#durableNames, pending);
          return false;
        });
        return;
      case 'batch':
        this.#pendingBatches.push(change);
        if (!change.sync) return;
        for (const pending of this.#pendingBatches.splice(0)) {
          if (pending.kind === 'batch') applyBatch(this.#durableRows, pending.operations);
        }
        return;
      default:
    }
  }

  /** Up to which offset the file of a path is on the disk itself; 0 while its name is not. */
  syncedEnd(path: string): number {
    const file = this.#durableNames.get(path);
    return file === undefined ? 0 : (this.syncedEnds.get(file) ?? 0);
  }

  #file(number: number): FileHistory {
    let file = this.#files.get(number);
    if (file === undefined) {
      file = new FileHistory(Buffer.alloc(0));
      this.#files.set(number, file);
    }
    return file;
  }

  #setName(names: Map<string, number>, { path, file }: PendingName): void {
    if (file === undefined) names.delete(path);
    else names.set(path, file);
  }

  /** What is open: the product of all is the number of images. */
  dimensions(): Dimension[] {
    const open: Dimension[] = [];
    for (const { path, file } of this.#pendingNames) {
      open.push({ what: `${file === undefined ? 'no ' : ''}name ${path}`, optionCount: 2 });
    }
    for (const [number, file] of this.#files) {
      if (file.sizes.length > 0) {
        open.push({ what: `size of file ${number}`, optionCount: file.sizes.length + 1 });
      }
      for (const [sector, list] of file.versions) {
        open.push({ what: `file ${number} sector ${sector}`, optionCount: list.length + 1 });
      }
    }
    const batchCount = this.#pendingBatches.length;
    if (batchCount > 0) open.push({ what: 'batches', optionCount: batchCount + 1 });
    return open;
  }

  /** The image of one choice for each of `dimensions()`. */
  build(choice: readonly number[]): Image {
    let at = 0;
    const take = (): number => choice[at++] ?? 0;
    const names = new Map(this.#durableNames);
    for (const pending of this.#pendingNames) if (take() > 0) this.#setName(names, pending);
    const contents = new Map<number, Buffer>();
    for (const [number, file] of this.#files) {
      const size = file.sizes.length > 0 ? file.sizes[take() - 1]?.sizeBytes : undefined;
      const chosen = new Map<number, Buffer>();
      for (const [sector, list] of file.versions) {
        const version = list[take() - 1];
        if (version !== undefined) chosen.set(sector, version.bytes);
      }
      contents.set(number, file.build(chosen, size ?? file.durable.length));
    }
    const rows = new Map(this.#durableRows);
    const batchCount = this.#pendingBatches.length > 0 ? take() : 0;
    for (const pending of this.#pendingBatches.slice(0, batchCount)) {
      if (pending.kind === 'batch') applyBatch(rows, pending.operations);
    }
    const files = new Map<string, Buffer>();
    for (const path of [...names.keys()].sort()) {
      files.set(path, contents.get(names.get(path) as number) ?? Buffer.alloc(0)); // a key
    }
    return { files, rows };
  }
}

export function imageCount(dimensions: readonly Dimension[]): number {
  return dimensions.reduce((product, one) => product * one.optionCount, 1);
}

/** All choices when there are at most `limit`, else nothing, everything, and `limit` of them by chance. */
export function* choices(
  dimensions: readonly Dimension[],
  limit: number,
  random: SimRandom,
): Generator<number[]> {
  if (imageCount(dimensions) <= limit) {
    const choice = dimensions.map(() => 0);
    for (;;) {
      yield [...choice];
      let at = 0;
      while (at < choice.length) {
        const next = (choice[at] as number) + 1; // at < length
        choice[at] = next < (dimensions[at] as Dimension).optionCount ? next : 0;
        if (choice[at] !== 0) break;
        at++;
      }
      if (at === choice.length) return;
    }
  }
  yield dimensions.map(() => 0);
  yield dimensions.map((one) => one.optionCount - 1);
  for (let count = 2; count < limit; count++) {
    const keep = random.pick([0.5, 0.8, 0.2]);
    yield dimensions.map((one) =>
      random.chance(keep) ? one.optionCount - 1 : random.below(one.optionCount),
    );
  }
}

/** Two images of one name are, as far as anybody can tell, the same. */
export function nameOf({ files, rows }: Image): string {
  let name = '';
  for (const [path, content] of files) name += `${path}:${content.length}:${crc32(content)} `;
  let sum = 0;
  for (const [key, value] of rows) sum = (sum + crc32(value, crc32(key))) % 2 ** 48;
  return `${name}${rows.size}:${sum}`;
}
