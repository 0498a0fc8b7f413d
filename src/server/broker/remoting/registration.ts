/**
 * Keeps a broker known to all NameServers: registers with each when it starts, every `intervalMs`, at
 * once when topics change, and as soon as a lost connection can be made again, so that a NameServer that
 * was restarted knows everything within one interval. Unregisters on stop. facts/remoting.md §3.2.
 */

import type { RemotingClient } from '../../../client/remoting-client.ts';
import type { Clock, Timer } from '../../../platform/clock.ts';
import { asRmqError } from '../../../protocol/errors.ts';
import { jsonBody } from '../../../protocol/remoting/bodies/json.ts';
import type { TopicConfigBody } from '../../../protocol/remoting/bodies/topic-config.ts';
import { topicConfigToJson } from '../../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  registerBrokerHeader,
  unregisterBrokerHeader,
} from '../../../protocol/remoting/headers/registration.ts';
import type { Logger } from '../../shared/logger.ts';
import type { HostedBroker } from './context.ts';

const timeoutMs = 3_000;
const retryDelayMs = 100;

export interface BrokerRegistrationOptions {
  readonly broker: HostedBroker;
  readonly brokerId: number;
  /** host:port that clients are told. */
  readonly address: string;
  /** Addresses by the client's network, see `Advertised`; empty: one for all. */
  readonly advertise: string;
  /** It listens on all addresses, and nobody said which one to tell. */
  readonly isEverywhere: boolean;
  readonly namesrv: readonly string[];
  readonly client: RemotingClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** After this much silence a NameServer drops the broker. */
  readonly windowMs: number;
}

export class BrokerRegistration {
  readonly #options: BrokerRegistrationOptions;
  readonly #changed = new Map<string, TopicConfigBody>();
  /** NameServers whose last registration failed. */
  readonly #failing = new Set<string>();
  readonly #retries = new Map<string, Timer>();
  #timer: Timer | undefined;
  #isFlushSet = false;
  #isComplete = false;
  #isStopped = false;
  #table: { readonly counter: number; readonly body: Buffer } | undefined;

  constructor(options: BrokerRegistrationOptions) {
    this.#options = options;
  }

  /** Resolves when every NameServer has answered or failed; those that failed are tried again. */
  async start(): Promise<void> {
    const { broker, client } = this.#options;
    broker.onTopicsChanged((changed) => this.#topicsChanged(changed));
    client.onDisconnect((address) => {
      if (this.#options.namesrv.includes(address)) this.#retryLater(address);
    });
    await this.#registerAll();
    this.#renewLater();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const { namesrv, client, clock, broker, brokerId, address } = this.#options;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    for (const timer of this.#retries.values()) clock.clearTimer(timer);
    const { clusterName, brokerName } = broker;
    const header = { clusterName, brokerName, brokerAddr: address, brokerId };
    const fields = unregisterBrokerHeader.encode(header);
    await Promise.allSettled(
      namesrv
        .filter((one) => !this.#failing.has(one))
        .map((one) =>
          client.invoke(one, RequestCode.UNREGISTER_BROKER, fields, undefined, { timeoutMs }),
        ),
    );
  }

  #renewLater(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      void this.#registerAll();
      this.#renewLater();
    });
  }

  #retryLater(address: string): void {
    if (this.#isStopped || this.#retries.has(address)) return;
    // Half the interval at most: a NameServer that is back knows us within one interval.
    const delayMs = Math.min(retryDelayMs, this.#options.intervalMs / 2);
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#retries.delete(address);
      void this.#fullBody().then((body) => this.#register(address, body, true));
    });
    this.#retries.set(address, timer);
  }

  async #registerAll(): Promise<void> {
    const body = await this.#fullBody();
    await Promise.all(this.#options.namesrv.map((address) => this.#register(address, body, true)));
  }

  /** Several changes of a tick go out in one request. */
  #topicsChanged(changed: readonly TopicConfigBody[]): void {
    for (const config of changed) this.#changed.set(config.topic, config);
    // An empty list: a topic is gone, which only the whole table can say.
    if (changed.length === 0) this.#isComplete = true;
    if (this.#isFlushSet) return;
    this.#isFlushSet = true;
    this.#options.clock.afterTick(() => {
      this.#isFlushSet = false;
      const topics = [...this.#changed.values()];
      const isComplete = this.#isComplete;
      this.#changed.clear();
      this.#isComplete = false;
      if (this.#isStopped) return;
      if (isComplete) {
        void this.#registerAll();
        return;
      }
      const body = this.#encode(topics);
      for (const address of this.#options.namesrv) void this.#register(address, body, false);
    });
  }

  async #fullBody(): Promise<Buffer> {
    const { counter } = this.#options.broker.dataVersion;
    if (this.#table?.counter === counter) return this.#table.body;
    const body = this.#encode(await this.#options.broker.listTopics());
    this.#table = { counter, body };
    return body;
  }

  #encode(topics: readonly TopicConfigBody[]): Buffer {
    const { broker } = this.#options;
    const readWrite = 6;
    const table = topics.map((config) => {
      // A broker that may not be written says so in the permissions of its topics.
      const denied = readWrite & ~broker.permission;
      return [
        config.topic,
        topicConfigToJson({ ...config, permission: config.permission & ~denied }),
      ];
    });
    return jsonBody({
      filterServerList: [],
      topicConfigSerializeWrapper: {
        dataVersion: broker.dataVersion,
        mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: 0 },
        topicConfigTable: Object.fromEntries(table),
        topicQueueMappingDetailMap: {},
        topicQueueMappingInfoMap: {},
      },
    });
  }

  async #register(namesrv: string, body: Buffer, isComplete: boolean): Promise<void> {
    const { client, broker, brokerId, address, windowMs, logger } = this.#options;
    const { advertise, isEverywhere } = this.#options;
    if (this.#isStopped) return;
    const fields = registerBrokerHeader.encode({
      clusterName: broker.clusterName,
      brokerName: broker.brokerName,
      brokerAddr: address,
      brokerId,
      haServerAddr: address,
      heartbeatTimeoutMs: windowMs,
      isActingMasterEnabled: false,
      isCompressed: false,
      bodyCrc: 0,
      isComplete,
      advertise,
      isEverywhere,
    });
    try {
      const answer = await client.invoke(namesrv, RequestCode.REGISTER_BROKER, fields, body, {
        timeoutMs,
      });
      if (answer.code !== ResponseCode.SUCCESS) {
        this.#failed(namesrv, answer.remark ?? `code ${answer.code}`);
      } else if (this.#failing.delete(namesrv)) {
        logger.info('registered again', { namesrv });
      }
    } catch (error) {
      this.#failed(namesrv, asRmqError(error).message);
      this.#retryLater(namesrv);
    }
  }

  #failed(namesrv: string, reason: string): void {
    if (this.#isStopped || this.#failing.has(namesrv)) return;
    this.#failing.add(namesrv);
    this.#options.logger.warn('cannot register, trying on', { namesrv, reason });
  }
}
