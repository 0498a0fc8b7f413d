/** HTTP/2's error codes and the two scopes of an error: RFC 9113 §5.4, §7. */

export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** The peer broke a rule that ends the connection; it is told by GOAWAY. */
export class ConnectionError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, text: string) {
    super(text);
    this.code = code;
  }
}

/** Bytes of padding at the end of a padded frame, whose first byte says how many. */
export function paddingSize(chunk: Buffer, begin: number, end: number): number {
  if (end === begin) wrongSize('padded frame');
  const size = chunk[begin] as number; // below end
  if (size >= end - begin) protocolError('more padding than frame');
  return size;
}

export function protocolError(text: string): never {
  throw new ConnectionError(ErrorCode.protocolError, text);
}

export function wrongSize(what: string): never {
  throw new ConnectionError(ErrorCode.frameSizeError, `${what} of the wrong size`);
}
