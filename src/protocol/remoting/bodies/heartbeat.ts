/** Body of HEART_BEAT (34); facts/remoting.md §5.1. */
import { entriesOf, listOf, parseJsonObject } from './json.ts';

export interface SubscriptionBody {
  readonly topic: string;
  readonly expression: string;
  /** `TAG` or `SQL92`. */
  readonly expressionType: string;
  /** The whole as it came, for whoever asks for the connection's subscriptions. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface ConsumerBody {
  readonly group: string;
  readonly consumeType: string;
  readonly messageModel: string;
  readonly consumeFromWhere: string;
  readonly subscriptions: readonly SubscriptionBody[];
}

export interface HeartbeatBody {
  readonly clientId: string;
  readonly producerGroups: readonly string[];
  readonly consumers: readonly ConsumerBody[];
  /** The V2 form: the subscriptions are as in the heartbeat before. */
  readonly isWithoutSubscriptions: boolean;
}

/** @throws RmqError BAD_REQUEST when it is no JSON. */
export function decodeHeartbeat(body: Uint8Array): HeartbeatBody {
  const json = parseJsonObject(body);
  return {
    clientId: textOf(json['clientID']),
    producerGroups: listOf(json, 'producerDataSet').map((item) =>
      textOf(toObject(item)['groupName']),
    ),
    consumers: listOf(json, 'consumerDataSet').map((item) => toConsumer(toObject(item))),
    isWithoutSubscriptions: json['withoutSub'] === true,
  };
}

function toConsumer(json: Record<string, unknown>): ConsumerBody {
  return {
    group: textOf(json['groupName']),
    consumeType: textOf(json['consumeType']),
    messageModel: textOf(json['messageModel']),
    consumeFromWhere: textOf(json['consumeFromWhere']),
    subscriptions: listOf(json, 'subscriptionDataSet').map((item) => {
      const subscription = toObject(item);
      return {
        topic: textOf(subscription['topic']),
        expression: textOf(subscription['subString']),
        expressionType: textOf(subscription['expressionType']) || 'TAG',
        json: subscription,
      };
    }),
  };
}

function toObject(value: unknown): Record<string, unknown> {
  return Object.fromEntries(entriesOf(value));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
