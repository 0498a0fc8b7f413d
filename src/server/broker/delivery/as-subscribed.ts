/** A message of a lite topic belongs to the parent topic, for everybody but the store. */
import { parseLiteQueueTopic } from '../../../protocol/message/lite-topic.ts';
import type { StoredMessage } from '../../../protocol/message/message.ts';

export function asSubscribed(message: StoredMessage): StoredMessage {
  const parts = parseLiteQueueTopic(message.topic);
  return parts === undefined ? message : { ...message, topic: parts.parent };
}
