/**
 * A table of LevelDB (`.ldb`): blocks of sorted entries, then a block with where they are, then a footer of
 * 48 bytes. Behind each block: compression (1: 0 none, 1 Snappy) and the masked CRC-32C over both.
 *
 * Of a damaged block every entry is handed out that can be read; whoever reads them has checksums of its own. When
 * the index block is damaged the blocks are found by their checksums.
 */
import { ByteReader, Malformed } from './byte-reader.ts';
import { crc32c, unmasked } from './crc32c.ts';
import { uncompress } from './snappy.ts';

const footerSizeBytes = 48;
const trailerSizeBytes = 5;
const magicHigh = 0xdb477524;
const magicLow = 0x8b80fb57;
/** Blocks are cut at 4 KiB; a single value may be larger. */
const blockSizeMax = 64 << 20;

/** One version of a key. */
export interface TableEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly sequence: number;
  readonly isDeletion: boolean;
}

export interface TableProblem {
  readonly at: number;
  readonly problem: string;
}

interface Handle {
  readonly at: number;
  readonly size: number;
}

/** Checks every block of a table; with `use`, hands out the entries too. Answers what is wrong. */
export function readTable(file: Buffer, use?: (entry: TableEntry) => void): TableProblem[] {
  const problems: TableProblem[] = [];
  const wrong = (at: number, problem: string): void => void problems.push({ at, problem });
  const handles = indexOf(file, wrong) ?? [...findBlocks(file)];
  for (const handle of handles) {
    const isWhole = isValid(file, handle);
    if (!isWhole) wrong(handle.at, 'a block does not match its checksum');
    if (use === undefined) continue;
    try {
      readBlock(contentOf(file, handle), isWhole, (key, value) => use(entryOf(key, value)));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      if (isWhole) wrong(handle.at, error.message);
    }
  }
  return problems;
}

/** Where the blocks are; undefined when that cannot be read. */
function indexOf(file: Buffer, wrong: (at: number, problem: string) => void): Handle[] | undefined {
  const footerAt = file.length - footerSizeBytes;
  try {
    if (footerAt < 0) throw new Malformed('the table is too short');
    const isMagic =
      file.readUInt32LE(file.length - 8) === magicLow &&
      file.readUInt32LE(file.length - 4) === magicHigh;
    if (!isMagic) throw new Malformed('the table has no footer');
    const footer = new ByteReader(file, footerAt);
    const meta = handleOf(footer);
    const index = handleOf(footer);
    for (const handle of [meta, index]) {
      if (handle.at + handle.size + trailerSizeBytes > footerAt) throw new Malformed('bad footer');
      if (!isValid(file, handle))
        throw new Malformed('the table does not say where its blocks are');
    }
    if (file.subarray(footer.at, file.length - 8).some((byte) => byte !== 0)) {
      wrong(footer.at, 'the footer is damaged');
    }
    // The filters: with a bit off they hide keys that are there.
    readBlock(contentOf(file, meta), true, (_key, value) => {
      const filter = handleOf(new ByteReader(value));
      if (!isValid(file, filter)) wrong(filter.at, 'the filter does not match its checksum');
    });
    const handles: Handle[] = [];
    readBlock(contentOf(file, index), true, (_key, value) => {
      handles.push(handleOf(new ByteReader(value)));
    });
    return handles;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    wrong(Math.max(0, footerAt), error.message);
    return undefined;
  }
}

function handleOf(reader: ByteReader): Handle {
  return { at: reader.varint(), size: reader.varint() };
}

function isValid(file: Buffer, { at, size }: Handle): boolean {
  const end = at + size;
  if (end + trailerSizeBytes > file.length) return false;
  return crc32c(file, at, end + 1) === unmasked(file.readUInt32LE(end + 1));
}

/** Blocks follow each other: one ends where the checksum so far is what stands there. */
function* findBlocks(file: Buffer): Generator<Handle> {
  for (let at = 0; at + trailerSizeBytes < file.length; ) {
    let crc = 0;
    let end = at;
    for (; end + trailerSizeBytes <= file.length; end++) {
      const type = file[end] as number; // end < length
      const next = crc32c(file, end, end + 1, crc);
      if (type <= 1 && end > at && next === unmasked(file.readUInt32LE(end + 1))) break;
      crc = next;
    }
    if (end + trailerSizeBytes > file.length) {
      // This one is damaged: the next one may begin anywhere behind it.
      at = nextBlock(file, at + 1);
      continue;
    }
    yield { at, size: end - at };
    at = end + trailerSizeBytes;
  }
}

/** Where the next whole block begins, as far as its first entry looks like one; the end when none does. */
function nextBlock(file: Buffer, from: number): number {
  for (let at = from; at + trailerSizeBytes < file.length; at++) {
    // An entry that shares nothing with the one before, whose key is a kind, a slash and the rest.
    if (file[at] === 0 && file[at + 4] === 0x2f) return at;
    if (file[at] === 0 && file[at + 5] === 0x2f) return at;
  }
  return file.length;
}

function contentOf(file: Buffer, { at, size }: Handle): Buffer {
  const bytes = file.subarray(at, at + size);
  return file[at + size] === 1 ? uncompress(bytes, blockSizeMax) : bytes;
}

/** `shared (varint) · own (varint) · value size (varint) · key's own bytes · value`, then the restart points. */
function readBlock(
  block: Buffer,
  isWhole: boolean,
  use: (key: Buffer, value: Buffer) => void,
): void {
  if (block.length < 4) throw new Malformed('a block is too short');
  const restartCount = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 - restartCount * 4;
  if (end < 0) throw new Malformed('a block has no end');
  const reader = new ByteReader(block, 0, end);
  let last = Buffer.alloc(0);
  const next = (): void => {
    const shared = reader.varint();
    const own = reader.varint();
    const valueSize = reader.varint();
    if (shared > last.length) throw new Malformed('a key shares too much');
    last = Buffer.concat([last.subarray(0, shared), reader.take(own)]);
    use(last, reader.take(valueSize));
  };
  if (isWhole) {
    while (!reader.isAtEnd) next();
    return;
  }
  // From each restart point, where a key is whole, as far as it goes.
  for (let index = 0; index < restartCount; index++) {
    const begin = block.readUInt32LE(end + index * 4);
    const until = index + 1 < restartCount ? block.readUInt32LE(end + (index + 1) * 4) : end;
    reader.at = Math.min(begin, end);
    last = Buffer.alloc(0);
    try {
      while (reader.at < Math.min(until, end)) next();
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }
}

/** A key's last eight bytes: sequence (7) and kind (1: 0 deletion, 1 value). */
function entryOf(key: Buffer, value: Buffer): TableEntry {
  if (key.length < 8) throw new Malformed('a key is too short');
  const at = key.length - 8;
  const low = key.readUInt32LE(at);
  const sequence = (low >>> 8) + key.readUInt32LE(at + 4) * 2 ** 24;
  return { key: key.subarray(0, at), value, sequence, isDeletion: (low & 0xff) === 0 };
}
