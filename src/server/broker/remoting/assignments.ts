/**
 * Queues that the broker assigns to consumers: 400, and how they consume them: 401, 402;
 * facts/remoting.md §6.5.
 */
import { RmqError } from '../../../protocol/errors.ts';
import { retryTopicPrefix } from '../../../protocol/message/names.ts';
import { jsonBody, parseJsonObject } from '../../../protocol/remoting/bodies/json.ts';
import { numberOr } from '../../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireTopic } from './context.ts';

export function assignmentHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.QUERY_ASSIGNMENT, answering((request) => query(context, request))],
    [RequestCode.SET_MESSAGE_REQUEST_MODE, answering((request) => setMode(context, request))],
    [RequestCode.GET_ALL_MESSAGE_REQUEST_MODE, answering(() => allModes(context))],
  ];
}

interface AssignedQueue {
  readonly brokerName: string;
  /** -1: any queue of that broker. */
  readonly queueId: number;
  readonly topic: string;
}

async function query(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const json = parseJsonObject(request.body);
  const topic = String(json['topic'] ?? '');
  const group = String(json['consumerGroup'] ?? '');
  const clientId = String(json['clientId'] ?? '');
  const isCircle = json['strategyName'] === 'AVG_BY_CIRCLE';
  const isKnown = isCircle || json['strategyName'] === 'AVG';
  const queues = await queuesOf(context, topic);
  const members = [...(context.clients.consumerGroup(group)?.members.keys() ?? [])].toSorted();
  const isBroadcast = json['messageModel'] === 'BROADCASTING';
  const index = members.indexOf(clientId);
  // Without the field a client keeps what it has.
  if (queues === undefined || !isKnown || (index < 0 && !isBroadcast)) {
    return { body: jsonBody({}) };
  }
  const isRetry = topic.startsWith(retryTopicPrefix);
  const { mode, popShareQueueCount } = (isRetry ? undefined : context.modes.get(topic, group)) ?? {
    mode: 'PULL',
    popShareQueueCount: 0,
  };
  const allocate = isCircle ? circle : average;
  const own = (at: number): readonly AssignedQueue[] => allocate(queues, at, members.length);
  let assigned: readonly AssignedQueue[];
  if (isBroadcast) assigned = queues;
  else if (mode === 'PULL') assigned = own(index);
  else assigned = forPop(queues, index, members.length, popShareQueueCount, own);
  const messageQueueAssignments = assigned.map((messageQueue) => ({ messageQueue, mode }));
  return { body: jsonBody({ messageQueueAssignments }) };
}

/** The topic's queues on all brokers, in the order that clients sort them. */
async function queuesOf(
  context: RemotingContext,
  topic: string,
): Promise<readonly AssignedQueue[] | undefined> {
  const { broker } = context;
  const config = await broker.getTopic(topic);
  const here = { brokerName: broker.brokerName, readQueueCount: config?.readQueueCount ?? 0 };
  const others = await context.routeOf(topic).catch(() => undefined); // then what we have must do
  const brokers = others ?? (config === undefined ? undefined : [here]);
  return brokers
    ?.toSorted((a, b) => (a.brokerName < b.brokerName ? -1 : 1))
    .flatMap(({ brokerName, readQueueCount }) =>
      Array.from({ length: readQueueCount }, (_, queueId) => ({ brokerName, queueId, topic })),
    );
}

/** Neighbouring queues; the first clients get one more where it does not come out even. */
function average(
  queues: readonly AssignedQueue[],
  index: number,
  memberCount: number,
): readonly AssignedQueue[] {
  const base = Math.floor(queues.length / memberCount);
  const rest = queues.length % memberCount;
  const begin = index * base + Math.min(index, rest);
  return queues.slice(begin, begin + base + (index < rest ? 1 : 0));
}

function circle(
  queues: readonly AssignedQueue[],
  index: number,
  memberCount: number,
): readonly AssignedQueue[] {
  return queues.filter((_, at) => at % memberCount === index);
}

function forPop(
  queues: readonly AssignedQueue[],
  index: number,
  memberCount: number,
  shareCount: number,
  own: (at: number) => readonly AssignedQueue[],
): readonly AssignedQueue[] {
  if (shareCount <= 0 || shareCount >= memberCount - 1) {
    // Everybody pops from all brokers, each from any of its queues.
    const names = new Set(queues.map((queue) => queue.brokerName));
    const topic = queues[0]?.topic ?? '';
    return [...names].map((brokerName) => ({ brokerName, queueId: -1, topic }));
  }
  if (memberCount > queues.length) {
    const one = queues[index % queues.length];
    return one === undefined ? [] : [one];
  }
  const shared: AssignedQueue[] = [];
  for (let next = 0; next <= shareCount; next++) shared.push(...own((index + next) % memberCount));
  return shared;
}

async function setMode(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const json = parseJsonObject(request.body);
  const topic = String(json['topic'] ?? '');
  const group = String(json['consumerGroup'] ?? '');
  const mode = json['mode'];
  if (mode !== 'PULL' && mode !== 'POP') {
    throw new RmqError('BAD_REQUEST', `mode is ${JSON.stringify(mode)}, allowed are PULL and POP`);
  }
  if (topic.startsWith(retryTopicPrefix)) {
    const remark = 'retry topic is not allowed to set mode';
    return { code: ResponseCode.NO_PERMISSION, remark };
  }
  await requireTopic(context.broker, topic);
  if ((await context.broker.getGroup(group)) === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `subscription group [${group}] does not exist`);
  }
  const popShareQueueCount = numberOr(json['popShareQueueNum'], 0);
  await context.modes.set(topic, group, { mode, popShareQueueCount });
  return {};
}

function allModes(context: RemotingContext): AnswerParts {
  const byTopic = new Map<string, Map<string, unknown>>();
  for (const [topic, consumerGroup, { mode, popShareQueueCount }] of context.modes.all()) {
    let groups = byTopic.get(topic);
    if (groups === undefined) byTopic.set(topic, (groups = new Map()));
    groups.set(consumerGroup, { consumerGroup, mode, popShareQueueNum: popShareQueueCount, topic });
  }
  const messageRequestModeMap = Object.fromEntries(
    [...byTopic].map(([topic, groups]) => [topic, Object.fromEntries(groups)]),
  );
  return { body: jsonBody({ messageRequestModeMap }) };
}
