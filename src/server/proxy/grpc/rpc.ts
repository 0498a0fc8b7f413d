/**
 * From message bytes to a handler and back: decodes the request, checks the client id, catches what a
 * handler throws, and puts every failure into the response's status.
 */
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import { Code, type StatusInit } from '../../../protocol/grpc/generated/messages.ts';
import type { Call, UnaryMethod } from '../../../transport/grpc/call.ts';
import type { Reply } from '../../../util/reply.ts';
import type { Logger } from '../../shared/logger.ts';
import { type RpcError, StatusError, statusOf } from './status.ts';

/** Who calls, as every handler needs it. */
export interface Caller {
  /** `x-mq-client-id`: the key of everything that the proxy remembers of a client. */
  readonly clientId: string;
  readonly call: Call;
}

/**
 * The caller of `call`.
 * @throws StatusError CLIENT_ID_REQUIRED without a client id.
 */
export function identify(call: Call): Caller {
  const clientId = call.header('x-mq-client-id');
  if (clientId === undefined || clientId.trim() === '') {
    throw new StatusError(Code.CLIENT_ID_REQUIRED, 'client id cannot be empty');
  }
  return { clientId, call };
}

interface UnaryRpc<Request, Answer extends { readonly status?: StatusInit | undefined }> {
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (answer: Answer | { readonly status: StatusInit }) => Uint8Array;
  /** Answers by `reply`, exactly once, or throws before it did. */
  readonly handle: (caller: Caller, request: Request, reply: Reply<Answer, RpcError>) => void;
  readonly logger: Logger;
}

/** A unary method of the table, made of its codec and its handler. */
export function unaryMethod<Request, Answer extends { readonly status?: StatusInit | undefined }>(
  rpc: UnaryRpc<Request, Answer>,
): UnaryMethod {
  const { name, decode, encode, handle, logger } = rpc;
  return {
    kind: 'unary',
    name,
    run: (call, message, reply) => {
      try {
        handle(identify(call), decode(message), (answer) => {
          if (answer instanceof Error) {
            logFailure(logger, name, answer);
            reply(encode({ status: statusOf(answer) }));
          } else reply(encode(answer));
        });
      } catch (error) {
        logFailure(logger, name, error);
        reply(encode({ status: statusOf(error) }));
      }
    },
  };
}

/** What clients did wrong is theirs to see; what we did wrong belongs into the log. */
export function logFailure(logger: Logger, rpc: string, error: unknown): void {
  const status = statusOf(error);
  const isOurs = status.code === Code.INTERNAL_SERVER_ERROR;
  const isNothing = error instanceof RmqError && error.code === 'TRANSACTION_NOT_FOUND';
  if (!isOurs || isNothing) {
    logger.debug('request refused', { rpc, code: status.code, reason: status.message });
    return;
  }
  const known = asRmqError(error);
  // Only a defect needs its place in the code.
  const stack = known.code === 'INTERNAL' ? known.stack : undefined;
  logger.warn('request failed', { rpc, reason: status.message, stack });
}
