/**
 * Transaction checks from brokers of other processes: a proxy is a producer to them, which tells them its
 * groups by heartbeat and is asked by CHECK_TRANSACTION_STATE (39) on its own connection;
 * facts/remoting.md §4.2 and "what Apache's proxy sends".
 */
import type { RemotingClient } from '../../client/remoting-client.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { PhysicalOffset, QueueOffset } from '../../protocol/message/message.ts';
import { findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import { decodeRecord } from '../../protocol/message/record.ts';
import { jsonBody } from '../../protocol/remoting/bodies/json.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import type { RemotingCommand } from '../../protocol/remoting/command.ts';
import { unregisterClientHeader } from '../../protocol/remoting/headers/admin.ts';
import { checkTransactionHeader } from '../../protocol/remoting/headers/transaction.ts';
import type { Cancel, TransactionChecker } from '../broker/api.ts';
import type { Logger } from '../shared/logger.ts';

const heartbeatIntervalMs = 20_000;
/** A group that is new is told this soon, together with others. */
const soonMs = 100;
/** The broker keeps its producers apart by this; Apache's proxy uses the same. */
const clientId = 'rmq-proxy-producer-client';

interface Watched {
  readonly brokerName: string;
  readonly checker: TransactionChecker;
}

interface Told extends Watched {
  /** Groups of the last heartbeat. */
  groups: ReadonlySet<string>;
}

export class RemoteChecks {
  readonly #client: RemotingClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watched = new Map<string, Told>();
  #timer: Timer | undefined = undefined;

  constructor(options: {
    readonly client: RemotingClient;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#client.onRequest(RequestCode.CHECK_TRANSACTION_STATE, (command, address) => {
      this.#check(command, address);
      return undefined;
    });
  }

  /** Tells the broker at `address` who can be asked, until the cancel. */
  watch(address: string, watched: Watched): Cancel {
    const told: Told = { ...watched, groups: new Set() };
    this.#watched.set(address, told);
    this.soon();
    return () => {
      if (this.#watched.get(address) === told) this.#watched.delete(address);
    };
  }

  /** There is a new group: heartbeats now rather than with the next interval. */
  soon(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = this.#clock.setTimer(soonMs, () => this.#beat());
  }

  stop(): void {
    this.#watched.clear();
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    for (const [address, told] of this.#watched) {
      const groups = new Set(told.checker.producerGroups());
      for (const group of told.groups) if (!groups.has(group)) this.#unregister(address, group);
      told.groups = groups;
      if (groups.size === 0) continue;
      const producerDataSet = [...groups].map((groupName) => ({ groupName }));
      const body = jsonBody({ clientID: clientId, producerDataSet, consumerDataSet: [] });
      this.#client.oneway(address, RequestCode.HEART_BEAT, {}, body);
    }
    this.#timer = this.#clock.setTimer(heartbeatIntervalMs, () => this.#beat());
  }

  /** Apache's broker closes the connection, with all that waits on it, 120 s after the last heartbeat of one group. */
  #unregister(address: string, producerGroup: string): void {
    const fields = { clientId, producerGroup, consumerGroup: undefined };
    const header = unregisterClientHeader.encode(fields);
    this.#client.oneway(address, RequestCode.UNREGISTER_CLIENT, header);
  }

  #check(command: RemotingCommand, address: string): void {
    const watched = this.#watched.get(address);
    if (watched === undefined) return;
    try {
      const header = checkTransactionHeader.decode(command.extFields);
      // The frame's body is a view that ends with this call.
      const body = Buffer.from(command.body);
      const message = decodeRecord(body, 0, body.length);
      if (message === undefined) throw new RmqError('BAD_FRAME', 'the message is damaged');
      const property = (name: string): string => findProperty(message.properties, name) ?? '';
      watched.checker.check({
        brokerName: watched.brokerName,
        producerGroup: property(PropertyName.producerGroup),
        transactionId: header.transactionId ?? property(PropertyName.uniqueKey),
        queueOffset: header.halfQueueOffset as QueueOffset, // as the broker says
        physicalOffset: header.physicalOffset as PhysicalOffset,
        message,
      });
    } catch (error) {
      this.#logger.warn('a transaction check cannot be read', { address, reason: String(error) });
    }
  }
}
