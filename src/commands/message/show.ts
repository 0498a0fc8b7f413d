/** `rmq message show`: one message, by its place or its offset message id. */
import type { AdminClient } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { StoredMessage } from '../../protocol/message/message.ts';
import { decodeOffsetMessageId } from '../../protocol/message/message-id.ts';
import { decodeRecord } from '../../protocol/message/record.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import { viewMessageHeader } from '../../protocol/remoting/headers/pull.ts';
import type { Command } from '../shared/command.ts';
import { type MessageRow, messageRow } from '../shared/message-row.ts';

interface Options {
  readonly what: string;
  readonly place?: string;
}

export const messageShow: Command<Options, MessageRow> = {
  summary: 'Show one message with its properties',
  impact: 'read',
  isRemote: true,
  arguments: [
    {
      name: 'what',
      description: 'topic, or the offset message id that a send answers with',
      isRequired: true,
    },
    {
      name: 'place',
      description: 'behind a topic: QUEUE@OFFSET or BROKER:QUEUE@OFFSET',
      isRequired: false,
    },
  ],
  flags: [],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'QUEUE', value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}` },
    { title: 'ID', value: (row) => row.messageId },
    { title: 'KEYS', value: (row) => row.keys.join(' ') },
    { title: 'TAG', value: (row) => row.tag },
    { title: 'BORN', value: (row) => row.bornTime },
    { title: 'STORED', value: (row) => row.storeTime },
    { title: 'RETRIES', value: (row) => row.reconsumeTimes },
    {
      title: 'PROPERTIES',
      value: (row) =>
        Object.entries(row.properties)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
    },
    { title: 'SIZE', value: (row) => `${row.bodySizeBytes} B` },
    { title: 'BODY', value: (row) => row.body },
  ],
  examples: [
    ['rmq message show orders 0@1200', 'by its queue and offset'],
    ['rmq message show orders broker-a:0@1200', 'where several brokers have the topic'],
    ['rmq message show 7F00000100002A9F00000000000004D2', 'by its offset message id'],
  ],
  async run(context, { what, place }) {
    const admin = await context.connect();
    return place === undefined ? byId(admin, what) : byPlace(admin, what, place);
  },
};

async function byId(admin: AdminClient, id: string): Promise<MessageRow> {
  const decoded = decodeOffsetMessageId(id);
  if (decoded === undefined) {
    throw new RmqError('USAGE', `"${id}" is no offset message id (32 or 56 hexadecimal digits)`, {
      hint: 'a topic needs a place: rmq message show TOPIC QUEUE@OFFSET',
    });
  }
  const fields = viewMessageHeader.encode({ topic: '', physicalOffset: decoded.physicalOffset });
  let failure: RmqError | undefined;
  // The id names the broker by address; behind NAT that may not be the one that is reached.
  for (const { address, brokerName } of await admin.masters()) {
    try {
      const { body } = await admin.call(address, RequestCode.VIEW_MESSAGE_BY_ID, fields);
      const message = decodeRecord(body, 0, body.length);
      if (message !== undefined && isHost(message, decoded.host)) {
        return messageRow(message, brokerName);
      }
    } catch (error) {
      if (!(error instanceof RmqError)) throw error;
      failure = error;
    }
  }
  throw new RmqError('MESSAGE_NOT_FOUND', `no broker has message ${id}`, {
    hint: failure?.message ?? 'it may be past its retention time',
  });
}

function isHost(message: StoredMessage, host: StoredMessage['storeHost']): boolean {
  const { address, port } = message.storeHost;
  return port === host.port && Buffer.compare(address, host.address) === 0;
}

async function byPlace(admin: AdminClient, topic: string, place: string): Promise<MessageRow> {
  const found = /^(?:(.+):)?(\d+)@(\d+)$/.exec(place);
  if (found === null) {
    throw new RmqError('USAGE', `"${place}" is not allowed: QUEUE@OFFSET or BROKER:QUEUE@OFFSET`);
  }
  const [, brokerName, queueText, offsetText] = found;
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
    return messageRow(message, queue.brokerName);
  }
  throw new RmqError('MESSAGE_NOT_FOUND', `queue ${queueId} of ${topic} has no offset ${offset}`, {
    hint: `it holds ${minOffset} to ${maxOffset - 1}`,
  });
}
