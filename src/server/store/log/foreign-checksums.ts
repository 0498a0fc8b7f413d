/**
 * Checksums of records that Apache's broker wrote. Of those the record itself covers only the body, by its CRC, and
 * the lengths, by their sum: queue and physical offset, flags, times, hosts, topic and properties can change unseen
 * (facts/store.md §0.3). So the first time that a log which was taken over is read as a whole, the CRC-32 of each
 * record is kept beside it, and from then on every byte counts.
 *
 * File `<folder>/checksums/<segment>`: for each record, rising, where it begins in the segment (uint32) and its CRC-32
 * (uint32), big-endian; then the CRC-32 of all that.
 */
import { crc32 } from 'node:zlib';
import type { Files } from '../../../platform/files.ts';
import { segmentName } from './segment.ts';

const entrySizeBytes = 8;
/** Tables in memory; one has eight bytes a record. */
const tableCountMax = 4;

/** Of one segment. */
export class ChecksumTable {
  readonly #entries: Buffer;

  constructor(entries: Buffer) {
    this.#entries = entries;
  }

  /** Whether the bytes are what the record at that place of the segment was. */
  matches(place: number, record: Uint8Array): boolean {
    let low = 0;
    let high = this.#entries.length / entrySizeBytes;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.#entries.readUInt32BE(middle * entrySizeBytes);
      if (found === place) {
        return this.#entries.readUInt32BE(middle * entrySizeBytes + 4) === crc32(record);
      }
      if (found < place) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}

/** Gathers the checksums of a segment while it is read. */
export class ChecksumDraft {
  readonly #parts: Buffer[] = [];

  add(place: number, record: Uint8Array): void {
    const entry = Buffer.alloc(entrySizeBytes);
    entry.writeUInt32BE(place);
    entry.writeUInt32BE(crc32(record), 4);
    this.#parts.push(entry);
  }

  encode(): Buffer {
    const entries = Buffer.concat(this.#parts);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(entries));
    return Buffer.concat([entries, sum]);
  }
}

export class ForeignChecksums {
  readonly #files: Files;
  readonly #folder: string;
  /** Where the log of the other broker ended. */
  readonly endOffset: number;
  /** Tables that cannot be read, a sentence each. */
  readonly problems: string[] = [];
  /** The newest last; undefined: there is none. */
  readonly #tables = new Map<number, ChecksumTable | undefined>();

  constructor(files: Files, folder: string, endOffset: number) {
    this.#files = files;
    this.#folder = `${folder}/checksums`;
    this.endOffset = endOffset;
  }

  /** The table of a segment; undefined when there is none, or none that can be read. */
  async table(baseOffset: number): Promise<ChecksumTable | undefined> {
    if (baseOffset >= this.endOffset) return undefined;
    if (this.#tables.has(baseOffset)) return this.#tables.get(baseOffset);
    const table = await this.#read(baseOffset);
    this.#tables.set(baseOffset, table);
    for (const oldest of this.#tables.keys()) {
      if (this.#tables.size <= tableCountMax) break;
      this.#tables.delete(oldest);
    }
    return table;
  }

  async #read(baseOffset: number): Promise<ChecksumTable | undefined> {
    let content: Buffer;
    try {
      content = await this.#files.readFile(this.#path(baseOffset));
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
      throw error;
    }
    const end = content.length - 4;
    const entries = content.subarray(0, Math.max(0, end));
    const isWhole =
      end >= 0 && end % entrySizeBytes === 0 && content.readUInt32BE(end) === crc32(entries);
    if (isWhole) return new ChecksumTable(entries);
    const problem = `the checksums of segment ${segmentName(baseOffset)} are damaged`;
    if (!this.problems.includes(problem)) this.problems.push(problem);
    return undefined;
  }

  /** Keeps what was gathered; a table that can be read stays as it is. */
  async keep(baseOffset: number, draft: ChecksumDraft): Promise<void> {
    if ((await this.table(baseOffset)) !== undefined) return;
    await this.#files.makeFolder(this.#folder);
    await this.#files.replaceFile(this.#path(baseOffset), draft.encode());
    this.#tables.delete(baseOffset);
  }

  /** The segment is gone. */
  async remove(baseOffset: number): Promise<void> {
    this.#tables.delete(baseOffset);
    try {
      await this.#files.remove(this.#path(baseOffset));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    }
  }

  #path(baseOffset: number): string {
    return `${this.#folder}/${segmentName(baseOffset)}`;
  }
}
