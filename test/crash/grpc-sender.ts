/** A producer over gRPC, as small as it can be: SendMessage on one channel. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  Code,
  decodeSendMessageResponse,
  encodeSendMessageRequest,
  type MessageInit,
} from '../../src/protocol/grpc/generated/messages.ts';

const method = '/apache.rocketmq.v2.MessagingService/SendMessage';

export class GrpcSender {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_send_message_length': 8 << 20,
    });
    this.#metadata.set('x-mq-client-id', 'crash-producer');
  }

  /** `gone`: no answer came, so nobody knows. Else the status, `OK` or what was wrong. */
  send(
    topic: string,
    body: Buffer,
    systemProperties: MessageInit['systemProperties'],
    reply: (outcome: string) => void,
  ): void {
    const request = encodeSendMessageRequest({
      messages: [{ topic: { name: topic }, body, systemProperties }],
    });
    this.#client.makeUnaryRequest(
      method,
      (bytes: Buffer) => bytes,
      decodeSendMessageResponse,
      request,
      this.#metadata,
      { deadline: Date.now() + 10_000 },
      (error, answer) => {
        if (error !== null || answer === undefined) return reply('gone');
        const { code = 0, message = '' } = answer.status ?? {};
        reply(code === Code.OK ? 'OK' : `${code} ${message}`);
      },
    );
  }

  close(): void {
    this.#client.close();
  }
}
