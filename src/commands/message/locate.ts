/** A message as a user names it: by its place, the id that its producer was told, or its offset message id. */
import type { AdminClient } from '../../client/admin-client.ts';
import {
  type FoundMessage,
  messageByOffsetId,
  queryMessages,
} from '../../client/message-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { decodeOffsetMessageId } from '../../protocol/message/message-id.ts';
import type { Argument } from '../shared/command.ts';

export const topicAndMessage: readonly Argument[] = [
  { name: 'topic', description: 'name of the topic', isRequired: true },
  {
    name: 'message',
    description: 'QUEUE@OFFSET, BROKER:QUEUE@OFFSET or a message id',
    isRequired: true,
  },
];

/** @throws RmqError MESSAGE_NOT_FOUND, ILLEGAL_QUEUE, TOPIC_NOT_FOUND, USAGE */
export async function locate(
  admin: AdminClient,
  topic: string,
  what: string,
): Promise<FoundMessage> {
  if (/^(?:.+:)?\d+@\d+$/.test(what)) return byPlace(admin, topic, what);
  await admin.queues(topic);
  const [found] = await queryMessages(admin, {
    topic,
    type: 'U',
    key: what,
    maxCount: 32,
    beginMs: 0,
    endMs: Number.MAX_SAFE_INTEGER,
  });
  if (found !== undefined) return found;
  const byId = await messageByOffsetId(admin, what);
  if (byId !== undefined) return byId;
  throw new RmqError('MESSAGE_NOT_FOUND', `topic ${topic} has no message ${what}`, {
    hint: 'a place is QUEUE@OFFSET; the message may also be past its retention time',
  });
}

/** @throws RmqError USAGE, MESSAGE_NOT_FOUND */
export async function byOffsetId(admin: AdminClient, id: string): Promise<FoundMessage> {
  if (decodeOffsetMessageId(id) === undefined) {
    throw new RmqError('USAGE', `"${id}" is no offset message id (32 or 56 hexadecimal digits)`, {
      hint: 'a topic needs a place or an id: rmq message show TOPIC QUEUE@OFFSET',
    });
  }
  const found = await messageByOffsetId(admin, id);
  if (found !== undefined) return found;
  throw new RmqError('MESSAGE_NOT_FOUND', `no broker has message ${id}`, {
    hint: 'it may be past its retention time',
  });
}

async function byPlace(admin: AdminClient, topic: string, place: string): Promise<FoundMessage> {
  const [, brokerName, queueText, offsetText] = /^(?:(.+):)?(\d+)@(\d+)$/.exec(place) ?? [];
  const queueId = Number(queueText);
  const offset = Number(offsetText);
  const queues = (await admin.queues(topic)).filter(
    (queue) =>
      queue.queueId === queueId && (brokerName === undefined || queue.brokerName === brokerName),
  );
  const [queue] = queues;
  if (queue === undefined) {
    throw new RmqError('ILLEGAL_QUEUE', `topic ${topic} has no queue ${place}`, {
      hint: `see them: rmq topic describe ${topic}`,
    });
  }
  if (queues.length > 1) {
    const names = queues.map((one) => one.brokerName).join(', ');
    throw new RmqError('USAGE', `${queues.length} brokers have queue ${queueId}: ${names}`, {
      hint: `name one: ${queue.brokerName}:${place}`,
    });
  }
  const options = { maxCount: 1, waitMs: 0, expression: '*' };
  const { messages, minOffset, maxOffset } = await admin.pull(queue, offset, options);
  const [message] = messages;
  if (message !== undefined && message.queueOffset === offset) {
    return { message, brokerName: queue.brokerName };
  }
  throw new RmqError('MESSAGE_NOT_FOUND', `queue ${queueId} of ${topic} has no offset ${offset}`, {
    hint: `it holds ${minOffset} to ${maxOffset - 1}`,
  });
}
