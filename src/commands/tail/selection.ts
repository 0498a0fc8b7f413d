/** Which queues are followed, and from where: topics, patterns, dead letters, retries. */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import {
  deadLetterTopicPrefix,
  isSystemTopic,
  retryTopicPrefix,
} from '../../protocol/message/names.ts';
import type { StartPoint } from '../shared/times.ts';
import { unknownTopic } from '../topic/describe.ts';
import { globPattern } from './condition.ts';
import type { ReaderQueue } from './reader.ts';

/** What the user named. */
export interface Selection {
  /** Names and patterns. */
  readonly topics: readonly string[];
  /** Groups whose dead letters are meant. */
  readonly deadLettersOf: readonly string[];
  /** Groups whose retries are meant. */
  readonly retriesOf: readonly string[];
}

/** Each of them holds a pull at its broker. */
export const queueCountMax = 4_096;

const isPattern = (name: string): boolean => /[*?]/.test(name);

/** True: topics that are made later may belong to it. */
export function isOpen({ topics, retriesOf }: Selection): boolean {
  return retriesOf.length > 0 || topics.some(isPattern);
}

/** True: all messages are of one topic. */
export function isOneTopic(selection: Selection): boolean {
  const { topics, deadLettersOf, retriesOf } = selection;
  return !isOpen(selection) && topics.length + deadLettersOf.length + retriesOf.length === 1;
}

/**
 * The topics that are meant, each once.
 * @throws RmqError TOPIC_NOT_FOUND when a name or a pattern stands for none, unless `isLenient`
 */
export async function selectTopics(
  admin: AdminClient,
  selection: Selection,
  isLenient = false,
): Promise<readonly string[]> {
  const { topics, deadLettersOf, retriesOf } = selection;
  const found = new Set([
    ...topics.filter((name) => !isPattern(name)),
    ...deadLettersOf.map((group) => deadLetterTopicPrefix + group),
  ]);
  if (!isOpen(selection)) return [...found];
  const names = await admin.nameserver.topicNames();
  for (const pattern of topics.filter(isPattern)) {
    const before = found.size;
    const expression = globPattern(pattern);
    for (const name of names) {
      if (expression.test(name) && (pattern.startsWith('%') || isOrdinary(name))) found.add(name);
    }
    if (found.size === before && !isLenient) {
      throw new RmqError('TOPIC_NOT_FOUND', `no topic is called like ${pattern}`, {
        hint: 'see what there is: rmq topic list',
      });
    }
  }
  for (const group of retriesOf) {
    const name = retryTopicPrefix + group;
    // Consumers by pop have one for each topic: %RETRY%group+topic.
    const ofGroup = names.filter((one) => one === name || one.startsWith(`${name}+`));
    if (ofGroup.length === 0 && !isLenient) {
      throw new RmqError('TOPIC_NOT_FOUND', `group ${group} has no retry topic`, {
        hint: 'there is one once a 4.x consumer of the group has connected: rmq group list',
      });
    }
    for (const one of ofGroup) found.add(one);
  }
  return [...found].sort();
}

function isOrdinary(name: string): boolean {
  return !isSystemTopic(name) && !name.startsWith('%');
}

/** The queues of these topics. @throws RmqError TOPIC_NOT_FOUND with the nearest name, USAGE for too many */
export async function queuesOf(
  admin: AdminClient,
  topics: readonly string[],
): Promise<readonly QueueAddress[]> {
  const queues: QueueAddress[] = [];
  for (const topic of topics) {
    try {
      queues.push(...(await admin.queues(topic)));
    } catch (error) {
      if (error instanceof RmqError && error.code === 'TOPIC_NOT_FOUND')
        throw await missing(admin, topic);
      throw error;
    }
    if (queues.length > queueCountMax) {
      throw new RmqError('USAGE', `that is over ${queueCountMax} queues at once`, {
        hint: 'name fewer topics',
      });
    }
  }
  return queues;
}

async function missing(admin: AdminClient, topic: string): Promise<RmqError> {
  if (!topic.startsWith(deadLetterTopicPrefix)) return unknownTopic(admin, topic);
  const group = topic.slice(deadLetterTopicPrefix.length);
  return new RmqError('TOPIC_NOT_FOUND', `group ${group} has no dead letters`, {
    hint: 'the topic of a group is made with its first dead letter; see: rmq group list',
  });
}

/** Where the queue is read from, and to where: up to its end of now, or on. */
export async function readerQueue(
  admin: AdminClient,
  address: QueueAddress,
  start: StartPoint,
  end: { readonly isFollowing: boolean; readonly untilMs: number | undefined },
): Promise<ReaderQueue> {
  const [minOffset, maxOffset] = await Promise.all([
    admin.minOffset(address),
    admin.maxOffset(address),
  ]);
  const wanted = await offsetOf(admin, address, start, { minOffset, maxOffset });
  const beginOffset = Math.min(Math.max(wanted, minOffset), maxOffset);
  if (end.isFollowing) return { address, beginOffset, endOffset: Number.POSITIVE_INFINITY };
  const endOffset =
    end.untilMs === undefined ? maxOffset : await admin.offsetByTime(address, end.untilMs);
  return { address, beginOffset, endOffset: Math.min(endOffset, maxOffset) };
}

async function offsetOf(
  admin: AdminClient,
  address: QueueAddress,
  start: StartPoint,
  range: { readonly minOffset: number; readonly maxOffset: number },
): Promise<number> {
  switch (start.type) {
    case 'earliest':
      return range.minOffset;
    case 'latest':
      return range.maxOffset;
    case 'offset':
      return start.offset;
    case 'time':
      return admin.offsetByTime(address, start.timestampMs);
  }
}
