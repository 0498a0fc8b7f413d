/** What commands ask and change of consumer groups and their offsets, over Remoting. */
import { RmqError } from '../protocol/errors.ts';
import { type GroupConfigBody } from '../protocol/remoting/bodies/group-config.ts';
import { entriesOf } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import { RequestCode } from '../protocol/remoting/codes.ts';
import {
  consumerGroupHeader,
  consumeStatsHeader,
  resetOffsetHeader,
} from '../protocol/remoting/headers/admin.ts';
import { updateOffsetHeader } from '../protocol/remoting/headers/offsets.ts';
import type { AdminClient, QueueAddress } from './admin-client.ts';

/** How far a group is in one queue. */
export interface GroupOffset extends QueueAddress {
  /** First offset that is not consumed. */
  readonly consumerOffset: number;
  /** Offset that the next message gets. */
  readonly brokerOffset: number;
  /** `consumerOffset` and what is in flight behind it; not below `consumerOffset` where it is told. */
  readonly pullOffset: number;
  /** Store time of the last consumed message, Unix ms; 0 when unknown. */
  readonly lastTimestampMs: number;
}

/** A consumer that is connected to a broker, directly or through a proxy. */
export interface GroupMember {
  readonly clientId: string;
  readonly address: string;
  readonly language: string;
  readonly version: number;
  readonly brokerName: string;
}

export interface GroupConnections {
  readonly consumeType: string;
  readonly messageModel: string;
  readonly members: readonly GroupMember[];
  /** `topic` to filter expression. */
  readonly subscriptions: Readonly<Record<string, string>>;
}

/**
 * The group as the first broker has it, and who has it. Asks for all groups: asking for one would make it
 * on brokers that create groups on the way.
 */
export async function getGroup(
  admin: AdminClient,
  group: string,
): Promise<
  { readonly config: GroupConfigBody; readonly brokerNames: readonly string[] } | undefined
> {
  let config: GroupConfigBody | undefined;
  const brokerNames: string[] = [];
  for (const master of await admin.masters()) {
    const found = (await admin.groupsOf(master)).get(group);
    if (found === undefined) continue;
    config ??= found;
    brokerNames.push(master.brokerName);
  }
  return config === undefined ? undefined : { config, brokerNames };
}

/** Offsets of all queues that the group has consumed or subscribes to; of one topic when named. */
export async function groupOffsets(
  admin: AdminClient,
  group: string,
  topic?: string,
): Promise<readonly GroupOffset[]> {
  const offsets: GroupOffset[] = [];
  for (const { address } of await admin.masters()) {
    const fields = consumeStatsHeader.encode({ group, topic, topicList: undefined });
    const answer = await whenFound(admin.call(address, RequestCode.GET_CONSUME_STATS, fields));
    if (answer === undefined || answer.body.length === 0) continue;
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    for (const [key, value] of entriesOf(json['offsetTable'])) {
      const queue = Object.fromEntries(entriesOf(JSON.parse(key)));
      const row = Object.fromEntries(entriesOf(value));
      offsets.push({
        topic: String(queue['topic'] ?? ''),
        brokerName: String(queue['brokerName'] ?? ''),
        queueId: Number(queue['queueId'] ?? 0),
        address,
        consumerOffset: Number(row['consumerOffset'] ?? 0),
        brokerOffset: Number(row['brokerOffset'] ?? 0),
        pullOffset: Number(row['pullOffset'] ?? 0),
        lastTimestampMs: Number(row['lastTimestamp'] ?? 0),
      });
    }
  }
  return offsets.sort(
    (a, b) =>
      compare(a.topic, b.topic) || compare(a.brokerName, b.brokerName) || a.queueId - b.queueId,
  );
}

/** Who consumes with the group now. */
export async function groupConnections(
  admin: AdminClient,
  group: string,
): Promise<GroupConnections> {
  const members: GroupMember[] = [];
  const subscriptions: Record<string, string> = {};
  let consumeType = '';
  let messageModel = '';
  for (const { address, brokerName } of await admin.masters()) {
    const fields = consumerGroupHeader.encode({ group });
    const code = RequestCode.GET_CONSUMER_CONNECTION_LIST;
    const answer = await whenFound(admin.call(address, code, fields));
    if (answer === undefined) continue;
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    consumeType = String(json['consumeType'] ?? consumeType);
    messageModel = String(json['messageModel'] ?? messageModel);
    for (const [, value] of entriesOf(json['connectionSet'])) {
      const connection = Object.fromEntries(entriesOf(value));
      members.push({
        clientId: String(connection['clientId'] ?? ''),
        address: String(connection['clientAddr'] ?? ''),
        language: String(connection['language'] ?? ''),
        version: Number(connection['version'] ?? 0),
        brokerName,
      });
    }
    for (const [topic, value] of entriesOf(json['subscriptionTable'])) {
      subscriptions[topic] = String(Object.fromEntries(entriesOf(value))['subString'] ?? '');
    }
  }
  return { consumeType, messageModel, members, subscriptions };
}

/** Moves a group in one queue: what it has in flight there is delivered again from the new place. */
export async function setOffset(
  admin: AdminClient,
  group: string,
  queue: QueueAddress,
  offset: number,
): Promise<void> {
  const { topic, queueId, brokerName, address } = queue;
  // Brokers without an offset of the group know it by a commit first; facts/remoting.md 9.2.
  const commit = { group, topic, queueId, commitOffset: offset, brokerName };
  await admin.call(address, RequestCode.UPDATE_CONSUMER_OFFSET, updateOffsetHeader.encode(commit));
  const reset = { group, topic, queueId, offset, timestampMs: -1 };
  const fields = { ...resetOffsetHeader.encode(reset), isForce: 'true' };
  await admin.call(address, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, fields);
}

/** Brokers on which the group is missing or the request says "not online" have nothing to tell. */
async function whenFound<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RmqError && isNothing(error)) return undefined;
    throw error;
  }
}

function isNothing(error: RmqError): boolean {
  return (
    error.code === 'GROUP_NOT_FOUND' ||
    error.code === 'TOPIC_NOT_FOUND' ||
    /not online|not exist|no group/i.test(error.message)
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
