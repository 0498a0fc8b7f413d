/** Consumer group configuration as JSON, in bodies of 200, 201, 225 and 352; facts/store.md §9. */
import { numberOr, textMap } from './topic-config.ts';

export type RetryPolicyBody =
  | { readonly type: 'CUSTOMIZED'; readonly nextMs: readonly number[] }
  | {
      readonly type: 'EXPONENTIAL';
      readonly initialMs: number;
      readonly maxMs: number;
      readonly multiplier: number;
    };

/** The same shape as the broker's `GroupConfig`, which `protocol` may not import. */
export interface GroupConfigBody {
  readonly group: string;
  readonly isConsumeEnabled: boolean;
  readonly isConsumeFromMinEnabled: boolean;
  readonly isBroadcastEnabled: boolean;
  readonly isOrdered: boolean;
  readonly retryQueueCount: number;
  readonly retryCountMax: number;
  readonly retryPolicy: RetryPolicyBody;
  readonly consumeTimeoutMinutes: number;
  readonly isNotifyConsumersChangedEnabled: boolean;
  readonly brokerId: number;
  readonly whichBrokerWhenConsumeSlowly: number;
  readonly systemFlag: number;
  readonly attributes: Readonly<Record<string, string>>;
}

const minuteMs = 60_000;
/** Delay of the n-th redelivery of a group that says nothing else: Apache's 18 levels. */
export const defaultRetryDelaysMs: readonly number[] = [
  ...[1_000, 5_000, 10_000, 30_000],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 60, 120].map((minutes) => minutes * minuteMs),
];

export function groupConfigToJson(config: GroupConfigBody): Record<string, unknown> {
  return {
    attributes: config.attributes,
    brokerId: config.brokerId,
    consumeBroadcastEnable: config.isBroadcastEnabled,
    consumeEnable: config.isConsumeEnabled,
    consumeFromMinEnable: config.isConsumeFromMinEnabled,
    consumeMessageOrderly: config.isOrdered,
    consumeTimeoutMinute: config.consumeTimeoutMinutes,
    groupName: config.group,
    groupRetryPolicy: retryPolicyToJson(config.retryPolicy),
    groupSysFlag: config.systemFlag,
    notifyConsumerIdsChangedEnable: config.isNotifyConsumersChangedEnabled,
    retryMaxTimes: config.retryCountMax,
    retryQueueNums: config.retryQueueCount,
    whichBrokerWhenConsumeSlowly: config.whichBrokerWhenConsumeSlowly,
  };
}

/** Reads one; undefined when it has no name. Absent fields have Apache's defaults. */
export function groupConfigFromJson(value: unknown): GroupConfigBody | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const json = value as Record<string, unknown>; // an object, by the line above
  const group = json['groupName'];
  if (typeof group !== 'string') return undefined;
  return {
    group,
    isConsumeEnabled: json['consumeEnable'] !== false,
    isConsumeFromMinEnabled: json['consumeFromMinEnable'] !== false,
    isBroadcastEnabled: json['consumeBroadcastEnable'] !== false,
    isOrdered: json['consumeMessageOrderly'] === true,
    retryQueueCount: numberOr(json['retryQueueNums'], 1),
    retryCountMax: numberOr(json['retryMaxTimes'], 16),
    retryPolicy: retryPolicyFromJson(json['groupRetryPolicy']),
    consumeTimeoutMinutes: numberOr(json['consumeTimeoutMinute'], 15),
    isNotifyConsumersChangedEnabled: json['notifyConsumerIdsChangedEnable'] !== false,
    brokerId: numberOr(json['brokerId'], 0),
    whichBrokerWhenConsumeSlowly: numberOr(json['whichBrokerWhenConsumeSlowly'], 1),
    systemFlag: numberOr(json['groupSysFlag'], 0),
    attributes: textMap(json['attributes']),
  };
}

/** What a group is that nobody configured. */
export function defaultGroupConfig(group: string): GroupConfigBody {
  // A name is all that the reader insists on.
  return groupConfigFromJson({ groupName: group }) as GroupConfigBody;
}

function retryPolicyToJson(policy: RetryPolicyBody): Record<string, unknown> {
  if (policy.type === 'CUSTOMIZED') {
    return { type: 'CUSTOMIZED', customizedRetryPolicy: { next: policy.nextMs } };
  }
  const { initialMs: initial, maxMs: max, multiplier } = policy;
  return { type: 'EXPONENTIAL', exponentialRetryPolicy: { initial, max, multiplier } };
}

function retryPolicyFromJson(value: unknown): RetryPolicyBody {
  const json = (value ?? {}) as Record<string, Record<string, unknown> | undefined>; // read with care below
  if ((json['type'] as unknown) === 'EXPONENTIAL') {
    const policy = json['exponentialRetryPolicy'] ?? {};
    return {
      type: 'EXPONENTIAL',
      initialMs: numberOr(policy['initial'], 5_000),
      maxMs: numberOr(policy['max'], 7_200_000),
      multiplier: numberOr(policy['multiplier'], 2),
    };
  }
  const next = json['customizedRetryPolicy']?.['next'];
  const isList = Array.isArray(next) && next.every((item) => typeof item === 'number');
  return { type: 'CUSTOMIZED', nextMs: isList ? next : defaultRetryDelaysMs };
}
