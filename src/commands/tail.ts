/** `rmq tail` */
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';
import { type MessageRow, messageColumns } from './shared/message-row.ts';
import type { TailOptions } from './tail/session.ts';

export const tail: Command<TailOptions, MessageRow> = {
  summary: 'Follow messages live, from now on or from an earlier point',
  impact: 'read',
  isRemote: true,
  isDraining: true,
  arguments: [
    {
      name: 'topic',
      description: "topics and patterns such as 'orders-*'",
      isRequired: false,
      isVariadic: true,
    },
  ],
  flags: [
    {
      name: 'dlq',
      kind: { type: 'list', placeholder: 'GROUP', separator: '' },
      description: 'the dead letters of that group (repeatable)',
      group: 'What',
    },
    {
      name: 'retry',
      kind: { type: 'list', placeholder: 'GROUP', separator: '' },
      description: 'the retries of that group (repeatable)',
      group: 'What',
    },
    {
      name: 'from',
      kind: { type: 'text', placeholder: 'POINT' },
      default: 'latest',
      description: 'earliest, latest, -15m (ago), an offset or a time such as 2026-01-31T12:00:00Z',
      group: 'What',
    },
    {
      name: 'last',
      kind: { type: 'integer', min: 1, max: 100_000 },
      description: 'begin with this many messages that are there already',
      group: 'What',
    },
    {
      name: 'until',
      kind: { type: 'text', placeholder: 'POINT' },
      description: 'end there: now, -5m (ago) or a time',
      group: 'What',
    },
    {
      name: 'count',
      short: 'c',
      kind: { type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
      description: 'end after this many messages',
      group: 'What',
    },
    {
      name: 'no-follow',
      kind: { type: 'boolean' },
      description: 'end when all that is there has been shown',
      group: 'What',
    },
    {
      name: 'tag',
      kind: { type: 'text', placeholder: 'EXPRESSION' },
      default: '*',
      description: "only these tags, chosen by the broker: 'new || paid'",
      group: 'Filters',
    },
    {
      name: 'sql',
      kind: { type: 'text', placeholder: 'CONDITION' },
      description: 'SQL92 over properties, chosen by the broker: "price > 10 AND region = \'eu\'"',
      group: 'Filters',
    },
    {
      name: 'key',
      kind: { type: 'text', placeholder: 'KEY' },
      description: 'only messages with this key',
      group: 'Filters',
    },
    {
      name: 'prop',
      kind: { type: 'list', placeholder: 'NAME=VALUE', separator: '' },
      description: 'only messages with this property; NAME=* for any value (repeatable)',
      group: 'Filters',
    },
    {
      name: 'grep',
      kind: { type: 'text', placeholder: 'TEXT' },
      description: 'only bodies with this text, or that match /a regular expression/i',
      group: 'Filters',
    },
    {
      name: 'where',
      kind: { type: 'text', placeholder: 'CONDITION' },
      description: 'only JSON bodies like that: "$.user.id == 7 && $.items[*].price > 10"',
      group: 'Filters',
    },
    {
      name: 'filter',
      kind: { type: 'text', placeholder: 'TERMS' },
      description:
        "all of these, as in the viewer: 'tag:paid key:o-1 region=eu $.n > 3 /re/ !text'",
      group: 'Filters',
    },
    {
      name: 'format',
      kind: { type: 'text', placeholder: 'FORMAT' },
      description: 'print this of each: %t topic, %k keys, %b body, %{NAME} a property, \\n',
      group: 'Output',
    },
    {
      name: 'plain',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'lines on a terminal, too, instead of the viewer',
      group: 'Output',
    },
  ],
  columns: messageColumns,
  examples: [
    ['rmq tail orders', 'from now on: the viewer on a terminal, lines on a pipe'],
    ["rmq tail 'orders-*' payments --from -15m --tag paid", 'several topics, 15 minutes back'],
    ['rmq tail --dlq billing --last 20', 'the last dead letters of a group'],
    [
      "rmq tail orders --from earliest --until now --where '$.amount > 100' --output json",
      'what is there, filtered by its JSON, as JSON lines',
    ],
    ["rmq tail orders --format '%S %k %{region} %b'", 'time, keys, a property, body'],
  ],
  run: (context, options) => tailTopics(context, options),
};

/** On a terminal the viewer, for what has no end; lines for all the rest. */
async function tailTopics(context: Context, options: TailOptions): Promise<undefined> {
  const { terminal } = context.host;
  const hasEnd =
    options.noFollow === true || options.until !== undefined || options.count !== undefined;
  const isLines =
    hasEnd ||
    options.plain === true ||
    options.format !== undefined ||
    options.output !== undefined;
  if (terminal === undefined || isLines) {
    const { tailPlain } = await import('./tail/plain.ts');
    await tailPlain(context, options);
  } else {
    const { tailViewer } = await import('./tail/viewer.tsx');
    await tailViewer(context, options, terminal);
  }
  return undefined;
}
