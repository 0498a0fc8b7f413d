/**
 * A database whose rows prove themselves: behind each value stand four bytes, the CRC-32 of key and value. LevelDB
 * reads without looking at its own checksums, and what it reads wrong must not pass for a consumer's offset.
 *
 * Rows of the index of keys have no value and are many; they have no checksum either. What one says wrong leads to a
 * record without that key.
 *
 * A damaged row is never handed out: `get` rejects, an iterator passes over it; both tell `damaged`.
 */
import { crc32 } from 'node:zlib';
import { RmqError } from '../../../protocol/errors.ts';
import type { Database, DatabaseOperation, DatabaseRange } from './database.ts';

const rowChecksumBytes = 4;
const bareRows = 's/key/';
const noValue: Buffer = Buffer.alloc(0);

/** The value as it is stored. */
export function withChecksum(key: string, value: Uint8Array): Buffer {
  if (value.length === 0 && key.startsWith(bareRows)) return noValue;
  const out = Buffer.allocUnsafe(value.length + rowChecksumBytes);
  out.set(value);
  out.writeUInt32BE(crc32(value, crc32(key)), value.length);
  return out;
}

/** The value that was stored, a view; undefined when it is damaged. */
export function withoutChecksum(key: string, stored: Uint8Array): Uint8Array | undefined {
  if (stored.length === 0 && key.startsWith(bareRows)) return stored;
  const size = stored.length - rowChecksumBytes;
  if (size < 0) return undefined;
  const view = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const value = stored.subarray(0, size);
  return crc32(value, crc32(key)) === view.readUInt32BE(size) ? value : undefined;
}

export class CheckedDatabase implements Omit<Database, 'getMany'> {
  readonly #database: Database;
  readonly #damaged: (key: string) => void;

  constructor(database: Database, damaged: (key: string) => void) {
    this.#database = database;
    this.#damaged = damaged;
  }

  open(): Promise<void> {
    return this.#database.open();
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** @throws RmqError STORE_CORRUPT when the row is damaged. */
  async get(key: string): Promise<Uint8Array | undefined> {
    const stored = await this.#database.get(key);
    if (stored === undefined) return undefined;
    const value = withoutChecksum(key, stored);
    if (value !== undefined) return value;
    throw this.#corrupt(key);
  }

  #corrupt(key: string): RmqError {
    this.#damaged(key);
    return new RmqError('STORE_CORRUPT', `row ${key} of the index is damaged`, {
      hint: 'restart the broker: the index is built again from the log',
    });
  }

  /**
   * Those of the rows that come before the first that is missing or damaged.
   * @throws RmqError STORE_CORRUPT when the very first is damaged.
   */
  async getFirst(keys: string[]): Promise<readonly Uint8Array[]> {
    const rows = await this.#database.getMany(keys);
    const values: Uint8Array[] = [];
    for (const [index, stored] of rows.entries()) {
      const key = keys[index] as string; // a row a key
      const value = stored === undefined ? undefined : withoutChecksum(key, stored);
      if (stored !== undefined && value === undefined && index === 0) throw this.#corrupt(key);
      if (value === undefined) break;
      values.push(value);
    }
    return values;
  }

  batch(operations: DatabaseOperation[], options: { readonly sync: boolean }): Promise<void> {
    const checked = operations.map((one): DatabaseOperation => {
      if (one.type === 'del') return one;
      return { type: 'put', key: one.key, value: withChecksum(one.key, one.value) };
    });
    return this.#database.batch(checked, options);
  }

  async *iterator(range: DatabaseRange): AsyncIterable<[string, Uint8Array]> {
    for await (const [key, stored] of this.#database.iterator(range)) {
      const value = withoutChecksum(key, stored);
      if (value === undefined) this.#damaged(key);
      else yield [key, value];
    }
  }

  clear(range: DatabaseRange): Promise<void> {
    return this.#database.clear(range);
  }
}
