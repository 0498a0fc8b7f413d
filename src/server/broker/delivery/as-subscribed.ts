/** A message of a lite topic belongs to the parent topic, one that came back to its own, for everybody but the store. */
import { parseLiteQueueTopic } from '../../../protocol/message/lite-topic.ts';
import type { StoredMessage } from '../../../protocol/message/message.ts';
import { parsePopRetryTopic } from './pop-retry.ts';

export function asSubscribed(message: StoredMessage, group: string): StoredMessage {
  const { topic } = message;
  const own = parseLiteQueueTopic(topic)?.parent ?? parsePopRetryTopic(group, topic)?.topic;
  return own === undefined ? message : { ...message, topic: own };
}
