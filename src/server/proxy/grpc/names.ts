/** Checks of the names in requests. Namespaces are dropped, as Apache's proxy does (facts/grpc-v2.md 2). */
import { RmqError } from '../../../protocol/errors.ts';
import type { Resource } from '../../../protocol/grpc/generated/messages.ts';
import { checkGroupName, checkTopicName, isSystemTopic } from '../../../protocol/message/names.ts';

/** The topic named. @throws RmqError ILLEGAL_TOPIC. */
export function topicOf(resource: Resource | undefined): string {
  const topic = resource?.name ?? '';
  checkTopicName(topic);
  if (isSystemTopic(topic)) {
    throw new RmqError('ILLEGAL_TOPIC', `cannot access system topic: ${topic}`);
  }
  return topic;
}

/** The consumer group named. @throws RmqError ILLEGAL_GROUP. */
export function groupOf(resource: Resource | undefined): string {
  const group = resource?.name ?? '';
  checkGroupName(group);
  if (group.startsWith('CID_RMQ_SYS_')) {
    throw new RmqError('ILLEGAL_GROUP', `cannot use system consumer group: ${group}`);
  }
  return group;
}
