/** `rmq message resend`: a copy of a message, as its producer would send it. */
import { sendCopy } from '../../client/message-client.ts';
import type { Command } from '../shared/command.ts';
import { locate, topicAndMessage } from './locate.ts';

interface Options {
  readonly topic: string;
  readonly message: string;
  readonly to?: string;
}

interface ResentRow {
  readonly topic: string;
  /** Of the copy. */
  readonly messageId: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly copyOf: string | undefined;
}

export const messageResend: Command<Options, ResentRow> = {
  summary: 'Send a copy of a message, to its topic or another',
  impact: 'change',
  isRemote: true,
  arguments: topicAndMessage,
  flags: [
    {
      name: 'to',
      kind: { type: 'text', placeholder: 'TOPIC' },
      description: 'topic of the copy',
      shownDefault: 'its own topic',
    },
  ],
  columns: [
    { title: 'ID', value: (row) => row.messageId, style: () => 'name' },
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'QUEUE', value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}` },
    { title: 'COPY OF', value: (row) => row.copyOf },
  ],
  examples: [
    ['rmq message resend orders 0@1200', 'every group that reads the topic gets it again'],
    ['rmq message resend orders 0@1200 --to orders-test', 'into another topic'],
  ],
  async run(context, { topic, message: what, to }) {
    const admin = await context.connect();
    const { message } = await locate(admin, topic, what);
    const sent = await sendCopy(admin, message, {
      topic: to ?? topic,
      isSameMessage: false,
      bornTimestampMs: context.clock.nowMs(),
    });
    const { messageId, brokerName, queueId, queueOffset } = sent;
    return { topic: to ?? topic, messageId, brokerName, queueId, queueOffset, copyOf: what };
  },
};
