/** The broker that a receipt handle came from: the sixth of its fields; facts/grpc-v2.md 6.4. */
import { RmqError } from '../../../protocol/errors.ts';
import type { BrokerApi } from '../../broker/api.ts';
import type { ClusterView } from '../cluster-view.ts';

const brokerNameField = 5;

/** @throws RmqError INVALID_RECEIPT_HANDLE */
export function brokerOfReceipt(cluster: ClusterView, receiptHandle: string): BrokerApi {
  const name = receiptHandle.split(' ')[brokerNameField];
  if (name === undefined || name === '') {
    throw new RmqError('INVALID_RECEIPT_HANDLE', 'receipt handle cannot be parsed');
  }
  const broker = cluster.broker(name);
  if (broker !== undefined) return broker;
  throw new RmqError('INVALID_RECEIPT_HANDLE', `cannot find broker ${name}`);
}
