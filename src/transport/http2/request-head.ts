/** What a request says of itself before its body, checked: RFC 9113 §8.2, §8.3. */
import { type HeaderField, HeaderKind } from './header-field.ts';

/** The headers of a request. */
export class RequestHead {
  readonly method: string;
  readonly path: string;
  /** `:authority`, else `host`; may be empty. */
  readonly authority: string;
  /** Bytes that the body must have; -1: not said. */
  readonly contentLength: number;
  /** All of them, in order, pseudo-headers too. */
  readonly fields: readonly HeaderField[];

  constructor(
    method: string,
    path: string,
    authority: string,
    contentLength: number,
    fields: readonly HeaderField[],
  ) {
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.contentLength = contentLength;
    this.fields = fields;
  }

  /** The value of the first header of a kind. */
  valueOf(kind: HeaderKind): string | undefined {
    for (const field of this.fields) if (field.kind === kind) return field.value;
    return undefined;
  }

  /** The value of the first header of that lower-case name. */
  value(name: string): string | undefined {
    for (const field of this.fields) if (field.name === name) return field.value;
    return undefined;
  }
}

/** The request of a header list; a sentence when it is malformed: the stream is to be reset then. */
export function requestHead(fields: readonly HeaderField[]): RequestHead | string {
  let method: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  let host = '';
  let contentLength = -1;
  let isRegularSeen = false;
  for (const { kind, name, value } of fields) {
    if (kind >= HeaderKind.method && kind <= HeaderKind.authority) {
      if (isRegularSeen) return `${name} comes after other headers`;
      // A pseudo-header may stand there once.
      if (kind === HeaderKind.method && method === undefined) method = value;
      else if (kind === HeaderKind.scheme && scheme === undefined) scheme = value;
      else if (kind === HeaderKind.path && path === undefined) path = value;
      else if (kind === HeaderKind.authority && authority === undefined) authority = value;
      else return `${name} comes twice`;
      continue;
    }
    isRegularSeen = true;
    if (kind === HeaderKind.other) continue;
    const objection = objectionTo(kind, name, value);
    if (objection !== undefined) return objection;
    if (kind === HeaderKind.host) host = value;
    else if (kind === HeaderKind.contentLength) {
      const length = Number(value);
      if (contentLength >= 0 && contentLength !== length) return 'content-length comes twice';
      contentLength = length;
    }
  }
  if (method === undefined || method === '') return ':method is missing';
  if (scheme === undefined || scheme === '') return ':scheme is missing';
  if (path === undefined || path === '') return ':path is missing';
  return new RequestHead(method, path, authority ?? host, contentLength, fields);
}

/** Why the headers behind a body are malformed; undefined when they are not. */
export function objectionToTrailers(fields: readonly HeaderField[]): string | undefined {
  for (const { kind, name, value } of fields) {
    if (kind >= HeaderKind.method && kind <= HeaderKind.authority) return `${name} in trailers`;
    const objection = objectionTo(kind, name, value);
    if (objection !== undefined) return objection;
  }
  return undefined;
}

function objectionTo(kind: HeaderKind, name: string, value: string): string | undefined {
  if (kind === HeaderKind.malformed) return 'a header with characters that may not be there';
  if (kind === HeaderKind.unknownPseudo) return `${name} in a request`;
  if (kind === HeaderKind.connectionSpecific) return `${name} belongs to HTTP/1`;
  if (kind === HeaderKind.te && value !== 'trailers') return `te: ${value}`;
  if (kind === HeaderKind.contentLength && !/^\d{1,15}$/.test(value)) {
    return `content-length: ${value}`;
  }
  return undefined;
}
