/** Transactions: 37 from producers, 39 to them; facts/remoting.md §4.2. */
import { RmqError } from '../../../protocol/errors.ts';
import type { PhysicalOffset, QueueOffset } from '../../../protocol/message/message.ts';
import { encodeOffsetMessageId } from '../../../protocol/message/message-id.ts';
import { encodeStoredMessage } from '../../../protocol/message/record.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import {
  checkTransactionHeader,
  endTransactionHeader,
  Resolution,
} from '../../../protocol/remoting/headers/transaction.ts';
import type { Answer, RemotingRequest } from '../../remoting/handler.ts';
import type { TransactionCheck, TransactionChecker } from '../api.ts';
import { halfTopic } from '../transactions/open-transactions.ts';
import type { ClientRegistry } from './client-registry.ts';
import type { Handlers, RemotingContext } from './context.ts';

export function transactionHandlers(context: RemotingContext): Handlers {
  return [[RequestCode.END_TRANSACTION, (request, answer) => end(context, request, answer)]];
}

function end(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  const header = endTransactionHeader.decode(request.extFields);
  const { halfQueueOffset, physicalOffset, topic, producerGroup, isFromCheck } = header;
  const isById = halfQueueOffset < 0 && physicalOffset < 0;
  const half = {
    queueOffset: halfQueueOffset as QueueOffset, // as the send or the check said
    physicalOffset: physicalOffset as PhysicalOffset,
  };
  context.broker.endTransaction(
    {
      topic,
      producerGroup,
      transactionId: header.transactionId ?? header.messageId,
      half: isById ? undefined : half,
      resolution: toResolution(header.resolution),
      isFromCheck,
    },
    (error) => answer(error ?? {}),
  );
}

/** @throws RmqError BAD_REQUEST */
function toResolution(value: number): 'COMMIT' | 'ROLLBACK' | 'UNKNOWN' {
  switch (value) {
    case Resolution.commit:
      return 'COMMIT';
    case Resolution.rollback:
      return 'ROLLBACK';
    case Resolution.unknown:
      return 'UNKNOWN';
    default:
      throw new RmqError('BAD_REQUEST', `commitOrRollback is ${value}, not 0, 8 or 12`);
  }
}

/** Asks the producers that are connected to the Remoting port, in turn. */
export class RemotingChecker implements TransactionChecker {
  readonly #clients: ClientRegistry;
  #turn = 0;

  constructor(clients: ClientRegistry) {
    this.#clients = clients;
  }

  producerGroups(): Iterable<string> {
    return this.#clients.producerGroups();
  }

  hasProducer(producerGroup: string): boolean {
    return this.#clients.hasProducer(producerGroup);
  }

  check(check: TransactionCheck): boolean {
    const producers = this.#clients.producers(check.producerGroup);
    if (producers.length === 0) return false;
    const { message, transactionId, queueOffset, physicalOffset, brokerName } = check;
    const extFields = checkTransactionHeader.encode({
      topic: halfTopic,
      halfQueueOffset: queueOffset,
      physicalOffset,
      messageId: transactionId,
      transactionId,
      offsetMessageId: encodeOffsetMessageId(message.storeHost, physicalOffset),
      brokerName,
    });
    const body = encodeStoredMessage(message);
    producers[this.#turn++ % producers.length]?.session.push(
      RequestCode.CHECK_TRANSACTION_STATE,
      extFields,
      body,
    );
    return true;
  }
}
