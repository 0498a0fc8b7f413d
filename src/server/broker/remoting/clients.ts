/** Clients: 34, 35, 38, 41, 42, 46, 203, 204; facts/remoting.md §5.1, §5.4, §8.1. */
import { formatHostPort } from '../../../platform/host-port.ts';
import { compileFilter } from '../../../protocol/filter/message-filter.ts';
import { decodeHeartbeat } from '../../../protocol/remoting/bodies/heartbeat.ts';
import {
  entriesOf,
  jsonBody,
  listOf,
  parseJsonObject,
} from '../../../protocol/remoting/bodies/json.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  consumerGroupHeader,
  producerGroupHeader,
  unregisterClientHeader,
} from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { RegisteredClient } from './client-registry.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering } from './context.ts';
import { ensureRetryTopic } from './groups.ts';
import type { QueueName } from './queue-locks.ts';

export function clientHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.HEART_BEAT, answering((request) => heartbeat(context, request))],
    [RequestCode.UNREGISTER_CLIENT, answering((request) => unregister(context, request))],
    [RequestCode.GET_CONSUMER_LIST_BY_GROUP, answering((request) => members(context, request))],
    [RequestCode.LOCK_BATCH_MQ, answering((request) => lock(context, request))],
    [RequestCode.UNLOCK_BATCH_MQ, answering((request) => unlock(context, request))],
    [RequestCode.CHECK_CLIENT_CONFIG, answering(checkFilter)],
    [RequestCode.GET_CONSUMER_CONNECTION_LIST, answering((request) => consumers(context, request))],
    [RequestCode.GET_PRODUCER_CONNECTION_LIST, answering((request) => producers(context, request))],
  ];
}

async function heartbeat(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const body = decodeHeartbeat(request.body);
  const isChanged = context.clients.heartbeat(request, body);
  for (const { group, messageModel } of body.consumers) {
    if (messageModel !== 'BROADCASTING') await ensureRetryTopic(context, group);
  }
  return {
    extFields: { IS_SUPPORT_HEART_BEAT_V2: 'true', IS_SUB_CHANGE: String(isChanged) },
  };
}

/** @throws RmqError ILLEGAL_FILTER */
function checkFilter(request: RemotingRequest): AnswerParts {
  const json = parseJsonObject(request.body);
  const subscription = new Map(entriesOf(json['subscriptionData']));
  const expression = subscription.get('subString');
  const type = subscription.get('expressionType') === 'SQL92' ? 'SQL92' : 'TAG';
  compileFilter({ type, expression: typeof expression === 'string' ? expression : '' });
  return {};
}

function unregister(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { clientId, producerGroup, consumerGroup } = unregisterClientHeader.decode(
    request.extFields,
  );
  context.clients.unregister(request.session, clientId, { producerGroup, consumerGroup });
  return {};
}

function members(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group } = consumerGroupHeader.decode(request.extFields);
  const state = context.clients.consumerGroup(group);
  if (state === undefined) {
    return { code: ResponseCode.SYSTEM_ERROR, remark: `no consumer for this group, ${group}` };
  }
  return { body: jsonBody({ consumerIdList: [...state.members.keys()] }) };
}

function readLockBody(request: RemotingRequest): {
  readonly group: string;
  readonly clientId: string;
  readonly queues: readonly QueueName[];
} {
  const json = parseJsonObject(request.body);
  const queues = listOf(json, 'mqSet').map((value): QueueName => {
    const queue = new Map(entriesOf(value));
    return {
      topic: String(queue.get('topic') ?? ''),
      brokerName: String(queue.get('brokerName') ?? ''),
      queueId: Number(queue.get('queueId') ?? 0),
    };
  });
  return {
    group: String(json['consumerGroup'] ?? ''),
    clientId: String(json['clientId'] ?? ''),
    queues,
  };
}

function lock(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group, clientId, queues } = readLockBody(request);
  const lockOKMQSet = context.locks.lock(group, clientId, queues);
  return { body: jsonBody({ lockOKMQSet }) };
}

function unlock(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group, clientId, queues } = readLockBody(request);
  context.locks.unlock(group, clientId, queues);
  return {};
}

function consumers(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group } = consumerGroupHeader.decode(request.extFields);
  const state = context.clients.consumerGroup(group);
  if (state === undefined) {
    return {
      code: ResponseCode.CONSUMER_NOT_ONLINE,
      remark: `the consumer group[${group}] not online`,
    };
  }
  const subscriptionTable = Object.fromEntries(
    [...state.subscriptions].map(([topic, subscription]) => [topic, subscription.json]),
  );
  return {
    body: jsonBody({
      connectionSet: [...state.members.values()].map(toConnection),
      consumeFromWhere: state.consumeFromWhere,
      consumeType: state.consumeType,
      messageModel: state.messageModel,
      subscriptionTable,
    }),
  };
}

function producers(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group } = producerGroupHeader.decode(request.extFields);
  const found = context.clients.producers(group);
  if (found.length === 0) {
    return {
      code: ResponseCode.SYSTEM_ERROR,
      remark: `the producer group[${group}] not exist`,
    };
  }
  return { body: jsonBody({ connectionSet: found.map(toConnection) }) };
}

function toConnection(client: RegisteredClient): Record<string, unknown> {
  return {
    clientAddr: formatHostPort(client.session.remote),
    clientId: client.clientId,
    language: client.language,
    version: client.version,
  };
}
