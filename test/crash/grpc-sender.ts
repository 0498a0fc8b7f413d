/** A producer over gRPC, as small as it can be: SendMessage on one channel. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  Code,
  decodeSendMessageResponse,
  encodeSendMessageRequest,
  MessageType,
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

  /** `gone`: no answer came, so nobody knows. */
  send(
    topic: string,
    messageId: string,
    body: Buffer,
    reply: (outcome: 'acked' | 'refused' | 'gone') => void,
  ): void {
    const request = encodeSendMessageRequest({
      messages: [
        {
          topic: { name: topic },
          body,
          systemProperties: { messageId, messageType: MessageType.NORMAL },
        },
      ],
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
        reply(answer.status?.code === Code.OK ? 'acked' : 'refused');
      },
    );
  }

  close(): void {
    this.#client.close();
  }
}
