/**
 * The properties string of a message: `name 0x01 value 0x02` repeated, UTF-8; facts/store.md §4.
 * Reading follows Apache's rules: pieces shorter than three characters, empty names and empty values
 * are dropped, a later duplicate wins, the last 0x02 may be missing.
 */

const nameEnd = 0x01;
const pairEnd = 0x02;

/** Largest properties string: its length is a signed 16-bit number. */
export const propertiesSizeMax = 32_767;

/**
 * Encodes pairs, in the order given. Entries with an empty name or value are left out, as nobody
 * could read them back. Names and values must not hold 0x01 or 0x02 (the caller has checked).
 */
export function encodeProperties(
  properties: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): Buffer {
  const pairs = properties instanceof Map ? properties : Object.entries(properties);
  let text = '';
  for (const [name, value] of pairs) {
    if (name === '' || value === '') continue;
    text += `${name}\u0001${value}\u0002`;
  }
  return Buffer.from(text, 'utf8');
}

/** Decodes all pairs. Never throws: what cannot be read is dropped, as Apache does. */
export function decodeProperties(bytes: Uint8Array): Map<string, string> {
  const properties = new Map<string, string>();
  const text = asBuffer(bytes).toString('utf8');
  let begin = 0;
  while (begin < text.length) {
    let end = text.indexOf('\u0002', begin);
    if (end < 0) end = text.length;
    const middle = text.indexOf('\u0001', begin);
    if (end - begin >= 3 && middle > begin && middle < end - 1) {
      properties.set(text.slice(begin, middle), text.slice(middle + 1, end));
    }
    begin = end + 1;
  }
  return properties;
}

/** The bytes of one value inside a properties string. */
export interface PropertyRange {
  readonly begin: number;
  readonly end: number;
}

/** Where the value of `name` (ASCII) lies, or undefined. Looks at no other value. */
export function findPropertyRange(bytes: Uint8Array, name: string): PropertyRange | undefined {
  let found: PropertyRange | undefined;
  let begin = 0;
  while (begin < bytes.length) {
    const end = pieceEnd(bytes, begin);
    const middle = begin + name.length;
    // A value of at least one byte follows the name; later duplicates win, so go on.
    if (middle < end - 1 && bytes[middle] === nameEnd && isName(bytes, begin, name)) {
      found = { begin: middle + 1, end };
    }
    begin = end + 1;
  }
  return found;
}

/** The value of one property (its name ASCII), or undefined, without decoding the others. */
export function findProperty(bytes: Uint8Array, name: string): string | undefined {
  const range = findPropertyRange(bytes, name);
  return range === undefined ? undefined : asBuffer(bytes).toString('utf8', range.begin, range.end);
}

/** `bytes` with several properties set; the untouched pairs keep their bytes and order. */
export function withProperties(bytes: Uint8Array, properties: ReadonlyMap<string, string>): Buffer {
  return withEncodedProperties(bytes, [...properties.keys()], encodeProperties(properties));
}

/**
 * `bytes` with pairs behind it that have been encoded before: once for all messages that get them. Earlier
 * values of their `names` go.
 */
export function withEncodedProperties(
  bytes: Uint8Array,
  names: readonly string[],
  encoded: Uint8Array,
): Buffer {
  return withPairs(withoutProperties(bytes, names), encoded);
}

/** `kept` with encoded pairs behind it, none of which it has. */
export function withPairs(kept: Uint8Array, encoded: Uint8Array): Buffer {
  const isClosed = kept.length === 0 || kept[kept.length - 1] === pairEnd;
  const out = Buffer.allocUnsafe(kept.length + (isClosed ? 0 : 1) + encoded.length);
  out.set(kept, 0);
  if (!isClosed) out[kept.length] = pairEnd;
  out.set(encoded, out.length - encoded.length);
  return out;
}

/** `bytes` without the properties named (ASCII); `bytes` itself when there are none of them. */
export function withoutProperties(bytes: Uint8Array, names: Iterable<string>): Uint8Array {
  let kept: Uint8Array = bytes;
  for (const name of names) {
    if (findPieces(kept, name)) kept = withoutName(kept, name);
  }
  return kept;
}

function findPieces(bytes: Uint8Array, name: string): boolean {
  for (let begin = 0; begin < bytes.length; begin = pieceEnd(bytes, begin) + 1) {
    if (bytes[begin + name.length] === nameEnd && isName(bytes, begin, name)) return true;
  }
  return false;
}

function withoutName(bytes: Uint8Array, name: string): Uint8Array {
  const out = Buffer.allocUnsafe(bytes.length);
  let size = 0;
  let begin = 0;
  while (begin < bytes.length) {
    const next = Math.min(pieceEnd(bytes, begin) + 1, bytes.length);
    const isNamed = bytes[begin + name.length] === nameEnd && isName(bytes, begin, name);
    if (!isNamed) {
      out.set(bytes.subarray(begin, next), size);
      size += next - begin;
    }
    begin = next;
  }
  return out.subarray(0, size);
}

function pieceEnd(bytes: Uint8Array, begin: number): number {
  // A loop: pieces are short, and a call of `indexOf` costs as much as a hundred bytes of this.
  const size = bytes.length;
  let at = begin;
  while (at < size && bytes[at] !== pairEnd) at++;
  return at;
}

function isName(bytes: Uint8Array, begin: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (bytes[begin + index] !== name.charCodeAt(index)) return false;
  }
  return true;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
