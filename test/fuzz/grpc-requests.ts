/** Requests of every RPC with hostile values in every field. */
import * as wire from '../../src/protocol/grpc/generated/messages.ts';
import type { SimRandom } from '../sim/random.ts';
import { bytes, milliseconds, number, text } from './values.ts';

export interface FuzzRequest {
  readonly service: 'MessagingService' | 'Admin';
  readonly method: string;
  readonly shape: 'unary' | 'server-stream' | 'duplex';
  readonly message: Buffer;
}

type Make = (random: SimRandom) => FuzzRequest;

function maybe<T>(random: SimRandom, make: () => T): T | undefined {
  return random.chance(0.8) ? make() : undefined;
}

function list<T>(random: SimRandom, make: () => T): T[] {
  return Array.from({ length: random.pick([0, 1, 1, 1, 2, 2, 3, 5]) }, make);
}

const resource = (random: SimRandom): wire.ResourceInit => ({
  name: text(random),
  resourceNamespace: random.chance(0.2) ? text(random) : '',
});

const queue = (random: SimRandom): wire.MessageQueueInit => ({
  topic: maybe(random, () => resource(random)),
  id: number(random),
  permission: number(random),
  broker: maybe(random, () => ({
    name: random.pick(['broker-a', text(random)]),
    id: number(random),
  })),
});

const message = (random: SimRandom): wire.MessageInit => ({
  topic: maybe(random, () => resource(random)),
  userProperties: new Map(list(random, () => [text(random), text(random)] as const)),
  body: bytes(random),
  systemProperties: maybe(random, () => ({
    tag: maybe(random, () => text(random)),
    keys: list(random, () => text(random)),
    messageId: text(random),
    bodyEncoding: number(random),
    messageType: random.below(8),
    bornTimestampMs: milliseconds(random),
    bornHost: text(random),
    deliveryTimestampMs: maybe(random, () => milliseconds(random)),
    messageGroup: maybe(random, () => text(random)),
    traceContext: maybe(random, () => text(random)),
    orphanedTransactionRecoveryDurationMs: maybe(random, () => milliseconds(random)),
    priority: maybe(random, () => number(random)),
    liteTopic: maybe(random, () => text(random)),
  })),
});

const filter = (random: SimRandom): wire.FilterExpressionInit => ({
  type: random.below(4),
  expression: text(random),
});

const settings = (random: SimRandom): wire.SettingsInit => ({
  clientType: random.below(8),
  accessPoint: undefined,
  backoffPolicy: maybe(random, () => ({ maxAttempts: number(random) })),
  requestTimeoutMs: milliseconds(random),
  publishing: maybe(random, () => ({
    topics: list(random, () => resource(random)),
    maxBodySize: number(random),
  })),
  subscription: maybe(random, () => ({
    group: maybe(random, () => resource(random)),
    subscriptions: list(random, () => ({
      topic: resource(random),
      expression: maybe(random, () => filter(random)),
    })),
    receiveBatchSize: number(random),
    longPollingTimeoutMs: milliseconds(random),
  })),
});

const common = (random: SimRandom): Record<string, unknown> => ({
  topic: maybe(random, () => resource(random)),
  group: maybe(random, () => resource(random)),
  messageQueue: maybe(random, () => queue(random)),
  messageId: text(random),
  transactionId: text(random),
  receiptHandle: text(random),
  recallHandle: text(random),
  clientId: text(random),
  offset: number(random),
  batchSize: number(random),
  maxMessageNums: number(random),
  resolution: random.below(5),
  source: random.below(5),
  clientType: random.below(8),
  level: random.pick([3, 4]),
  action: random.below(6),
  queryOffsetPolicy: random.below(5),
  deliveryAttempt: number(random),
  maxDeliveryAttempts: number(random),
  autoRenew: random.chance(0.3),
  attemptId: maybe(random, () => text(random)),
  invisibleDurationMs: milliseconds(random),
  longPollingTimeoutMs: random.pick([0, 1, 5_000, -1]),
  timestampMs: milliseconds(random),
  resetTimestampMs: milliseconds(random),
  filterExpression: maybe(random, () => filter(random)),
  messageKey: maybe(random, () => text(random)),
  liteTopicSet: list(random, () => text(random)),
  messages: list(random, () => message(random)).slice(0, 40),
  entries: list(random, () => ({ messageId: text(random), receiptHandle: text(random) })),
  endpoints: maybe(random, () => ({ scheme: random.below(5), addresses: [] })),
  body: bytes(random),
  topics: list(random, () => resource(random)).slice(0, 20),
});

/** A request whose message takes its fields from `common`. */
function of(
  service: FuzzRequest['service'],
  method: string,
  encode: (init: never) => Buffer,
  shape: FuzzRequest['shape'] = 'unary',
): Make {
  return (random) => ({ service, method, shape, message: encode(common(random) as never) });
}

const makers: readonly Make[] = [
  of('MessagingService', 'QueryRoute', wire.encodeQueryRouteRequest),
  of('MessagingService', 'Heartbeat', wire.encodeHeartbeatRequest),
  of('MessagingService', 'SendMessage', wire.encodeSendMessageRequest),
  of('MessagingService', 'SendMessage', wire.encodeSendMessageRequest),
  of('MessagingService', 'QueryAssignment', wire.encodeQueryAssignmentRequest),
  of('MessagingService', 'ReceiveMessage', wire.encodeReceiveMessageRequest, 'server-stream'),
  of('MessagingService', 'AckMessage', wire.encodeAckMessageRequest),
  of(
    'MessagingService',
    'ForwardMessageToDeadLetterQueue',
    wire.encodeForwardMessageToDeadLetterQueueRequest,
  ),
  of('MessagingService', 'PullMessage', wire.encodePullMessageRequest, 'server-stream'),
  of('MessagingService', 'UpdateOffset', wire.encodeUpdateOffsetRequest),
  of('MessagingService', 'GetOffset', wire.encodeGetOffsetRequest),
  of('MessagingService', 'QueryOffset', wire.encodeQueryOffsetRequest),
  of('MessagingService', 'EndTransaction', wire.encodeEndTransactionRequest),
  of('MessagingService', 'NotifyClientTermination', wire.encodeNotifyClientTerminationRequest),
  of('MessagingService', 'ChangeInvisibleDuration', wire.encodeChangeInvisibleDurationRequest),
  of('MessagingService', 'RecallMessage', wire.encodeRecallMessageRequest),
  of('MessagingService', 'SyncLiteSubscription', wire.encodeSyncLiteSubscriptionRequest),
  (random) => ({
    service: 'MessagingService',
    method: 'Telemetry',
    shape: 'duplex',
    message: wire.encodeTelemetryCommand({
      settings: maybe(random, () => settings(random)),
      threadStackTrace: random.chance(0.2) ? { nonce: text(random) } : undefined,
    }),
  }),
  of('Admin', 'DescribeTopicStatus', wire.encodeDescribeTopicStatusRequest),
  of('Admin', 'GetTopicRoute', wire.encodeGetTopicRouteRequest),
  of('Admin', 'QueryTimeSpan', wire.encodeQueryTimeSpanRequest),
  of('Admin', 'DescribeGroupAccumulation', wire.encodeDescribeGroupAccumulationRequest),
  of('Admin', 'ListSubscription', wire.encodeListSubscriptionRequest),
  of('Admin', 'DescribeSubscription', wire.encodeDescribeSubscriptionRequest),
  of('Admin', 'DeleteSubscription', wire.encodeDeleteSubscriptionRequest),
  of('Admin', 'ListConsumerConnection', wire.encodeListConsumerConnectionRequest),
  of('Admin', 'ResetGroupOffset', wire.encodeResetGroupOffsetRequest),
  of('Admin', 'AdminSendMessage', wire.encodeAdminSendMessageRequest),
  of('Admin', 'GetConsumerRunningInfo', wire.encodeGetConsumerRunningInfoRequest),
  of('Admin', 'GetProxyRuntimeStats', wire.encodeGetProxyRuntimeStatsRequest),
  of('Admin', 'PrintThreadStackTrace', wire.encodePrintThreadStackTraceRequest),
];

export function randomRequest(random: SimRandom): FuzzRequest {
  return random.pick(makers)(random);
}
