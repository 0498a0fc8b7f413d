/** How the broker fares: 28 runtime information; facts/broker.md §22. */

import { jsonBody } from '../../../protocol/remoting/bodies/json.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import { protocolVersion } from '../../../protocol/remoting/command.ts';
import type { AnswerParts } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering } from './context.ts';
import type { Statistics } from './statistics.ts';

export function infoHandlers(context: RemotingContext): Handlers {
  return [[RequestCode.GET_BROKER_RUNTIME_INFO, answering(() => runtime(context))]];
}

function runtime(context: RemotingContext): AnswerParts {
  const status = context.broker.store.status();
  const { put, got } = context.statistics.totals;
  const live = context.statistics.liveTotals();
  const runtimeMs = context.clock.nowMs() - context.startedAtMs;
  // mqadmin clusterList parses these; what we do not measure is left out or 0.
  const table: Record<string, string> = {
    bootTimestamp: String(context.startedAtMs),
    brokerActive: 'true',
    brokerVersion: String(protocolVersion),
    brokerVersionDesc: 'V5_4_0',
    commitLogDirCapacity: `Free : ${gibibytes(status.freeBytes)} GiB.`,
    commitLogMaxOffset: String(status.maxPhysicalOffset),
    commitLogMinOffset: String(status.minPhysicalOffset),
    commitLogDiskRatio: '0.0',
    consumeQueueDiskRatio: '0.0',
    dispatchBehindBytes: '0',
    earliestMessageTimeStamp: String(status.earliestStoreTimestampMs),
    getFoundTps: rates(got),
    getMissTps: '0.0 0.0 0.0',
    getTotalTps: rates(got),
    getTransferredTps: rates(got),
    putTps: rates(put),
    msgGetTotalTodayMorning: String(got.total - got.day.window(got.total).sum),
    msgGetTotalTodayNow: String(live.got),
    msgGetTotalYesterdayMorning: '0',
    msgPutTotalTodayMorning: String(put.total - put.day.window(put.total).sum),
    msgPutTotalTodayNow: String(live.put),
    msgPutTotalYesterdayMorning: '0',
    putMessageDistributeTime: '[<=0ms]:0 ',
    pageCacheLockTimeMills: '0',
    pullThreadPoolQueueHeadWaitTimeMills: '0',
    pullThreadPoolQueueSize: '0',
    remainHowManyDataToFlush: '0 B',
    runtime: runtimeText(runtimeMs),
    sendThreadPoolQueueCapacity: '10000',
    sendThreadPoolQueueHeadWaitTimeMills: '0',
    sendThreadPoolQueueSize: '0',
    startAcceptSendRequestTimeStamp: '0',
    timerCongestNum: String(sum(context.broker.delayedByTopic.values())),
    timerDequeueTps: '0.0',
    timerEnqueueTps: '0.0',
    timerOffsetBehind: '0',
    timerReadBehind: '0',
  };
  // Ours alone; Apache's broker does not count them.
  table['openTransactionNum'] = String(context.broker.openTransactionCount);
  if (status.refusing !== undefined) table['refusing'] = status.refusing.message;
  return { body: jsonBody({ table }) };
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

/** A second, of the last minute, hour and day. */
function rates({ total, minute, hour, day }: Statistics['totals']['put']): string {
  return [minute, hour, day].map((series) => series.window(total).tps.toFixed(1)).join(' ');
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}

function runtimeText(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1000);
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return `[ ${days} days, ${hours} hours, ${minutes} minutes, ${seconds % 60} seconds ]`;
}
