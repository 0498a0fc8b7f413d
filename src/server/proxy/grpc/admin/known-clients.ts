/** The clients that this proxy knows, as the Admin service tells of them. */
import {
  type ClientInfoInit,
  ClientType,
  type FilterExpression,
  MessageModel,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { Client } from '../../settings.ts';
import type { ServiceContext } from '../service-context.ts';

export interface KnownSubscription {
  readonly topic: string;
  readonly expression: FilterExpression | undefined;
}

export function consumersOf({ clients }: ServiceContext, group: string): readonly Client[] {
  return [...clients.all()].filter((client) => client.group === group && isConsumer(client));
}

export function isConsumer({ clientType }: Client): boolean {
  return clientType !== ClientType.PRODUCER && clientType !== ClientType.CLIENT_TYPE_UNSPECIFIED;
}

export function subscriptionsOf({ settings }: Client): readonly KnownSubscription[] {
  const entries = settings?.subscription?.subscriptions ?? [];
  return entries.map(({ topic, expression }) => ({ topic: topic?.name ?? '', expression }));
}

export function clientInfo(client: Client): ClientInfoInit {
  return {
    clientId: client.clientId,
    version: client.version,
    language: client.language,
    hostname: client.settings?.userAgent?.hostname ?? '',
    egressIp: client.peer.host,
    messageModel: MessageModel.CLUSTERING,
  };
}
