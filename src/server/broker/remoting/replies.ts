/**
 * Replies to requests: 324 and 325 from who answers, 326 to who asked; facts/remoting.md §4.3. The reply
 * goes to the requester's connection first, then it is stored like any message.
 */
import { formatHostPort } from '../../../platform/host-port.ts';
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import { findProperty, withProperties } from '../../../protocol/message/properties.ts';
import { PropertyName } from '../../../protocol/message/property-names.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import type { HeaderCodec } from '../../../protocol/remoting/headers/field.ts';
import {
  pushReplyHeader,
  type SendHeader,
  sendHeader,
  sendHeaderV2,
} from '../../../protocol/remoting/headers/send.ts';
import type { Answer, RemotingRequest } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { sendMessages } from './send.ts';

const pushTimeoutMs = 3_000;

export function replyHandlers(context: RemotingContext): Handlers {
  const handler = (codec: HeaderCodec<SendHeader>) => (request: RemotingRequest, answer: Answer) =>
    reply(context, codec.decode(request.extFields), request, answer);
  return [
    [RequestCode.SEND_REPLY_MESSAGE, handler(sendHeader)],
    [RequestCode.SEND_REPLY_MESSAGE_V2, handler(sendHeaderV2)],
  ];
}

async function reply(
  context: RemotingContext,
  header: SendHeader,
  request: RemotingRequest,
  answer: Answer,
): Promise<void> {
  const body = Buffer.from(request.body); // a view, gone with the first await
  const problem = await push(context, header, request, body);
  if (problem === undefined)
    sendMessages(context, header, false, { session: request.session, body }, answer);
  else answer(problem);
}

/** Why the requester did not get it; undefined when it did. */
async function push(
  context: RemotingContext,
  header: SendHeader,
  { session }: RemotingRequest,
  body: Buffer,
): Promise<RmqError | undefined> {
  const properties = Buffer.from(header.properties, 'utf8');
  const clientId = findProperty(properties, PropertyName.replyToClient);
  if (clientId === undefined) {
    return new RmqError('MESSAGE_ILLEGAL', 'a reply needs the property REPLY_TO_CLIENT');
  }
  const requester = context.clients.producer(clientId);
  if (requester === undefined) {
    const text = `push reply message fail, channel of <${clientId}> not found.`;
    return new RmqError('REPLY_NOT_DELIVERED', text);
  }
  const nowMs = context.clock.nowMs();
  const pushed = withProperties(properties, new Map([[PropertyName.pushReplyTime, String(nowMs)]]));
  const extFields = pushReplyHeader.encode({
    ...header,
    properties: pushed.toString('utf8'),
    bornHost: formatHostPort(session.remote),
    storeHost: context.address(),
    storeTimestampMs: nowMs,
  });
  const code = RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT;
  try {
    const got = await requester.session.call(code, extFields, body, pushTimeoutMs);
    if (got.code === 0) return undefined;
    const text = `push reply message to <${clientId}> fail: ${got.remark ?? `code ${got.code}`}`;
    return new RmqError('REPLY_NOT_DELIVERED', text);
  } catch (cause) {
    const text = `push reply message to <${clientId}> fail: ${asRmqError(cause).message}`;
    return new RmqError('REPLY_NOT_DELIVERED', text, { cause });
  }
}
