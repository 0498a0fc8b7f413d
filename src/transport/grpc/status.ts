/** gRPC's status codes and how a status text is written in a header. */

/** The codes that a transport or the service uses; https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const GrpcStatus = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
} as const;
export type GrpcStatus = (typeof GrpcStatus)[keyof typeof GrpcStatus];

/** Longer texts are cut: a header block should fit in one frame. */
const textLengthMax = 2_000;

/** `grpc-message`: UTF-8, printable ASCII as it is, the rest and `%` as `%XX`. */
export function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text.slice(0, textLengthMax), 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** Ends a call with a status of its own. */
export class GrpcError extends Error {
  readonly status: GrpcStatus;

  constructor(status: GrpcStatus, text: string) {
    super(text);
    this.status = status;
  }
}
