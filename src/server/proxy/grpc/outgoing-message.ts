/** A stored message as a gRPC one; facts/grpc-v2.md 7.2. */
import { createHash } from 'node:crypto';
import {
  DigestType,
  Encoding,
  type MessageInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { RecordHost } from '../../../protocol/message/message.ts';
import { encodeOffsetMessageId } from '../../../protocol/message/message-id.ts';
import { plainBody } from '../../../protocol/message/plain-body.ts';
import { decodeProperties } from '../../../protocol/message/properties.ts';
import type { PoppedMessage } from '../../broker/api.ts';
import { grpcType, hiddenProperties } from './message-type.ts';

export function outgoingMessage(
  delivery: Pick<PoppedMessage, 'message' | 'receiptHandle' | 'deliveryAttempt'>,
  topicSubscribed: string,
): MessageInit {
  const { message, receiptHandle, deliveryAttempt } = delivery;
  const properties = decodeProperties(message.properties);
  // Clients disagree on what GZIP says, so bodies go out plain (facts/grpc-v2.md 0.9). One that cannot be
  // read goes out as it is stored, marked as compressed: it is not ours to judge.
  const plain = plainBody(message);
  const body = plain ?? message.body;
  const encoding = plain === undefined ? Encoding.GZIP : Encoding.IDENTITY;
  const userProperties = new Map<string, string>();
  for (const [name, value] of properties) {
    if (!hiddenProperties.has(name)) userProperties.set(name, value);
  }
  const dlqTopic = properties.get('DLQ_ORIGIN_TOPIC');
  const dlqMessageId = properties.get('DLQ_ORIGIN_MESSAGE_ID');
  const isDeadLetter = dlqTopic !== undefined && dlqMessageId !== undefined;
  return {
    topic: { name: topicSubscribed },
    userProperties,
    body,
    systemProperties: {
      tag: properties.get('TAGS'),
      keys: (properties.get('KEYS') ?? '').split(' ').filter((key) => key !== ''),
      messageId:
        properties.get('UNIQ_KEY') ??
        encodeOffsetMessageId(message.storeHost, message.physicalOffset),
      bodyDigest: { type: DigestType.MD5, checksum: md5(body) },
      bodyEncoding: encoding,
      messageType: grpcType(properties),
      bornTimestampMs: message.bornTimestampMs,
      bornHost: properties.get('__BORNHOST') ?? hostText(message.bornHost),
      storeTimestampMs: message.storeTimestampMs,
      storeHost: `${hostText(message.storeHost)}:${message.storeHost.port}`,
      deliveryTimestampMs: numberOf(properties.get('TIMER_DELIVER_MS')),
      receiptHandle,
      queueId: message.queueId,
      queueOffset: message.queueOffset,
      deliveryAttempt,
      messageGroup: properties.get('__SHARDINGKEY'),
      traceContext: properties.get('TRACE_CONTEXT'),
      liteTopic: properties.get('__LITE_TOPIC'),
      priority: numberOf(properties.get('_SYS_MSG_PRIORITY_')),
      deadLetterQueue: isDeadLetter ? { topic: dlqTopic, messageId: dlqMessageId } : undefined,
    },
  };
}

function md5(body: Uint8Array): string {
  return createHash('md5').update(body).digest('hex').toUpperCase();
}

function hostText({ address }: RecordHost): string {
  if (address.length === 4) return address.join('.');
  const groups: string[] = [];
  for (let at = 0; at + 1 < address.length; at += 2) {
    groups.push((((address[at] ?? 0) << 8) | (address[at + 1] ?? 0)).toString(16));
  }
  return groups.join(':');
}

function numberOf(text: string | undefined): number | undefined {
  const value = Number(text);
  return text === undefined || !Number.isSafeInteger(value) ? undefined : value;
}
