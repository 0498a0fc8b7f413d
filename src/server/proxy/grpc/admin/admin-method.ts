/** What the methods of the Admin service share. They do not ask for a client id: tools have none. */
import { asRmqError, RmqError } from '../../../../protocol/errors.ts';
import type { StatusInit } from '../../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../../transport/grpc/call.ts';
import type { BrokerApi, TopicConfig } from '../../../broker/api.ts';
import { logFailure } from '../rpc.ts';
import type { ServiceContext } from '../service-context.ts';
import { StatusError, statusOf } from '../status.ts';

interface AdminMethod<Request, Answer> {
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (answer: Answer | { readonly status: StatusInit }) => Uint8Array;
  readonly run: (request: Request) => Promise<Answer> | Answer;
}

/** A unary method whose failures are in the response's status. */
export function adminMethod<Request, Answer>(
  { logger }: ServiceContext,
  { name, decode, encode, run }: AdminMethod<Request, Answer>,
): UnaryMethod {
  const answer = async (message: Buffer): Promise<Uint8Array> => {
    try {
      return encode(await run(decode(message)));
    } catch (error) {
      const failure = error instanceof StatusError ? error : asRmqError(error);
      logFailure(logger, name, failure);
      return encode({ status: statusOf(failure) });
    }
  };
  return {
    kind: 'unary',
    name,
    run: (_call, message, reply) => void answer(message).then(reply),
  };
}

/** The topic on each broker that has it. @throws RmqError TOPIC_NOT_FOUND */
export async function topicOnBrokers(
  { cluster }: ServiceContext,
  topic: string,
): Promise<readonly { readonly broker: BrokerApi; readonly config: TopicConfig }[]> {
  const found: { broker: BrokerApi; config: TopicConfig }[] = [];
  for (const broker of cluster.brokers()) {
    const config = await broker.getTopic(topic);
    if (config !== undefined) found.push({ broker, config });
  }
  if (found.length > 0) return found;
  throw new RmqError('TOPIC_NOT_FOUND', `no broker has topic ${topic}`);
}
