/** `rmq message find`: messages of a topic by key, message id or tag. */
import { type IndexType, queryMessages } from '../../client/message-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Command } from '../shared/command.ts';
import { type MessageRow, messageColumns, messageRow } from '../shared/message-row.ts';
import { parseTime } from '../shared/times.ts';

interface Options {
  readonly topic: string;
  readonly key?: string;
  readonly id?: string;
  readonly tag?: string;
  readonly from?: string;
  readonly to?: string;
  readonly count: number;
}

export const messageFind: Command<Options, MessageRow> = {
  summary: 'Find messages of a topic by key, message id or tag',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'topic', description: 'name of the topic', isRequired: true }],
  flags: [
    { name: 'key', kind: { type: 'text', placeholder: 'KEY' }, description: 'one of its keys' },
    {
      name: 'id',
      kind: { type: 'text', placeholder: 'ID' },
      description: 'the message id that its producer was told',
    },
    { name: 'tag', kind: { type: 'text', placeholder: 'TAG' }, description: 'its tag' },
    {
      name: 'from',
      kind: { type: 'text', placeholder: 'WHEN' },
      description: 'stored then or later: -15m or an ISO 8601 time',
    },
    {
      name: 'to',
      kind: { type: 'text', placeholder: 'WHEN' },
      description: 'stored then or before',
    },
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: 64 },
      default: '32',
      description: 'at most this many, the newest first',
    },
  ],
  columns: messageColumns,
  examples: [
    ['rmq message find orders --key order-17', 'everything with that key'],
    ['rmq message find orders --key order-17 --from -1h', 'of the last hour'],
    ['rmq message find orders --id 0100163E02A1B20E2F0000000A', 'one message, by its id'],
  ],
  async run(context, options) {
    const { topic, count } = options;
    const [type, key] = wanted(options);
    const nowMs = context.clock.nowMs();
    const beginMs = parseTime(options.from, '--from', nowMs) ?? 0;
    const endMs = parseTime(options.to, '--to', nowMs) ?? Number.MAX_SAFE_INTEGER;
    const admin = await context.connect();
    await admin.queues(topic);
    const found = await queryMessages(admin, { topic, type, key, maxCount: count, beginMs, endMs });
    return found
      .map(({ message, brokerName }) => messageRow(message, brokerName))
      .sort((a, b) => ((a.storeTime ?? '') < (b.storeTime ?? '') ? 1 : -1))
      .slice(0, count);
  },
};

function wanted({ key, id, tag }: Options): readonly [IndexType, string] {
  const said: (readonly [IndexType, string])[] = [];
  if (key !== undefined) said.push(['K', key]);
  if (id !== undefined) said.push(['U', id]);
  if (tag !== undefined) said.push(['T', tag]);
  const [only] = said;
  if (only !== undefined && said.length === 1) return only;
  throw new RmqError('USAGE', 'say one of --key, --id and --tag');
}
