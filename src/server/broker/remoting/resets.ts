/**
 * Offsets that an administrator set while a group consumes: 222, 314; facts/broker.md §13. The new offset
 * is the group's at once. A consumer that is reading elsewhere learns of it by its next pull, which is
 * answered PULL_OFFSET_MOVED once; what it commits until then is ignored.
 */
import { RmqError } from '../../../protocol/errors.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { objectKeyMap } from '../../../protocol/remoting/bodies/object-keys.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import { cloneOffsetsHeader, resetOffsetHeader } from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { Cancel } from '../api.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireTopic } from './context.ts';

/** A consumer whose proxy speaks for it may pause for that long between two pulls. */
const pullPauseMaxMs = 60_000;
const pullingGroupMax = 10_000;

/** Resets that a consumer has yet to hear of, and the pulls that wait. Lost with the process. */
export class PendingResets {
  readonly #offsets = new Map<string, QueueOffset>();
  readonly #pulls = new Map<string, Set<Cancel>>();
  /** Last pulls of groups whose members are unknown here, monotonic ms; the latest last. */
  readonly #pulledMs = new Map<string, number>();

  /** Whoever pulls the queue is told. */
  add(group: string, topic: string, queueId: number, offset: QueueOffset): void {
    const key = keyOf(group, topic, queueId);
    this.#offsets.set(key, offset);
    for (const end of [...(this.#pulls.get(key) ?? [])]) end();
  }

  /** A group pulls that has no members here: Apache's proxy pulls for consumers that nobody tells us of. */
  pulled(group: string, nowMs: number): void {
    this.#pulledMs.delete(group);
    this.#pulledMs.set(group, nowMs);
    if (this.#pulledMs.size <= pullingGroupMax) return;
    for (const oldest of this.#pulledMs.keys()) {
      this.#pulledMs.delete(oldest);
      break;
    }
  }

  isPulling(group: string, nowMs: number): boolean {
    const pulledMs = this.#pulledMs.get(group);
    return pulledMs !== undefined && nowMs - pulledMs < pullPauseMaxMs;
  }

  isPending(group: string, topic: string, queueId: number): boolean {
    return this.#offsets.size > 0 && this.#offsets.has(keyOf(group, topic, queueId));
  }

  /** The offset to go on from, told once; undefined: none, or the consumer is there already. */
  take(group: string, topic: string, queueId: number, readingAt: number): QueueOffset | undefined {
    if (this.#offsets.size === 0) return undefined;
    const key = keyOf(group, topic, queueId);
    const offset = this.#offsets.get(key);
    this.#offsets.delete(key);
    return offset === readingAt ? undefined : offset;
  }

  /** The group has no consumers any more: the next ones ask for their offsets. */
  forget(group: string): void {
    const prefix = `${group}\u0000`;
    for (const key of this.#offsets.keys()) {
      if (key.startsWith(prefix)) this.#offsets.delete(key);
    }
  }

  /** A pull waits: `end` is called when its queue is reset. @returns to be called when it is over. */
  watch(group: string, topic: string, queueId: number, end: Cancel): Cancel {
    const key = keyOf(group, topic, queueId);
    let pulls = this.#pulls.get(key);
    if (pulls === undefined) this.#pulls.set(key, (pulls = new Set()));
    const waiting = pulls;
    waiting.add(end);
    return () => {
      waiting.delete(end);
      if (waiting.size === 0) this.#pulls.delete(key);
    };
  }
}

function keyOf(group: string, topic: string, queueId: number): string {
  return `${group}\u0000${topic}\u0000${queueId}`;
}

export function resetHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, answering((request) => reset(context, request))],
    [RequestCode.CLONE_GROUP_OFFSET, answering((request) => clone(context, request))],
  ];
}

async function reset(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, topic, queueId, offset, timestampMs } = resetOffsetHeader.decode(
    request.extFields,
  );
  const { broker } = context;
  const config = await requireTopic(broker, topic);
  if ((await broker.getGroup(group)) === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `subscription group [${group}] does not exist`);
  }
  const isOne = queueId !== undefined && queueId >= 0;
  if (isOne && queueId >= config.readQueueCount) {
    const text = `topic ${topic} has queues 0 to ${config.readQueueCount - 1}, not ${queueId}`;
    throw new RmqError('ILLEGAL_QUEUE', text);
  }
  const ids = isOne ? [queueId] : Array.from({ length: config.readQueueCount }, (_, id) => id);
  const targets: [number, QueueOffset][] = [];
  for (const id of ids) {
    const given = isOne && offset !== undefined && offset !== -1 ? offset : undefined;
    targets.push([id, await targetOf(context, { topic, queueId: id, given, timestampMs })]);
  }
  // All are known and allowed: from here on nothing is refused half way.
  for (const [id, target] of targets) await moveTo(context, { group, topic, queueId: id }, target);
  const { brokerName } = broker;
  const table = targets.map(([id, target]): [object, unknown] => [
    { brokerName, queueId: id, topic },
    target,
  ]);
  context.logger.info('offsets were reset', { group, topic, queues: targets.length });
  return { body: Buffer.from(`{"offsetTable":${objectKeyMap(table)}}`, 'utf8') };
}

async function targetOf(
  { broker }: RemotingContext,
  wanted: {
    readonly topic: string;
    readonly queueId: number;
    readonly given: number | undefined;
    readonly timestampMs: number;
  },
): Promise<QueueOffset> {
  const { topic, queueId, given, timestampMs } = wanted;
  const { minOffset, maxOffset } = broker.store.queue(topic, queueId);
  if (given !== undefined) {
    if (given >= minOffset && given <= maxOffset) return given as QueueOffset; // of that queue
    const text = `offset ${given} is not in queue ${queueId}, which has ${minOffset} to ${maxOffset}`;
    throw new RmqError('ILLEGAL_OFFSET', text);
  }
  // A negative time means the end.
  return timestampMs < 0 ? maxOffset : broker.offsetByTime(topic, queueId, timestampMs);
}

async function moveTo(
  { broker, clients, clock, resets }: RemotingContext,
  queue: { readonly group: string; readonly topic: string; readonly queueId: number },
  offset: QueueOffset,
): Promise<void> {
  const { group, topic, queueId } = queue;
  await broker.resetOffset(group, topic, queueId, offset);
  if (clients.consumerGroup(group) !== undefined || resets.isPulling(group, clock.monotonicMs())) {
    resets.add(group, topic, queueId, offset);
  }
}

/** Without a topic: all topics of the source group. */
async function clone(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { sourceGroup, targetGroup, topic } = cloneOffsetsHeader.decode(request.extFields);
  const { broker } = context;
  if ((await broker.getGroup(targetGroup)) === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `subscription group [${targetGroup}] does not exist`);
  }
  if (topic !== undefined && topic !== '') await requireTopic(broker, topic);
  for (const entry of broker.listOffsets(sourceGroup)) {
    if (topic !== undefined && topic !== '' && entry.topic !== topic) continue;
    const queue = { group: targetGroup, topic: entry.topic, queueId: entry.queueId };
    await moveTo(context, queue, entry.offset);
  }
  return {};
}
