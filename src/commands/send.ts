/** `rmq send` */
import type { AdminClient, SentMessage } from '../client/admin-client.ts';
import { RmqError } from '../protocol/errors.ts';
import { nearest } from '../util/nearest.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { makeTopic } from './shared/topics.ts';

interface Options {
  readonly topic: string;
  readonly body?: string;
  readonly tag?: string;
  readonly group?: string;
  readonly key: readonly string[] | undefined;
  readonly prop: readonly string[] | undefined;
  readonly file?: string;
  readonly lines: boolean;
  readonly count: number;
}

interface SentRow extends SentMessage {
  readonly topic: string;
}

/** Its route says that brokers create topics on the way. */
const templateTopic = 'TBW102';
const queueCountDefault = 4;
/** Sends under way at once with --count and --lines. */
const inFlightMax = 64;

export const send: Command<Options, SentRow> = {
  summary: 'Send messages to a topic',
  impact: 'change',
  isRemote: true,
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
      name: 'file',
      kind: { type: 'text', placeholder: 'FILE' },
      description: 'take the body from this file',
    },
    {
      name: 'lines',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'one message for each line of the file or of stdin',
    },
    {
      name: 'count',
      kind: { type: 'integer', min: 1, max: 1_000_000_000 },
      default: '1',
      description: 'send the body this many times',
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
    ['seq 1000 | rmq send orders --lines', 'one message for each line'],
  ],
  run: (context, options) => sendAll(context, options),
};

async function* sendAll(context: Context, options: Options): AsyncGenerator<SentRow> {
  const properties = propertiesOf(options);
  const admin = await context.connect();
  await ensureTopic(context, admin, options);
  const waiting: Promise<SentRow>[] = [];
  for await (const body of bodies(context, options)) {
    const sending = sendOne(context, admin, {
      topic: options.topic,
      properties,
      body,
      group: options.group,
    });
    sending.catch(() => undefined); // Awaited below, in order.
    waiting.push(sending);
    // FIFO: the next one leaves when this one is kept.
    const limit = options.group === undefined ? inFlightMax : 1;
    while (waiting.length >= limit) yield await (waiting.shift() as Promise<SentRow>); // not empty
  }
  for (const sending of waiting) yield await sending;
}

async function sendOne(
  context: Context,
  admin: AdminClient,
  message: {
    readonly topic: string;
    readonly body: Uint8Array;
    readonly properties: ReadonlyMap<string, string>;
    readonly group: string | undefined;
  },
): Promise<SentRow> {
  const { topic, body, properties, group } = message;
  const sent = await admin.send({
    topic,
    body,
    properties,
    bornTimestampMs: context.clock.nowMs(),
    ...(group === undefined ? {} : { orderKey: group }),
  });
  return { topic, ...sent };
}

function propertiesOf(options: Options): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const text of options.prop ?? []) {
    const equals = text.indexOf('=');
    if (equals < 1) throw new RmqError('USAGE', `--prop: "${text}" is not allowed: NAME=VALUE`);
    properties.set(text.slice(0, equals), text.slice(equals + 1));
  }
  if (options.tag !== undefined) properties.set('TAGS', options.tag);
  if (options.key !== undefined) properties.set('KEYS', options.key.join(' '));
  if (options.group !== undefined) properties.set('__SHARDINGKEY', options.group);
  return properties;
}

async function* bodies(context: Context, options: Options): AsyncGenerator<Uint8Array> {
  if (options.lines) {
    yield* lineBodies(context, options);
    return;
  }
  const body = await singleBody(context, options);
  for (let sent = 0; sent < options.count; sent++) yield body;
}

async function* lineBodies(context: Context, { file }: Options): AsyncGenerator<Uint8Array> {
  if (file === undefined) {
    for await (const line of context.stdin.lines()) if (line !== '') yield Buffer.from(line);
    return;
  }
  const content = await readFile(context, file);
  for (const line of content.toString('utf8').split(/\r?\n/))
    if (line !== '') yield Buffer.from(line);
}

async function singleBody(context: Context, { body, file }: Options): Promise<Uint8Array> {
  if (file !== undefined) {
    if (body !== undefined) throw new RmqError('USAGE', '--file and a body exclude each other');
    return readFile(context, file);
  }
  if (body !== undefined && body !== '-') return Buffer.from(body);
  if (body === undefined && context.stdin.isTerminal) {
    throw new RmqError('USAGE', 'there is no body', { hint: 'give one, or - to type it' });
  }
  return context.stdin.readAll();
}

async function readFile(context: Context, path: string): Promise<Buffer> {
  try {
    return await context.host.readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RmqError('USAGE', `--file: cannot read ${path}: ${reason}`, { cause: error });
  }
}

/** Makes the topic when there is none and the brokers would make it, too; says so. */
async function ensureTopic(
  context: Context,
  admin: AdminClient,
  { topic, group }: Options,
): Promise<void> {
  if ((await admin.nameserver.route(topic)) !== undefined) return;
  const names = await admin.nameserver.topicNames();
  const meant = nearest(topic, names);
  if (!names.includes(templateTopic)) {
    throw new RmqError('TOPIC_NOT_FOUND', `there is no topic ${topic}`, {
      hint: meant === undefined ? `create it: rmq topic create ${topic}` : `did you mean ${meant}?`,
    });
  }
  const messageType = group === undefined ? 'NORMAL' : 'FIFO';
  await makeTopic(context, admin, { topic, messageType, queueCount: queueCountDefault });
  const near = meant === undefined ? '' : `; there is also ${meant}`;
  await context.stderr.write(`topic ${topic} was created (${messageType})${near}\n`);
}
