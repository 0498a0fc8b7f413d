/** PULL_MESSAGE (11), LITE_PULL_MESSAGE (361); facts/remoting.md §5.3. */
import { RmqError } from '../../../protocol/errors.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { encodeStoredMessages } from '../../../protocol/message/record.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import type { PullHeader } from '../../../protocol/remoting/headers/pull.ts';
import { PullFlag, pullAnswer, pullHeader } from '../../../protocol/remoting/headers/pull.ts';
import type { Answer, AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import { limits } from '../../shared/limits.ts';
import type { Cancel, Filter, PullResult } from '../api.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { requireQueue } from './context.ts';

/** What one pull hands out at most, as Apache's does for what is in memory; facts/broker.md §3. */
const pullSizeMaxBytes = 262_144;
const pullCountMax = 32;

export function pullHandlers(context: RemotingContext): Handlers {
  const handler = async (request: RemotingRequest, answer: Answer): Promise<void> => {
    // Decoded before the first await: what a request holds is valid until then.
    const header = pullHeader.decode(request.extFields);
    const group = await context.broker.getGroup(header.group);
    if (group === undefined) {
      throw new RmqError('GROUP_NOT_FOUND', `subscription group [${header.group}] does not exist`);
    }
    if (!group.isConsumeEnabled) return answer(disabled(header.group));
    await requireQueue(context.broker, header.topic, header.queueId);
    pull(context, header, request, answer);
  };
  return [
    [RequestCode.PULL_MESSAGE, handler],
    [RequestCode.LITE_PULL_MESSAGE, handler],
  ];
}

/** forbiddenType 2: the group may not consume; facts/remoting.md §5.3. */
function disabled(group: string): AnswerParts {
  const extFields = pullAnswer.encode({
    suggestedBrokerId: 0,
    nextOffset: 0,
    minOffset: 0,
    maxOffset: 0,
    topicSysFlag: 0,
    groupSysFlag: 0,
    forbiddenType: 2,
  });
  const remark = `subscription group no permission, ${group}`;
  return { code: ResponseCode.NO_PERMISSION, remark, extFields };
}

function pull(
  context: RemotingContext,
  header: PullHeader,
  request: RemotingRequest,
  answer: Answer,
): void {
  const filter = filterOf(context, header);
  if (filter === undefined) {
    const known = context.clients.consumerGroup(header.group) !== undefined;
    answer({
      code: ResponseCode.SUBSCRIPTION_NOT_EXIST,
      remark: known
        ? `the consumer group [${header.group}] does not subscribe topic [${header.topic}]`
        : `the consumer's group info not exist, group: ${header.group}`,
    });
    return;
  }
  const { group, topic, queueId } = header;
  if (context.clients.consumerGroup(group) === undefined) {
    context.resets.pulled(group, context.clock.monotonicMs());
  }
  const isReset = context.resets.isPending(group, topic, queueId);
  if ((header.sysFlag & PullFlag.commitOffset) !== 0 && !isReset) {
    void context.broker
      .putOffset(group, topic, queueId, header.commitOffset as QueueOffset) // what it is
      .catch((error: unknown) =>
        context.logger.warn('pull could not commit', { group, topic, why: String(error) }),
      );
  }
  let isAnswered = false;
  let unwatch: Cancel = () => {};
  const cancel = context.broker.pull(
    {
      group,
      topic,
      queueId,
      offset: header.queueOffset as QueueOffset, // what it is
      maxCount: Math.min(header.maxCount, pullCountMax),
      maxSizeBytes: Math.min(header.maxSizeBytes ?? pullSizeMaxBytes, pullSizeMaxBytes),
      filter,
      pollingTimeMs:
        isReset || (header.sysFlag & PullFlag.suspend) === 0
          ? 0
          : Math.min(header.suspendTimeoutMs, limits.pollingTimeMaxMs),
    },
    (result) => {
      isAnswered = true;
      unwatch();
      context.parked.forget(request.session, end);
      if (result instanceof RmqError) return answer(result);
      const target = context.resets.take(group, topic, queueId, header.queueOffset);
      const reset = { ...result, status: 'OFFSET_RESET', messages: [] } as const;
      answer(toAnswer(header, target === undefined ? result : { ...reset, nextOffset: target }));
    },
  );
  function end(): void {
    cancel();
  }
  if (isAnswered) return;
  context.parked.add(request.session, end);
  unwatch = context.resets.watch(group, topic, queueId, end);
}

/** The request's filter, or the group's subscription; undefined when there is neither. */
function filterOf(context: RemotingContext, header: PullHeader): Filter | undefined {
  if ((header.sysFlag & PullFlag.subscription) !== 0) {
    return toFilter(header.expressionType, header.subscription);
  }
  const found = context.clients.consumerGroup(header.group)?.subscriptions.get(header.topic);
  return found === undefined ? undefined : toFilter(found.expressionType, found.expression);
}

function toFilter(type: string | undefined, expression: string | undefined): Filter {
  return { type: type === 'SQL92' ? 'SQL92' : 'TAG', expression: expression ?? '*' };
}

function toAnswer(header: PullHeader, result: PullResult): AnswerParts {
  const extFields = pullAnswer.encode({
    suggestedBrokerId: 0,
    nextOffset: result.nextOffset,
    minOffset: result.minOffset,
    maxOffset: result.maxOffset,
    topicSysFlag: 0,
    groupSysFlag: 0,
    forbiddenType: undefined,
  });
  const code = codeOf(header, result.status);
  if (code !== ResponseCode.SUCCESS) return { code, remark: result.status, extFields };
  return {
    remark: 'FOUND',
    extFields,
    body: encodeStoredMessages(result.messages),
  };
}

function codeOf(header: PullHeader, status: PullResult['status']): number {
  switch (status) {
    case 'FOUND':
      return ResponseCode.SUCCESS;
    case 'NO_MATCHED_MESSAGE':
      return ResponseCode.PULL_RETRY_IMMEDIATELY;
    case 'NO_MESSAGE_IN_QUEUE':
      return header.queueOffset === 0
        ? ResponseCode.PULL_NOT_FOUND
        : ResponseCode.PULL_OFFSET_MOVED;
    case 'OFFSET_OVERFLOW_ONE':
      return ResponseCode.PULL_NOT_FOUND;
    case 'OFFSET_OVERFLOW_BADLY':
    case 'OFFSET_TOO_SMALL':
    case 'OFFSET_RESET':
      return ResponseCode.PULL_OFFSET_MOVED;
  }
}
