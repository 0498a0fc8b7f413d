/** `rmq message find`: messages of a topic by key, message id or tag. */
import type { AdminClient } from '../../client/admin-client.ts';
import { decodeRecords } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import { queryMessageHeader } from '../../protocol/remoting/headers/pull.ts';
import type { Command } from '../shared/command.ts';
import { type MessageRow, messageColumns, messageRow } from '../shared/message-row.ts';
import { parseStartPoint } from '../shared/times.ts';

interface Options {
  readonly topic: string;
  readonly key?: string;
  readonly id?: string;
  readonly tag?: string;
  readonly from?: string;
  readonly to?: string;
  readonly count: number;
}

/** `K` key, `U` unique key, `T` tag; facts/remoting.md §4.5. */
type IndexType = 'K' | 'U' | 'T';

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
    const fields = queryMessageHeader.encode({
      topic,
      key,
      maxCount: count,
      beginTimestamp: String(timeOf(options.from, '--from', nowMs) ?? 0),
      endTimestamp: String(timeOf(options.to, '--to', nowMs) ?? Number.MAX_SAFE_INTEGER),
      indexType: type,
      isUniqueKeyQuery: type === 'U' ? 'true' : undefined,
    });
    const admin = await context.connect();
    await admin.queues(topic);
    const rows: MessageRow[] = [];
    for (const { address, brokerName } of await admin.masters()) {
      rows.push(...(await query(admin, address, fields, brokerName)));
    }
    return rows
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

function timeOf(text: string | undefined, flag: string, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const point = parseStartPoint(text, nowMs, flag);
  if (point.type === 'time') return point.timestampMs;
  throw new RmqError('USAGE', `${flag}: "${text}" is not a time: -15m or 2026-01-31T12:00:00Z`);
}

/** A broker that has none says so with an error. */
async function query(
  admin: AdminClient,
  address: string,
  fields: Parameters<AdminClient['call']>[2],
  brokerName: string,
): Promise<MessageRow[]> {
  try {
    const { body } = await admin.call(address, RequestCode.QUERY_MESSAGE, fields);
    return decodeRecords(body).map((message) => messageRow(message, brokerName));
  } catch (error) {
    const isNothing = error instanceof RmqError && error.code === 'OFFSET_NOT_FOUND';
    if (isNothing) return [];
    throw error;
  }
}
