/**
 * Pop retry topics: where Apache's brokers copy a message that a group has popped and not acknowledged in time
 * (facts/broker.md §10). Ours delivers in place and writes none, but a store that was taken over from there may
 * have some, and a receive of the group reads them with the topic's own queues.
 */
import type { StoredMessage } from '../../../protocol/message/message.ts';
import { retryTopicPrefix } from '../../../protocol/message/names.ts';
import { findProperty } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';

/** The field of a receipt handle that says which of a topic's topics a message lies in. */
export const PopTopicType = { own: 0, retryV1: 1, retryV2: 2 } as const;

/** `type` as in receipt handles; a proxy may name the retry topic itself. */
export function popTopicOf(group: string, topic: string, type: number): string {
  if (type !== PopTopicType.own && parsePopRetryTopic(group, topic) !== undefined) return topic;
  if (type === PopTopicType.retryV1) return `${retryTopicPrefix}${group}_${topic}`;
  if (type === PopTopicType.retryV2) return `${retryTopicPrefix}${group}+${topic}`;
  return topic;
}

/** `%RETRY%a_b` may be the retry topic of the group `a_b` as well: only these are for `group`. */
export function isPopRetry({ properties }: StoredMessage, group: string): boolean {
  const origin = findProperty(properties, PropertyName.originGroup) ?? group;
  return origin === group && findProperty(properties, PropertyName.firstPopTime) !== undefined;
}

/** The topic whose receives read that one, and how handles call it; undefined: no pop retry topic of the group. */
export function parsePopRetryTopic(
  group: string,
  topic: string,
): { readonly topic: string; readonly type: number } | undefined {
  if (!topic.startsWith(retryTopicPrefix) || !topic.startsWith(group, retryTopicPrefix.length)) {
    return undefined;
  }
  const at = retryTopicPrefix.length + group.length;
  const mark = topic[at];
  const rest = topic.slice(at + 1);
  if (rest === '') return undefined;
  if (mark === '_') return { topic: rest, type: PopTopicType.retryV1 };
  if (mark === '+') return { topic: rest, type: PopTopicType.retryV2 };
  return undefined;
}
