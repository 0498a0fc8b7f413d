/** What the handlers of a broker's Remoting port share. */
import type { Clock } from '../../../platform/clock.ts';
import { RmqError } from '../../../protocol/errors.ts';
import type { DataVersion } from '../../../protocol/remoting/bodies/topic-config.ts';
import type { AnswerParts, RequestHandler } from '../../remoting/handler.ts';
import type { Logger } from '../../shared/logger.ts';
import type { MessageStore } from '../../store/message-store.ts';
import type { BrokerApi, TopicConfig } from '../api.ts';
import type { CommittedOffset } from '../delivery/delivery.ts';
import type { ClientRegistry } from './client-registry.ts';
import type { ParkedRequests } from './parked-requests.ts';
import type { QueueLocks } from './queue-locks.ts';

/** What a broker of this process offers beyond `BrokerApi`. */
export interface HostedBroker extends BrokerApi {
  readonly store: MessageStore;
  /** Bits of `Permission`. */
  readonly permission: number;
  readonly dataVersion: DataVersion;
  onTopicsChanged(listener: (changed: readonly TopicConfig[]) => void): void;
  /** Committed offsets of a group, of all groups when undefined. */
  listOffsets(group: string | undefined): readonly CommittedOffset[];
}

export interface RemotingContext {
  readonly broker: HostedBroker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly clients: ClientRegistry;
  readonly locks: QueueLocks;
  readonly parked: ParkedRequests;
  /** Shown by GET_BROKER_CONFIG and GET_BROKER_RUNTIME_INFO; no secrets. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
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

/** @throws RmqError TOPIC_NOT_FOUND with the words of Apache's brokers. */
export async function requireTopic(broker: BrokerApi, topic: string): Promise<TopicConfig> {
  const config = await broker.getTopic(topic);
  if (config !== undefined) return config;
  throw new RmqError('TOPIC_NOT_FOUND', `topic[${topic}] not exist, apply first please!`);
}
