/**
 * What a proxy knows of its cluster: routes, brokers, groups, the other proxies. Implemented by
 * `cluster.ts` from the NameServers; the gRPC service sees only this.
 */
import type { HostPort } from '../../platform/network.ts';
import type { RmqError } from '../../protocol/errors.ts';
import type { Reply } from '../../util/reply.ts';
import type { BrokerApi, GroupConfig, MessageType } from '../broker/api.ts';
import type { Advertised } from '../shared/advertise.ts';

/** One broker's share of a topic. */
export interface RouteQueues {
  readonly brokerName: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** Bits of `Permission`, with the broker's own permission applied. */
  readonly permission: number;
}

export interface TopicRoute {
  readonly topic: string;
  readonly messageType: MessageType;
  /** Live masters, sorted by broker name. At least one. */
  readonly queues: readonly RouteQueues[];
}

export interface ProxyAddress {
  readonly name: string;
  /** What everybody is told who is not told otherwise. */
  readonly grpc: HostPort;
  /** What it was told to say, by the client's network. */
  readonly advertise?: Advertised;
}

export interface ClusterView {
  /**
   * The topic's route; synchronous when it is cached and fresh. TOPIC_NOT_FOUND when no NameServer
   * knows it; the last known route when no NameServer answers.
   */
  route(topic: string, reply: Reply<TopicRoute, RmqError>): void;
  /** The broker to call, ours or a remote one; undefined when it has left the cluster. */
  broker(brokerName: string): BrokerApi | undefined;
  /** All live brokers (masters), sorted by name. */
  brokers(): readonly BrokerApi[];
  /** The group's configuration, cached; defaults when no broker answers in time. */
  group(group: string, reply: Reply<GroupConfig, RmqError>): void;
  /** Hears of groups in use whose configuration an operator has changed. */
  onGroupChanged(listener: (group: GroupConfig) => void): void;
  /** Live proxies of the cluster, this one included, sorted by address; stable between changes. */
  liveProxies(): readonly ProxyAddress[];
  /** Whether another proxy lives, or has lived while this one does. */
  knowsOtherProxies(): boolean;
}
