/**
 * Looking after a broker: 306, 316, 329 clean, 315 statistics, 321 the index of a queue, 353 forbids a
 * group a topic, 61 timers by topic, 907 replicas; golden `admin.jsonl`.
 */
import { RmqError } from '../../../protocol/errors.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import { jsonBody } from '../../../protocol/remoting/bodies/json.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  forbiddenHeader,
  queryQueueHeader,
  statsHeader,
} from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { QueueEntry } from '../../store/message-store.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering, requireQueue, requireTopic } from './context.ts';

const entryCountMax = 1_024;

export function maintenanceHandlers(context: RemotingContext): Handlers {
  // The index goes with its segments, and a deleted topic's at once: nothing is left to be cleaned.
  const clean = answering(async () => {
    await context.deleteExpired();
    return {};
  });
  return [
    [RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE, clean],
    [RequestCode.CLEAN_UNUSED_TOPIC, clean],
    [RequestCode.DELETE_EXPIRED_COMMITLOG, clean],
    [RequestCode.VIEW_BROKER_STATS_DATA, answering((request) => stats(context, request))],
    [RequestCode.QUERY_CONSUME_QUEUE, answering((request) => queue(context, request))],
    [RequestCode.UPDATE_AND_GET_GROUP_FORBIDDEN, answering((request) => forbid(context, request))],
    [RequestCode.GET_TIMER_METRICS, answering(() => timers(context))],
    [RequestCode.GET_BROKER_HA_STATUS, answering(() => replicas(context))],
  ];
}

function stats(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const { name, key } = statsHeader.decode(request.extFields);
  const isAll = name === 'BROKER_PUT_NUMS' || name === 'BROKER_GET_NUMS';
  const item = context.statistics.find(name, isAll ? 'all' : key);
  if (item === undefined) {
    const remark = `The stats <${name}> <${key}> not exist`;
    return { code: ResponseCode.SYSTEM_ERROR, remark };
  }
  const { total } = item;
  return {
    body: jsonBody({
      statsDay: item.day.window(total),
      statsHour: item.hour.window(total),
      statsMinute: item.minute.window(total),
    }),
  };
}

async function queue(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const header = queryQueueHeader.decode(request.extFields);
  const { broker } = context;
  const found = await requireQueue(broker, header.topic, header.queueId);
  const begin = Math.max(found.minOffset, header.beginOffset) as QueueOffset; // of that queue
  const count = Math.min(header.count, entryCountMax);
  const entries = await new Promise<readonly QueueEntry[]>((resolve, reject) => {
    if (count <= 0 || begin >= found.maxOffset) return resolve([]);
    broker.store.readEntries(found, begin, count, (read) =>
      read instanceof Error ? reject(read) : resolve(read),
    );
  });
  return {
    body: jsonBody({
      maxQueueIndex: found.maxOffset,
      minQueueIndex: found.minOffset,
      queueData: entries.slice(0, count).map((entry) => ({
        eval: false,
        physicOffset: entry.physicalOffset,
        physicSize: entry.storeSizeBytes,
        tagsCode: entry.tagsCode,
      })),
    }),
  };
}

async function forbid(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, topic, readable } = forbiddenHeader.decode(request.extFields);
  const { broker } = context;
  if (readable !== undefined) {
    await requireTopic(broker, topic);
    if ((await broker.getGroup(group)) === undefined) {
      throw new RmqError('GROUP_NOT_FOUND', `subscription group [${group}] does not exist`);
    }
    await broker.setReadForbidden(group, topic, readable.toLowerCase() !== 'true');
  }
  const isReadable = !broker.isReadForbidden(group, topic);
  return { body: jsonBody({ group, readable: isReadable, topic }) };
}

/** What a broker of Apache's asks of its master, and dashboards show: delayed messages by topic. */
function timers({ broker, clock }: RemotingContext): AnswerParts {
  const timeStamp = clock.nowMs();
  const timingCount = Object.fromEntries(
    [...broker.delayedByTopic].map(([topic, count]) => [topic, { count, timeStamp }]),
  );
  return { body: jsonBody({ dataVersion: broker.dataVersion, timingCount }) };
}

/** A broker of ours is a master without replicas. */
function replicas({ broker }: RemotingContext): AnswerParts {
  return {
    body: jsonBody({
      haClientRuntimeInfo: {
        lastReadTimestamp: 0,
        lastWriteTimestamp: 0,
        masterFlushOffset: 0,
        maxOffset: 0,
        transferredByteInSecond: 0,
      },
      haConnectionInfo: [],
      inSyncSlaveNums: 0,
      master: true,
      masterCommitLogMaxOffset: broker.store.status().maxPhysicalOffset,
    }),
  };
}
