/** Names in requests, checked at the border; facts/grpc-v2.md 3.1. Namespaces are echoed, not used. */
import { ClientType, Code, type Resource } from '../../../protocol/grpc/generated/messages.ts';
import {
  groupNameProblem,
  isSystemTopic,
  topicNameProblem,
} from '../../../protocol/message/names.ts';
import { StatusError } from './status.ts';

/** The topic's name. @throws StatusError ILLEGAL_TOPIC */
export function topicName(resource: Resource | undefined): string {
  const name = resource?.name ?? '';
  if (name.trim() === '') throw new StatusError(Code.ILLEGAL_TOPIC, 'topic cannot be blank');
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new StatusError(Code.ILLEGAL_TOPIC, problem);
  if (isSystemTopic(name)) throw new StatusError(Code.ILLEGAL_TOPIC, 'cannot access system topic');
  return name;
}

export function isLiteClient(clientType: number | undefined): boolean {
  return (
    clientType === ClientType.LITE_PUSH_CONSUMER || clientType === ClientType.LITE_SIMPLE_CONSUMER
  );
}

/** The consumer group's name. @throws StatusError ILLEGAL_CONSUMER_GROUP */
export function groupName(resource: Resource | undefined): string {
  const name = resource?.name ?? '';
  const problem = groupNameProblem(name);
  if (problem !== undefined) throw new StatusError(Code.ILLEGAL_CONSUMER_GROUP, problem);
  if (name.startsWith('CID_RMQ_SYS_')) {
    throw new StatusError(Code.ILLEGAL_CONSUMER_GROUP, 'cannot use system consumer group');
  }
  return name;
}
