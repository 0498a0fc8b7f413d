/** What type a message has, by its properties; facts/grpc-v2.md 7.1, facts/broker.md 1.4. */
import { Code, MessageType } from '../../../protocol/grpc/generated/messages.ts';
import type { TopicRoute } from '../cluster-view.ts';
import { StatusError } from './status.ts';

const delayProperties = ['DELAY', 'TIMER_DELIVER_MS', 'TIMER_DELAY_SEC', 'TIMER_DELAY_MS'];

export type DerivedType = 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION' | 'PRIORITY' | 'LITE';

export function derivedType(properties: ReadonlyMap<string, string>): DerivedType {
  if (properties.get('TRAN_MSG') === 'true') return 'TRANSACTION';
  if (delayProperties.some((name) => properties.has(name))) return 'DELAY';
  if (properties.has('__SHARDINGKEY')) return 'FIFO';
  if (properties.has('__LITE_TOPIC')) return 'LITE';
  if (properties.has('_SYS_MSG_PRIORITY_')) return 'PRIORITY';
  return 'NORMAL';
}

/** Why a message of this type may not go to that topic, if so; facts/grpc-v2.md 7.4. */
export function typeProblem(route: TopicRoute, actual: DerivedType): StatusError | undefined {
  const expected = route.messageType;
  // Lite messages are kept apart, which only a topic of their type does.
  const isMixed = expected === 'MIXED' && actual !== 'LITE';
  const isFree = isMixed || route.topic.startsWith('%');
  if (isFree || expected === actual) return undefined;
  return new StatusError(
    Code.MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
    `TopicMessageType validate failed, the expected type is ${expected}, but actual type is ${actual}`,
  );
}

export function grpcType(properties: ReadonlyMap<string, string>): number {
  return MessageType[derivedType(properties)];
}

/** Keys that users may not set and do not see; facts/grpc-v2.md 7.3. */
export const reservedProperties: ReadonlySet<string> = new Set(
  `TRACE_ON MSG_REGION KEYS TAGS WAIT DELAY RETRY_TOPIC REAL_TOPIC REAL_QID TRAN_MSG PGROUP MIN_OFFSET
  MAX_OFFSET BUYER_ID ORIGIN_MESSAGE_ID TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME UNIQ_KEY
  MAX_RECONSUME_TIMES CONSUME_START_TIME POP_CK POP_CK_OFFSET 1ST_POP_TIME TRAN_PREPARED_QUEUE_OFFSET
  DUP_INFO EXTEND_UNIQ_INFO INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL ARRIVE_TIME PUSH_REPLY_TIME
  CLUSTER MSG_TYPE INNER_MULTI_QUEUE_OFFSET TIMER_DELAY_MS TIMER_DELAY_SEC TIMER_DELIVER_MS
  TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS TIMER_ROLL_TIMES TIMER_OUT_MS TIMER_DEL_UNIQKEY TIMER_SOURCE TIMER_DELAY_LEVEL
  __BORNHOST BORN_TIMESTAMP DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID __CRC32# ORIGIN_GROUP
  _SYS_MSG_PRIORITY_ __LITE_TOPIC`.split(/\s+/),
);

/** Bookkeeping that Apache shows to consumers; ours does not. */
export const hiddenProperties: ReadonlySet<string> = new Set([
  ...reservedProperties,
  '__SHARDINGKEY',
  'TRACE_CONTEXT',
  'TRANSACTION_CHECK_TIMES',
  '__transactionId__',
  'CHECK_IMMUNITY_TIME_IN_SECONDS',
]);
