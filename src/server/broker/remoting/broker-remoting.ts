/**
 * The Remoting port of a broker: one thin adapter onto `BrokerApi`, a file a family of requests. What is
 * not in its table the listener answers with code 3.
 */
import type { Clock } from '../../../platform/clock.ts';
import type { HandlerTable } from '../../remoting/handler.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Cancel } from '../api.ts';
import { RequestModes } from '../groups/request-modes.ts';
import { assignmentHandlers } from './assignments.ts';
import { clientCallHandlers } from './client-calls.ts';
import { ClientRegistry } from './client-registry.ts';
import { clientHandlers } from './clients.ts';
import type { HostedBroker, RemotingContext } from './context.ts';
import { groupHandlers } from './groups.ts';
import { infoHandlers } from './info.ts';
import { LiteSessions, liteHandlers, tellOfLite } from './lite.ts';
import { maintenanceHandlers } from './maintenance.ts';
import { messageHandlers } from './messages.ts';
import { offsetHandlers } from './offsets.ts';
import { ParkedRequests } from './parked-requests.ts';
import { peekHandlers } from './peek.ts';
import { popHandlers } from './pop.ts';
import { pullHandlers } from './pull.ts';
import { QueueLocks } from './queue-locks.ts';
import { replyHandlers } from './replies.ts';
import { reportHandlers } from './reports.ts';
import { PendingResets, resetHandlers } from './resets.ts';
import { sendHandlers } from './send.ts';
import { type BrokerSetting, settingHandlers } from './settings.ts';
import { Statistics } from './statistics.ts';
import { topicHandlers } from './topics.ts';
import { RemotingChecker, transactionHandlers } from './transactions.ts';

export interface BrokerRemotingOptions {
  readonly broker: HostedBroker;
  readonly clock: Clock;
  readonly logger: Logger;
  /** host:port that clients are told; asked when needed, since a free port is known only later. */
  readonly address: () => string;
  /** Shown to administrators by 26 and changed by 25; no secrets. */
  readonly settings?: readonly BrokerSetting[];
  /** Where a topic is on all brokers; without it a broker knows of itself alone. */
  readonly routeOf?: RemotingContext['routeOf'];
  readonly deleteExpired?: RemotingContext['deleteExpired'];
}

export class BrokerRemoting {
  readonly #context: RemotingContext;
  #stopChecks: Cancel = () => {};
  #stopLite: Cancel = () => {};

  constructor(options: BrokerRemotingOptions) {
    const { broker, clock, logger } = options;
    const isNotified = async (group: string): Promise<boolean> =>
      (await broker.getGroup(group))?.isNotifyConsumersChangedEnabled ?? false;
    this.#context = {
      broker,
      clock,
      logger,
      clients: new ClientRegistry(clock, isNotified),
      locks: new QueueLocks(clock),
      parked: new ParkedRequests(),
      lite: new LiteSessions(),
      resets: new PendingResets(),
      modes: new RequestModes(broker.store),
      statistics: new Statistics(broker, clock),
      settings: options.settings ?? [],
      routeOf: options.routeOf ?? (() => Promise.resolve(undefined)),
      deleteExpired: options.deleteExpired ?? (() => Promise.resolve()),
      startedAtMs: clock.nowMs(),
      address: options.address,
    };
    const { clients, resets } = this.#context;
    clients.emptied = (group): void => resets.forget(group);
  }

  /** Before the first request: the state of its own that the store kept. */
  load(): Promise<void> {
    return this.#context.modes.load();
  }

  /** Starts looking for silent clients, and asking producers. */
  start(): void {
    const { clients, broker, statistics } = this.#context;
    clients.start();
    statistics.start();
    this.#stopChecks = broker.addTransactionChecker(new RemotingChecker(clients));
    this.#stopLite = tellOfLite(this.#context);
  }

  stop(): void {
    this.#stopChecks();
    this.#stopLite();
    this.#context.clients.stop();
    this.#context.statistics.stop();
  }

  handlers(): HandlerTable {
    const context = this.#context;
    return new Map([
      ...sendHandlers(context),
      ...pullHandlers(context),
      ...popHandlers(context),
      ...liteHandlers(context),
      ...offsetHandlers(context),
      ...topicHandlers(context),
      ...groupHandlers(context),
      ...messageHandlers(context),
      ...clientHandlers(context),
      ...transactionHandlers(context),
      ...infoHandlers(context),
      ...settingHandlers(context),
      ...resetHandlers(context),
      ...clientCallHandlers(context),
      ...replyHandlers(context),
      ...assignmentHandlers(context),
      ...reportHandlers(context),
      ...peekHandlers(context),
      ...maintenanceHandlers(context),
    ]);
  }
}
