/**
 * Load over gRPC. A send is encoded once a second for each worker; what differs from one to the next (ids, the
 * stamp) is written into a copy.
 */
import { type GrpcAnswer, GrpcConnection } from '../../client/grpc-connection.ts';
import type { HostPort } from '../../platform/network.ts';
import { nodeNetwork } from '../../platform/node-network.ts';
import { type ErrorCode, errorKinds, RmqError } from '../../protocol/errors.ts';
import {
  ClientType,
  Code,
  decodeAckMessageResponse,
  decodeEndTransactionResponse,
  decodeQueryRouteResponse,
  decodeReceiveMessageResponse,
  decodeSendMessageResponse,
  encodeAckMessageRequest,
  encodeEndTransactionRequest,
  encodeHeartbeatRequest,
  encodeQueryRouteRequest,
  encodeReceiveMessageRequest,
  encodeSendMessageRequest,
  encodeTelemetryCommand,
  FilterType,
  Language,
  type Message,
  type MessageInit,
  type MessageQueue,
  MessageType,
  type SendResultEntry,
  type Status,
  TransactionResolution,
  TransactionSource,
} from '../../protocol/grpc/generated/messages.ts';
import { type Driver, type DriverPlan, makeBody, putStamp, stampSizeBytes } from './driver.ts';
import type { Done, Work } from './load.ts';

const service = '/apache.rocketmq.v2.MessagingService/';
const heartbeatMs = 10_000;
const templateMs = 1_000;
const invisibleMs = 60_000;
/** Short, so that a worker with several queues comes to the next one. */
const pollMs = 1_000;
const idDigits = 34;

/** An encoded send and where in it stands what changes. */
interface Template {
  readonly bytes: Buffer;
  readonly idAts: readonly number[];
  readonly bodyAts: readonly number[];
  readonly madeAtMs: number;
}

export class GrpcDriver implements Driver {
  readonly consumerCountMax = Number.POSITIVE_INFINITY;
  readonly #plan: DriverPlan;
  readonly #address: HostPort;
  readonly #connections: GrpcConnection[] = [];
  readonly #body: Buffer;
  readonly #idStart: string;
  readonly #templates: Template[] = [];
  readonly #queues: MessageQueue[] = [];
  #nextId = 0;
  #isClosed = false;

  private constructor(plan: DriverPlan, address: HostPort) {
    this.#plan = plan;
    this.#address = address;
    this.#body = makeBody(plan.bodySizeBytes);
    const seed = Math.floor(plan.clock.nowMs() * 1_000 + plan.clock.monotonicMs());
    this.#idStart = `01${seed.toString(16).toUpperCase().padStart(20, '0').slice(-20)}`;
  }

  /** @throws RmqError CANNOT_CONNECT, TOPIC_NOT_FOUND … */
  static async open(plan: DriverPlan, address: HostPort, isProducer: boolean): Promise<GrpcDriver> {
    const driver = new GrpcDriver(plan, address);
    try {
      for (let index = 0; index < plan.connectionCount; index++)
        await driver.#connect(index, isProducer);
      for (const topic of plan.topics) driver.#queues.push(...(await driver.#route(topic)));
      return driver;
    } catch (error) {
      await driver.close();
      throw error;
    }
  }

  async #connect(index: number, isProducer: boolean): Promise<void> {
    const { clock } = this.#plan;
    const connection = await GrpcConnection.open(this.#address, {
      network: nodeNetwork,
      clock,
      metadata: {
        'x-mq-client-id': `rmq-bench@${this.#idStart.slice(-8)}@${index}`,
        'x-mq-language': 'NODE_JS',
        'x-mq-protocol': 'v2',
        'x-mq-client-version': '5.0.0',
      },
    });
    this.#connections.push(connection);
    connection.openStream(`${service}Telemetry`, this.#settings(isProducer), () => {});
    if (!isProducer) this.#beat(connection);
  }

  #beat(connection: GrpcConnection): void {
    if (this.#isClosed) return;
    const { group, clock } = this.#plan;
    const message = { group: { name: group }, clientType: ClientType.SIMPLE_CONSUMER };
    connection.call(`${service}Heartbeat`, encodeHeartbeatRequest(message), () => {});
    clock.setTimer(heartbeatMs, () => this.#beat(connection));
  }

  #settings(isProducer: boolean): Buffer {
    const { topics, group, timeoutMs } = this.#plan;
    const resources = topics.map((name) => ({ name }));
    const shared = {
      accessPoint: this.#endpoints(),
      requestTimeoutMs: timeoutMs,
      userAgent: { language: Language.NODE_JS, version: '5.0.0' },
    };
    if (isProducer) {
      const publishing = { topics: resources };
      return encodeTelemetryCommand({
        settings: { ...shared, clientType: ClientType.PRODUCER, publishing },
      });
    }
    const expression = { type: FilterType.TAG, expression: '*' };
    const subscription = {
      group: { name: group },
      subscriptions: resources.map((topic) => ({ topic, expression })),
    };
    return encodeTelemetryCommand({
      settings: { ...shared, clientType: ClientType.SIMPLE_CONSUMER, subscription },
    });
  }

  #endpoints(): { scheme: number; addresses: HostPort[] } {
    return { scheme: 1, addresses: [this.#address] };
  }

  async #route(topic: string): Promise<readonly MessageQueue[]> {
    const request = encodeQueryRouteRequest({
      topic: { name: topic },
      endpoints: this.#endpoints(),
    });
    const answer = await new Promise<GrpcAnswer | RmqError>((resolve) => {
      this.#connection(0).call(`${service}QueryRoute`, request, resolve);
    });
    const bytes = messageOf(answer);
    if (bytes instanceof RmqError) throw bytes;
    const { status, messageQueues } = decodeQueryRouteResponse(bytes);
    const problem = problemOf(status);
    if (problem !== undefined) throw problem;
    return messageQueues;
  }

  #connection(worker: number): GrpcConnection {
    return this.#connections[worker % this.#connections.length] as GrpcConnection; // one at least
  }

  readonly produce: Work = (worker, dueMs, done) => {
    const { bytes, idAts, bodyAts } = this.#template(worker);
    const message = Buffer.from(bytes);
    for (const at of idAts) {
      const id = (this.#nextId++).toString(16).toUpperCase().padStart(12, '0');
      message.write(id, at + idDigits - 12, 12, 'latin1');
    }
    for (const at of bodyAts) putStamp(message, at, dueMs);
    this.#connection(worker).call(`${service}SendMessage`, message, (answer) =>
      this.#sent(worker, answer, done),
    );
  };

  #sent(worker: number, answer: GrpcAnswer | RmqError, done: Done): void {
    const bytes = messageOf(answer);
    if (bytes instanceof RmqError) return done(bytes);
    const { status, entries } = decodeSendMessageResponse(bytes);
    const problem = problemOf(status);
    const [first] = entries;
    if (problem !== undefined) return done(problem);
    if (this.#plan.messageType === 'TRANSACTION' && first !== undefined) {
      return this.#commit(worker, first, done);
    }
    done({ messageCount: this.#plan.sendCount });
  }

  #commit(worker: number, entry: SendResultEntry, done: Done): void {
    const request = encodeEndTransactionRequest({
      topic: { name: this.#topic(worker) },
      messageId: entry.messageId,
      transactionId: entry.transactionId,
      resolution: TransactionResolution.COMMIT,
      source: TransactionSource.SOURCE_CLIENT,
    });
    this.#connection(worker).call(`${service}EndTransaction`, request, (answer) => {
      const bytes = messageOf(answer);
      if (bytes instanceof RmqError) return done(bytes);
      done(problemOf(decodeEndTransactionResponse(bytes).status) ?? { messageCount: 1 });
    });
  }

  #topic(worker: number): string {
    const { topics } = this.#plan;
    return topics[worker % topics.length] as string; // one at least
  }

  #template(worker: number): Template {
    const nowMs = this.#plan.clock.monotonicMs();
    const known = this.#templates[worker];
    if (known !== undefined && nowMs - known.madeAtMs < templateMs) return known;
    const { sendCount, bodySizeBytes } = this.#plan;
    const ids = Array.from({ length: sendCount }, (_, index) => this.#idStart + hex12(index));
    const bytes = encodeSendMessageRequest({
      messages: ids.map((id) => this.#message(worker, id)),
    });
    const idAts = ids.map((id) => bytes.indexOf(id));
    const bodyAts: number[] = [];
    for (let from = 0; bodySizeBytes >= stampSizeBytes && bodyAts.length < sendCount; ) {
      const at = bytes.indexOf(this.#body, from);
      bodyAts.push(at);
      from = at + bodySizeBytes;
    }
    const made = { bytes, idAts, bodyAts, madeAtMs: nowMs };
    this.#templates[worker] = made;
    return made;
  }

  #message(worker: number, messageId: string): MessageInit {
    const { messageType, delayMs, clock } = this.#plan;
    const bornTimestampMs = clock.nowMs();
    return {
      topic: { name: this.#topic(worker) },
      systemProperties: {
        messageId,
        queueId: 0,
        messageType: MessageType[messageType],
        bodyEncoding: 1,
        bornTimestampMs,
        bornHost: 'rmq-bench',
        messageGroup: messageType === 'FIFO' ? `group-${worker}` : undefined,
        deliveryTimestampMs: messageType === 'DELAY' ? bornTimestampMs + delayMs : undefined,
        priority: messageType === 'PRIORITY' ? worker % 3 : undefined,
      },
      body: this.#body,
    };
  }

  consume(use: (body: Uint8Array) => void): Work {
    // Each worker has its own place among the queues: a common one would leave some behind all together.
    const turns: number[] = [];
    return (worker, _dueMs, done) => {
      const turn = (turns[worker] ??= worker);
      const queue = this.#queues[turn % this.#queues.length] as MessageQueue; // a route has one
      const request = encodeReceiveMessageRequest({
        group: { name: this.#plan.group },
        messageQueue: queue,
        filterExpression: { type: FilterType.TAG, expression: '*' },
        batchSize: this.#plan.receiveCount,
        invisibleDurationMs: invisibleMs,
        longPollingTimeoutMs: pollMs,
      });
      this.#connection(worker).call(`${service}ReceiveMessage`, request, (answer) => {
        if (answer instanceof RmqError) return done(answer);
        const received = messagesOf(answer);
        if (received instanceof RmqError) return done(received);
        // An empty queue: look at others.
        if (received.length === 0) turns[worker] = turn + 1;
        for (const message of received) use(message.body);
        this.#ack(worker, queue, received, done);
      });
    };
  }

  #ack(worker: number, queue: MessageQueue, received: readonly Message[], done: Done): void {
    if (received.length === 0) return done({ messageCount: 0 });
    const request = encodeAckMessageRequest({
      group: { name: this.#plan.group },
      topic: queue.topic,
      entries: received.map(({ systemProperties }) => ({
        messageId: systemProperties?.messageId,
        receiptHandle: systemProperties?.receiptHandle,
      })),
    });
    this.#connection(worker).call(`${service}AckMessage`, request, (answer) => {
      const bytes = messageOf(answer);
      if (bytes instanceof RmqError) return done(bytes);
      const problem = problemOf(decodeAckMessageResponse(bytes).status);
      done(problem ?? { messageCount: received.length });
    });
  }

  cancelReceives(): void {
    for (const connection of this.#connections) connection.cancel(`${service}ReceiveMessage`);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const connection of this.#connections) connection.close();
    return Promise.resolve();
  }
}

function hex12(value: number): string {
  return value.toString(16).toUpperCase().padStart(12, '0');
}

/** The one message of a unary answer. */
function messageOf(answer: GrpcAnswer | RmqError): Buffer | RmqError {
  if (answer instanceof RmqError) return answer;
  const [message] = answer.messages;
  if (answer.status === 0 && message !== undefined) return message;
  return new RmqError('INTERNAL', `gRPC status ${answer.status}: ${answer.detail}`);
}

/** Messages of a receive; that nothing was found is none. */
function messagesOf(answer: GrpcAnswer): Message[] | RmqError {
  const messages: Message[] = [];
  let problem: RmqError | undefined;
  for (const bytes of answer.messages) {
    const { message, status } = decodeReceiveMessageResponse(bytes);
    if (message !== undefined) messages.push(message);
    else if (status !== undefined && status.code !== Code.MESSAGE_NOT_FOUND)
      problem ??= problemOf(status);
  }
  if (problem !== undefined) return problem;
  // A poll that found nothing may end in a deadline.
  if (answer.status === 0 || messages.length > 0) return messages;
  return new RmqError('INTERNAL', `gRPC status ${answer.status}: ${answer.detail}`);
}

function problemOf(status: Status | undefined): RmqError | undefined {
  if (status === undefined || status.code === Code.OK) return undefined;
  const known = Object.entries(errorKinds).find(([, kind]) => kind.grpc === status.code);
  const code =
    known === undefined || status.code === Code.INTERNAL_SERVER_ERROR ? 'INTERNAL' : known[0];
  return new RmqError(code as ErrorCode, `${status.code}: ${status.message}`); // a key of the table
}
