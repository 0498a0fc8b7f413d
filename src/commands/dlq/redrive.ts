/** `rmq dlq redrive`: dead letters back to the topic they died in, or to another. */
import { sendCopy } from '../../client/message-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { deadLetterTopicOf } from '../../protocol/message/names.ts';
import { locate } from '../message/locate.ts';
import { type MatchOptions, matchFlags, matchOf } from '../message/matching.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { queuesOfGroup, targetOf } from './dead-letters.ts';
import { type RedriveResult, Redriver } from './redriver.ts';

interface Options extends MatchOptions {
  readonly group: string;
  readonly message?: string;
  readonly to?: string;
  readonly rate?: number;
  readonly max?: number;
  readonly start?: readonly string[];
  readonly again: boolean;
  readonly dryRun: boolean;
}

export const dlqRedrive: Command<Options, RedriveResult> = {
  summary: 'Send dead letters of a group again: one, those that match, or all that wait',
  impact: 'change',
  isRemote: true,
  isDraining: true,
  arguments: [
    { name: 'group', description: 'name of the consumer group', isRequired: true },
    {
      name: 'message',
      description: 'only this one: QUEUE@OFFSET, BROKER:QUEUE@OFFSET or a message id',
      isRequired: false,
    },
  ],
  flags: [
    {
      name: 'to',
      kind: { type: 'text', placeholder: 'TOPIC' },
      description: 'where they go; every group that reads the topic gets them',
      shownDefault: 'the topic that each died in',
    },
    {
      name: 'rate',
      kind: { type: 'integer', min: 1, max: 1_000_000 },
      description: 'at most this many a second',
    },
    {
      name: 'max',
      kind: { type: 'integer', min: 1, max: 1_000_000_000 },
      description: 'at most this many',
    },
    {
      name: 'start',
      kind: { type: 'list', placeholder: 'BROKER:QUEUE@OFFSET', separator: '' },
      description: 'go on from there, where a run with a filter stopped (repeatable)',
    },
    {
      name: 'again',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'also those that were sent again before',
    },
    {
      name: 'dry-run',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'count what would be sent, send nothing',
    },
    ...matchFlags,
  ],
  columns: [
    { title: 'BROKER', value: (row) => row.brokerName },
    { title: 'QUEUE', align: 'right', value: (row) => row.queueId },
    {
      title: 'REDRIVEN',
      align: 'right',
      value: (row) => `${row.redrivenCount}${row.isDryRun ? ', dry run' : ''}`,
    },
    { title: 'LEFT OUT', align: 'right', value: (row) => row.leftOutCount },
    { title: 'NEXT', align: 'right', value: (row) => row.nextOffset },
    { title: 'STATE', value: (row) => row.error ?? row.state },
  ],
  examples: [
    ['rmq dlq redrive billing --dry-run', 'how many wait'],
    ['rmq dlq redrive billing --rate 50', 'all that wait, 50 a second; Ctrl-C, and again to go on'],
    ['rmq dlq redrive billing 0@12 --to orders-test', 'one of them, to another topic'],
    ["rmq dlq redrive billing --filter 'region=eu'", 'some of them'],
  ],
  verdict: (result) => verdictOf(Array.isArray(result) ? (result as RedriveResult[]) : []), // run returns rows
  async run(context, options) {
    if (options.message !== undefined) return [await redriveOne(context, options, options.message)];
    const admin = await context.connect();
    const match = matchOf(options);
    const starts = startsOf(options.start ?? []);
    const queues = await queuesOfGroup(admin, options.group);
    const redriver = new Redriver({
      context,
      admin,
      group: options.group,
      isDryRun: options.dryRun,
      // What a filter leaves out still waits: only a run without one can say "up to here".
      isKept: match === undefined && options.start === undefined && !options.again,
      match,
      to: options.to,
      ratePerSecond: options.rate,
      maxCount: options.max ?? Number.POSITIVE_INFINITY,
    });
    return redriver.run(
      queues.map((queue) => ({
        queue,
        beginOffset:
          starts.get(`${queue.brokerName}:${queue.queueId}`) ??
          (options.again ? queue.minOffset : queue.nextOffset),
      })),
    );
  },
};

async function redriveOne(
  context: Context,
  { group, to, dryRun }: Options,
  what: string,
): Promise<RedriveResult> {
  const admin = await context.connect();
  const { message, brokerName } = await locate(admin, deadLetterTopicOf(group), what);
  const topic = targetOf(message, to);
  if (!dryRun) {
    const bornTimestampMs = context.clock.nowMs();
    await sendCopy(admin, message, { topic, isSameMessage: true, bornTimestampMs });
  }
  return {
    group,
    brokerName,
    queueId: message.queueId,
    redrivenCount: 1,
    leftOutCount: 0,
    nextOffset: message.queueOffset + 1,
    isDryRun: dryRun,
    state: 'done',
    error: undefined,
  };
}

/** `broker:queue` to offset. @throws RmqError USAGE */
function startsOf(texts: readonly string[]): ReadonlyMap<string, number> {
  return new Map(
    texts.map((text) => {
      const [, queue = '', offset] = /^(.+:\d+)@(\d{1,15})$/.exec(text) ?? [];
      if (offset !== undefined) return [queue, Number(offset)];
      throw new RmqError('USAGE', `--start: "${text}" is not allowed: BROKER:QUEUE@OFFSET`);
    }),
  );
}

function verdictOf(rows: readonly RedriveResult[]): RmqError | undefined {
  const failed = rows.find(({ state }) => state === 'failed');
  if (failed !== undefined) {
    const count = rows.reduce((sum, row) => sum + row.redrivenCount, 0);
    return new RmqError('PARTIAL', `${count} were sent again, then: ${failed.error}`, {
      hint: 'run it again to go on',
    });
  }
  const isStopped = rows.some(({ state }) => state === 'interrupted');
  return isStopped ? new RmqError('INTERRUPTED', 'interrupted') : undefined;
}
