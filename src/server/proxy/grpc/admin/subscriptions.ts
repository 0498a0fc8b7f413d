/** Subscriptions, for tools: ListSubscription, DescribeSubscription, DeleteSubscription. */
import {
  type ClientSubscriptionInfoInit,
  Code,
  decodeDeleteSubscriptionRequest,
  decodeDescribeSubscriptionRequest,
  decodeListSubscriptionRequest,
  encodeDeleteSubscriptionResponse,
  encodeDescribeSubscriptionResponse,
  encodeListSubscriptionResponse,
  MessageModel,
  type Resource,
  type SubscriptionInfoInit,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../../transport/grpc/call.ts';
import type { Client } from '../../settings.ts';
import { groupName, topicName } from '../names.ts';
import type { ServiceContext } from '../service-context.ts';
import { okStatus, StatusError } from '../status.ts';
import { adminMethod, topicOnBrokers } from './admin-method.ts';
import { clientInfo, isConsumer, subscriptionsOf } from './known-clients.ts';

export function subscriptionMethods(context: ServiceContext): UnaryMethod[] {
  return [
    adminMethod(context, {
      name: 'ListSubscription',
      decode: decodeListSubscriptionRequest,
      encode: encodeListSubscriptionResponse,
      run: (request) => ({
        status: okStatus,
        subscriptionInfo: consistent(subscriptions(context, request)),
      }),
    }),
    adminMethod(context, {
      name: 'DescribeSubscription',
      decode: decodeDescribeSubscriptionRequest,
      encode: encodeDescribeSubscriptionResponse,
      run: (request) => ({
        status: okStatus,
        clientSubscriptionInfo: subscriptions(context, request),
      }),
    }),
    adminMethod(context, {
      name: 'DeleteSubscription',
      decode: decodeDeleteSubscriptionRequest,
      encode: encodeDeleteSubscriptionResponse,
      run: (request) => deleteSubscription(context, request),
    }),
  ];
}

/** Each subscription once, and whether all its clients say the same. */
export function consistent(clients: readonly ClientSubscriptionInfoInit[]): SubscriptionInfoInit[] {
  const byKey = new Map<string, SubscriptionInfoInit>();
  for (const { subscriptionInfo } of clients) {
    const info = subscriptionInfo ?? {};
    const key = `${info.group?.name}\n${info.topic?.name}`;
    const before = byKey.get(key);
    const isSame =
      before === undefined || before.expression?.expression === info.expression?.expression;
    const subscriptionConsistency = isSame && before?.subscriptionConsistency !== false;
    byKey.set(key, { ...info, subscriptionConsistency });
  }
  return [...byKey.values()];
}

interface Wanted {
  readonly topic: Resource | undefined;
  readonly group: Resource | undefined;
}

/** Of each client that is connected here. */
function subscriptions(context: ServiceContext, wanted: Wanted): ClientSubscriptionInfoInit[] {
  const topic = wanted.topic === undefined ? undefined : topicName(wanted.topic);
  const group = wanted.group === undefined ? undefined : groupName(wanted.group);
  const found: ClientSubscriptionInfoInit[] = [];
  for (const client of context.clients.all()) {
    if (!isConsumer(client) || (group !== undefined && client.group !== group)) continue;
    for (const one of subscriptionsOf(client)) {
      if (topic !== undefined && one.topic !== topic) continue;
      const subscriptionInfo = infoOf(context, client, one.topic, one.expression);
      found.push({ clientInfo: clientInfo(client), subscriptionInfo });
    }
  }
  return found;
}

function infoOf(
  { clock }: ServiceContext,
  client: Client,
  topic: string,
  expression: SubscriptionInfoInit['expression'],
): SubscriptionInfoInit {
  const silentMs = clock.monotonicMs() - client.lastSeenMs;
  return {
    group: { name: client.group },
    topic: { name: topic },
    expression,
    online: client.sink !== undefined,
    lastUpdateTimestampMs: clock.nowMs() - silentMs,
    messageModel: MessageModel.CLUSTERING,
    subscriptionConsistency: true,
  };
}

/**
 * The group forgets how far it is in the topic and begins like a new one. A subscription that a connected
 * client holds comes back with its next heartbeat, so it is refused.
 */
async function deleteSubscription(
  context: ServiceContext,
  wanted: Wanted,
): Promise<{ readonly status: typeof okStatus }> {
  const topic = topicName(wanted.topic);
  const group = groupName(wanted.group);
  if (subscriptions(context, wanted).some(({ subscriptionInfo }) => subscriptionInfo?.online)) {
    const text = `consumers of group ${group} subscribe to ${topic} now`;
    throw new StatusError(Code.PRECONDITION_FAILED, text);
  }
  for (const { broker } of await topicOnBrokers(context, topic)) {
    for (const { queueId, minOffset } of await broker.topicQueues(topic)) {
      const offset = await broker.getOffset(group, topic, queueId);
      if (offset !== undefined) await broker.putOffset(group, topic, queueId, minOffset);
    }
  }
  return { status: okStatus };
}
