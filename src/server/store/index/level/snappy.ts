/** Snappy's block format: a length, then literals and copies of what is already there. */
import { ByteReader, Malformed } from './byte-reader.ts';

/** @throws Malformed */
export function uncompress(source: Buffer, sizeMax: number): Buffer {
  const reader = new ByteReader(source);
  const size = reader.varint();
  if (size > sizeMax) throw new Malformed(`a block of ${size} bytes`);
  const out = Buffer.alloc(size);
  let to = 0;
  while (!reader.isAtEnd) {
    const tag = reader.byte();
    if ((tag & 3) === 0) {
      const literal = reader.take(literalSize(reader, tag >>> 2));
      if (literal.length > size - to) throw new Malformed('more bytes than announced');
      out.set(literal, to);
      to += literal.length;
      continue;
    }
    const [length, back] = copyOf(reader, tag);
    if (back === 0 || back > to || length > size - to) throw new Malformed('a copy of nothing');
    for (let index = 0; index < length; index++, to++) out[to] = out[to - back] as number; // to >= back
  }
  if (to !== size) throw new Malformed('fewer bytes than announced');
  return out;
}

function literalSize(reader: ByteReader, code: number): number {
  if (code < 60) return code + 1;
  let size = 0;
  for (let index = 0; index < code - 59; index++) size += reader.byte() * 256 ** index;
  return size + 1;
}

function copyOf(reader: ByteReader, tag: number): [length: number, back: number] {
  switch (tag & 3) {
    case 1:
      return [((tag >>> 2) & 7) + 4, ((tag >>> 5) << 8) | reader.byte()];
    case 2:
      return [(tag >>> 2) + 1, reader.byte() | (reader.byte() << 8)];
    default:
      return [(tag >>> 2) + 1, reader.uint32()];
  }
}
