/** `rmq dlq show`: the dead letters of a group. */
import { readQueue } from '../../client/message-client.ts';
import { deadLetterTopicOf } from '../../protocol/message/names.ts';
import { locate } from '../message/locate.ts';
import { type MatchOptions, matchFlags, matchOf } from '../message/matching.ts';
import type { Column, Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { type MessageRow, messageRow } from '../shared/message-row.ts';
import { originTopic, queuesOfGroup, withReadHint } from './dead-letters.ts';

interface Options extends MatchOptions {
  readonly group: string;
  readonly message?: string;
  readonly count: number;
  readonly all: boolean;
}

interface DeadLetterRow extends MessageRow {
  /** The topic in which nobody could consume it. */
  readonly originTopic: string | undefined;
}

const columns: readonly Column<DeadLetterRow>[] = [
  { title: 'DIED', value: (row) => row.storeTime, style: () => 'dim' },
  {
    title: 'QUEUE',
    isName: true,
    value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}`,
    style: () => 'dim',
  },
  { title: 'TOPIC', value: (row) => row.originTopic, style: () => 'name' },
  { title: 'TRIES', align: 'right', value: (row) => row.reconsumeTimes },
  { title: 'TAG', value: (row) => row.tag },
  { title: 'KEYS', value: (row) => row.keys.join(' ') },
  { title: 'BODY', value: (row) => row.body },
];

export const dlqShow: Command<Options, DeadLetterRow> = {
  summary: 'Show the dead letters of a group that wait, or one of them',
  impact: 'read',
  isRemote: true,
  arguments: [
    { name: 'group', description: 'name of the consumer group', isRequired: true },
    {
      name: 'message',
      description: 'one of them: QUEUE@OFFSET, BROKER:QUEUE@OFFSET or a message id',
      isRequired: false,
    },
  ],
  flags: [
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: 1_000_000_000 },
      default: '100',
      description: 'at most this many, the oldest first',
    },
    {
      name: 'all',
      short: 'a',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'with those that were sent again',
    },
    ...matchFlags,
  ],
  columns,
  examples: [
    ['rmq dlq show billing', 'the oldest that wait'],
    ["rmq dlq show billing --filter 'region=eu' --output json", 'some of them'],
    ['rmq dlq show billing 0@12', 'one of them'],
  ],
  run: (context, options) => showDeadLetters(context, options),
};

async function* showDeadLetters(context: Context, options: Options): AsyncGenerator<DeadLetterRow> {
  const { group, message: what } = options;
  const match = matchOf(options);
  const admin = await context.connect();
  if (what !== undefined) {
    const { message, brokerName } = await locate(admin, deadLetterTopicOf(group), what);
    yield { ...messageRow(message, brokerName), originTopic: originTopic(message) };
    return;
  }
  let left = options.count;
  for (const queue of await queuesOfGroup(admin, group)) {
    const range = {
      beginOffset: options.all ? queue.minOffset : queue.nextOffset,
      endOffset: queue.maxOffset,
    };
    try {
      for await (const message of readQueue(admin, queue, range)) {
        if (left <= 0) return;
        if (match !== undefined && !match(message, queue.brokerName)) continue;
        yield { ...messageRow(message, queue.brokerName), originTopic: originTopic(message) };
        left--;
      }
    } catch (error) {
      throw withReadHint(error, group);
    }
  }
}
