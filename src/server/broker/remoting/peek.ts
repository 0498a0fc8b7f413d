/**
 * Looking without taking: 200052 peek, 200054 whether there is something, 200055 how many wait;
 * facts/remoting.md §6.3.
 */
import { RmqError } from '../../../protocol/errors.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { encodeStoredMessages } from '../../../protocol/message/record.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  notificationAnswer,
  notificationHeader,
  peekHeader,
  pollingInfoHeader,
  popAnswer,
  popCountMax,
} from '../../../protocol/remoting/headers/pop.ts';
import { formatPopInfo } from '../../../protocol/remoting/headers/pop-info.ts';
import type { Answer, AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import { limits } from '../../shared/limits.ts';
import type { Cancel, PullResult } from '../api.ts';
import type { Handlers, HostedBroker, RemotingContext } from './context.ts';
import { answering, requireQueue, requireTopic } from './context.ts';

const peekSizeMaxBytes = 262_144;
const everything = { type: 'TAG', expression: '*' } as const;

export function peekHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.PEEK_MESSAGE, answering((request) => peek(context, request))],
    [RequestCode.NOTIFICATION, (request, answer) => notify(context, request, answer)],
    [RequestCode.POLLING_INFO, answering((request) => pollingInfo(context, request))],
  ];
}

/** @throws RmqError TOPIC_NOT_FOUND, ILLEGAL_QUEUE */
async function queueIds(
  broker: HostedBroker,
  topic: string,
  queueId: number,
): Promise<readonly number[]> {
  if (queueId >= 0) {
    await requireQueue(broker, topic, queueId);
    return [queueId];
  }
  const { readQueueCount } = await requireTopic(broker, topic);
  return Array.from({ length: readQueueCount }, (_, id) => id);
}

/** The next messages of the group, from the first queue that has some; they stay where they are. */
async function peek(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, topic, queueId, maxCount } = peekHeader.decode(request.extFields);
  const { broker } = context;
  let restCount = 0;
  let found: { readonly queueId: number; readonly result: PullResult } | undefined;
  for (const id of await queueIds(broker, topic, queueId)) {
    const { minOffset, maxOffset } = broker.store.queue(topic, id);
    const offset = Math.max(minOffset, (await broker.getOffset(group, topic, id)) ?? minOffset);
    restCount += Math.max(0, maxOffset - offset);
    if (found !== undefined || offset >= maxOffset) continue;
    const result = await pullNow(context, { group, topic, queueId: id, offset, maxCount });
    if (result.messages.length > 0) found = { queueId: id, result };
  }
  const messages = found?.result.messages ?? [];
  const key = `0 ${found?.queueId ?? 0}`;
  const extFields = popAnswer.encode({
    popTimeMs: context.clock.nowMs(),
    invisibleTimeMs: 0,
    reviveQueueId: 0,
    restCount: restCount - messages.length,
    startOffsetInfo: formatPopInfo(
      new Map(messages.slice(0, 1).map((one) => [key, String(one.queueOffset)])),
    ),
    messageOffsetInfo: formatPopInfo(
      messages.length === 0
        ? new Map()
        : new Map([[key, messages.map((one) => one.queueOffset).join(',')]]),
    ),
    orderCountInfo: undefined,
  });
  if (messages.length === 0) {
    return { code: ResponseCode.PULL_NOT_FOUND, remark: 'NO_MESSAGE_IN_QUEUE', extFields };
  }
  return { remark: 'FOUND', extFields, body: encodeStoredMessages(messages) };
}

function pullNow(
  { broker }: RemotingContext,
  from: {
    readonly group: string;
    readonly topic: string;
    readonly queueId: number;
    readonly offset: number;
    readonly maxCount: number;
  },
): Promise<PullResult> {
  return new Promise((resolve, reject) => {
    broker.pull(
      {
        ...from,
        offset: from.offset as QueueOffset, // of that queue
        maxCount: Math.min(from.maxCount, popCountMax),
        maxSizeBytes: peekSizeMaxBytes,
        filter: everything,
        pollingTimeMs: 0,
      },
      (result) => (result instanceof RmqError ? reject(result) : resolve(result)),
    );
  });
}

/** Answers when the group could pop something, or after the polling time. */
async function notify(
  context: RemotingContext,
  request: RemotingRequest,
  answer: Answer,
): Promise<void> {
  const { group, topic, queueId, pollingTimeMs, bornTimeMs } = notificationHeader.decode(
    request.extFields,
  );
  const { broker, clock } = context;
  const ids = await queueIds(broker, topic, queueId);
  const tell = (hasMessage: boolean): void =>
    answer({ extFields: notificationAnswer.encode({ hasMessage, isPollingFull: false }) });
  const waitedMs = bornTimeMs <= 0 ? 0 : Math.max(0, clock.nowMs() - bornTimeMs);
  const leftMs = Math.min(pollingTimeMs, limits.pollingTimeMaxMs) - waitedMs;
  if (ids.some((id) => broker.hasVisible(group, topic, id))) return tell(true);
  if (leftMs <= 0) return tell(false);
  const cancels: Cancel[] = [];
  let isDone = false;
  const finish = (hasMessage: boolean): void => {
    if (isDone) return;
    isDone = true;
    for (const cancel of cancels) cancel();
    context.parked.forget(request.session, end);
    tell(hasMessage);
  };
  function end(): void {
    finish(false);
  }
  context.parked.add(request.session, end);
  for (const id of ids) {
    const { maxOffset } = broker.store.queue(topic, id);
    const pull = { group, topic, queueId: id, offset: maxOffset, maxCount: 1, maxSizeBytes: 1 };
    const cancel = broker.pull(
      { ...pull, filter: everything, pollingTimeMs: leftMs },
      // What became visible again meanwhile counts, too.
      () => finish(ids.some((one) => broker.hasVisible(group, topic, one))),
    );
    if (isDone) cancel();
    else cancels.push(cancel);
  }
}

function pollingInfo({ broker }: RemotingContext, request: RemotingRequest): AnswerParts {
  const { group, topic, queueId } = pollingInfoHeader.decode(request.extFields);
  return { extFields: { pollingNum: String(broker.waitingReceives(group, topic, queueId)) } };
}
