/** `rmq send` */
import type { AdminClient, SentMessage } from '../client/admin-client.ts';
import { endTransaction, halfProperties, halfSysFlag } from '../client/transaction-client.ts';
import { RmqError } from '../protocol/errors.ts';
import { nearest } from '../util/nearest.ts';
import {
  checkOptions,
  flagProperties,
  type Outgoing,
  outgoing,
  type SendOptions,
} from './send/outgoing.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { untilInterrupted } from './shared/interruptible.ts';
import { pause } from './shared/progress.ts';
import { makeTopic } from './shared/topics.ts';

interface Options extends SendOptions {
  readonly transaction?: 'commit' | 'rollback' | 'open';
  readonly rate?: number;
}

interface SentRow extends SentMessage {
  readonly topic: string;
}

/** Its route says that brokers create topics on the way. */
const templateTopic = 'TBW102';
const queueCountDefault = 4;
/** Sends under way at once; those of a message group leave one after the other. */
const inFlightMax = 64;
const yearMs = 366 * 24 * 3_600_000;

export const send: Command<Options, SentRow> = {
  summary: 'Send messages to a topic',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  arguments: [
    { name: 'topic', description: 'name of the topic', isRequired: true },
    { name: 'body', description: 'the message; - or nothing reads stdin', isRequired: false },
  ],
  flags: [
    {
      name: 'tag',
      kind: { type: 'text', placeholder: 'TAG' },
      description: 'tag that consumers may filter by',
    },
    {
      name: 'key',
      kind: { type: 'list', placeholder: 'KEY', separator: '' },
      description: 'key to find the message by (repeatable)',
    },
    {
      name: 'prop',
      kind: { type: 'list', placeholder: 'NAME=VALUE', separator: '' },
      description: 'property of the message (repeatable)',
    },
    {
      name: 'group',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'message group: its messages are consumed in order (FIFO topics)',
    },
    {
      name: 'delay',
      kind: { type: 'duration', min: 1, max: yearMs },
      description: 'deliver it that much later (DELAY topics)',
    },
    {
      name: 'at',
      kind: { type: 'text', placeholder: 'TIME' },
      description: 'deliver it then, such as 2026-01-31T12:00:00Z',
    },
    {
      name: 'priority',
      kind: { type: 'integer', min: 0, max: 65_535 },
      description: 'the higher, the sooner (PRIORITY topics)',
    },
    {
      name: 'transaction',
      kind: { type: 'choice', choices: ['commit', 'rollback', 'open'] },
      description:
        'as a half message, and how it ends (TRANSACTION topics); open: the broker asks later',
    },
    {
      name: 'file',
      kind: { type: 'text', placeholder: 'FILE' },
      description: 'take the body, or with --lines and --json the messages, from this file',
    },
    {
      name: 'lines',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'one message for each line of the file or of stdin',
    },
    {
      name: 'json',
      kind: { type: 'boolean' },
      default: 'false',
      description:
        'each line is a message as JSON: body, tag, keys, messageGroup, properties, delay, priority',
    },
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: 1_000_000_000 },
      default: '1',
      description: 'send the body this many times',
    },
    {
      name: 'rate',
      kind: { type: 'integer', min: 1, max: 1_000_000 },
      description: 'messages a second, at most',
    },
  ],
  columns: [
    { title: 'ID', value: (row) => row.messageId, style: () => 'name' },
    { title: 'QUEUE', value: (row) => `${row.brokerName}:${row.queueId}@${row.queueOffset}` },
  ],
  examples: [
    ["rmq send orders 'hello'", 'one message'],
    [
      'rmq send orders hello --tag new --key order-17 --prop region=eu',
      'with tag, key and property',
    ],
    ['seq 1000 | rmq send orders --lines --rate 100', 'one message for each line, in 10 seconds'],
    ['echo \'{"body":"x","tag":"new"}\' | rmq send orders --json', 'as rmq tail -o json shows it'],
    ['rmq send reminders wake-up --delay 10m', 'delivered ten minutes from now'],
  ],
  run: (context, options) => sendAll(context, options),
};

async function* sendAll(context: Context, options: Options): AsyncGenerator<SentRow> {
  checkOptions(options);
  flagProperties(options, 0); // What is wrong with them is said before anything is made.
  const admin = await context.connect();
  await ensureTopic(context, admin, options);
  const startedMs = context.clock.monotonicMs();
  const waiting: Promise<SentRow>[] = [];
  const lastOfGroup = new Map<string, Promise<SentRow>>();
  let count = 0;
  for await (const message of untilInterrupted(outgoing(context, options), context.signal)) {
    const { messageGroup } = message;
    const before = messageGroup === undefined ? undefined : lastOfGroup.get(messageGroup);
    const sending = sendOne(context, admin, options, message, before);
    sending.catch(() => undefined); // Awaited below, in order.
    waiting.push(sending);
    if (messageGroup !== undefined) lastOfGroup.set(messageGroup, sending);
    count++;
    while (waiting.length >= inFlightMax) yield await (waiting.shift() as Promise<SentRow>); // not empty
    if (options.rate === undefined) continue;
    const waitMs = startedMs + (count / options.rate) * 1_000 - context.clock.monotonicMs();
    if (waitMs > 0) {
      yield* await settled(waiting.splice(0));
      await pause(
        context,
        startedMs + (count / options.rate) * 1_000 - context.clock.monotonicMs(),
      );
    }
  }
  yield* await settled(waiting);
  if (!context.signal.aborted) return;
  await context.stderr.write(`interrupted: ${count} messages were sent\n`);
  throw new RmqError('INTERRUPTED', 'interrupted');
}

async function settled(sending: readonly Promise<SentRow>[]): Promise<readonly SentRow[]> {
  return Promise.all(sending);
}

async function sendOne(
  context: Context,
  admin: AdminClient,
  { topic, transaction }: Options,
  { body, properties, messageGroup }: Outgoing,
  before: Promise<SentRow> | undefined,
): Promise<SentRow> {
  // The next of a group leaves when the one before it is kept.
  await before;
  const sent = await admin.send({
    topic,
    body,
    properties:
      transaction === undefined ? properties : new Map([...properties, ...halfProperties]),
    bornTimestampMs: context.clock.nowMs(),
    ...(transaction === undefined ? {} : { sysFlag: halfSysFlag }),
    ...(messageGroup === undefined ? {} : { orderKey: messageGroup }),
  });
  if (transaction === 'commit' || transaction === 'rollback') {
    await endTransaction(admin, topic, sent, transaction);
  }
  return { topic, ...sent };
}

/** Makes the topic when there is none and the brokers would make it, too; says so. */
async function ensureTopic(context: Context, admin: AdminClient, options: Options): Promise<void> {
  const { topic } = options;
  if ((await admin.nameserver.route(topic)) !== undefined) return;
  const names = await admin.nameserver.topicNames();
  const meant = nearest(topic, names);
  if (!names.includes(templateTopic)) {
    throw new RmqError('TOPIC_NOT_FOUND', `there is no topic ${topic}`, {
      hint: meant === undefined ? `create it: rmq topic create ${topic}` : `did you mean ${meant}?`,
    });
  }
  const messageType = typeOf(options);
  await makeTopic(context, admin, { topic, messageType, queueCount: queueCountDefault });
  const near = meant === undefined ? '' : `; there is also ${meant}`;
  await context.stderr.write(`topic ${topic} was created (${messageType})${near}\n`);
}

/** What the flags make of the messages; what lines say is not known yet. */
function typeOf({ group, delay, at, priority, transaction }: Options): string {
  if (transaction !== undefined) return 'TRANSACTION';
  if (group !== undefined) return 'FIFO';
  if (delay !== undefined || at !== undefined) return 'DELAY';
  return priority === undefined ? 'NORMAL' : 'PRIORITY';
}
