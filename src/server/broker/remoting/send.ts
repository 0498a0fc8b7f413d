/** SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320), RECALL_MESSAGE (370); facts/remoting.md §4. */
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import type { MessageDraft, RecordHost } from '../../../protocol/message/message.ts';
import { deadLetterTopicOf, retryTopicPrefix } from '../../../protocol/message/names.ts';
import { withoutProperties } from '../../../protocol/message/properties.ts';
import { delayProperties } from '../../../protocol/message/property-names.ts';
import { SysFlag } from '../../../protocol/message/sys-flag.ts';
import { decodeBatchBody } from '../../../protocol/remoting/batch-body.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../../protocol/remoting/command.ts';
import type { HeaderCodec } from '../../../protocol/remoting/headers/field.ts';
import type { SendHeader } from '../../../protocol/remoting/headers/send.ts';
import {
  recallAnswer,
  recallHeader,
  sendAnswer,
  sendHeader,
  sendHeaderV2,
} from '../../../protocol/remoting/headers/send.ts';
import type { Answer, RemotingRequest } from '../../remoting/handler.ts';
import type { SendRequest, SendResult } from '../api.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { ensureTopic } from './groups.ts';
import { toRecordHost } from './record-host.ts';

const region = 'DefaultRegion';

export function sendHandlers(context: RemotingContext): Handlers {
  const handler =
    (codec: HeaderCodec<SendHeader>, isBatchCode: boolean) =>
    (request: RemotingRequest, answer: Answer): void => {
      const header = codec.decode(request.extFields);
      sendMessages(context, header, isBatchCode || header.isBatch, request, answer);
    };
  return [
    [RequestCode.SEND_MESSAGE, handler(sendHeader, false)],
    [RequestCode.SEND_MESSAGE_V2, handler(sendHeaderV2, false)],
    [RequestCode.SEND_BATCH_MESSAGE, handler(sendHeaderV2, true)],
    [RequestCode.RECALL_MESSAGE, (request, answer) => recall(context, request, answer)],
  ];
}

function recall(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  const { topic, recallHandle, producerGroup = '' } = recallHeader.decode(request.extFields);
  context.broker.recall({ topic, recallHandle, producerGroup }, (messageId) => {
    if (messageId instanceof RmqError) answer(messageId);
    else answer({ extFields: recallAnswer.encode({ messageId, region }) });
  });
}

/** Stores what a send request holds. */
export function sendMessages(
  context: RemotingContext,
  header: SendHeader,
  isBatch: boolean,
  request: Pick<RemotingRequest, 'session' | 'body'>,
  answer: Answer,
): void {
  const bornHost = toRecordHost(request.session.remote);
  // A view of what was received, which nobody writes to; the drafts live until the append is done, a moment.
  const { body } = request;
  const drafts = isBatch
    ? decodeBatchBody(body).map((entry) =>
        toDraft(header, bornHost, entry.body, entry.properties, entry.flag),
      )
    : [toDraft(header, bornHost, body, Buffer.from(header.properties, 'utf8'), header.flag)];
  const { defaultTopic: topic, defaultTopicQueueCount: queueCount } = header;
  const outgoing: SendRequest = {
    drafts,
    producerGroup: header.producerGroup,
    createFrom: topic === '' ? undefined : { topic, queueCount },
  };
  if (header.topic.startsWith(retryTopicPrefix)) {
    void toRetryOrDead(context, header, drafts)
      .then((moved) => append(context, { ...outgoing, drafts: moved }, answer))
      .catch((error: unknown) => answer(asRmqError(error)));
  } else append(context, outgoing, answer);
}

function append(context: RemotingContext, outgoing: SendRequest, answer: Answer): void {
  context.broker.send(outgoing, (results) => {
    if (results instanceof RmqError) answer(results);
    else answer({ extFields: toAnswer(results) });
  });
}

/**
 * A consumer that sends its messages to the retry topic by itself, because it could not send them back or
 * consumes in order: those that had their attempts become dead letters; facts/broker.md §2.
 */
async function toRetryOrDead(
  context: RemotingContext,
  header: SendHeader,
  drafts: readonly MessageDraft[],
): Promise<readonly MessageDraft[]> {
  const name = header.topic.slice(retryTopicPrefix.length);
  const group = await context.broker.getGroup(name);
  if (group === undefined) {
    throw new RmqError('GROUP_NOT_FOUND', `subscription group not exist, ${name}`);
  }
  const retryCountMax = header.maxReconsumeTimes ?? group.retryCountMax;
  if (header.reconsumeTimes <= retryCountMax && !context.locks.isHeld(name)) return drafts;
  const topic = deadLetterTopicOf(name);
  await ensureTopic(context, topic, 1);
  return drafts.map((draft) => ({
    ...draft,
    topic,
    queueId: 0,
    properties: withoutProperties(draft.properties, delayProperties),
  }));
}

function toDraft(
  header: SendHeader,
  bornHost: RecordHost,
  body: Uint8Array,
  properties: Uint8Array,
  flag: number,
): MessageDraft {
  return {
    topic: header.topic,
    queueId: header.queueId < 0 ? -1 : header.queueId,
    flag,
    // A half message is known by its property. These bits alone would make a record that no queue has, or one
    // that ends a transaction of somebody else.
    sysFlag: header.sysFlag & ~SysFlag.transactionMask,
    bornTimestampMs: header.bornTimestampMs,
    bornHost,
    reconsumeTimes: header.reconsumeTimes,
    preparedTransactionOffset: 0,
    body,
    properties,
  };
}

function toAnswer(results: readonly SendResult[]): ExtFields {
  const first = results[0];
  if (first === undefined) throw new RmqError('INTERNAL', 'a send was answered without a result');
  let offsetMessageId = first.offsetMessageId;
  let transactionId = first.messageId;
  for (let index = 1; index < results.length; index++) {
    const result = results[index] as SendResult; // index < length
    offsetMessageId += `,${result.offsetMessageId}`;
    if (result.messageId === '') continue;
    transactionId += transactionId === '' ? result.messageId : `,${result.messageId}`;
  }
  return sendAnswer.encode({
    offsetMessageId,
    queueId: first.queueId,
    queueOffset: first.queueOffset,
    transactionId: transactionId === '' ? undefined : transactionId,
    recallHandle: first.recallHandle,
    region,
    traceOn: 'true',
  });
}
