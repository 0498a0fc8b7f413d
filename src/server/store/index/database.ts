/**
 * The database that the index and the broker's own state live in, as the store needs it: the part of
 * an abstract-level v3 database with string keys and byte values that is used here. `ClassicLevel`,
 * `Level` and `MemoryLevel` (keyEncoding utf8, valueEncoding view or buffer) are one as they are.
 */

export type DatabaseOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

export interface DatabaseRange {
  readonly gte: string;
  readonly lt: string;
}

export interface Database {
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** In the order of the keys. */
  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]>;
  /** All or nothing. `sync`: survives a power cut once it has resolved. */
  batch(operations: DatabaseOperation[], options: { readonly sync: boolean }): Promise<void>;
  iterator(range: DatabaseRange): AsyncIterable<[string, Uint8Array]>;
  clear(range: DatabaseRange): Promise<void>;
}

/** Makes a database that is not open yet. `folder`: elsewhere than usual, while a damaged one is replaced. */
export type DatabaseFactory = (folder?: string) => Database;

/** Behind every key that starts with a prefix, in the order of UTF-8 bytes. */
export const keyRangeEnd = '\u{10ffff}';
