/**
 * `rmq message trace`: the way of one message. Clients tell of it when message trace is switched on in
 * them; where each group is, the brokers know in any case.
 */
import type { AdminClient } from '../../client/admin-client.ts';
import { groupOffsets } from '../../client/group-client.ts';
import { type FoundMessage, queryMessages } from '../../client/message-client.ts';
import { groupsOfTopic } from '../../client/topic-client.ts';
import { decodeTrace, type TraceEvent } from '../../client/trace.ts';
import { findProperty } from '../../protocol/message/properties.ts';
import type { Command } from '../shared/command.ts';
import { isoTime } from '../shared/times.ts';
import { locate, topicAndMessage } from './locate.ts';

interface Options {
  readonly topic: string;
  readonly message: string;
  readonly traceTopic: string;
}

/** One thing that is known of a message's way. */
export interface TraceRow {
  readonly time: string | undefined;
  /** `sent`, `stored`, `consuming`, `consumed`, `transaction`, `recalled`; by offsets `passed`, `waiting`. */
  readonly event: string;
  readonly group: string | undefined;
  /** Client's host, broker or queue. */
  readonly where: string | undefined;
  readonly isSuccess: boolean | undefined;
  readonly durationMs: number | undefined;
  readonly detail: string | undefined;
  /** `client`: told by a client's trace; `broker`: known to the broker. */
  readonly source: 'client' | 'broker';
}

const traceCountMax = 64;

export const messageTrace: Command<Options, TraceRow> = {
  summary: 'Show the way of a message: sent, stored, consumed by which groups',
  impact: 'read',
  isRemote: true,
  arguments: topicAndMessage,
  flags: [
    {
      name: 'trace-topic',
      kind: { type: 'text', placeholder: 'TOPIC' },
      default: 'RMQ_SYS_TRACE_TOPIC',
      description: 'where clients write their traces',
    },
  ],
  columns: [
    { title: 'TIME', value: (row) => row.time, style: () => 'dim' },
    {
      title: 'EVENT',
      isName: true,
      value: (row) => row.event,
      style: (row) => {
        if (row.isSuccess === false) return 'bad';
        return row.event === 'waiting' ? 'warning' : 'good';
      },
    },
    { title: 'GROUP', value: (row) => row.group, style: () => 'name' },
    { title: 'WHERE', value: (row) => row.where },
    {
      title: 'TOOK',
      value: ({ durationMs }) => (durationMs === undefined ? undefined : `${durationMs} ms`),
    },
    { title: 'DETAIL', value: (row) => row.detail },
  ],
  examples: [
    ['rmq message trace orders 0100163E02A1B20E2F0000000A', 'by the id that its producer was told'],
    ['rmq message trace orders 0@1200 --output json', 'by its place, for a program'],
  ],
  async run(context, { topic, message: what, traceTopic }) {
    const admin = await context.connect();
    const found = await locate(admin, topic, what);
    const rows = await wayOf(admin, found, traceTopic);
    if (!rows.some(({ source }) => source === 'client')) {
      await context.stderr.write(
        'no client traced this message: what follows is what brokers know\n',
      );
    }
    return rows;
  },
};

/** All that is known of the message's way, by time; without a time at the end. */
export async function wayOf(
  admin: AdminClient,
  found: FoundMessage,
  traceTopic = 'RMQ_SYS_TRACE_TOPIC',
): Promise<TraceRow[]> {
  const rows = [
    ...(await clientRows(admin, found, traceTopic)),
    storedRow(found),
    ...(await groupRows(admin, found.message.topic, found)),
  ];
  return rows.sort((a, b) => compare(a.time, b.time));
}

async function clientRows(
  admin: AdminClient,
  { message }: FoundMessage,
  traceTopic: string,
): Promise<TraceRow[]> {
  const id = findProperty(message.properties, 'UNIQ_KEY');
  const isTraced = id !== undefined && (await admin.nameserver.route(traceTopic)) !== undefined;
  const traces = isTraced
    ? await queryMessages(admin, {
        topic: traceTopic,
        type: 'K',
        key: id,
        maxCount: traceCountMax,
        beginMs: 0,
        endMs: Number.MAX_SAFE_INTEGER,
      })
    : [];
  const events = traces.flatMap((trace) => decodeTrace(trace.message.body));
  return events.filter(({ messageId }) => messageId === id).map(clientRow);
}

function clientRow(event: TraceEvent): TraceRow {
  const { type, retryCount, detail } = event;
  return {
    time: isoTime(event.timestampMs),
    event: type,
    group: event.group,
    where: event.clientHost,
    isSuccess: event.isSuccess,
    durationMs: event.durationMs,
    detail: retryCount === undefined || retryCount === 0 ? detail : `delivery ${retryCount + 1}`,
    source: 'client',
  };
}

function storedRow({ message, brokerName }: FoundMessage): TraceRow {
  return {
    time: isoTime(message.storeTimestampMs),
    event: 'stored',
    group: undefined,
    where: `${brokerName}:${message.queueId}@${message.queueOffset}`,
    isSuccess: true,
    durationMs: undefined,
    detail: undefined,
    source: 'broker',
  };
}

/** A row for each group: whether it is past the message. */
async function groupRows(
  admin: AdminClient,
  topic: string,
  { message, brokerName }: FoundMessage,
): Promise<TraceRow[]> {
  const rows: TraceRow[] = [];
  for (const group of await groupsOfTopic(admin, topic)) {
    const queue = (await groupOffsets(admin, group, topic)).find(
      (one) => one.brokerName === brokerName && one.queueId === message.queueId,
    );
    if (queue === undefined) continue;
    const isPassed = queue.consumerOffset > message.queueOffset;
    const behind = message.queueOffset - queue.consumerOffset;
    rows.push({
      time: undefined,
      event: isPassed ? 'passed' : 'waiting',
      group,
      where: `${brokerName}:${queue.queueId}@${queue.consumerOffset}`,
      isSuccess: undefined,
      durationMs: undefined,
      detail: isPassed ? undefined : `${behind} messages before it`,
      source: 'broker',
    });
  }
  return rows;
}

/** Without a time: at the end. */
function compare(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}
