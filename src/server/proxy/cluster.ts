/**
 * The cluster as its NameServers tell it, kept fresh in the background. A broker that left is gone from
 * every route with the next look (about a second), one that refuses connections at once; when no
 * NameServer answers, what was known last stays. Brokers of this process are called directly.
 */
import type { RemotingClient } from '../../client/remoting-client.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { formatHostPort, parseHostPort } from '../../platform/host-port.ts';
import { asRmqError, RmqError } from '../../protocol/errors.ts';
import type { ClusterMember } from '../../protocol/remoting/bodies/cluster-members.ts';
import { defaultGroupConfig } from '../../protocol/remoting/bodies/group-config.ts';
import type { Reply } from '../../util/reply.ts';
import type {
  BrokerApi,
  Cancel,
  GroupConfig,
  MessageType,
  TransactionChecker,
} from '../broker/api.ts';
import { Advertised } from '../shared/advertise.ts';
import type { Logger } from '../shared/logger.ts';
import { CachedLookup } from './cached-lookup.ts';
import type { MasterAddress } from './cluster-queries.ts';
import { NameServerQueries } from './cluster-queries.ts';
import type { ClusterView, ProxyAddress, TopicRoute } from './cluster-view.ts';
import { ProxyRegistration } from './proxy-registration.ts';
import { RemoteBroker } from './remote-broker.ts';
import type { RemoteChecks } from './remote-checks.ts';
import type { RemoteLite } from './remote-lite.ts';

const lookIntervalMs = 1_000;
/** How long one broker is waited for before another one is asked about a topic or group. */
const askTimeoutMs = 1_000;
/** Routes and groups in use are looked up again after this. */
const refreshAfterMs = 3_000;
/** A broker that refused a connection or did not answer gets no new traffic, unless it is the only one. */
const suspectMs = { refused: 3_000, silent: 10_000 } as const;

const messageTypes: ReadonlySet<string> = new Set([
  'NORMAL',
  'FIFO',
  'DELAY',
  'TRANSACTION',
  'PRIORITY',
  'LITE',
  'MIXED',
]);

export interface NameServerClusterOptions {
  readonly clusterName: string;
  readonly self: ProxyAddress;
  readonly namesrv: readonly string[];
  readonly client: RemotingClient;
  /** Asks the producers of this proxy about open transactions. */
  readonly checker: TransactionChecker;
  readonly checks: RemoteChecks;
  readonly lite: RemoteLite;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Brokers of this process by name; preferred over a connection. */
  readonly localBrokers: ReadonlyMap<string, BrokerApi>;
  /** Whether this proxy makes itself known to the NameServers; else somebody does that for it. */
  readonly isRegistering: boolean;
  readonly registerIntervalMs: number;
  readonly registrationWindowMs: number;
}

export class NameServerCluster implements ClusterView {
  readonly #options: NameServerClusterOptions;
  readonly #queries: NameServerQueries;
  readonly #registration: ProxyRegistration;
  readonly #routes: CachedLookup<TopicRoute>;
  readonly #groups: CachedLookup<GroupConfig>;
  readonly #groupListeners: ((group: GroupConfig) => void)[] = [];
  readonly #remotes = new Map<string, RemoteBroker>();
  /** Ends the transaction checks of a broker, by its name. */
  readonly #watches = new Map<string, Cancel>();
  readonly #suspectUntilMs = new Map<string, number>();
  #brokers: readonly BrokerApi[];
  #proxies: readonly ProxyAddress[];
  #knowsOthers = false;
  #timer: Timer | undefined;
  #isLooking = false;
  #isReachable = true;
  #isStopped = false;

  constructor(options: NameServerClusterOptions) {
    const { clock, client, namesrv } = options;
    this.#options = options;
    this.#queries = new NameServerQueries(client, namesrv);
    this.#registration = new ProxyRegistration({
      ...options,
      intervalMs: options.registerIntervalMs,
      windowMs: options.registrationWindowMs,
    });
    this.#routes = new CachedLookup({
      clock,
      refreshAfterMs,
      look: (topic) => this.#lookRoute(topic),
    });
    this.#groups = new CachedLookup({
      clock,
      refreshAfterMs,
      look: (group, isRefresh) => this.#lookGroup(group, isRefresh),
      changed: (group) => {
        for (const listener of this.#groupListeners) listener(group);
      },
    });
    this.#brokers = sortedByName([...options.localBrokers.values()]);
    this.#proxies = [options.self];
  }

  /** Registers and takes a first look. NameServers that do not answer are tried again later. */
  async start(): Promise<void> {
    for (const broker of this.#options.localBrokers.values()) this.#watch(broker);
    if (this.#options.isRegistering) await this.#registration.start();
    await this.#look();
    this.#lookLater();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    for (const cancel of this.#watches.values()) cancel();
    if (this.#options.isRegistering) await this.#registration.stop();
  }

  #watch(broker: BrokerApi): void {
    this.#watches.get(broker.brokerName)?.();
    const { checker } = this.#options;
    this.#watches.set(broker.brokerName, broker.addTransactionChecker(checker));
  }

  route(topic: string, reply: Reply<TopicRoute, RmqError>): void {
    this.#routes.get(topic, (route) => {
      reply(route instanceof RmqError ? route : this.#withoutSuspects(route));
    });
  }

  broker(brokerName: string): BrokerApi | undefined {
    return this.#options.localBrokers.get(brokerName) ?? this.#remotes.get(brokerName);
  }

  brokers(): readonly BrokerApi[] {
    return this.#brokers;
  }

  group(group: string, reply: Reply<GroupConfig, RmqError>): void {
    this.#groups.get(group, reply);
  }

  onGroupChanged(listener: (group: GroupConfig) => void): void {
    this.#groupListeners.push(listener);
  }

  liveProxies(): readonly ProxyAddress[] {
    return this.#proxies;
  }

  knowsOtherProxies(): boolean {
    return this.#knowsOthers;
  }

  #withoutSuspects(route: TopicRoute): TopicRoute {
    if (this.#suspectUntilMs.size === 0) return route;
    const nowMs = this.#options.clock.monotonicMs();
    const queues = route.queues.filter(
      ({ brokerName }) => (this.#suspectUntilMs.get(brokerName) ?? 0) <= nowMs,
    );
    // If it may be that all are down, the old answer is the better guess.
    return queues.length === 0 || queues.length === route.queues.length
      ? route
      : { topic: route.topic, messageType: route.messageType, queues };
  }

  #unreachable(brokerName: string, how: keyof typeof suspectMs): void {
    const { clock } = this.#options;
    this.#suspectUntilMs.set(brokerName, clock.monotonicMs() + suspectMs[how]);
    void this.#look();
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(lookIntervalMs, () => {
      void this.#look();
      this.#routes.refresh();
      this.#groups.refresh();
      this.#lookLater();
    });
  }

  /** Brokers and proxies, once at a time. Never throws. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#isStopped) return;
    this.#isLooking = true;
    try {
      const [masters, members] = await Promise.all([
        this.#queries.masters(),
        this.#queries.members(),
      ]);
      this.#takeMasters(masters);
      this.#takeMembers(members ?? []);
      this.#forgetSuspects();
      if (!this.#isReachable) this.#options.logger.info('NameServers answer again');
      this.#isReachable = true;
    } catch (error) {
      if (this.#isReachable) {
        const reason = asRmqError(error).message;
        this.#options.logger.warn('no NameServer answers, the last known cluster is used', {
          reason,
        });
      }
      this.#isReachable = false;
    } finally {
      this.#isLooking = false;
    }
  }

  #takeMasters(masters: readonly MasterAddress[]): void {
    const { localBrokers, client, checks, lite } = this.#options;
    const live = masters.filter(({ brokerName }) => !localBrokers.has(brokerName));
    const names = new Set(live.map(({ brokerName }) => brokerName));
    let isChanged = false;
    for (const brokerName of this.#remotes.keys()) {
      if (names.has(brokerName)) continue;
      this.#remotes.delete(brokerName);
      this.#watches.get(brokerName)?.();
      this.#watches.delete(brokerName);
      isChanged = true;
    }
    for (const { clusterName, brokerName, address } of live) {
      const known = this.#remotes.get(brokerName);
      if (known?.address === address && known.clusterName === clusterName) continue;
      isChanged = true;
      const remote = new RemoteBroker({
        clusterName,
        brokerName,
        address,
        client,
        checks,
        lite,
        unreachable: (name, how) => this.#unreachable(name, how),
      });
      this.#remotes.set(brokerName, remote);
      this.#watch(remote);
    }
    if (!isChanged) return;
    this.#brokers = sortedByName([...localBrokers.values(), ...this.#remotes.values()]);
    this.#routes.expire();
  }

  #takeMembers(members: readonly ClusterMember[]): void {
    const { self, clusterName } = this.#options;
    const proxies = new Map([[formatHostPort(self.grpc), self]]);
    for (const member of members) {
      const { role, name, address, clusterName: cluster } = member;
      const grpc = parseHostPort(address);
      if (role !== 'proxy' || cluster !== clusterName || grpc === undefined) continue;
      if (proxies.has(address)) continue;
      const advertise = Advertised.parse(member.advertise, grpc.port) ?? Advertised.none;
      proxies.set(address, { name, grpc, advertise });
    }
    if (proxies.size > 1) this.#knowsOthers = true;
    const sorted = [...proxies].toSorted(([a], [b]) => (a < b ? -1 : 1));
    // The same array as long as nothing changed, so that who compares sees it at once.
    const isSame =
      sorted.length === this.#proxies.length &&
      sorted.every(([address], index) => {
        const old = this.#proxies[index];
        const said = proxies.get(address)?.advertise?.toString();
        return (
          old !== undefined &&
          formatHostPort(old.grpc) === address &&
          old.advertise?.toString() === said
        );
      });
    if (!isSame) this.#proxies = sorted.map(([, proxy]) => proxy);
  }

  #forgetSuspects(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [brokerName, untilMs] of this.#suspectUntilMs) {
      if (untilMs <= nowMs) this.#suspectUntilMs.delete(brokerName);
    }
  }

  async #lookRoute(topic: string): Promise<TopicRoute> {
    const queues = (await this.#queries.route(topic)) ?? [];
    if (queues.length === 0) {
      throw new RmqError('TOPIC_NOT_FOUND', `no broker has topic ${topic}`, {
        hint: `create it: rmq topic create ${topic}`,
      });
    }
    // A broker that the last look did not show yet: look again before somebody wants to call it.
    if (queues.some(({ brokerName }) => this.broker(brokerName) === undefined)) await this.#look();
    const names = queues.map(({ brokerName }) => brokerName);
    return { topic, messageType: await this.#messageType(topic, names), queues };
  }

  /** From the first broker of the route that says; topics without the attribute are NORMAL. */
  async #messageType(topic: string, names: readonly string[]): Promise<MessageType> {
    for (const name of this.#promisingFirst(names)) {
      try {
        const config = await this.#inTime(this.broker(name)?.getTopic(topic));
        if (config === undefined) continue;
        const type = config.attributes['message.type'] ?? 'NORMAL';
        return messageTypes.has(type) ? (type as MessageType) : 'UNSPECIFIED'; // one of the set
      } catch (error) {
        this.#options.logger.debug('a broker did not tell a topic', {
          name,
          reason: String(error),
        });
      }
    }
    return this.#routes.peek(topic)?.messageType ?? 'UNSPECIFIED';
  }

  /** Those that may not answer come last. */
  #promisingFirst(names: readonly string[]): readonly string[] {
    const untilMs = (name: string): number => this.#suspectUntilMs.get(name) ?? 0;
    return names.toSorted((a, b) => untilMs(a) - untilMs(b));
  }

  /** A silent broker must not hold up what another one can tell. @throws RmqError TIMEOUT */
  #inTime<T>(answer: Promise<T> | undefined): Promise<T> | undefined {
    if (answer === undefined) return undefined;
    const { clock } = this.#options;
    return new Promise<T>((resolve, reject) => {
      const timer = clock.setTimer(askTimeoutMs, () => {
        reject(new RmqError('TIMEOUT', `no answer within ${askTimeoutMs} ms`));
      });
      answer.then(resolve, reject).finally(() => clock.clearTimer(timer));
    });
  }

  /** From the first broker that answers; defaults when none does. */
  async #lookGroup(group: string, isRefresh: boolean): Promise<GroupConfig> {
    const options = isRefresh ? ({ isMade: false } as const) : undefined;
    let isAnswered = false;
    const names = this.#brokers.map(({ brokerName }) => brokerName);
    for (const name of this.#promisingFirst(names)) {
      const broker = this.broker(name);
      if (broker === undefined) continue;
      try {
        const config = await this.#inTime(broker.getGroup(group, options));
        if (config !== undefined) return config;
        isAnswered = true;
      } catch (error) {
        this.#options.logger.debug('a broker did not tell a group', {
          name,
          reason: String(error),
        });
      }
    }
    if (!isAnswered) return this.#groups.peek(group) ?? defaultGroupConfig(group);
    throw new RmqError('GROUP_NOT_FOUND', `no broker has consumer group ${group}`, {
      hint: `create it: rmq group create ${group}`,
    });
  }
}

function sortedByName(brokers: readonly BrokerApi[]): readonly BrokerApi[] {
  return brokers.toSorted((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
}
