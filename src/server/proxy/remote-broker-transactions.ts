/** END_TRANSACTION of `RemoteBroker` as ext fields and back; facts/remoting.md §4.2. */
import type { RemotingAnswer } from '../../client/remoting-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { answerError } from '../../protocol/remoting/answer-error.ts';
import { ResponseCode } from '../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import { endTransactionHeader, Resolution } from '../../protocol/remoting/headers/transaction.ts';
import type { EndTransactionRequest } from '../broker/api.ts';

const resolutions = {
  COMMIT: Resolution.commit,
  ROLLBACK: Resolution.rollback,
  UNKNOWN: Resolution.unknown,
} as const;

export function encodeEndTransaction(
  request: EndTransactionRequest,
  brokerName: string,
): ExtFields {
  const { topic, producerGroup, transactionId, half, resolution, isFromCheck } = request;
  return endTransactionHeader.encode({
    topic,
    producerGroup,
    halfQueueOffset: half?.queueOffset ?? -1,
    physicalOffset: half?.physicalOffset ?? -1,
    resolution: resolutions[resolution],
    isFromCheck,
    messageId: transactionId,
    transactionId,
    brokerName,
  });
}

/** What brokers say of a transaction that is not (or no longer) theirs. */
const notFoundTexts = /prepared transaction|producer group wrong|offset wrong|no open transaction/i;

export function transactionError(answer: RemotingAnswer): RmqError {
  const isUnknown =
    answer.code === ResponseCode.SYSTEM_ERROR && notFoundTexts.test(answer.remark ?? '');
  return isUnknown
    ? new RmqError('TRANSACTION_NOT_FOUND', answer.remark ?? '')
    : answerError(answer);
}
