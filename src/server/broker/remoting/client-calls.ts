/**
 * Questions that an administrator has for one consumer, asked through the broker on the consumer's own
 * connection: 307 its state, 309 to consume one message, 223 its offsets; facts/remoting.md §5.5.
 */
import { RmqError } from '../../../protocol/errors.ts';
import { decodeOffsetMessageId } from '../../../protocol/message/message-id.ts';
import { encodeStoredMessage } from '../../../protocol/message/record.ts';
import { entriesOf } from '../../../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../../protocol/remoting/bodies/lenient-json.ts';
import { RequestCode, ResponseCode } from '../../../protocol/remoting/codes.ts';
import {
  consumeDirectlyHeader,
  consumerStatusHeader,
  runningInfoHeader,
} from '../../../protocol/remoting/headers/admin.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { RegisteredClient } from './client-registry.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering } from './context.ts';

const answerTimeoutMs = 10_000;
/** Clients before 3.1.8 do not know these requests. */
const versionMin = 63;

export function clientCallHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.GET_CONSUMER_RUNNING_INFO, answering((request) => state(context, request))],
    [RequestCode.CONSUME_MESSAGE_DIRECTLY, answering((request) => consume(context, request))],
    [
      RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
      answering((request) => offsets(context, request)),
    ],
  ];
}

async function state(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { group, clientId } = runningInfoHeader.decode(request.extFields);
  const client = find(context, group, clientId);
  return 'clientId' in client ? relay(client, request, undefined) : client;
}

async function consume(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const header = consumeDirectlyHeader.decode(request.extFields);
  const client = find(context, header.group, header.clientId ?? '');
  if (!('clientId' in client)) return client;
  const { code, extFields } = request;
  const place = decodeOffsetMessageId(header.messageId);
  const message = place && (await context.broker.messageAt(place.physicalOffset));
  if (message === undefined) {
    throw new RmqError('MESSAGE_NOT_FOUND', `no message of id ${header.messageId} is here`);
  }
  const named = { ...extFields, brokerName: context.broker.brokerName };
  return relay(client, { code, extFields: named }, encodeStoredMessage(message));
}

function find(
  context: RemotingContext,
  group: string,
  clientId: string,
): RegisteredClient | AnswerParts {
  const client = context.clients.consumerGroup(group)?.members.get(clientId);
  if (client === undefined) {
    return {
      code: ResponseCode.CONSUMER_NOT_ONLINE,
      remark: `The Consumer <${group}> <${clientId}> not online`,
    };
  }
  if (client.version >= versionMin) return client;
  return {
    code: ResponseCode.SYSTEM_ERROR,
    remark: `The Consumer <${clientId}> has version ${client.version}, too old to be asked`,
  };
}

async function relay(
  client: RegisteredClient,
  { code, extFields }: Pick<RemotingRequest, 'code' | 'extFields'>,
  body: Uint8Array | undefined,
): Promise<AnswerParts> {
  try {
    const answer = await client.session.call(code, extFields, body, answerTimeoutMs);
    return {
      code: answer.code,
      extFields: answer.extFields,
      body: answer.body,
      ...(answer.remark === undefined ? {} : { remark: answer.remark }),
    };
  } catch (error) {
    if (!(error instanceof RmqError)) throw error;
    const isTimeout = error.code === 'TIMEOUT';
    return {
      code: isTimeout ? ResponseCode.CONSUME_MSG_TIMEOUT : ResponseCode.CONSUMER_NOT_ONLINE,
      remark: `The Consumer <${client.clientId}> gave no answer: ${error.message}`,
    };
  }
}

/** Where the clients of a group are reading, of one of them when it is named. */
async function offsets(context: RemotingContext, request: RemotingRequest): Promise<AnswerParts> {
  const { topic, group, clientId } = consumerStatusHeader.decode(request.extFields);
  const members = context.clients.consumerGroup(group)?.members;
  const asked = [...(members?.values() ?? [])].filter(
    (client) => clientId === undefined || clientId === '' || client.clientId === clientId,
  );
  if (asked.length === 0) {
    const remark = `No Any Consumer online in the consumer group: [${group}]`;
    return { code: ResponseCode.CONSUMER_NOT_ONLINE, remark };
  }
  const rows = await Promise.all(
    asked.map(async (client) => {
      const table = await offsetsOf(client, topic, group);
      return `${JSON.stringify(client.clientId)}:${table}`;
    }),
  );
  const text = `{"consumerTable":{${rows.join(',')}},"messageQueueTable":{}}`;
  return { body: Buffer.from(text, 'utf8') };
}

async function offsetsOf(client: RegisteredClient, topic: string, group: string): Promise<string> {
  const extFields = { topic, group };
  const code = RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT;
  try {
    const answer = await client.session.call(code, extFields, undefined, answerTimeoutMs);
    const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    const pairs = entriesOf(json['messageQueueTable']).flatMap(([queue, offset]) =>
      typeof offset === 'number' ? [`${queue}:${offset}`] : [],
    );
    return `{${pairs.join(',')}}`;
  } catch {
    return '{}'; // one that does not answer must not hide the others
  }
}
