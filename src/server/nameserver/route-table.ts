/**
 * What a NameServer knows: brokers, their topics, proxies. Pure state with time passed in; nothing of
 * it is kept on disk (facts/remoting.md 3.1). An entry that was not renewed within its window, or
 * whose connection closed, is dropped by the caller's scan.
 */
import { RmqError } from '../../protocol/errors.ts';
import type { DataVersion, TopicConfigBody } from '../../protocol/remoting/bodies/topic-config.ts';
import type { Advertised } from '../shared/advertise.ts';
import { limits } from '../shared/limits.ts';

export interface BrokerEntry {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly brokerId: number;
  readonly address: string;
  readonly haAddress: string;
  readonly windowMs: number;
  readonly isActingMasterEnabled: boolean;
  /** Addresses for clients of certain networks. */
  readonly advertised: Advertised;
  /** It is on our machine and listens everywhere: whoever reaches us by an address reaches it by that one, too. */
  readonly isBesideUs: boolean;
  /** Brokers from 5.0 on say so: the lowest id of a master-less broker tells its topics. */
  readonly mayBePrimeSlave: boolean;
  /** The connection that it registered on. */
  readonly sessionId: number;
  dataVersion: DataVersion;
  lastHeardMs: number;
}

export interface ProxyEntry {
  readonly clusterName: string;
  readonly proxyName: string;
  readonly grpcAddress: string;
  /** Addresses by the client's network, as the proxy told them. */
  readonly advertise: string;
  readonly windowMs: number;
  readonly sessionId: number;
  lastHeardMs: number;
}

export interface QueueData {
  readonly brokerName: string;
  readQueueNums: number;
  writeQueueNums: number;
  perm: number;
  topicSysFlag: number;
}

export interface BrokerData {
  readonly brokerName: string;
  readonly cluster: string;
  readonly brokerAddrs: Map<number, string>;
  isActingMasterEnabled: boolean;
}

const writeBit = 2;

export class RouteTable {
  /** Changes with everything that a route answer shows. */
  version = 0;
  readonly #topics = new Map<string, Map<string, QueueData>>();
  readonly #brokers = new Map<string, BrokerData>();
  readonly #live = new Map<string, BrokerEntry>();
  readonly #proxies = new Map<string, ProxyEntry>();

  liveBrokers(): Iterable<BrokerEntry> {
    return this.#live.values();
  }

  liveProxies(): Iterable<ProxyEntry> {
    return this.#proxies.values();
  }

  broker(brokerName: string): BrokerData | undefined {
    return this.#brokers.get(brokerName);
  }

  brokers(): Iterable<BrokerData> {
    return this.#brokers.values();
  }

  entry(clusterName: string, address: string): BrokerEntry | undefined {
    return this.#live.get(liveKey(clusterName, address));
  }

  topicNames(): string[] {
    return [...this.#topics.keys()];
  }

  queues(topic: string): ReadonlyMap<string, QueueData> | undefined {
    return this.#topics.get(topic);
  }

  /** The topic's queues, made when there are none. @throws RmqError BUSY */
  #queuesOf(topic: string): Map<string, QueueData> {
    let queues = this.#topics.get(topic);
    if (queues !== undefined) return queues;
    if (this.#topics.size >= limits.routeTopicCountMax) {
      throw new RmqError('BUSY', `${this.#topics.size} topics are registered, the limit`);
    }
    queues = new Map();
    this.#topics.set(topic, queues);
    return queues;
  }

  /**
   * Notes a registration. Topics come from masters, and from the lowest id where there is no master; with
   * `isComplete`, those not named go. False: another address has that id and is ahead.
   */
  register(entry: BrokerEntry, topics: readonly TopicConfigBody[], isComplete = false): boolean {
    if (this.#isOutdated(entry)) return false;
    let broker = this.#brokers.get(entry.brokerName);
    const isNew = broker === undefined;
    if (broker === undefined) {
      if (this.#brokers.size >= limits.routeBrokerCountMax) {
        throw new RmqError('BUSY', `${this.#brokers.size} brokers are registered, the limit`);
      }
      broker = {
        brokerName: entry.brokerName,
        cluster: entry.clusterName,
        brokerAddrs: new Map(),
        isActingMasterEnabled: entry.isActingMasterEnabled,
      };
      this.#brokers.set(entry.brokerName, broker);
    }
    broker.isActingMasterEnabled = entry.isActingMasterEnabled;
    for (const [id, address] of broker.brokerAddrs) {
      if (address === entry.address && id !== entry.brokerId) broker.brokerAddrs.delete(id);
    }
    const previous = broker.brokerAddrs.get(entry.brokerId);
    if (previous !== undefined && previous !== entry.address) {
      this.#live.delete(liveKey(entry.clusterName, previous));
    }
    const isAddressNew = previous !== entry.address;
    broker.brokerAddrs.set(entry.brokerId, entry.address);
    const known = this.entry(entry.clusterName, entry.address);
    const isChanged = known === undefined || !isSameVersion(known.dataVersion, entry.dataVersion);
    const isToldDifferently =
      known?.isBesideUs !== entry.isBesideUs ||
      known.advertised.toString() !== entry.advertised.toString();
    this.#live.set(liveKey(entry.clusterName, entry.address), entry);
    if (isNew || isAddressNew || isToldDifferently) this.version++;
    const isPrimeSlave =
      entry.brokerId !== 0 &&
      entry.mayBePrimeSlave &&
      entry.brokerId === Math.min(...broker.brokerAddrs.keys());
    if (entry.brokerId !== 0 && !isPrimeSlave) return true;
    const mask = isPrimeSlave && entry.isActingMasterEnabled ? ~writeBit : ~0;
    for (const topic of topics) {
      if (isChanged || this.#topics.get(topic.topic)?.has(entry.brokerName) !== true) {
        this.#putTopic(entry.brokerName, { ...topic, permission: topic.permission & mask });
      }
    }
    if (isComplete && isChanged) this.#keepTopics(entry.brokerName, topics);
    return true;
  }

  /** Whether a live broker at another address has the id and a later state. */
  #isOutdated(entry: BrokerEntry): boolean {
    const holder = this.#brokers.get(entry.brokerName)?.brokerAddrs.get(entry.brokerId);
    if (holder === undefined || holder === entry.address) return false;
    const live = this.entry(entry.clusterName, holder);
    if (live === undefined || live.dataVersion.stateVersion <= entry.dataVersion.stateVersion) {
      return false;
    }
    this.#live.delete(liveKey(entry.clusterName, entry.address));
    return true;
  }

  #keepTopics(brokerName: string, topics: readonly TopicConfigBody[]): void {
    const kept = new Set(topics.map((topic) => topic.topic));
    for (const [topic, queues] of this.#topics) {
      if (kept.has(topic) || !queues.delete(brokerName)) continue;
      if (queues.size === 0) this.#topics.delete(topic);
      this.version++;
    }
  }

  #putTopic(brokerName: string, topic: TopicConfigBody): void {
    this.#queuesOf(topic.topic).set(brokerName, {
      brokerName,
      readQueueNums: topic.readQueueCount,
      writeQueueNums: topic.writeQueueCount,
      perm: topic.permission,
      topicSysFlag: topic.systemFlag,
    });
    this.version++;
  }

  /** Route data for a topic given by somebody else (REGISTER_TOPIC_IN_NAMESRV). */
  putQueue(topic: string, queue: QueueData): void {
    if (!this.#brokers.has(queue.brokerName)) return;
    this.#queuesOf(topic).set(queue.brokerName, queue);
    this.version++;
  }

  unregister(clusterName: string, address: string): void {
    const entry = this.#live.get(liveKey(clusterName, address));
    if (entry === undefined) return;
    this.#live.delete(liveKey(clusterName, address));
    this.version++;
    const broker = this.#brokers.get(entry.brokerName);
    if (broker?.brokerAddrs.get(entry.brokerId) !== address) return;
    broker.brokerAddrs.delete(entry.brokerId);
    if (broker.brokerAddrs.size === 0) {
      this.#brokers.delete(entry.brokerName);
      this.#dropQueuesOf(entry.brokerName);
      return;
    }
    if (!broker.isActingMasterEnabled || broker.brokerAddrs.has(0)) return;
    for (const queues of this.#topics.values()) {
      const queue = queues.get(entry.brokerName);
      if (queue !== undefined) queue.perm &= ~writeBit;
    }
  }

  #dropQueuesOf(brokerName: string): void {
    for (const [topic, queues] of this.#topics) {
      if (queues.delete(brokerName) && queues.size === 0) this.#topics.delete(topic);
    }
  }

  registerProxy(entry: ProxyEntry): void {
    this.#proxies.set(liveKey(entry.clusterName, entry.grpcAddress), entry);
  }

  unregisterProxy(clusterName: string, grpcAddress: string): void {
    this.#proxies.delete(liveKey(clusterName, grpcAddress));
  }

  /** Drops everything that registered on a connection that is gone. @returns the names dropped. */
  dropSession(sessionId: number): string[] {
    return this.#dropWhere((entry) => entry.sessionId === sessionId);
  }

  /** Drops everything silent for longer than its window. @returns the names dropped. */
  dropSilent(nowMs: number): string[] {
    return this.#dropWhere((entry) => entry.lastHeardMs + entry.windowMs < nowMs);
  }

  #dropWhere(isDue: (entry: BrokerEntry | ProxyEntry) => boolean): string[] {
    const dropped: string[] = [];
    for (const entry of [...this.#live.values()]) {
      if (!isDue(entry)) continue;
      this.unregister(entry.clusterName, entry.address);
      dropped.push(`${entry.brokerName}:${entry.brokerId}`);
    }
    for (const [key, entry] of this.#proxies) {
      if (!isDue(entry)) continue;
      this.#proxies.delete(key);
      dropped.push(entry.proxyName);
    }
    return dropped;
  }

  deleteTopic(topic: string, clusterName: string | undefined): void {
    const queues = this.#topics.get(topic);
    if (queues === undefined) return;
    for (const brokerName of [...queues.keys()]) {
      const isOther =
        clusterName !== undefined && this.#brokers.get(brokerName)?.cluster !== clusterName;
      if (!isOther) queues.delete(brokerName);
    }
    if (queues.size === 0) this.#topics.delete(topic);
    this.version++;
  }

  /** Clears or sets the write permission of all of a broker's queues; how many. */
  setWritable(brokerName: string, isWritable: boolean): number {
    let count = 0;
    for (const queues of this.#topics.values()) {
      const queue = queues.get(brokerName);
      if (queue === undefined) continue;
      queue.perm = isWritable ? 6 : queue.perm & ~writeBit; // facts/remoting.md 3.5
      count++;
    }
    this.version++;
    return count;
  }
}

function liveKey(clusterName: string, address: string): string {
  return `${clusterName}\n${address}`;
}

function isSameVersion(a: DataVersion, b: DataVersion): boolean {
  return (
    a.counter === b.counter && a.stateVersion === b.stateVersion && a.timestamp === b.timestamp
  );
}
