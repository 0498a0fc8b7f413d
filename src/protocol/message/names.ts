/** What topics and consumer groups may be called; facts/broker.md §1.1. Checked at the decoders. */
import { RmqError } from '../errors.ts';

export const retryTopicPrefix = '%RETRY%';
export const deadLetterTopicPrefix = '%DLQ%';

const topicSizeMax = 127;
const longTopicSizeMax = 255;
const groupSizeMax = 120;
const allowed = /^[%|a-zA-Z0-9_-]+$/;
// `+` occurs in pop retry topics of the second form only, `%RETRY%group+topic`.
const allowedInRetry = /^[%|a-zA-Z0-9_+-]+$/;

const systemTopics: ReadonlySet<string> = new Set([
  'TBW102',
  'SCHEDULE_TOPIC_XXXX',
  'BenchmarkTest',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRACE_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
  'CHECKPOINT_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC',
]);

const sendForbidden: ReadonlySet<string> = new Set([
  'SCHEDULE_TOPIC_XXXX',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
  // Apache's brokers take these; ours reads them as its own timers.
  'rmq_sys_wheel_timer',
]);

/** What is wrong with a topic's name, as a sentence, or undefined when nothing is. */
export function topicNameProblem(topic: string): string | undefined {
  if (topic === '') return 'a topic name must not be empty';
  const isLong = topic.startsWith(retryTopicPrefix) || topic.startsWith(deadLetterTopicPrefix);
  const sizeMax = isLong ? longTopicSizeMax : topicSizeMax;
  if (topic.length > sizeMax) {
    return `topic name has ${topic.length} characters, at most ${sizeMax} are allowed`;
  }
  if (!(topic.startsWith(retryTopicPrefix) ? allowedInRetry : allowed).test(topic)) {
    return `topic name ${JSON.stringify(topic)} may hold letters, digits, %, |, - and _ only`;
  }
  return undefined;
}

/** What is wrong with a consumer group's name, or undefined. */
export function groupNameProblem(group: string): string | undefined {
  if (group === '') return 'a group name must not be empty';
  if (group.length > groupSizeMax) {
    return `group name has ${group.length} characters, at most ${groupSizeMax} are allowed`;
  }
  if (!allowed.test(group)) {
    return `group name ${JSON.stringify(group)} may hold letters, digits, %, |, - and _ only`;
  }
  return undefined;
}

/** @throws RmqError ILLEGAL_TOPIC */
export function checkTopicName(topic: string): void {
  const problem = topicNameProblem(topic);
  if (problem !== undefined) throw new RmqError('ILLEGAL_TOPIC', problem);
}

const systemGroups: ReadonlySet<string> = new Set([
  'TOOLS_CONSUMER',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
]);

/** Groups of tools and of the system, which are there for whoever asks; facts/broker.md §1.5. */
export function isSystemGroup(group: string): boolean {
  return systemGroups.has(group) || group.startsWith('CID_RMQ_SYS_');
}

/** Topics of the system by name. A broker adds its own and its cluster's name and `<cluster>_REPLY_TOPIC`. */
export function isSystemTopic(topic: string): boolean {
  return systemTopics.has(topic) || topic.startsWith('rmq_sys_');
}

/** Whether clients may not send to that topic (NO_PERMISSION). */
export function isSendForbidden(topic: string): boolean {
  return sendForbidden.has(topic);
}

/** Topic of the messages that a pull consumer group sent back. */
export function retryTopicOf(group: string): string {
  return retryTopicPrefix + group;
}

/** Topic of a group's dead letters. */
export function deadLetterTopicOf(group: string): string {
  return deadLetterTopicPrefix + group;
}
