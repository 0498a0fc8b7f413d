/**
 * HPACK, sending side (RFC 7541). The caller says which headers repeat; those enter the table, so that from
 * the second answer on a connection a list of them is a byte each, and the block as a whole is kept.
 */
import { HeaderField } from './header-field.ts';
import { DynamicTable, dynamicIndexFirst, staticFields } from './hpack-table.ts';
import { huffmanEncode, huffmanSize } from './huffman.ts';

/** A header to be sent, ASCII. */
export interface OutgoingHeader {
  readonly name: string;
  readonly value: string;
  /**
   * `repeats`: worth a place in the table. `once`: leaves the table alone. `secret`: never indexed,
   * by nobody on the way either.
   */
  readonly use: 'repeats' | 'once' | 'secret';
}

/** Headers that go together. */
export class HeaderList {
  readonly headers: readonly OutgoingHeader[];
  /** The same object goes out again and again: its coding is worth keeping. */
  readonly isConstant: boolean;

  constructor(headers: readonly OutgoingHeader[], isConstant: boolean) {
    this.headers = headers;
    this.isConstant = isConstant;
  }
}

/** Of the peer's table we use at most this; a handful of headers repeat. */
const tableSizeMaxBytes = 4096;

const staticNames = new Map<string, number>();
const staticPairs = new Map<string, number>();
staticFields.forEach((field, index) => {
  if (field === undefined) return;
  if (!staticNames.has(field.name)) staticNames.set(field.name, index);
  staticPairs.set(`${field.name}\0${field.value}`, index);
});

export class HpackEncoder {
  readonly #table = new DynamicTable(tableSizeMaxBytes);
  /** Blocks of constant lists; they mean the same as long as the table does not change. */
  readonly #blocks = new Map<HeaderList, Buffer>();
  /** Sizes to be announced in the next block: the smallest since the last one, then the present. */
  #announcedMin: number | undefined = undefined;
  #out: Buffer = Buffer.allocUnsafe(256);
  #at = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  resize(peerSizeMaxBytes: number): void {
    const size = Math.min(peerSizeMaxBytes, tableSizeMaxBytes);
    if (size === this.#table.sizeMaxBytes) return;
    this.#announcedMin = Math.min(size, this.#announcedMin ?? size);
    this.#table.resize(size);
    this.#blocks.clear();
  }

  /** The block of a list. Read it only; it is good until the next call. */
  block(list: HeaderList): Buffer {
    const known = this.#announcedMin === undefined ? this.#blocks.get(list) : undefined;
    if (known !== undefined) return known;
    // A block that changes the table means something else the next time.
    const isTableChanged = this.#encode(list.headers);
    const block = this.#out.subarray(0, this.#at);
    if (isTableChanged) this.#blocks.clear();
    else if (list.isConstant) this.#blocks.set(list, Buffer.from(block));
    return block;
  }

  /** True when the block changes the receiver's table. */
  #encode(headers: readonly OutgoingHeader[]): boolean {
    this.#at = 0;
    let isTableChanged = this.#announceSize();
    for (const header of headers) {
      const { name, value, use } = header;
      this.#reserve(name.length + value.length + 16);
      const index = use === 'secret' ? undefined : this.#indexOf(name, value);
      if (index !== undefined) {
        this.#integer(0x80, 0x7f, index);
        continue;
      }
      const nameIndex = staticNames.get(name) ?? 0;
      const field = use === 'repeats' ? HeaderField.of(name, value) : undefined;
      if (field !== undefined && field.size <= this.#table.sizeMaxBytes) {
        this.#integer(0x40, 0x3f, nameIndex);
        this.#table.add(field);
        isTableChanged = true;
      } else this.#integer(use === 'secret' ? 0x10 : 0, 0x0f, nameIndex);
      if (nameIndex === 0) this.#string(name);
      this.#string(value);
    }
    return isTableChanged;
  }

  #announceSize(): boolean {
    const smallest = this.#announcedMin;
    if (smallest === undefined) return false;
    this.#announcedMin = undefined;
    const present = this.#table.sizeMaxBytes;
    if (smallest < present) this.#integer(0x20, 0x1f, smallest);
    this.#integer(0x20, 0x1f, present);
    return true;
  }

  #indexOf(name: string, value: string): number | undefined {
    const known = staticPairs.get(`${name}\0${value}`);
    if (known !== undefined) return known;
    for (let index = 0; index < this.#table.count; index += 1) {
      const field = this.#table.at(index);
      if (field?.value === value && field.name === name) return index + dynamicIndexFirst;
    }
    return undefined;
  }

  #reserve(size: number): void {
    if (this.#out.length - this.#at >= size) return;
    const grown = Buffer.allocUnsafe((this.#at + size) * 2);
    this.#out.copy(grown, 0, 0, this.#at);
    this.#out = grown;
  }

  #integer(pattern: number, mask: number, value: number): void {
    if (value < mask) {
      this.#out[this.#at++] = pattern | value;
      return;
    }
    this.#out[this.#at++] = pattern | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      this.#out[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#out[this.#at++] = rest;
  }

  #string(text: string): void {
    const codedSize = huffmanSize(text);
    if (codedSize < text.length) {
      this.#integer(0x80, 0x7f, codedSize);
      this.#at = huffmanEncode(text, this.#out, this.#at);
    } else {
      this.#integer(0, 0x7f, text.length);
      this.#at += this.#out.write(text, this.#at, 'latin1');
    }
  }
}
