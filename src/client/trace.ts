/**
 * What clients with message trace switched on wrote about themselves; facts/broker.md §15. A trace message
 * is a list of records that end with 0x02, fields split by 0x01:
 *   Pub            time region group topic msgId tags keys storeHost bodyLength costMs msgType offsetMsgId success [clientHost]
 *   SubBefore      time region group requestId msgId retryTimes keys [clientHost]
 *   SubAfter       requestId msgId costMs success keys contextCode time group
 *   EndTransaction time region group topic msgId tags keys storeHost msgType transactionId state fromCheck
 *   Recall         time region group topic msgId success
 */

export interface TraceEvent {
  readonly type: 'sent' | 'consuming' | 'consumed' | 'transaction' | 'recalled';
  readonly messageId: string;
  /** Unix ms; 0 when the client did not say. */
  readonly timestampMs: number;
  /** Producer or consumer group. */
  readonly group: string;
  /** The client's host, where it says so. */
  readonly clientHost: string | undefined;
  /** undefined while it is under way. */
  readonly isSuccess: boolean | undefined;
  readonly durationMs: number | undefined;
  /** Deliveries before this one, of `consuming`. */
  readonly retryCount: number | undefined;
  /** Joins `consuming` and `consumed` of one delivery. */
  readonly requestId: string | undefined;
  /** How a consumer ended, or what a transaction became. */
  readonly detail: string | undefined;
}

/** By `contextCode` of SubAfter. */
const consumeEnds = ['success', 'time out', 'exception', 'returned null', 'failed'];

/** Every record of one trace message that can be read; others are passed over. */
export function decodeTrace(body: Uint8Array): TraceEvent[] {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  return text.split('\u0002').flatMap((record) => {
    const [type = '', ...fields] = record.split('\u0001');
    return decoders[type.trim()]?.(fields) ?? [];
  });
}

const nothing = {
  clientHost: undefined,
  isSuccess: undefined,
  durationMs: undefined,
  retryCount: undefined,
  requestId: undefined,
  detail: undefined,
};

const decoders: Readonly<Record<string, (fields: readonly string[]) => TraceEvent>> = {
  Pub: (fields) => ({
    ...nothing,
    type: 'sent',
    messageId: fields[4] ?? '',
    timestampMs: numberOf(fields[0]),
    group: fields[2] ?? '',
    clientHost: fields[13],
    isSuccess: fields[12] === 'true',
    durationMs: numberOf(fields[9]),
  }),
  SubBefore: (fields) => ({
    ...nothing,
    type: 'consuming',
    messageId: fields[4] ?? '',
    timestampMs: numberOf(fields[0]),
    group: fields[2] ?? '',
    clientHost: fields[7],
    retryCount: numberOf(fields[5]),
    requestId: fields[3],
  }),
  SubAfter: (fields) => ({
    ...nothing,
    type: 'consumed',
    messageId: fields[1] ?? '',
    timestampMs: numberOf(fields[6]),
    group: fields[7] ?? '',
    isSuccess: fields[3] === 'true',
    durationMs: numberOf(fields[2]),
    requestId: fields[0],
    detail: fields[5] === undefined ? undefined : consumeEnds[numberOf(fields[5])],
  }),
  EndTransaction: (fields) => ({
    ...nothing,
    type: 'transaction',
    messageId: fields[4] ?? '',
    timestampMs: numberOf(fields[0]),
    group: fields[2] ?? '',
    detail: fields[10],
  }),
  Recall: (fields) => ({
    ...nothing,
    type: 'recalled',
    messageId: fields[4] ?? '',
    timestampMs: numberOf(fields[0]),
    group: fields[2] ?? '',
    isSuccess: fields[5] === 'true',
  }),
};

function numberOf(text: string | undefined): number {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : 0;
}
