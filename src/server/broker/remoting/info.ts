/** What the broker is: 26 configuration, 28 runtime information; facts/broker.md §22. */

import { jsonBody } from '../../../protocol/remoting/bodies/json.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import { protocolVersion } from '../../../protocol/remoting/command.ts';
import type { AnswerParts } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering } from './context.ts';

export function infoHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.GET_BROKER_CONFIG, answering(() => configuration(context))],
    [RequestCode.GET_BROKER_RUNTIME_INFO, answering(() => runtime(context))],
  ];
}

function configuration(context: RemotingContext): AnswerParts {
  const { broker } = context;
  const address = context.address();
  const split = address.lastIndexOf(':');
  const lines = [
    `brokerClusterName=${broker.clusterName}`,
    `brokerName=${broker.brokerName}`,
    `brokerIP1=${address.slice(0, split)}`,
    `listenPort=${address.slice(split + 1)}`,
    `brokerPermission=${broker.permission}`,
    ...Object.entries(context.settings).map(([name, value]) => `${name}=${value}`),
  ];
  return {
    extFields: { version: JSON.stringify(broker.dataVersion) },
    body: Buffer.from(`${lines.join('\n')}\n`, 'utf8'),
  };
}

function runtime(context: RemotingContext): AnswerParts {
  const status = context.broker.store.status();
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
    getFoundTps: '0.0 0.0 0.0',
    getMissTps: '0.0 0.0 0.0',
    getTotalTps: '0.0 0.0 0.0',
    getTransferredTps: '0.0 0.0 0.0',
    putTps: '0.0 0.0 0.0',
    msgGetTotalTodayMorning: '0',
    msgGetTotalTodayNow: '0',
    msgGetTotalYesterdayMorning: '0',
    msgPutTotalTodayMorning: '0',
    msgPutTotalTodayNow: '0',
    msgPutTotalYesterdayMorning: '0',
    pageCacheLockTimeMills: '0',
    pullThreadPoolQueueHeadWaitTimeMills: '0',
    pullThreadPoolQueueSize: '0',
    remainHowManyDataToFlush: '0 B',
    runtime: runtimeText(runtimeMs),
    sendThreadPoolQueueCapacity: '10000',
    sendThreadPoolQueueHeadWaitTimeMills: '0',
    sendThreadPoolQueueSize: '0',
    startAcceptSendRequestTimeStamp: '0',
    timerCongestNum: '0',
    timerDequeueTps: '0.0',
    timerEnqueueTps: '0.0',
    timerOffsetBehind: '0',
    timerReadBehind: '0',
  };
  if (status.refusing !== undefined) table['refusing'] = status.refusing.message;
  return { body: jsonBody({ table }) };
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
