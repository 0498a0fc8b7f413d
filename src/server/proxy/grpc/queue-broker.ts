/** The queue that a request names: its topic, and the broker that holds it. */
import { RmqError } from '../../../protocol/errors.ts';
import type { MessageQueue } from '../../../protocol/grpc/generated/messages.ts';
import { Code } from '../../../protocol/grpc/generated/messages.ts';
import type { BrokerApi } from '../../broker/api.ts';
import { topicName } from './names.ts';
import type { ServiceContext } from './service-context.ts';
import { StatusError } from './status.ts';

export interface NamedQueue {
  readonly topic: string;
  readonly queueId: number;
  readonly broker: BrokerApi;
}

/** @throws StatusError ILLEGAL_TOPIC, BAD_REQUEST; RmqError BROKER_NOT_FOUND */
export function namedQueue(context: ServiceContext, queue: MessageQueue | undefined): NamedQueue {
  const topic = topicName(queue?.topic);
  const queueId = queue?.id ?? 0;
  if (queueId < 0) throw new StatusError(Code.BAD_REQUEST, `queue id ${queueId} is negative`);
  const name = queue?.broker?.name ?? '';
  const broker = name === '' ? onlyBroker(context) : context.cluster.broker(name);
  if (broker !== undefined) return { topic, queueId, broker };
  throw name === ''
    ? new StatusError(Code.BAD_REQUEST, 'the message queue does not name its broker')
    : new RmqError('BROKER_NOT_FOUND', `no live broker ${name}`);
}

function onlyBroker({ cluster }: ServiceContext): BrokerApi | undefined {
  const brokers = cluster.brokers();
  return brokers.length === 1 ? brokers[0] : undefined;
}
