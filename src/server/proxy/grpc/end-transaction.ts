/** EndTransaction; facts/grpc-v2.md §9. */
import { RmqError } from '../../../protocol/errors.ts';
import {
  Code,
  decodeEndTransactionRequest,
  type EndTransactionRequest,
  type EndTransactionResponseInit,
  encodeEndTransactionResponse,
  TransactionResolution,
  TransactionSource,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import type { Reply } from '../../../util/reply.ts';
import type { BrokerApi, EndTransactionRequest as BrokerRequest } from '../../broker/api.ts';
import { topicName } from './names.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, type RpcError, StatusError } from './status.ts';

const resolutions: Readonly<Record<number, BrokerRequest['resolution'] | undefined>> = {
  [TransactionResolution.COMMIT]: 'COMMIT',
  [TransactionResolution.ROLLBACK]: 'ROLLBACK',
};

export function endTransaction(context: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'EndTransaction',
    decode: decodeEndTransactionRequest,
    encode: encodeEndTransactionResponse,
    logger: context.logger,
    handle: (_caller, request, reply) => end(context, request, reply),
  });
}

function end(
  { cluster, transactions }: ServiceContext,
  request: EndTransactionRequest,
  reply: Reply<EndTransactionResponseInit, RpcError>,
): void {
  const topic = topicName(request.topic);
  const { transactionId } = request;
  if (transactionId.trim() === '') {
    throw new StatusError(Code.INVALID_TRANSACTION_ID, 'transaction id cannot be blank');
  }
  const sent = transactions.get(topic, transactionId);
  const wanted: BrokerRequest = {
    topic,
    // A producer over gRPC has its topic for a group.
    producerGroup: topic,
    transactionId,
    half: sent,
    resolution: resolutions[request.resolution] ?? 'UNKNOWN',
    isFromCheck: request.source === TransactionSource.SOURCE_SERVER_CHECK,
  };
  const known = sent === undefined ? undefined : cluster.broker(sent.brokerName);
  // Sent or asked through another proxy: any broker of the cluster may have it.
  const brokers = known === undefined ? cluster.brokers() : [known];
  endAt(brokers, known === undefined ? { ...wanted, half: undefined } : wanted, (error) => {
    if (error !== undefined && error.code !== 'TRANSACTION_NOT_FOUND') return reply(error);
    if (wanted.resolution !== 'UNKNOWN') transactions.delete(topic, transactionId);
    reply(error ?? { status: okStatus });
  });
}

/** At the first of `brokers` that has it open. */
function endAt(
  brokers: readonly BrokerApi[],
  request: BrokerRequest,
  reply: (error: RmqError | undefined) => void,
): void {
  let failure: RmqError | undefined;
  const next = (index: number): void => {
    const broker = brokers[index];
    if (broker === undefined) return reply(failure ?? notFound(request));
    broker.endTransaction(request, (error) => {
      if (error === undefined) return reply(undefined);
      // One that could not be asked may be the one that has it: say so rather than "not found".
      if (error.code !== 'TRANSACTION_NOT_FOUND') failure = error;
      next(index + 1);
    });
  };
  next(0);
}

function notFound({ transactionId }: BrokerRequest): RmqError {
  return new RmqError('TRANSACTION_NOT_FOUND', `cannot found transaction data, ${transactionId}`);
}
