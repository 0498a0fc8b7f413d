/** `rmq message show`: one message, by its place or one of its ids. */
import type { Command } from '../shared/command.ts';
import { type MessageRow, messageRow } from '../shared/message-row.ts';
import { byOffsetId, locate } from './locate.ts';

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
      description: 'behind a topic: QUEUE@OFFSET, BROKER:QUEUE@OFFSET or a message id',
      isRequired: false,
    },
  ],
  flags: [],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    {
      title: 'QUEUE',
      isName: true,
      value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}`,
    },
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
    ['rmq message show orders 0100163E02A1B20E2F0000000A', 'by the id that its producer was told'],
    ['rmq message show 7F00000100002A9F00000000000004D2', 'by its offset message id'],
  ],
  async run(context, { what, place }) {
    const admin = await context.connect();
    const found =
      place === undefined ? await byOffsetId(admin, what) : await locate(admin, what, place);
    return messageRow(found.message, found.brokerName);
  },
};
