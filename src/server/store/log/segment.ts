/**
 * One file of the commit log: `<folder>/<20 digits>`, named by the physical offset of its first byte
 * (facts/store.md §3). The file is filled with zeros ahead of its records, because overwriting blocks
 * that exist makes a sync two to three times cheaper than growing the file.
 */
import type { Files, OpenFile } from '../../../platform/files.ts';
import { assert } from '../../../util/assert.ts';

const zeros: Buffer = Buffer.alloc(1 << 20);

const rewriteSizeBytes = 1 << 20;

export function segmentName(baseOffset: number): string {
  return String(baseOffset).padStart(20, '0');
}

export class Segment {
  readonly baseOffset: number;
  /** Bytes of records and closing blank that fit; the next segment begins behind them. */
  readonly sizeBytes: number;
  /** Store time of the newest record; 0 when unknown. */
  lastStoreTimestampMs = 0;
  readonly #files: Files;
  readonly #folder: string;
  #file: OpenFile | undefined = undefined;
  /** File positions below this exist on disk. */
  #allocatedEnd = 0;
  #stepBytes: number;
  #extending: Promise<void> | undefined = undefined;
  readonly #stepMaxBytes: number;
  readonly #isSynced: boolean;

  constructor(options: {
    readonly files: Files;
    readonly folder: string;
    readonly baseOffset: number;
    readonly sizeBytes: number;
    readonly stepMinBytes: number;
    readonly stepMaxBytes: number;
    /** Whether writes will be synced one by one, see `#fill`. */
    readonly isSynced: boolean;
  }) {
    this.#files = options.files;
    this.#folder = options.folder;
    this.baseOffset = options.baseOffset;
    this.sizeBytes = options.sizeBytes;
    this.#stepBytes = options.stepMinBytes;
    this.#stepMaxBytes = options.stepMaxBytes;
    this.#isSynced = options.isSynced;
  }

  get path(): string {
    return `${this.#folder}/${segmentName(this.baseOffset)}`;
  }

  get endOffset(): number {
    return this.baseOffset + this.sizeBytes;
  }

  /** Opens the file, making it (and its folder entry durable) when it is new. */
  async open(): Promise<void> {
    if (this.#file !== undefined) return;
    const file = await this.#files.open(this.path, { create: true });
    const size = await file.sizeBytes();
    if (size === 0) await this.#files.syncFolder(this.#folder);
    this.#allocatedEnd = Math.min(size, this.sizeBytes);
    this.#file = file;
  }

  /**
   * Makes the file exist up to `end` (a position in this segment). Rejects with the platform's error;
   * no record has been touched then.
   */
  async allocate(end: number): Promise<void> {
    // Records that fit do not wait for what is made ahead.
    while (this.#allocatedEnd < end) await (this.#extending ?? this.#extend());
  }

  /** Fills on in the background, beside what is written meanwhile, when `end` comes near to what exists. */
  allocateAhead(end: number, failed: (error: unknown) => void): void {
    if (this.#extending !== undefined || this.#allocatedEnd >= this.sizeBytes) return;
    if (this.#allocatedEnd - end > this.#stepBytes / 2) return;
    this.#extend().catch(failed);
  }

  async #extend(): Promise<void> {
    const begin = this.#allocatedEnd;
    const end = Math.min(this.sizeBytes, begin + this.#stepBytes);
    const work = this.#fill(begin, end);
    this.#extending = work.then(
      () => undefined,
      () => undefined, // The caller of #extend hears of the error; waiters try by themselves.
    );
    try {
      await work;
      this.#allocatedEnd = end;
      this.#stepBytes = Math.min(this.#stepMaxBytes, this.#stepBytes * 2);
    } finally {
      this.#extending = undefined;
    }
  }

  async #fill(begin: number, end: number): Promise<void> {
    const file = this.#open();
    // Synced: else the system finds blocks only with what is written there, and notes that in its journal each time.
    // By an open file of its own: the system tells each of them once that a sync failed, and if that was a sync of
    // records, who writes those has to hear of it. Without one the zeros stay unsynced, which only costs time.
    const own = this.#isSynced ? await this.#openOnceMore() : undefined;
    try {
      for (let at = begin; at < end; at += zeros.length) {
        const part = zeros.subarray(0, Math.min(zeros.length, end - at));
        if (own?.writeSynced === undefined) await file.write(part, at);
        else await own.writeSynced(part, at);
      }
    } finally {
      await own?.close();
    }
  }

  #openOnceMore(): Promise<OpenFile | undefined> {
    return this.#files.open(this.path, { create: false }).catch(() => undefined);
  }

  /** Writes at a physical offset. The range has been allocated. */
  write(bytes: Uint8Array, physicalOffset: number): Promise<void> {
    return this.#open().write(bytes, this.#positionOf(bytes, physicalOffset));
  }

  /** As `write`, done when it answers true; false: it cannot be, and nothing was written. */
  writeNow(bytes: Uint8Array, physicalOffset: number): boolean {
    const file = this.#open();
    // What is made ahead may wait for the disk, and who writes to the file beside it with it.
    if (file.writeNow === undefined || this.#extending !== undefined) return false;
    file.writeNow(bytes, this.#positionOf(bytes, physicalOffset));
    return true;
  }

  /**
   * As `write` and `datasync`, in one step where the system has one: a sync that waits for its turn of a busy loop
   * makes everybody wait. All earlier writes have been synced.
   */
  async writeSynced(bytes: Uint8Array, physicalOffset: number): Promise<void> {
    const file = this.#open();
    if (file.writeSynced === undefined) {
      await this.write(bytes, physicalOffset);
      return await this.datasync();
    }
    await file.writeSynced(bytes, this.#positionOf(bytes, physicalOffset));
  }

  /** Where in the file the bytes go. */
  #positionOf(bytes: Uint8Array, physicalOffset: number): number {
    const position = physicalOffset - this.baseOffset;
    assert(
      position >= 0 && position + bytes.length <= this.sizeBytes,
      'a write stays in its segment',
    );
    assert(position + bytes.length <= this.#allocatedEnd, 'a write goes into allocated blocks');
    return position;
  }

  datasync(): Promise<void> {
    return this.#open().datasync();
  }

  /**
   * Writes once more what reading finds between two physical offsets, then syncs. After a sync that
   * failed, the kernel may show bytes that are on no disk and that no later sync would write.
   */
  async rewrite(fromOffset: number, toOffset: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(
      Math.min(rewriteSizeBytes, Math.max(0, toOffset - fromOffset)),
    );
    for (let at = fromOffset; at < toOffset; ) {
      const size = Math.min(bytes.length, toOffset - at);
      const got = await this.read(bytes, 0, size, at);
      // A closed segment's file may end in its closing blank.
      if (got === 0) break;
      await this.#open().write(bytes.subarray(0, got), at - this.baseOffset);
      at += got;
    }
    await this.datasync();
  }

  /** Bytes read; fewer than `size` at the end of the file. */
  read(target: Buffer, at: number, size: number, physicalOffset: number): Promise<number> {
    return this.#open().read(target, at, size, physicalOffset - this.baseOffset);
  }

  /** Cuts everything from `physicalOffset` on, durably, so that no old byte can look like a record. */
  async cut(physicalOffset: number): Promise<number> {
    const file = this.#open();
    const position = physicalOffset - this.baseOffset;
    const size = await file.sizeBytes();
    if (size <= position) return 0;
    await file.truncate(position);
    await file.datasync();
    this.#allocatedEnd = position;
    return size - position;
  }

  async close(): Promise<void> {
    if (this.#extending !== undefined) await this.#extending;
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await file.close();
  }

  #open(): OpenFile {
    assert(this.#file !== undefined, 'the segment is open');
    return this.#file;
  }
}
