/**
 * A disk that keeps only what it was told to keep. What a process sees (the page cache) and what
 * survives a power cut are two things:
 *
 * - a completed write is seen at once and survives the death of the process; it survives a power cut
 *   only after a completed `datasync` that was asked for after it;
 * - a power cut keeps, of the unsynced writes of a file, what the seed says: all, none, a prefix,
 *   or any subset, each torn at 512-byte sectors; file sizes go with the writes;
 * - names (creations, removals, renames) survive only after `syncFolder`; else a prefix of them,
 *   folder by folder, in order;
 * - a `datasync` that failed has dropped what it was to write: the process still sees it, a later
 *   sync that succeeds does not bring it back (ext4 does this).
 */
import { assert } from '../../src/util/assert.ts';
import { Content } from './content.ts';
import type { SimRandom } from './random.ts';

export const sectorBytes = 512;

interface PendingWrite {
  readonly kind: 'write';
  readonly order: number;
  readonly source: Buffer;
  readonly position: number;
}
interface PendingTruncate {
  readonly kind: 'truncate';
  readonly order: number;
  readonly sizeBytes: number;
}
type PendingChange = PendingWrite | PendingTruncate;

/** A file, apart from its names. */
export class Inode {
  readonly isFolder: boolean;
  /** What processes see. */
  readonly cached: Content;
  /** What is on the platters. */
  readonly durable: Content;
  /** Changes that are seen and not yet durable, oldest first. */
  pending: PendingChange[] = [];
  modifiedUs = 0;

  constructor(isFolder: boolean, cached = new Content(), durable = new Content()) {
    this.isFolder = isFolder;
    this.cached = cached;
    this.durable = durable;
  }
}

interface PendingName {
  /** Folders whose sync makes it durable. */
  readonly folder: string;
  readonly changes: readonly (readonly [path: string, inode: Inode | undefined])[];
}

export class SimDisk {
  /** Bytes that fit, less what `ballastBytes` takes for somebody else's files. */
  capacityBytes: number;
  ballastBytes = 0;
  /** Who holds the lock of a folder; cleared by the death of the holder. */
  readonly locks = new Map<string, number>();
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #pendingNames: PendingName[] = [];
  #order = 0;

  constructor(options: { readonly capacityBytes: number } = { capacityBytes: 2 ** 40 }) {
    this.capacityBytes = options.capacityBytes;
  }

  lookup(path: string): Inode | undefined {
    return path === '' || path === '.' || path === '/' ? rootFolder : this.#names.get(path);
  }

  /** Names in a folder, sorted. */
  children(folder: string): string[] {
    const prefix = `${folder}/`;
    const names: string[] = [];
    for (const path of this.#names.keys()) {
      if (path.startsWith(prefix) && !path.includes('/', prefix.length)) {
        names.push(path.slice(prefix.length));
      }
    }
    return names.sort();
  }

  /** Every path, for checks. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  freeBytes(): number {
    let used = this.ballastBytes;
    for (const inode of this.#names.values()) used += inode.cached.allocatedBytes;
    return Math.max(0, this.capacityBytes - used);
  }

  /** Gives names to inodes, or takes them (undefined), in one step. */
  setNames(folder: string, changes: PendingName['changes']): void {
    for (const [path, inode] of changes) setName(this.#names, path, inode);
    this.#pendingNames.push({ folder, changes });
  }

  syncFolder(folder: string): void {
    this.#pendingNames = this.#pendingNames.filter((pending) => {
      if (pending.folder !== folder) return true;
      for (const [path, inode] of pending.changes) setName(this.#durableNames, path, inode);
      return false;
    });
  }

  write(inode: Inode, source: Buffer, position: number): void {
    inode.cached.write(source, position);
    inode.pending.push({ kind: 'write', order: this.#nextOrder(), source, position });
  }

  truncate(inode: Inode, sizeBytes: number): void {
    inode.cached.truncate(sizeBytes);
    inode.pending.push({ kind: 'truncate', order: this.#nextOrder(), sizeBytes });
  }

  /** What `datasync` will cover when it is asked for now. */
  syncMark(): number {
    return this.#order;
  }

  datasync(inode: Inode, mark: number): void {
    inode.pending = inode.pending.filter((change) => {
      if (change.order > mark) return true;
      apply(inode.durable, change);
      return false;
    });
  }

  /** A sync that failed: any part of what it covers is on the disk. */
  failDatasync(inode: Inode, mark: number, random: SimRandom): void {
    inode.pending = inode.pending.filter((change) => {
      if (change.order > mark) return true;
      applyTorn(inode.durable, change, random, random.fraction());
      return false;
    });
  }

  /** Power is cut: the page cache is gone. Nobody may be writing any more. */
  powerCut(random: SimRandom): void {
    this.#cutNames(random);
    const inodes = new Set(this.#durableNames.values());
    this.#names = new Map();
    const reborn = new Map<Inode, Inode>();
    for (const inode of inodes) {
      cutContent(inode, random);
      const durable = inode.durable;
      const next = new Inode(inode.isFolder, durable.copy(), durable);
      next.modifiedUs = inode.modifiedUs;
      reborn.set(inode, next);
    }
    for (const [path, inode] of this.#durableNames) {
      const next = reborn.get(inode);
      assert(next !== undefined, 'each durable name has an inode');
      this.#names.set(path, next);
    }
    this.#dropOrphans();
    this.#durableNames = new Map(this.#names);
    this.locks.clear();
  }

  #cutNames(random: SimRandom): void {
    // A journalling file system keeps the order of what it keeps, at least within a folder.
    const stopped = new Set<string>();
    const keep = random.pick([0, 0.5, 0.9, 1]);
    for (const pending of this.#pendingNames) {
      if (stopped.has(pending.folder)) continue;
      if (!random.chance(keep)) {
        stopped.add(pending.folder);
        continue;
      }
      for (const [path, inode] of pending.changes) setName(this.#durableNames, path, inode);
    }
    this.#pendingNames = [];
  }

  /** A file whose folder did not survive has no name either. */
  #dropOrphans(): void {
    for (const path of [...this.#names.keys()].sort()) {
      if (this.lookup(parentOf(path)) === undefined) this.#names.delete(path);
    }
  }

  #nextOrder(): number {
    this.#order += 1;
    return this.#order;
  }
}

const rootFolder = new Inode(true);

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function setName(names: Map<string, Inode>, path: string, inode: Inode | undefined): void {
  if (inode === undefined) names.delete(path);
  else names.set(path, inode);
}

function apply(content: Content, change: PendingChange): void {
  if (change.kind === 'truncate') content.truncate(change.sizeBytes);
  else content.write(change.source, change.position);
}

/** Each sector of a write is kept with probability `keep`; a truncation is kept or not. */
function applyTorn(content: Content, change: PendingChange, random: SimRandom, keep: number): void {
  if (change.kind === 'truncate') {
    if (random.chance(keep)) content.truncate(change.sizeBytes);
    return;
  }
  const { source, position } = change;
  for (let at = 0; at < source.length; ) {
    const part = Math.min(source.length - at, sectorBytes - ((position + at) % sectorBytes));
    if (random.chance(keep)) content.write(source.subarray(at, at + part), position + at);
    at += part;
  }
}

function cutContent(inode: Inode, random: SimRandom): void {
  const pending = inode.pending;
  inode.pending = [];
  if (pending.length === 0) return;
  const way = random.pick(['all', 'none', 'prefix', 'subset', 'torn'] as const);
  const kept = way === 'prefix' ? random.below(pending.length) : 0;
  for (const [index, change] of pending.entries()) {
    if (way === 'all' || (way === 'prefix' && index < kept)) apply(inode.durable, change);
    else if (way === 'prefix' && index === kept) applyTorn(inode.durable, change, random, 0.5);
    else if (way === 'subset' && random.chance(0.5)) apply(inode.durable, change);
    else if (way === 'torn')
      applyTorn(inode.durable, change, random, random.pick([0, 0.5, 0.9, 1]));
  }
}
