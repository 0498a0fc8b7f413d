/**
 * HPACK, receiving side (RFC 7541). A block is decoded to its end even when the list is over its limit,
 * or the table would no longer match the sender's; but then nothing is kept of it. What a block can cost is
 * bounded by its bytes: an index into the table hands out an object that is there already.
 */
import { HeaderField } from './header-field.ts';
import { DynamicTable, dynamicIndexFirst, staticFields } from './hpack-table.ts';
import { ConnectionError, ErrorCode } from './http2-error.ts';
import { huffmanDecode } from './huffman.ts';

export class HpackDecoder {
  /** Size of the list decoded last, whether it was too large or not. */
  listSizeBytes = 0;
  readonly #table: DynamicTable;
  readonly #tableSizeMaxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** `tableSizeMaxBytes`: what our SETTINGS_HEADER_TABLE_SIZE says. */
  constructor(tableSizeMaxBytes: number) {
    this.#tableSizeMaxBytes = tableSizeMaxBytes;
    this.#table = new DynamicTable(tableSizeMaxBytes);
  }

  /**
   * Decodes a whole header block, `bytes` from `begin` to `end`; undefined when the list is larger than
   * `listSizeMaxBytes` (RFC 9113 §6.5.2: with 32 bytes a field).
   * @throws ConnectionError COMPRESSION_ERROR; the connection cannot go on.
   */
  decode(
    bytes: Buffer,
    begin: number,
    end: number,
    listSizeMaxBytes: number,
  ): HeaderField[] | undefined {
    this.#bytes = bytes;
    this.#at = begin;
    this.#end = end;
    const fields: HeaderField[] = [];
    let sizeBytes = 0;
    let isBegun = false;
    while (this.#at < end) {
      const first = bytes[this.#at] as number; // below end
      if ((first & 0xe0) === 0x20) {
        // A change of the table's size comes first (RFC 7541 §4.2).
        if (isBegun) fail('table size changed within a header block');
        this.#resize();
        continue;
      }
      isBegun = true;
      const field = (first & 0x80) !== 0 ? this.#indexed() : this.#literal(first);
      sizeBytes += field.size;
      if (sizeBytes <= listSizeMaxBytes) fields.push(field);
    }
    this.#bytes = empty;
    this.listSizeBytes = sizeBytes;
    return sizeBytes <= listSizeMaxBytes ? fields : undefined;
  }

  #indexed(): HeaderField {
    return this.#field(this.#integer(0x7f));
  }

  #literal(first: number): HeaderField {
    const isKept = (first & 0x40) !== 0;
    // 0000xxxx without indexing and 0001xxxx never indexed are the same to a receiver.
    const nameIndex = this.#integer(isKept ? 0x3f : 0x0f);
    const field =
      nameIndex === 0
        ? HeaderField.of(this.#string(), this.#string())
        : HeaderField.named(this.#field(nameIndex), this.#string());
    if (isKept) this.#table.add(field);
    return field;
  }

  #resize(): void {
    const size = this.#integer(0x1f);
    if (size > this.#tableSizeMaxBytes) fail(`table size ${size} is above the limit`);
    this.#table.resize(size);
  }

  #field(index: number): HeaderField {
    const field =
      index < dynamicIndexFirst ? staticFields[index] : this.#table.at(index - dynamicIndexFirst);
    return field ?? fail(`no field has index ${index}`);
  }

  /** An integer whose first bits, under `mask`, are in the byte at hand; RFC 7541 §5.1. */
  #integer(mask: number): number {
    let value = (this.#bytes[this.#at++] as number) & mask; // callers looked at it
    if (value < mask) return value;
    // Four more bytes hold far more than any frame does.
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) fail('integer cut short');
      const byte = this.#bytes[this.#at++] as number; // below end
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return fail('integer too long');
  }

  #string(): string {
    if (this.#at >= this.#end) fail('string cut short');
    const isCoded = ((this.#bytes[this.#at] as number) & 0x80) !== 0; // below end
    const size = this.#integer(0x7f);
    const begin = this.#at;
    if (size > this.#end - begin) fail('string beyond the block');
    this.#at = begin + size;
    if (!isCoded) return this.#bytes.toString('latin1', begin, this.#at);
    return huffmanDecode(this.#bytes, begin, this.#at) ?? fail('malformed Huffman coding');
  }
}

const empty = Buffer.alloc(0);

function fail(text: string): never {
  throw new ConnectionError(ErrorCode.compressionError, `malformed header block: ${text}`);
}
