/** What the handlers of a broker's Remoting port share. */
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { QueueOffset } from '../../../protocol/message/message.ts';
import type { DataVersion } from '../../../protocol/remoting/bodies/topic-config.ts';
import type { AnswerParts, RequestHandler } from '../../remoting/handler.ts';
import type { Logger } from '../../shared/logger.ts';
import type { MessageStore, StoredQueue } from '../../store/message-store.ts';
import type { BrokerApi, TopicConfig } from '../api.ts';
import type { CommittedOffset } from '../delivery/state-table.ts';
import type { RequestModes } from '../groups/request-modes.ts';
import type { ClientRegistry } from './client-registry.ts';
import type { LiteSessions } from './lite.ts';
import type { ParkedRequests } from './parked-requests.ts';
import type { QueueLocks } from './queue-locks.ts';
import type { PendingResets } from './resets.ts';
import type { BrokerSetting } from './settings.ts';
import type { Statistics } from './statistics.ts';

/** What a broker of this process offers beyond `BrokerApi`. */
export interface HostedBroker extends BrokerApi {
  readonly store: MessageStore;
  /** Bits of `Permission`. */
  readonly permission: number;
  readonly dataVersion: DataVersion;
  onTopicsChanged(listener: (changed: readonly TopicConfig[]) => void): void;
  /** Committed offsets of a group, of all groups when undefined. */
  listOffsets(group: string | undefined): readonly CommittedOffset[];
  /** Has the group go on at `offset`, whatever it has in flight. */
  resetOffset(group: string, topic: string, queueId: number, offset: QueueOffset): Promise<void>;
  /** Delayed messages that wait, by the topic they are for. */
  readonly delayedByTopic: ReadonlyMap<string, number>;
  /** Messages of the queue that the group was shown and has not finished. */
  inFlightCount(group: string, topic: string, queueId: number): number;
  /** Transactions that nobody has decided about. */
  readonly openTransactionCount: number;
  /** Whether the group could pop something of the queue now. */
  hasVisible(group: string, topic: string, queueId: number): boolean;
  /** Receives of the group that wait for the queue (-1: for any). */
  waitingReceives(group: string, topic: string, queueId: number): number;
  isReadForbidden(group: string, topic: string): boolean;
  setReadForbidden(group: string, topic: string, isForbidden: boolean): Promise<void>;
}

/** A topic's queues on one broker, as a NameServer says. */
export interface BrokerQueues {
  readonly brokerName: string;
  readonly readQueueCount: number;
}

export interface RemotingContext {
  readonly broker: HostedBroker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly clients: ClientRegistry;
  readonly locks: QueueLocks;
  readonly parked: ParkedRequests;
  readonly lite: LiteSessions;
  readonly resets: PendingResets;
  readonly modes: RequestModes;
  readonly statistics: Statistics;
  /** Deletes what is too old now instead of at the next round. */
  readonly deleteExpired: () => Promise<void>;
  readonly settings: readonly BrokerSetting[];
  /** undefined: no NameServer knows, or none is there to be asked. */
  readonly routeOf: (topic: string) => Promise<readonly BrokerQueues[] | undefined>;
  readonly startedAtMs: number;
  /** host:port that clients are told. */
  readonly address: () => string;
}

/** A family's handlers, to be put into one table. */
export type Handlers = Iterable<readonly [code: number, handler: RequestHandler]>;

/** A handler that only has to return its answer. */
export function answering(
  run: (request: Parameters<RequestHandler>[0]) => Promise<AnswerParts> | AnswerParts,
): RequestHandler {
  return async (request, answer) => answer(await run(request));
}

/**
 * A queue that the topic has: others would be made by asking for them.
 * @throws RmqError TOPIC_NOT_FOUND, ILLEGAL_QUEUE
 */
export async function requireQueue(
  broker: HostedBroker,
  topic: string,
  queueId: number,
): Promise<StoredQueue> {
  const config = await requireTopic(broker, topic);
  const count = Math.max(config.readQueueCount, config.writeQueueCount);
  if (queueId >= 0 && queueId < count) return broker.store.queue(topic, queueId);
  throw new RmqError(
    'ILLEGAL_QUEUE',
    `topic ${topic} has queues 0 to ${count - 1}, not ${queueId}`,
  );
}

/** @throws RmqError TOPIC_NOT_FOUND with the words of Apache's brokers. */
export async function requireTopic(broker: BrokerApi, topic: string): Promise<TopicConfig> {
  const config = await broker.getTopic(topic);
  if (config !== undefined) return config;
  throw new RmqError('TOPIC_NOT_FOUND', `topic[${topic}] not exist, apply first please!`);
}
