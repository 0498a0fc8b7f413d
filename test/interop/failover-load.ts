/**
 * Load of the official Node client that runs while machines come and go: what was acknowledged, what was
 * received, which proxy carried it, and for how long nothing could be sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsumeResult, FilterExpression, Producer, PushConsumer } from 'rocketmq-client-nodejs';

const pauseMs = 10;
const quiet = { info() {}, debug() {}, warn() {}, error() {} };

/** What the client does not show: who carries its sends, and whom it knows. */
interface Inner {
  readonly rpcClientManager: {
    sendMessage(endpoints: { facade: string }, ...rest: unknown[]): Promise<unknown>;
  };
  getTotalRouteEndpoints(): readonly { readonly facade: string }[];
}

/** And whom its consumers ask. */
interface InnerConsumer {
  receiveMessage(request: unknown, queue: AskedQueue, waitMs: number): Promise<unknown>;
}

interface AskedQueue {
  readonly broker: { readonly name: string; readonly endpoints: { readonly facade: string } };
}

export interface Figures {
  readonly acknowledged: number;
  /** Sends that failed although the client tried again by itself. */
  readonly failed: number;
  /** Longest time between two acknowledgements of whichever producer, ms. */
  readonly longestGapMs: number;
  /** Answered sends by the proxy's address. */
  readonly byProxy: ReadonlyMap<string, number>;
}

export class FailoverLoad {
  readonly #topic: string;
  readonly #acknowledged = new Set<string>();
  readonly #received = new Set<string>();
  readonly #producers: Producer[] = [];
  readonly #consumers: PushConsumer[] = [];
  readonly #loops: Promise<void>[] = [];
  readonly errors: string[] = [];
  readonly #byProxy = new Map<string, number>();
  /** The proxy that a consumer asked last for messages of a broker, by access point and broker. */
  readonly #asked = new Map<string, Map<string, string>>();
  #lastAckMs = 0;
  #longestGapMs = 0;
  #countBefore = 0;
  #failed = 0;
  #isOver = false;

  constructor(topic: string) {
    this.#topic = topic;
  }

  get receivedCount(): number {
    return this.#received.size;
  }

  /** Sends that failed for good since the last lap. */
  get failedCount(): number {
    return this.#failed;
  }

  async addConsumer(endpoints: string): Promise<void> {
    const consumer = new PushConsumer({
      endpoints,
      namespace: '',
      logger: quiet,
      consumerGroup: 'failover-consumers',
      subscriptions: new Map([[this.#topic, new FilterExpression('*')]]),
      messageListener: {
        consume: (message) => {
          this.#received.add(message.body.toString());
          return Promise.resolve(ConsumeResult.SUCCESS);
        },
      },
    });
    this.#watch(consumer, endpoints);
    await consumer.startup();
    this.#consumers.push(consumer);
  }

  #watch(consumer: PushConsumer, accessPoint: string): void {
    const asked = new Map<string, string>();
    this.#asked.set(accessPoint, asked);
    const inner = consumer as unknown as InnerConsumer;
    const receiveMessage = inner.receiveMessage.bind(inner);
    inner.receiveMessage = (request, queue, waitMs) => {
      asked.set(queue.broker.name, queue.broker.endpoints.facade);
      return receiveMessage(request, queue, waitMs);
    };
  }

  /** Whether the consumer with that access point asks the proxy for the messages of a broker. */
  isAsking(accessPoint: string, proxy: string): boolean {
    return [...(this.#asked.get(accessPoint) ?? new Map()).values()].includes(proxy);
  }

  async addProducer(endpoints: string): Promise<void> {
    const topics = [this.#topic];
    const producer = new Producer({ endpoints, namespace: '', logger: quiet, topics });
    this.#count(producer);
    await producer.startup();
    this.#loops.push(this.#run(producer, this.#producers.push(producer)));
  }

  /** Counts the answered sends by the proxy that answered. */
  #count(producer: Producer): void {
    const inner = (producer as unknown as Inner).rpcClientManager;
    const sendMessage = inner.sendMessage.bind(inner);
    inner.sendMessage = async (target, ...rest) => {
      const answer = await sendMessage(target, ...rest);
      this.#byProxy.set(target.facade, (this.#byProxy.get(target.facade) ?? 0) + 1);
      return answer;
    };
  }

  async #run(producer: Producer, number: number): Promise<void> {
    for (let count = 0; !this.#isOver; count++) {
      const body = `${number}-${count}`;
      try {
        await producer.send({ topic: this.#topic, body: Buffer.from(body) });
        const nowMs = performance.now();
        if (this.#lastAckMs > 0) {
          this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAckMs);
        }
        this.#lastAckMs = nowMs;
        this.#acknowledged.add(body);
      } catch (error) {
        this.#failed++;
        this.errors.push(String(error));
      }
      await sleep(pauseMs);
    }
  }

  /** Figures since the last call. */
  lap(): Figures {
    const openGapMs = this.#lastAckMs === 0 ? 0 : performance.now() - this.#lastAckMs;
    const figures = {
      acknowledged: this.#acknowledged.size - this.#countBefore,
      failed: this.#failed,
      longestGapMs: Math.max(this.#longestGapMs, openGapMs),
      byProxy: new Map(this.#byProxy),
    };
    this.#countBefore = this.#acknowledged.size;
    this.#failed = 0;
    this.#longestGapMs = 0;
    this.#byProxy.clear();
    return figures;
  }

  /** Sends since the last lap. */
  sentOver(proxy: string): number {
    return this.#byProxy.get(proxy) ?? 0;
  }

  /** Whether every producer has it in its routes. */
  isKnown(proxy: string): boolean {
    return this.#producers.every((producer) => {
      const endpoints = (producer as unknown as Inner).getTotalRouteEndpoints();
      return endpoints.some(({ facade }) => facade === proxy);
    });
  }

  /** Ends the producers after the send under way; how many messages were acknowledged in all. */
  async endSending(): Promise<number> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    return this.#acknowledged.size;
  }

  /** Acknowledged and not received so far. */
  missing(): readonly string[] {
    return [...this.#acknowledged].filter((body) => !this.#received.has(body));
  }

  /** Says goodbye, for at most `deadlineMs`: some of the clients' proxies are gone. */
  async close(deadlineMs: number): Promise<void> {
    this.#isOver = true;
    const clients = [...this.#producers, ...this.#consumers];
    const closed = Promise.allSettled(clients.map((client) => client.shutdown()));
    await Promise.race([closed, sleep(deadlineMs)]);
  }
}
