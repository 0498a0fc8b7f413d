/** The few gRPC calls that a benchmark needs, straight onto the wire: no client library in between. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  ClientType,
  decodeQueryRouteResponse,
  decodeReceiveMessageResponse,
  decodeSendMessageResponse,
  decodeTelemetryCommand,
  encodeQueryRouteRequest,
  encodeReceiveMessageRequest,
  encodeSendMessageRequest,
  encodeTelemetryCommand,
  FilterType,
  Language,
  type MessageQueue,
  MessageType,
  type ReceiveMessageResponse,
} from '../../src/protocol/grpc/generated/messages.ts';

const service = '/apache.rocketmq.v2.MessagingService/';
const statusOk = 20_000;

/** Address parts as the proto's Endpoints want them. */
function endpointsOf(address: string): {
  scheme: number;
  addresses: { host: string; port: number }[];
} {
  const at = address.lastIndexOf(':');
  return {
    scheme: 1,
    addresses: [{ host: address.slice(0, at), port: Number(address.slice(at + 1)) }],
  };
}

let probes = 0;

export class GrpcProbe {
  private readonly client: Client;
  private readonly metadata: Metadata;
  private readonly address: string;

  constructor(address: string, security: ChannelCredentials = credentials.createInsecure()) {
    this.address = address;
    // A connection of its own: the library would let clients of one address share theirs.
    this.client = new Client(address, security, { 'grpc.use_local_subchannel_pool': 1 });
    this.metadata = new Metadata();
    probes += 1;
    this.metadata.set('x-mq-client-id', `bench@${process.pid}@${probes}`);
    this.metadata.set('x-mq-language', 'NODE_JS');
    this.metadata.set('x-mq-protocol', 'v2');
    this.metadata.set('x-mq-client-version', '5.0.0');
  }

  close(): void {
    this.client.close();
  }

  /** Tells the server what kind of client this is, as every client does first; ends the stream with `close`. */
  settle(topic: string, group: string): Promise<() => void> {
    const call = this.client.makeBidiStreamRequest(
      `${service}Telemetry`,
      (text: Buffer) => text,
      decodeTelemetryCommand,
      this.metadata,
    );
    return new Promise((resolve, reject) => {
      call.on('error', reject);
      call.on('data', () => resolve(() => call.cancel()));
      call.write(
        encodeTelemetryCommand({
          settings: {
            clientType: ClientType.SIMPLE_CONSUMER,
            accessPoint: endpointsOf(this.address),
            requestTimeoutMs: 3000,
            subscription: {
              group: { name: group },
              subscriptions: [
                { topic: { name: topic }, expression: { type: FilterType.TAG, expression: '*' } },
              ],
            },
            userAgent: { language: Language.NODE_JS, version: '5.0.0' },
          },
        }),
      );
    });
  }

  async route(topic: string): Promise<readonly MessageQueue[]> {
    const request = { topic: { name: topic }, endpoints: endpointsOf(this.address) };
    const answer = await this.unary(
      'QueryRoute',
      encodeQueryRouteRequest(request),
      decodeQueryRouteResponse,
    );
    if (answer.status?.code !== statusOk) throw new Error(`route: ${answer.status?.message}`);
    return answer.messageQueues;
  }

  async send(topic: string, body: Buffer, messageId: string, queueId = 0): Promise<void> {
    const message = {
      topic: { name: topic },
      systemProperties: {
        messageId,
        queueId,
        messageType: MessageType.NORMAL,
        bodyEncoding: 1,
        bornTimestampMs: Date.now(),
        bornHost: 'bench',
      },
      body,
    };
    const answer = await this.unary(
      'SendMessage',
      encodeSendMessageRequest({ messages: [message] }),
      decodeSendMessageResponse,
    );
    if (answer.status?.code !== statusOk) throw new Error(`send: ${answer.status?.message}`);
  }

  /** Bodies that one receive of the queue gave; empty when the poll found nothing. */
  receive(group: string, queue: MessageQueue, pollMs: number): Promise<readonly Uint8Array[]> {
    const request = encodeReceiveMessageRequest({
      group: { name: group },
      messageQueue: queue,
      filterExpression: { type: FilterType.TAG, expression: '*' },
      batchSize: 16,
      invisibleDurationMs: 30_000,
      longPollingTimeoutMs: pollMs,
    });
    return new Promise((resolve, reject) => {
      const bodies: Uint8Array[] = [];
      const call = this.client.makeServerStreamRequest(
        `${service}ReceiveMessage`,
        (bytes: Buffer) => bytes,
        decodeReceiveMessageResponse,
        request,
        this.metadata,
        { deadline: Date.now() + pollMs + 5000 },
      );
      call.on('data', (answer: ReceiveMessageResponse) => {
        if (answer.message !== undefined) bodies.push(answer.message.body);
      });
      call.on('error', reject);
      call.on('end', () => resolve(bodies));
    });
  }

  private unary<T>(method: string, request: Buffer, decode: (bytes: Buffer) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        service + method,
        (bytes: Buffer) => bytes,
        decode,
        request,
        this.metadata,
        (error: ServiceError | null, answer?: T) => {
          if (error !== null || answer === undefined) reject(error ?? new Error('no answer'));
          else resolve(answer);
        },
      );
    });
  }
}

/** A message id in the clients' format: version 01, then 16 bytes in hexadecimal. */
export function messageIdOf(sequence: number): string {
  return `01${'0'.repeat(20)}${sequence.toString(16).toUpperCase().padStart(12, '0')}`;
}

/** Waits until the server has a route for a topic that was just made (Apache's proxy asks now and then). */
export async function firstRoute(address: string, topic: string): Promise<void> {
  const probe = new GrpcProbe(address);
  try {
    for (let tries = 100; ; tries -= 1) {
      const queues = await probe.route(topic).catch((error: unknown) => {
        if (tries === 0) throw error;
        return [];
      });
      if (queues.length > 0) return;
      await sleep(100);
    }
  } finally {
    probe.close();
  }
}

/** Sends one message and polls the queue that it went to until it is back. */
export async function firstMessage(address: string, topic: string, group: string): Promise<void> {
  const probe = new GrpcProbe(address);
  try {
    const queues = await probe.route(topic);
    const [queue] = queues;
    if (queue === undefined) throw new Error(`no queue in the route of ${topic}`);
    const settled = await probe.settle(topic, group);
    await probe.send(topic, Buffer.from('first'), messageIdOf(Date.now()), queue.id);
    // Where the server chose the queue itself, the message may be in any of them.
    const bodies = await Promise.any(
      queues.map(async (one) => {
        const got = await probe.receive(group, one, 10_000);
        if (got.length === 0) throw new Error('nothing arrived');
        return got;
      }),
    );
    if (Buffer.from(bodies[0] ?? []).toString() !== 'first')
      throw new Error('another message came');
    settled();
  } finally {
    probe.close();
  }
}
