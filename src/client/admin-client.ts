/**
 * What commands do to a cluster, ours or Apache's, over Remoting. Topics and groups are changed on every
 * master; reading is by queue offset and touches no group.
 */
import { RmqError } from '../protocol/errors.ts';
import { javaHashCode } from '../protocol/message/java-hash.ts';
import type { StoredMessage } from '../protocol/message/message.ts';
import { encodeProperties } from '../protocol/message/properties.ts';
import { decodeRecord } from '../protocol/message/record.ts';
import { answerError } from '../protocol/remoting/answer-error.ts';
import type { ClusterMember } from '../protocol/remoting/bodies/cluster-members.ts';
import {
  type GroupConfigBody,
  groupConfigFromJson,
  groupConfigToJson,
} from '../protocol/remoting/bodies/group-config.ts';
import { entriesOf, jsonBody } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import {
  type TopicConfigBody,
  topicConfigFromJson,
} from '../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../protocol/remoting/codes.ts';
import type { ExtFields } from '../protocol/remoting/command.ts';
import {
  createTopicHeader,
  deleteGroupHeader,
  topicHeader,
} from '../protocol/remoting/headers/admin.ts';
import {
  offsetAnswer,
  queueHeader,
  searchOffsetHeader,
} from '../protocol/remoting/headers/offsets.ts';
import { PullFlag, pullAnswer, pullHeader } from '../protocol/remoting/headers/pull.ts';
import { sendAnswer, sendHeaderV2 } from '../protocol/remoting/headers/send.ts';
import { checked, type NameServerClient } from './nameserver-client.ts';
import type { RemotingAnswer, RemotingClient } from './remoting-client.ts';

export const producerGroup = 'CLIENT_INNER_PRODUCER';
const toolsGroup = 'TOOLS_CONSUMER';
/** Bit of a topic's permission; facts/store.md §9. */
const writePermission = 2;

export interface Master {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly address: string;
}

/** A queue of a topic on one broker. */
export interface QueueAddress {
  readonly topic: string;
  readonly brokerName: string;
  readonly address: string;
  readonly queueId: number;
}

export interface PulledMessages {
  readonly messages: readonly StoredMessage[];
  readonly nextOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
}

export interface SentMessage {
  readonly messageId: string;
  readonly offsetMessageId: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
}

export class AdminClient {
  readonly nameserver: NameServerClient;
  readonly #client: RemotingClient;
  readonly #timeoutMs: number;
  #turn = 0;

  constructor(options: {
    readonly client: RemotingClient;
    readonly nameserver: NameServerClient;
    readonly timeoutMs: number;
  }) {
    this.#client = options.client;
    this.nameserver = options.nameserver;
    this.#timeoutMs = options.timeoutMs;
  }

  /** One request to one broker. @throws RmqError with the broker's remark. */
  async call(
    address: string,
    code: number,
    fields: ExtFields,
    body?: Uint8Array,
  ): Promise<RemotingAnswer> {
    return checked(await this.ask(address, code, fields, { body }));
  }

  /** The same with whatever answer, which may take `waitMs` longer. */
  ask(
    address: string,
    code: number,
    fields: ExtFields,
    options: { readonly body?: Uint8Array | undefined; readonly waitMs?: number } = {},
  ): Promise<RemotingAnswer> {
    const timeoutMs = this.#timeoutMs + (options.waitMs ?? 0);
    return this.#client.invoke(address, code, fields, options.body, { timeoutMs });
  }

  /** All masters, by name. @throws RmqError BROKER_NOT_FOUND when there is none. */
  async masters(): Promise<readonly Master[]> {
    const masters: Master[] = [];
    for (const { brokerName, clusterName, addresses } of await this.nameserver.brokers()) {
      const address = addresses.get(0);
      if (address !== undefined) masters.push({ brokerName, clusterName, address });
    }
    if (masters.length === 0) {
      throw new RmqError('BROKER_NOT_FOUND', 'the NameServer knows no broker', {
        hint: 'start one: rmq start --role broker --namesrv HOST:PORT',
      });
    }
    return masters.sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
  }

  /** Topics of all masters, by name: the configuration on each broker that has it. */
  async listTopics(): Promise<ReadonlyMap<string, readonly (TopicConfigBody & Master)[]>> {
    const topics = new Map<string, (TopicConfigBody & Master)[]>();
    for (const master of await this.masters()) {
      const answer = await this.call(master.address, RequestCode.GET_ALL_TOPIC_CONFIG, {});
      const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
      for (const [, value] of entriesOf(json['topicConfigTable'])) {
        const config = topicConfigFromJson(value);
        if (config === undefined) continue;
        const list = topics.get(config.topic) ?? [];
        list.push({ ...config, ...master });
        topics.set(config.topic, list);
      }
    }
    return topics;
  }

  /** The topic's configuration on each master that has it; empty when none has. */
  async getTopic(topic: string): Promise<readonly (TopicConfigBody & Master)[]> {
    const found: (TopicConfigBody & Master)[] = [];
    for (const master of await this.masters()) {
      const fields = topicHeader.encode({ topic });
      const answer = await this.#client.invoke(
        master.address,
        RequestCode.GET_TOPIC_CONFIG,
        fields,
        undefined,
        { timeoutMs: this.#timeoutMs },
      );
      if (answer.code === ResponseCode.TOPIC_NOT_EXIST) continue;
      const config = topicConfigFromJson(parseLenientJson(checked(answer).body));
      if (config !== undefined) found.push({ ...config, ...master });
    }
    return found;
  }

  /** Creates or changes the topic on every master, and waits until the NameServer routes it. */
  async putTopic(topic: {
    readonly topic: string;
    readonly queueCount: number;
    readonly permission: number;
    /** With `+` or `-` in front of names; facts/broker.md 1.3. */
    readonly attributes: Readonly<Record<string, string>>;
  }): Promise<readonly Master[]> {
    const masters = await this.masters();
    const attributes = Object.entries(topic.attributes).map(([name, value]) => `${name}=${value}`);
    const fields = createTopicHeader.encode({
      topic: topic.topic,
      defaultTopic: 'TBW102',
      readQueueCount: topic.queueCount,
      writeQueueCount: topic.queueCount,
      permission: topic.permission,
      filterType: 'SINGLE_TAG',
      systemFlag: 0,
      isOrdered: false,
      attributes: attributes.join(','),
    });
    for (const { address } of masters) {
      await this.call(address, RequestCode.UPDATE_AND_CREATE_TOPIC, fields);
    }
    return masters;
  }

  /** Deletes the topic on every master and in every NameServer. */
  async deleteTopic(topic: string): Promise<void> {
    const fields = topicHeader.encode({ topic });
    for (const { address } of await this.masters()) {
      await this.call(address, RequestCode.DELETE_TOPIC_IN_BROKER, fields);
    }
    await this.nameserver.tellAll(RequestCode.DELETE_TOPIC_IN_NAMESRV, fields);
  }

  /** The readable queues of a topic. @throws RmqError TOPIC_NOT_FOUND */
  async queues(topic: string): Promise<readonly QueueAddress[]> {
    const route = await this.nameserver.route(topic);
    const queues: QueueAddress[] = [];
    for (const { brokerName, readQueueCount } of route?.queues ?? []) {
      const broker = route?.brokers.find((one) => one.brokerName === brokerName);
      const address = broker?.addresses.get(0) ?? [...(broker?.addresses.values() ?? [])][0];
      if (address === undefined) continue;
      for (let queueId = 0; queueId < readQueueCount; queueId++) {
        queues.push({ topic, brokerName, address, queueId });
      }
    }
    if (queues.length > 0) return queues;
    throw new RmqError('TOPIC_NOT_FOUND', `topic ${topic} has no route`, {
      hint: `see what there is: rmq topic list; or create it: rmq topic create ${topic}`,
    });
  }

  async minOffset(queue: QueueAddress): Promise<number> {
    return this.#offset(queue, RequestCode.GET_MIN_OFFSET);
  }

  async maxOffset(queue: QueueAddress): Promise<number> {
    return this.#offset(queue, RequestCode.GET_MAX_OFFSET);
  }

  async #offset(queue: QueueAddress, code: number): Promise<number> {
    const { topic, queueId, brokerName } = queue;
    const answer = await this.call(
      queue.address,
      code,
      queueHeader.encode({ topic, queueId, brokerName }),
    );
    return offsetAnswer.decode(answer.extFields).offset;
  }

  async offsetByTime(queue: QueueAddress, timestampMs: number): Promise<number> {
    const { topic, queueId, brokerName } = queue;
    const fields = searchOffsetHeader.encode({
      topic,
      queueId,
      brokerName,
      timestampMs,
      boundary: 'LOWER',
    });
    const answer = await this.call(queue.address, RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, fields);
    return offsetAnswer.decode(answer.extFields).offset;
  }

  /** Reads from `offset` on; waits up to `waitMs` at the queue's end. Needs no group and leaves none. */
  async pull(
    queue: QueueAddress,
    offset: number,
    options: {
      readonly maxCount: number;
      readonly waitMs: number;
      /** Tags (`a || b`, `*`), or a condition over properties with `expressionType` SQL92. */
      readonly expression: string;
      readonly expressionType?: 'TAG' | 'SQL92';
    },
  ): Promise<PulledMessages> {
    const { topic, queueId, brokerName } = queue;
    const fields = pullHeader.encode({
      group: toolsGroup,
      topic,
      queueId,
      queueOffset: offset,
      maxCount: options.maxCount,
      sysFlag: PullFlag.subscription | (options.waitMs > 0 ? PullFlag.suspend : 0),
      commitOffset: 0,
      suspendTimeoutMs: options.waitMs,
      subscription: options.expression,
      subscriptionVersion: '0',
      expressionType: options.expressionType ?? 'TAG',
      maxSizeBytes: undefined,
      brokerName,
    });
    // Apache's broker looks at held pulls every 5 s only; facts/remoting.md 5.3.
    const timeoutMs = options.waitMs + 5_000 + this.#timeoutMs;
    const code = RequestCode.PULL_MESSAGE;
    const answer = await this.#client.invoke(queue.address, code, fields, undefined, { timeoutMs });
    const isEmpty =
      answer.code === ResponseCode.PULL_NOT_FOUND ||
      answer.code === ResponseCode.PULL_RETRY_IMMEDIATELY ||
      answer.code === ResponseCode.PULL_OFFSET_MOVED;
    if (answer.code !== 0 && !isEmpty) throw answerError(answer);
    const { nextOffset, minOffset, maxOffset } = pullAnswer.decode(answer.extFields);
    const messages = isEmpty ? [] : decodeRecords(answer.body);
    return { messages, nextOffset, minOffset, maxOffset };
  }

  /** Sends one message to the next queue in turn. @throws RmqError TOPIC_NOT_FOUND … */
  async send(message: {
    readonly topic: string;
    readonly body: Uint8Array;
    readonly properties: ReadonlyMap<string, string>;
    readonly bornTimestampMs: number;
    /** Bits that say how the body is compressed; 0 when left out. */
    readonly sysFlag?: number;
    /** Messages of one key go to one queue (message groups); undefined: queues in turn. */
    readonly orderKey?: string;
    /** The queue, counted over all brokers in turn: 0 is the first of the first, 1 the first of the second … */
    readonly turn?: number;
  }): Promise<SentMessage> {
    const { topic, body, properties, bornTimestampMs, orderKey } = message;
    const route = await this.nameserver.route(topic);
    // Brokers leave the permission to look at to the clients; facts/broker.md §2.
    const queues = (route?.queues ?? []).filter(
      (queue) => queue.writeQueueCount > 0 && (queue.permission & writePermission) !== 0,
    );
    if (queues.length === 0 && route !== undefined && route.queues.length > 0) {
      throw new RmqError('NO_PERMISSION', `topic ${topic} takes no messages`, {
        hint: `rmq topic route ${topic} says on which broker it is read-only`,
      });
    }
    const turn =
      message.turn ?? (orderKey === undefined ? this.#turn++ : javaHashCode(orderKey) >>> 0);
    const queue = queues[turn % Math.max(1, queues.length)];
    const broker = route?.brokers.find((one) => one.brokerName === queue?.brokerName);
    const address = broker?.addresses.get(0);
    if (queue === undefined || address === undefined) {
      throw new RmqError('TOPIC_NOT_FOUND', `topic ${topic} has no route`, {
        hint: `create it: rmq topic create ${topic}`,
      });
    }
    const fields = sendHeaderV2.encode({
      producerGroup,
      topic,
      defaultTopic: 'TBW102',
      defaultTopicQueueCount: 4,
      queueId: Math.floor(turn / queues.length) % queue.writeQueueCount,
      sysFlag: message.sysFlag ?? 0,
      bornTimestampMs,
      flag: 0,
      properties: encodeProperties(properties).toString('utf8'),
      reconsumeTimes: 0,
      isUnitMode: false,
      maxReconsumeTimes: undefined,
      isBatch: false,
      brokerName: queue.brokerName,
    });
    const answer = await this.call(address, RequestCode.SEND_MESSAGE_V2, fields, body);
    const sent = sendAnswer.decode(answer.extFields);
    return {
      messageId: sent.transactionId ?? sent.offsetMessageId,
      offsetMessageId: sent.offsetMessageId,
      brokerName: queue.brokerName,
      queueId: sent.queueId,
      queueOffset: sent.queueOffset,
    };
  }

  /** Groups of all masters, by name. */
  async listGroups(): Promise<ReadonlyMap<string, GroupConfigBody>> {
    const groups = new Map<string, GroupConfigBody>();
    for (const master of await this.masters()) {
      for (const [name, config] of await this.groupsOf(master)) groups.set(name, config);
    }
    return groups;
  }

  /** Groups of one broker, by name. */
  async groupsOf({ address }: Master): Promise<ReadonlyMap<string, GroupConfigBody>> {
    const groups = new Map<string, GroupConfigBody>();
    const answer = await this.call(address, RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, {});
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    for (const [, value] of entriesOf(json['subscriptionGroupTable'])) {
      const config = groupConfigFromJson(value);
      if (config !== undefined) groups.set(config.group, config);
    }
    return groups;
  }

  async putGroup(config: GroupConfigBody): Promise<void> {
    const body = jsonBody(groupConfigToJson(config));
    for (const { address } of await this.masters()) {
      await this.call(address, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, body);
    }
  }

  async deleteGroup(group: string): Promise<void> {
    const fields = deleteGroupHeader.encode({ group, isOffsetsCleaned: true });
    for (const { address } of await this.masters()) {
      await this.call(address, RequestCode.DELETE_SUBSCRIPTIONGROUP, fields);
    }
  }

  /** Every machine of every role; on Apache's NameServer the brokers, without heartbeat times. */
  async members(): Promise<readonly ClusterMember[]> {
    const members = await this.nameserver.members();
    if (members !== undefined) return members;
    const brokers = await this.nameserver.brokers();
    return brokers.flatMap(({ brokerName, clusterName, addresses }) =>
      [...addresses].map(([brokerId, address]) => ({
        role: 'broker' as const,
        name: brokerName,
        clusterName,
        address,
        brokerId,
        lastHeartbeatMs: 0,
        windowMs: 0,
        advertise: '',
      })),
    );
  }
}

/** Records one behind the other, as bodies of pulls hold them. */
export function decodeRecords(body: Buffer): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (let at = 0; at < body.length; ) {
    const message = decodeRecord(body, at, body.length);
    if (message === undefined) break;
    messages.push(message);
    at += message.storeSizeBytes;
  }
  return messages;
}
