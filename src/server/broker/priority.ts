/**
 * Priorities (facts/broker.md 21.3): a message that is nothing else goes to the queue of its number, the
 * highest to the last; a group reads the queues from the last to the first.
 */
import type { MessageDraft } from '../../protocol/message/message.ts';
import { findProperty, withoutProperties } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { GroupConfig, TopicConfig } from './api.ts';

/** What makes a message one of another type; facts/broker.md 1.4. */
const otherTypes: readonly string[] = [
  PropertyName.transactionPrepared,
  PropertyName.delayLevel,
  PropertyName.timerDeliverMs,
  PropertyName.timerDelaySeconds,
  PropertyName.timerDelayMs,
  PropertyName.messageGroup,
];
const factorAttribute = 'priority.factor';

/** The draft in the queue of its priority; messages of other types lose their priority. */
export function prioritized(draft: MessageDraft, config: TopicConfig): MessageDraft {
  const text = findProperty(draft.properties, PropertyName.priority);
  if (text === undefined) return draft;
  const isOther = otherTypes.some((name) => findProperty(draft.properties, name) !== undefined);
  if (isOther || !/^\d{1,9}$/.test(text)) {
    const properties = withoutProperties(draft.properties, [PropertyName.priority]);
    return { ...draft, properties };
  }
  return { ...draft, queueId: Math.min(Number(text), config.writeQueueCount - 1) };
}

/** How many of a hundred receives of the group begin with the most urgent queue; the others at any. */
export function priorityPercent(topic: TopicConfig, group: GroupConfig): number {
  if (topic.attributes['message.type'] !== 'PRIORITY') return 0;
  const text = group.attributes[factorAttribute] ?? '100';
  return /^\d{1,3}$/.test(text) ? Math.min(100, Number(text)) : 100;
}
