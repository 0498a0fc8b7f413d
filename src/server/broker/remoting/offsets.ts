/** Offsets of groups and of queues: 14, 15, 29, 30, 31, 32, 43; facts/remoting.md §5.2. */
import { RmqError } from '../../../protocol/errors.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { jsonBody } from '../../../protocol/remoting/bodies/json.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  offsetAnswer,
  queryOffsetHeader,
  queueHeader,
  searchOffsetHeader,
  timestampAnswer,
  updateOffsetHeader,
} from '../../../protocol/remoting/headers/offsets.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { StoredQueue } from '../../store/message-store.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireQueue } from './context.ts';
import { storeTimestampAt } from './reports.ts';

export function offsetHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.QUERY_CONSUMER_OFFSET, answering((request) => query(context, request))],
    [RequestCode.UPDATE_CONSUMER_OFFSET, answering((request) => update(context, request))],
    [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, answering((request) => search(context, request))],
    [
      RequestCode.GET_MAX_OFFSET,
      answering(async (request) => offset((await queueOf(context, request)).maxOffset)),
    ],
    [
      RequestCode.GET_MIN_OFFSET,
      answering(async (request) => offset((await queueOf(context, request)).minOffset)),
    ],
    [RequestCode.GET_EARLIEST_MSG_STORETIME, answering((request) => earliest(context, request))],
    [RequestCode.GET_ALL_CONSUMER_OFFSET, answering(() => allOffsets(context))],
  ];
}

function offset(value: number): AnswerParts {
  return { extFields: offsetAnswer.encode({ offset: value }) };
}

function queueOf(context: RemotingContext, request: RemotingRequest): Promise<StoredQueue> {
  const { topic, queueId } = queueHeader.decode(request.extFields);
  return requireQueue(context.broker, topic, queueId);
}

async function query(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, topic, queueId, isZeroIfNotFound } = queryOffsetHeader.decode(request.extFields);
  const committed = await context.broker.getOffset(group, topic, queueId);
  if (committed !== undefined) return offset(committed);
  const isKnown = (await context.broker.getTopic(topic)) !== undefined;
  const minOffset = isKnown
    ? (await requireQueue(context.broker, topic, queueId)).minOffset
    : undefined;
  // A queue that still has its first message is read from there; else the client decides.
  if (isZeroIfNotFound && minOffset === 0) return offset(0);
  return {
    code: ResponseCode.QUERY_NOT_FOUND,
    remark: 'Not found, maybe this group consumer boot first',
  };
}

async function update(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const header = updateOffsetHeader.decode(request.extFields);
  const { group, topic, queueId } = header;
  await requireQueue(context.broker, topic, queueId);
  if ((await context.broker.getGroup(group)) === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `subscription group [${group}] does not exist`);
  }
  if (header.commitOffset < 0) {
    throw new RmqError('ILLEGAL_OFFSET', `offset ${header.commitOffset} is below 0`);
  }
  if (context.resets.isPending(group, topic, queueId)) {
    return { remark: 'Offset has been previously reset' };
  }
  await context.broker.putOffset(group, topic, queueId, header.commitOffset as QueueOffset); // as named
  return {};
}

async function search(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { topic, queueId, timestampMs, boundary } = searchOffsetHeader.decode(request.extFields);
  const { minOffset } = await queueOf(context, request);
  const isUpper = boundary.toUpperCase() === 'UPPER';
  // The last at or before t is the one in front of the first at or after t + 1.
  const found = await context.broker.offsetByTime(
    topic,
    queueId,
    isUpper ? timestampMs + 1 : timestampMs,
  );
  return offset(isUpper ? Math.max(minOffset, found - 1) : found);
}

async function earliest(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const queue = await queueOf(context, request);
  const timestampMs = await storeTimestampAt(context, queue, queue.minOffset);
  return { extFields: timestampAnswer.encode({ timestampMs }) };
}

/** The shape of Apache's consumerOffset.json: `topic@group` to queue to offset. */
function allOffsets(context: RemotingContext): AnswerParts {
  const table = new Map<string, Record<string, number>>();
  for (const { group, topic, queueId, offset: value } of context.broker.listOffsets(undefined)) {
    const key = `${topic}@${group}`;
    let queues = table.get(key);
    if (queues === undefined) table.set(key, (queues = {}));
    queues[queueId] = value;
  }
  const offsetTable = Object.fromEntries(table);
  return { body: jsonBody({ dataVersion: context.broker.dataVersion, offsetTable }) };
}
