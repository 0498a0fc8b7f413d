/**
 * Statuses inside responses. gRPC's own status is OK for nearly everything; facts/grpc-v2.md 0.1.
 */
import { asRmqError, type RmqError } from '../../../protocol/errors.ts';
import { Code, type StatusInit } from '../../../protocol/grpc/generated/messages.ts';

/**
 * A refusal with a code that only gRPC has, such as ILLEGAL_MESSAGE_TAG. The texts are close to
 * Apache's: users search for them.
 */
export class StatusError extends Error {
  override name = 'StatusError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What the handlers of RPCs fail with. */
export type RpcError = RmqError | StatusError;

/** The one status of everything that went well. */
export const okStatus: StatusInit = { code: Code.OK, message: 'OK' };

/** The status that says an error. */
export function statusOf(error: unknown): StatusInit {
  if (error instanceof StatusError) return { code: error.code, message: error.message };
  const known = asRmqError(error);
  return { code: known.kind.grpc, message: known.message };
}

const codeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(Code).map(([name, code]) => [code, name]),
);

/** The status of a response whose entries have statuses of their own; facts/grpc-v2.md 3.1. */
export function commonStatus(statuses: readonly StatusInit[]): StatusInit {
  const first = statuses[0];
  if (first === undefined) return okStatus;
  for (const status of statuses) {
    if (status.code !== first.code) {
      return { code: Code.MULTIPLE_RESULTS, message: 'MULTIPLE_RESULTS' };
    }
  }
  const code = first.code ?? Code.OK;
  return { code, message: codeNames.get(code) ?? String(code) };
}
