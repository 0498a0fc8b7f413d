/** A gRPC message as a draft, checked in Apache's order; facts/grpc-v2.md 7.1, 7.4. */
import { isIP } from 'node:net';
import {
  Code,
  Encoding,
  type Message,
  MessageType,
} from '../../../protocol/grpc/generated/messages.ts';
import { liteTopicProblem } from '../../../protocol/message/lite-topic.ts';
import type { MessageDraft, RecordHost } from '../../../protocol/message/message.ts';
import { encodeProperties } from '../../../protocol/message/properties.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';
import { reservedProperties } from './message-type.ts';
import { StatusError } from './status.ts';
import {
  bodySizeMaxBytes,
  messageGroupSizeMaxBytes,
  transactionRecoveryMaxMs,
  userPropertiesSizeMaxBytes,
  userPropertyCountMax,
} from './times.ts';

// Control characters of ISO 8859: they would break the encoded properties.
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

/** @throws StatusError with the code that Apache's proxy answers. */
export function checkMessage(
  message: Message,
  topic: string,
  nowMs: number,
  delayMaxMs: number,
): void {
  if ((message.topic?.name ?? '') !== topic)
    refuse('MESSAGE_CORRUPTED', 'messages have different topics');
  const size = message.body.length;
  if (size === 0) refuse('MESSAGE_BODY_EMPTY', 'message body cannot be empty');
  if (size > bodySizeMaxBytes) {
    refuse('MESSAGE_BODY_TOO_LARGE', `message body cannot exceed the max ${bodySizeMaxBytes}`);
  }
  checkUserProperties(message);
  const system = message.systemProperties;
  const tag = system?.tag ?? '';
  if (tag !== '' && (tag.trim() === '' || tag.includes('|') || controlCharacter.test(tag))) {
    refuse('ILLEGAL_MESSAGE_TAG', 'tag cannot be blank, contain | or control characters');
  }
  for (const key of system?.keys ?? []) {
    if (key.trim() === '' || controlCharacter.test(key)) {
      refuse('ILLEGAL_MESSAGE_KEY', 'key cannot be blank or contain control characters');
    }
  }
  if (propertiesSize(message) > userPropertiesSizeMaxBytes) {
    refuse(
      'MESSAGE_PROPERTIES_TOO_LARGE',
      `the properties exceed the max ${userPropertiesSizeMaxBytes}`,
    );
  }
  if ((system?.messageId ?? '').trim() === '')
    refuse('ILLEGAL_MESSAGE_ID', 'message id cannot be blank');
  // Stored between 0x01 and 0x02: a control character would make properties of its own.
  if (controlCharacter.test(system?.messageId ?? '')) {
    refuse('ILLEGAL_MESSAGE_ID', 'message id cannot contain control characters');
  }
  if (controlCharacter.test(system?.traceContext ?? '')) {
    refuse('BAD_REQUEST', 'trace context cannot contain control characters');
  }
  if (controlCharacter.test(system?.bornHost ?? '')) {
    refuse('BAD_REQUEST', 'born host cannot contain control characters');
  }
  checkTimes(message, nowMs, delayMaxMs);
  if (system?.liteTopic !== undefined) {
    const problem = liteTopicProblem(system.liteTopic);
    if (problem !== undefined) refuse('ILLEGAL_LITE_TOPIC', problem);
  }
  if ((system?.priority ?? 0) < 0) refuse('BAD_REQUEST', 'the priority cannot be negative');
  const group = system?.messageGroup ?? '';
  if (group === '') return;
  const isLong = Buffer.byteLength(group) > messageGroupSizeMaxBytes;
  if (isLong || group.trim() === '' || controlCharacter.test(group)) {
    refuse('ILLEGAL_MESSAGE_GROUP', 'message group is blank, too long or has control characters');
  }
}

function checkUserProperties({ userProperties }: Message): void {
  if (userProperties.size > userPropertyCountMax) {
    refuse('MESSAGE_PROPERTIES_TOO_LARGE', `more than ${userPropertyCountMax} user properties`);
  }
  for (const [name, value] of userProperties) {
    if (reservedProperties.has(name)) {
      refuse('ILLEGAL_MESSAGE_PROPERTY_KEY', `property is used by system: ${name}`);
    }
    if (controlCharacter.test(name) || controlCharacter.test(value)) {
      refuse(
        'ILLEGAL_MESSAGE_PROPERTY_KEY',
        `property has control characters: ${JSON.stringify(name)}`,
      );
    }
  }
}

function propertiesSize({ userProperties, systemProperties }: Message): number {
  let size = Buffer.byteLength(systemProperties?.tag ?? '');
  for (const key of systemProperties?.keys ?? []) size += Buffer.byteLength(key);
  for (const [name, value] of userProperties)
    size += Buffer.byteLength(name) + Buffer.byteLength(value);
  return size;
}

function checkTimes({ systemProperties }: Message, nowMs: number, delayMaxMs: number): void {
  const recoveryMs = systemProperties?.orphanedTransactionRecoveryDurationMs ?? 0;
  if (recoveryMs > transactionRecoveryMaxMs) {
    refuse('BAD_REQUEST', 'the orphaned transaction recovery duration is too long');
  }
  const deliveryMs = systemProperties?.deliveryTimestampMs;
  if (deliveryMs !== undefined && deliveryMs - nowMs > delayMaxMs) {
    refuse('ILLEGAL_DELIVERY_TIME', `the delivery time is more than ${delayMaxMs} ms ahead`);
  }
}

function refuse(code: keyof typeof Code, text: string): never {
  throw new StatusError(Code[code], text);
}

/** The properties as they are stored. `topic` doubles as the producer group; facts/grpc-v2.md 4.3. */
export function storedProperties(
  message: Message,
  topic: string,
  peer: string,
): Map<string, string> {
  const properties = new Map(message.userProperties);
  const system = message.systemProperties;
  const put = (name: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') properties.set(name, String(value));
  };
  put('UNIQ_KEY', system?.messageId);
  put('TAGS', system?.tag);
  put('KEYS', system?.keys.join(' '));
  put('__SHARDINGKEY', system?.messageGroup);
  put('TRACE_CONTEXT', system?.traceContext);
  const deliveryMs = system?.deliveryTimestampMs;
  // The wire has nanoseconds, the store whole milliseconds.
  put('TIMER_DELIVER_MS', deliveryMs === undefined ? undefined : Math.round(deliveryMs));
  put('__LITE_TOPIC', system?.liteTopic);
  put('_SYS_MSG_PRIORITY_', system?.priority);
  put('__BORNHOST', system?.bornHost === '' ? peer : system?.bornHost);
  put('BORN_TIMESTAMP', Math.round(system?.bornTimestampMs ?? 0));
  put('PGROUP', topic);
  if (system?.messageType === MessageType.TRANSACTION) {
    put('TRAN_MSG', 'true');
    const recoveryMs = system.orphanedTransactionRecoveryDurationMs;
    if (recoveryMs !== undefined) {
      put('CHECK_IMMUNITY_TIME_IN_SECONDS', Math.round(recoveryMs / 1000));
    }
  }
  return properties;
}

export function draftOf(
  message: Message,
  topic: string,
  properties: ReadonlyMap<string, string>,
  options: { readonly bornHost: RecordHost; readonly nowMs: number; readonly queueId: number },
): MessageDraft {
  const system = message.systemProperties;
  const isCompressed = system?.bodyEncoding === Encoding.GZIP;
  const isTransaction = system?.messageType === MessageType.TRANSACTION;
  return {
    topic,
    queueId: options.queueId,
    flag: 0,
    sysFlag:
      (isCompressed ? SysFlag.compressed : 0) | (isTransaction ? SysFlag.transactionPrepared : 0),
    bornTimestampMs: Math.round(system?.bornTimestampMs ?? options.nowMs),
    bornHost: options.bornHost,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: message.body,
    properties: encodeProperties(properties),
  };
}

const noAddress = Buffer.alloc(4);

/** A peer's address as records hold it; IPv4 only, others as 0.0.0.0 (`__BORNHOST` has the text). */
export function recordHost(host: string, port: number): RecordHost {
  if (host !== lastHost) {
    lastAddress = isIP(host) === 4 ? Buffer.from(host.split('.').map(Number)) : noAddress;
    lastHost = host;
  }
  return { address: lastAddress, port };
}

// The next message comes from the same machine, mostly.
let lastHost = '';
let lastAddress: Buffer = noAddress;
