/**
 * Which clients can be asked about the transactions of which topic: those whose settings name it and
 * whose telemetry stream is open (facts/grpc-v2.md §9). A producer over gRPC has its topics for groups.
 */

import type { TransactionCheck, TransactionChecker } from '../broker/api.ts';
import { outgoingMessage } from './grpc/outgoing-message.ts';
import type { SentTransactions } from './sent-transactions.ts';
import type { Client } from './settings.ts';

export class Producers implements TransactionChecker {
  readonly #byTopic = new Map<string, Set<Client>>();
  readonly #sent: SentTransactions;
  /** Hears when a topic gets its first producer, so that brokers elsewhere learn of it soon. */
  changed: () => void = () => {};

  constructor(sent: SentTransactions) {
    this.#sent = sent;
  }

  /** The client's stream is open and its settings name these topics to send to. */
  set(client: Client, topics: readonly string[]): void {
    this.remove(client);
    client.publishedTopics = topics;
    let isNew = false;
    for (const topic of topics) {
      let clients = this.#byTopic.get(topic);
      if (clients === undefined) {
        clients = new Set();
        this.#byTopic.set(topic, clients);
        isNew = true;
      }
      clients.add(client);
    }
    if (isNew) this.changed();
  }

  remove(client: Client): void {
    for (const topic of client.publishedTopics) {
      const clients = this.#byTopic.get(topic);
      clients?.delete(client);
      if (clients?.size === 0) this.#byTopic.delete(topic);
    }
    client.publishedTopics = [];
  }

  producerGroups(): Iterable<string> {
    return this.#byTopic.keys();
  }

  hasProducer(producerGroup: string): boolean {
    return this.#byTopic.has(producerGroup);
  }

  check(check: TransactionCheck): boolean {
    const clients = this.#byTopic.get(check.producerGroup);
    const next = clients?.values().next();
    if (clients === undefined || next === undefined || next.done === true) return false;
    const client = next.value;
    if (client.sink === undefined) return false;
    // Behind the others: each in turn.
    clients.delete(client);
    clients.add(client);
    const { message, transactionId, brokerName, queueOffset, physicalOffset } = check;
    this.#sent.add(message.topic, transactionId, { brokerName, queueOffset, physicalOffset });
    const popped = { message, receiptHandle: '', deliveryAttempt: 1 };
    client.sink.send({
      recoverOrphanedTransactionCommand: {
        message: outgoingMessage(popped, message.topic),
        transactionId,
      },
    });
    return true;
  }
}
