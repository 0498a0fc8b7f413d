/**
 * The lite consumers of this proxy (facts/grpc-v2.md §12): passes what they subscribe to on to the brokers
 * of the topic, tells them when a subscription was taken from them, and ends their subscriptions when
 * they are gone. Nothing here is needed after a restart: clients say their whole set every 30 s.
 */
import { RmqError } from '../../protocol/errors.ts';
import type { Reply } from '../../util/reply.ts';
import type { BrokerApi, LiteSubscriptionRequest, LiteUnsubscribed } from '../broker/api.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Client, ClientRegistry } from './settings.ts';

export class LiteClients {
  readonly #cluster: ClusterView;
  readonly #clients: ClientRegistry;
  /** Group and topic of each client that has subscribed. */
  readonly #known = new Map<string, { readonly group: string; readonly topic: string }>();
  /** Brokers to which this proxy listens. */
  readonly #heard = new WeakSet<BrokerApi>();

  constructor(options: { readonly cluster: ClusterView; readonly clients: ClientRegistry }) {
    this.#cluster = options.cluster;
    this.#clients = options.clients;
  }

  /** Answers with the first failure of a broker, else when all have taken it. */
  sync(request: LiteSubscriptionRequest, reply: Reply<undefined, RmqError>): void {
    const { clientId, group, topic } = request;
    this.#cluster.route(topic, (route) => {
      if (route instanceof Error) return reply(route);
      const brokers = route.queues
        .map(({ brokerName }) => this.#cluster.broker(brokerName))
        .filter((broker) => broker !== undefined);
      if (brokers.length === 0) {
        return reply(new RmqError('BROKER_NOT_FOUND', `topic ${topic} has no live broker`));
      }
      this.#known.set(clientId, { group, topic });
      let leftCount = brokers.length;
      let failure: RmqError | undefined;
      for (const broker of brokers) {
        this.#listen(broker);
        broker.syncLiteSubscription(request, (error) => {
          failure ??= error;
          leftCount--;
          if (leftCount === 0) reply(failure);
        });
      }
    });
  }

  #listen(broker: BrokerApi): void {
    if (this.#heard.has(broker)) return;
    this.#heard.add(broker);
    broker.onLiteUnsubscribed((gone) => this.#tell(gone));
  }

  #tell({ clientId, liteTopic }: LiteUnsubscribed): void {
    const client = this.#clients.get(clientId);
    client?.sink?.send({ notifyUnsubscribeLiteCommand: { liteTopic } });
  }

  /** The client left, fell silent, or lost its telemetry stream. */
  gone({ clientId }: Client): void {
    const known = this.#known.get(clientId);
    if (known === undefined) return;
    this.#known.delete(clientId);
    const { group, topic } = known;
    const action = 'COMPLETE_REMOVE';
    const request = {
      group,
      topic,
      clientId,
      action,
      liteTopics: [],
      startFrom: undefined,
    } as const;
    // A broker that does not hear of it forgets the client by itself.
    this.sync(request, () => this.#known.delete(clientId));
  }
}
