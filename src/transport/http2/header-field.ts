/**
 * A header as HPACK hands it out: name, value, and what the layers above want to know of it, found out
 * once. A field of the dynamic table is shared by all requests that refer to it.
 */

/** What a header is to us. `other` stands for everything that nobody here asks about. */
export const HeaderKind = {
  other: 0,
  method: 1,
  scheme: 2,
  path: 3,
  authority: 4,
  /** Begins with a colon and may not stand in a request. */
  unknownPseudo: 5,
  /** Belongs to HTTP/1 connections: RFC 9113 §8.2.2. */
  connectionSpecific: 6,
  te: 7,
  contentLength: 8,
  contentType: 9,
  host: 10,
  grpcTimeout: 11,
  grpcEncoding: 12,
  grpcAcceptEncoding: 13,
  /** A name or a value with characters that may not be there: RFC 9113 §8.2.1. */
  malformed: 14,
} as const;
export type HeaderKind = (typeof HeaderKind)[keyof typeof HeaderKind];

const kinds: ReadonlyMap<string, HeaderKind> = new Map<string, HeaderKind>([
  [':method', HeaderKind.method],
  [':scheme', HeaderKind.scheme],
  [':path', HeaderKind.path],
  [':authority', HeaderKind.authority],
  ['connection', HeaderKind.connectionSpecific],
  ['keep-alive', HeaderKind.connectionSpecific],
  ['proxy-connection', HeaderKind.connectionSpecific],
  ['transfer-encoding', HeaderKind.connectionSpecific],
  ['upgrade', HeaderKind.connectionSpecific],
  ['te', HeaderKind.te],
  ['content-length', HeaderKind.contentLength],
  ['content-type', HeaderKind.contentType],
  ['host', HeaderKind.host],
  ['grpc-timeout', HeaderKind.grpcTimeout],
  ['grpc-encoding', HeaderKind.grpcEncoding],
  ['grpc-accept-encoding', HeaderKind.grpcAcceptEncoding],
]);

/** What a field costs in a table and in a list beyond its characters: RFC 7541 §4.1. */
const fieldOverheadBytes = 32;

export class HeaderField {
  readonly name: string;
  readonly value: string;
  readonly kind: HeaderKind;
  /** RFC 7541 §4.1, bytes. */
  readonly size: number;

  private constructor(name: string, value: string, kind: HeaderKind) {
    this.name = name;
    this.value = value;
    this.kind = kind;
    this.size = name.length + value.length + fieldOverheadBytes;
  }

  /** A field whose name was just read; name and value are latin1. */
  static of(name: string, value: string): HeaderField {
    return HeaderField.#checked(name, value, kinds.get(name) ?? kindOfName(name));
  }

  /** A field with the name of `other`. */
  static named(other: HeaderField, value: string): HeaderField {
    const kind = other.kind === HeaderKind.malformed ? kindOfName(other.name) : other.kind;
    return HeaderField.#checked(other.name, value, kind);
  }

  static #checked(name: string, value: string, kind: HeaderKind): HeaderField {
    const isClean = !/[\0\r\n]/.test(value);
    return new HeaderField(name, value, isClean ? kind : HeaderKind.malformed);
  }
}

/** The kind of a name that may be any; an indexed name was looked up when it entered the table. */
function kindOfName(name: string): HeaderKind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  if (name.startsWith(':')) return HeaderKind.unknownPseudo;
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) ? HeaderKind.other : HeaderKind.malformed;
}
