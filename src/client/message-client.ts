/** What commands do with single messages: find them, copy them, have a consumer try one. */
import { RmqError } from '../protocol/errors.ts';
import type { StoredMessage } from '../protocol/message/message.ts';
import { decodeOffsetMessageId, encodeOffsetMessageId } from '../protocol/message/message-id.ts';
import { decodeProperties } from '../protocol/message/properties.ts';
import { PropertyName } from '../protocol/message/property-names.ts';
import { decodeRecord } from '../protocol/message/record.ts';
import { SysFlag } from '../protocol/message/sys-flag.ts';
import { entriesOf } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import { numberOr } from '../protocol/remoting/bodies/topic-config.ts';
import { RequestCode } from '../protocol/remoting/codes.ts';
import { consumeDirectlyHeader } from '../protocol/remoting/headers/admin.ts';
import { queryMessageHeader, viewMessageHeader } from '../protocol/remoting/headers/pull.ts';
import {
  type AdminClient,
  decodeRecords,
  type QueueAddress,
  type SentMessage,
} from './admin-client.ts';

/** A message with the broker that has it. */
export interface FoundMessage {
  readonly message: StoredMessage;
  readonly brokerName: string;
}

/** `K` key, `U` unique key, `T` tag; facts/remoting.md §12.3. */
export type IndexType = 'K' | 'U' | 'T';

export interface MessageQuery {
  readonly topic: string;
  readonly type: IndexType;
  readonly key: string;
  /** Of each broker. */
  readonly maxCount: number;
  /** Stored from then on, Unix ms. */
  readonly beginMs: number;
  /** Stored until then, Unix ms. */
  readonly endMs: number;
}

/** By the index of every broker, in no order; empty when there is none. */
export async function queryMessages(
  admin: AdminClient,
  query: MessageQuery,
): Promise<FoundMessage[]> {
  const { topic, type, key } = query;
  const fields = queryMessageHeader.encode({
    topic,
    key,
    maxCount: query.maxCount,
    beginTimestamp: String(query.beginMs),
    endTimestamp: String(query.endMs),
    indexType: type,
    isUniqueKeyQuery: type === 'U' ? 'true' : undefined,
  });
  const found: FoundMessage[] = [];
  for (const { address, brokerName } of await admin.masters()) {
    for (const message of await queryBroker(admin, address, fields)) {
      // Apache's brokers answer by the key's hash: others may be among them.
      if (hasKey(message, type, key)) found.push({ message, brokerName });
    }
  }
  return found;
}

/** A broker that has none says so with an error. */
async function queryBroker(
  admin: AdminClient,
  address: string,
  fields: Parameters<AdminClient['call']>[2],
): Promise<StoredMessage[]> {
  try {
    return decodeRecords((await admin.call(address, RequestCode.QUERY_MESSAGE, fields)).body);
  } catch (error) {
    if (error instanceof RmqError && error.code === 'OFFSET_NOT_FOUND') return [];
    throw error;
  }
}

function hasKey(message: StoredMessage, type: IndexType, key: string): boolean {
  const properties = decodeProperties(message.properties);
  if (type === 'U') return properties.get(PropertyName.uniqueKey) === key;
  if (type === 'T') return properties.get(PropertyName.tags) === key;
  return (properties.get(PropertyName.keys) ?? '').split(' ').includes(key);
}

/** By the id that a send answers with; undefined when no broker has it. @throws RmqError USAGE */
export async function messageByOffsetId(
  admin: AdminClient,
  id: string,
): Promise<FoundMessage | undefined> {
  const decoded = decodeOffsetMessageId(id);
  if (decoded === undefined) return undefined;
  const fields = viewMessageHeader.encode({ topic: '', physicalOffset: decoded.physicalOffset });
  // The id names the broker by address; behind NAT that may not be the one that is reached.
  for (const { address, brokerName } of await admin.masters()) {
    try {
      const { body } = await admin.call(address, RequestCode.VIEW_MESSAGE_BY_ID, fields);
      const message = decodeRecord(body, 0, body.length);
      if (message !== undefined && isStoredAt(message, decoded.host))
        return { message, brokerName };
    } catch (error) {
      if (!(error instanceof RmqError) || error.code !== 'INTERNAL') throw error;
      // SYSTEM_ERROR: this broker has nothing at that offset.
    }
  }
  return undefined;
}

function isStoredAt(message: StoredMessage, host: StoredMessage['storeHost']): boolean {
  const { address, port } = message.storeHost;
  return port === host.port && Buffer.compare(address, host.address) === 0;
}

/** What of a message belongs to its sender; the rest is what brokers and clients noted on the way. */
const senderProperties: ReadonlySet<string> = new Set([
  PropertyName.keys,
  PropertyName.tags,
  PropertyName.messageGroup,
  PropertyName.priority,
  PropertyName.liteTopic,
  PropertyName.instanceId,
  PropertyName.traceContext,
]);
const noted: ReadonlySet<string> = new Set<string>([
  ...Object.values(PropertyName).filter((name) => !senderProperties.has(name)),
  'CONSUME_START_TIME',
  'DUP_INFO',
  'EXTEND_UNIQ_INFO',
  'PROPERTY_FORWARD_QUEUE_ID',
  'REDIRECT',
  'TRANS_OFFSET',
  'TRANSFER_FLAG',
  'CORRECTION_FLAG',
  'MQ2_FLAG',
]);

export interface CopyOptions {
  readonly topic: string;
  /** It remains the same message, under its id; else it gets an id of its own. */
  readonly isSameMessage: boolean;
  readonly bornTimestampMs: number;
}

/** Those of a message that its sender gave it. */
export function senderPropertiesOf(stored: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...stored].filter(([name]) => !noted.has(name)));
}

/** Sends a copy as its producer would have sent it: keys, tag, message group, properties, body. */
export function sendCopy(
  admin: AdminClient,
  message: StoredMessage,
  { topic, isSameMessage, bornTimestampMs }: CopyOptions,
): Promise<SentMessage> {
  const stored = decodeProperties(message.properties);
  const properties = senderPropertiesOf(stored);
  const id = stored.get(PropertyName.uniqueKey);
  if (isSameMessage && id !== undefined) properties.set(PropertyName.uniqueKey, id);
  const orderKey = stored.get(PropertyName.messageGroup);
  return admin.send({
    topic,
    body: message.body,
    // The body is copied as it is stored.
    sysFlag: message.sysFlag & (SysFlag.compressed | SysFlag.compressionMask),
    properties,
    bornTimestampMs,
    ...(orderKey === undefined ? {} : { orderKey }),
  });
}

export interface ConsumeTry {
  /** `CR_SUCCESS`, `CR_LATER`, `CR_ROLLBACK`, `CR_COMMIT`, `CR_THROW_EXCEPTION`, `CR_RETURN_NULL`. */
  readonly result: string;
  readonly remark: string | undefined;
  readonly durationMs: number;
}

/**
 * Has one consumer run its listener on the message, whatever its group has consumed; facts/remoting.md §5.5.
 * @throws RmqError CLIENT_NOT_FOUND, TIMEOUT
 */
export async function consumeDirectly(
  admin: AdminClient,
  { message, brokerName }: FoundMessage,
  consumer: { readonly group: string; readonly clientId: string },
): Promise<ConsumeTry> {
  const master = (await admin.masters()).find((one) => one.brokerName === brokerName);
  if (master === undefined) {
    throw new RmqError('BROKER_NOT_FOUND', `broker ${brokerName} has no master now`);
  }
  const fields = {
    ...consumeDirectlyHeader.encode({
      ...consumer,
      messageId: encodeOffsetMessageId(message.storeHost, message.physicalOffset),
    }),
    topic: message.topic,
    brokerName,
  };
  const answer = await admin.call(master.address, RequestCode.CONSUME_MESSAGE_DIRECTLY, fields);
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  const remark = json['remark'];
  return {
    result: String(json['consumeResult'] ?? ''),
    remark: typeof remark === 'string' && remark !== '' ? remark : undefined,
    durationMs: numberOr(json['spentTimeMills'], 0),
  };
}

const pullCount = 32;

/** The messages of one queue from `beginOffset` to before `endOffset`, in order; holes are passed over. */
export async function* readQueue(
  admin: AdminClient,
  queue: QueueAddress,
  range: { readonly beginOffset: number; readonly endOffset: number },
): AsyncGenerator<StoredMessage> {
  let next = range.beginOffset;
  while (next < range.endOffset) {
    const options = { maxCount: pullCount, waitMs: 0, expression: '*' };
    const { messages, nextOffset } = await admin.pull(queue, next, options);
    for (const message of messages) {
      if (message.queueOffset >= range.endOffset) return;
      yield message;
    }
    if (nextOffset <= next) return; // at the end: what there was is gone meanwhile
    next = nextOffset;
  }
}
