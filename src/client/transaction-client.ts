/** Half messages as a producer sends and ends them; facts/remoting.md §4.2. */
import { RmqError } from '../protocol/errors.ts';
import { decodeOffsetMessageId } from '../protocol/message/message-id.ts';
import { PropertyName } from '../protocol/message/property-names.ts';
import { SysFlag } from '../protocol/message/sys-flag.ts';
import { RequestCode } from '../protocol/remoting/codes.ts';
import { endTransactionHeader, Resolution } from '../protocol/remoting/headers/transaction.ts';
import { type AdminClient, producerGroup, type SentMessage } from './admin-client.ts';

export type TransactionEnd = 'commit' | 'rollback';

/** What makes a message a half one; `sysFlag` belongs to it. */
export const halfProperties: ReadonlyMap<string, string> = new Map([
  [PropertyName.transactionPrepared, 'true'],
  [PropertyName.producerGroup, producerGroup],
]);
export const halfSysFlag: number = SysFlag.transactionPrepared;

/** Lets a half message be consumed, or never. @throws RmqError of the broker. */
export async function endTransaction(
  admin: AdminClient,
  topic: string,
  sent: SentMessage,
  end: TransactionEnd,
): Promise<void> {
  const master = (await admin.masters()).find((one) => one.brokerName === sent.brokerName);
  const at = decodeOffsetMessageId(sent.offsetMessageId);
  if (master === undefined || at === undefined) {
    throw new RmqError('TRANSACTION_NOT_FOUND', `message ${sent.messageId} cannot be found again`);
  }
  const fields = endTransactionHeader.encode({
    topic,
    producerGroup,
    halfQueueOffset: sent.queueOffset,
    physicalOffset: at.physicalOffset,
    resolution: Resolution[end],
    isFromCheck: false,
    messageId: sent.messageId,
    transactionId: sent.messageId,
    brokerName: sent.brokerName,
  });
  await admin.call(master.address, RequestCode.END_TRANSACTION, fields);
}
