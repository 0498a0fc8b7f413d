/**
 * Lite topics (facts/grpc-v2.md §12): light queues under a parent topic of type LITE, made by a first
 * message. A lite topic's messages lie in a queue of their own, whose topic is `%LMQ%$parent$lite`.
 */

const prefix = '%LMQ%$';
const sizeMaxBytes = 64;

/** `max_lite_topic_size` of a consumer's settings. */
export const liteTopicSizeMaxBytes: number = sizeMaxBytes;

/** Why this cannot be the name of a lite topic; undefined when it can. */
export function liteTopicProblem(name: string): string | undefined {
  if (name === '') return 'a lite topic cannot be blank';
  if (name.length > sizeMaxBytes) return `a lite topic has at most ${sizeMaxBytes} bytes`;
  if (!/^[a-zA-Z0-9_-]+$/.test(name)) {
    return `lite topic ${JSON.stringify(name)} has characters other than a-z A-Z 0-9 - _`;
  }
  return undefined;
}

/** The topic under which a lite topic's messages are stored, in queue 0. */
export function liteQueueTopic(parent: string, liteTopic: string): string {
  return `${prefix}${parent}$${liteTopic}`;
}

export function isLiteQueueTopic(topic: string): boolean {
  return topic.startsWith(prefix);
}

/** Stands for every lite topic of a parent, where a group may ask for that; no lite topic can be called so. */
export const anyLiteTopic = '*';

/** What a client that wants every lite topic of this one's parent subscribes to. */
export function anyLiteTopicOf(topic: string): string {
  return topic.slice(0, topic.lastIndexOf('$') + 1) + anyLiteTopic;
}

/** Parent and lite topic; undefined for other topics. Neither name can hold a `$`. */
export function parseLiteQueueTopic(
  topic: string,
): { readonly parent: string; readonly liteTopic: string } | undefined {
  if (!topic.startsWith(prefix)) return undefined;
  const [parent, liteTopic] = topic.slice(prefix.length).split('$');
  return parent === undefined || liteTopic === undefined ? undefined : { parent, liteTopic };
}
