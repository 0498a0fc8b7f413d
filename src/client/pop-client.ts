/** A member of a consumer group that pops, at our brokers and Apache's; facts/remoting.md §5.1, §6. */
import type { StoredMessage } from '../protocol/message/message.ts';
import { withoutProperties } from '../protocol/message/properties.ts';
import { PropertyName } from '../protocol/message/property-names.ts';
import { answerError } from '../protocol/remoting/answer-error.ts';
import { jsonBody } from '../protocol/remoting/bodies/json.ts';
import { RequestCode, ResponseCode } from '../protocol/remoting/codes.ts';
import { unregisterClientHeader } from '../protocol/remoting/headers/admin.ts';
import {
  ackHeader,
  changeInvisibleTimeHeader,
  PopInitMode,
  popAnswer,
  popHeader,
} from '../protocol/remoting/headers/pop.ts';
import {
  type ExtraInfo,
  parseExtraInfo,
  popDetails,
} from '../protocol/remoting/headers/pop-info.ts';
import { type AdminClient, decodeRecords } from './admin-client.ts';

export interface PopMember {
  readonly clientId: string;
  readonly group: string;
  readonly topic: string;
  /** Tags joined by `||`; `*` for all. */
  readonly expression: string;
  readonly isOrdered: boolean;
}

export interface PopBroker {
  readonly brokerName: string;
  readonly address: string;
}

export interface Popped {
  readonly message: StoredMessage;
  readonly broker: PopBroker;
  readonly deliveryAttempt: number;
  /** What acknowledges this delivery. */
  readonly handle: string;
}

/** Tells a broker that the member is there; to be repeated every 30 s. */
export async function joinBroker(
  admin: AdminClient,
  { address }: PopBroker,
  member: PopMember,
): Promise<void> {
  const { clientId, group, topic, expression } = member;
  const subscription = {
    topic,
    subString: expression,
    expressionType: 'TAG',
    subVersion: 1,
    classFilterMode: false,
    codeSet: [],
    tagsSet: [],
  };
  const body = jsonBody({
    clientID: clientId,
    producerDataSet: [],
    consumerDataSet: [
      {
        groupName: group,
        consumeType: 'CONSUME_PASSIVELY',
        messageModel: 'CLUSTERING',
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        unitMode: false,
        subscriptionDataSet: [subscription],
      },
    ],
  });
  await admin.call(address, RequestCode.HEART_BEAT, {}, body);
}

export async function leaveBroker(
  admin: AdminClient,
  { address }: PopBroker,
  { clientId, group }: PopMember,
): Promise<void> {
  const fields = unregisterClientHeader.encode({
    clientId,
    producerGroup: undefined,
    consumerGroup: group,
  });
  await admin.call(address, RequestCode.UNREGISTER_CLIENT, fields);
}

/** Waits up to `waitMs` for the first; empty when there was none. @throws RmqError */
export async function pop(
  admin: AdminClient,
  broker: PopBroker,
  member: PopMember,
  options: { readonly maxCount: number; readonly invisibleTimeMs: number; readonly waitMs: number },
): Promise<Popped[]> {
  const { brokerName, address } = broker;
  const { group, topic, expression, isOrdered } = member;
  const fields = popHeader.encode({
    group,
    topic,
    queueId: -1,
    maxCount: options.maxCount,
    invisibleTimeMs: options.invisibleTimeMs,
    pollingTimeMs: options.waitMs,
    bornTimeMs: 0, // the broker's now: clocks differ
    initMode: PopInitMode.min,
    filterType: 'TAG',
    filterExpression: expression,
    isOrdered,
    attemptId: undefined,
    brokerName,
  });
  const { waitMs } = options;
  const answer = await admin.ask(address, RequestCode.POP_MESSAGE, fields, { waitMs });
  const isEmpty =
    answer.code === ResponseCode.POLLING_TIMEOUT || answer.code === ResponseCode.PULL_NOT_FOUND;
  if (isEmpty) return [];
  if (answer.code !== ResponseCode.SUCCESS) throw answerError(answer);
  const header = popAnswer.decode(answer.extFields);
  const detailOf = popDetails(header, brokerName);
  return decodeRecords(answer.body).map((record): Popped => {
    const { handle, orderCount } = detailOf(record);
    const properties = withoutProperties(record.properties, [PropertyName.popCheckpoint]);
    return {
      message: { ...record, topic, properties },
      broker,
      deliveryAttempt: 1 + (isOrdered ? orderCount : record.reconsumeTimes),
      handle,
    };
  });
}

/** @throws RmqError INVALID_RECEIPT_HANDLE when the invisible time is over, from brokers of ours. */
export async function ack(admin: AdminClient, member: PopMember, popped: Popped): Promise<void> {
  const fields = ackHeader.encode(receiptOf(member, popped));
  await admin.call(popped.broker.address, RequestCode.ACK_MESSAGE, fields);
}

/** The message is delivered again after `invisibleTimeMs`, counted as another attempt. */
export async function giveBack(
  admin: AdminClient,
  member: PopMember,
  popped: Popped,
  options: { readonly invisibleTimeMs: number; readonly isSuspend: boolean },
): Promise<void> {
  const fields = changeInvisibleTimeHeader.encode({ ...receiptOf(member, popped), ...options });
  await admin.call(popped.broker.address, RequestCode.CHANGE_MESSAGE_INVISIBLETIME, fields);
}

function receiptOf(
  { group, topic }: PopMember,
  { message, broker, handle }: Popped,
): Parameters<typeof ackHeader.encode>[0] {
  const info = parseExtraInfo(handle);
  return {
    group,
    topic: storedTopic(group, topic, info),
    queueId: info?.queueId ?? message.queueId,
    extraInfo: handle,
    queueOffset: info?.queueOffset ?? message.queueOffset,
    brokerName: broker.brokerName,
  };
}

/** Where the broker keeps the message: a pop retry topic when the handle says so; facts/remoting.md §6.2. */
function storedTopic(group: string, topic: string, info: ExtraInfo | undefined): string {
  if (info?.retry === '1') return `%RETRY%${group}_${topic}`;
  return info?.retry === '2' ? `%RETRY%${group}+${topic}` : topic;
}
