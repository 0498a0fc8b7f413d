/** `rmq group create` and `rmq group update`: the same settings, on a group that is new or not. */
import { getGroup } from '../../client/group-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { groupNameProblem } from '../../protocol/message/names.ts';
import {
  defaultGroupConfig,
  type GroupConfigBody,
} from '../../protocol/remoting/bodies/group-config.ts';
import type { Command, Flag } from '../shared/command.ts';
import { type GroupRow, groupArgument, groupColumns, groupRow, unknownGroup } from './group-row.ts';

interface Options {
  readonly group: string;
  readonly fifo?: string;
  readonly retries?: number;
  readonly retryAfter?: readonly string[];
  readonly consume?: string;
  readonly broadcast?: string;
}

const yesNo = { type: 'choice', choices: ['yes', 'no'] } as const;

const flags: readonly Flag[] = [
  {
    name: 'fifo',
    kind: yesNo,
    description: 'deliver the messages of a message group in their order',
  },
  {
    name: 'retries',
    kind: { type: 'integer', min: 0, max: 1_000 },
    description: 'redeliveries before a message becomes a dead letter',
    shownDefault: '16',
  },
  {
    name: 'retry-after',
    kind: { type: 'list', placeholder: 'SECONDS[,SECONDS]', separator: ',' },
    description: 'pauses before the redeliveries, the last one repeats',
    shownDefault: '1, 5, 10, 30, 60 … 7200',
  },
  { name: 'consume', kind: yesNo, description: 'whether the group may consume' },
  { name: 'broadcast', kind: yesNo, description: 'whether its consumers may each get everything' },
];

export const groupCreate: Command<Options, GroupRow> = {
  summary: 'Create a consumer group on every broker',
  impact: 'change',
  isRemote: true,
  arguments: [groupArgument],
  flags,
  columns: groupColumns,
  examples: [
    ['rmq group create billing', 'with the usual settings'],
    ['rmq group create billing --fifo yes --retries 5', 'in order, five redeliveries'],
  ],
  async run(context, options) {
    const problem = groupNameProblem(options.group);
    if (problem !== undefined) throw new RmqError('ILLEGAL_GROUP', problem);
    const config = changed(defaultGroupConfig(options.group), options);
    const admin = await context.connect();
    if ((await getGroup(admin, options.group)) !== undefined) {
      throw new RmqError('BAD_REQUEST', `there is already a consumer group ${options.group}`, {
        hint: `change it: rmq group update ${options.group}`,
      });
    }
    await admin.putGroup(config);
    return groupRow(config);
  },
};

export const groupUpdate: Command<Options, GroupRow> = {
  summary: 'Change settings of a consumer group on every broker',
  impact: 'change',
  isRemote: true,
  arguments: [groupArgument],
  flags,
  columns: groupColumns,
  examples: [
    ['rmq group update billing --retries 5', 'five redeliveries from now on'],
    ['rmq group update billing --consume no', 'nobody consumes with it for now'],
  ],
  async run(context, options) {
    const admin = await context.connect();
    const found = await getGroup(admin, options.group);
    if (found === undefined) throw await unknownGroup(admin, options.group);
    const config = changed(found.config, options);
    await admin.putGroup(config);
    return groupRow(config);
  },
};

function changed(config: GroupConfigBody, options: Options): GroupConfigBody {
  const { fifo, retries, retryAfter, consume, broadcast } = options;
  return {
    ...config,
    isOrdered: fifo === undefined ? config.isOrdered : fifo === 'yes',
    retryCountMax: retries ?? config.retryCountMax,
    retryPolicy: retryAfter === undefined ? config.retryPolicy : policyOf(retryAfter),
    isConsumeEnabled: consume === undefined ? config.isConsumeEnabled : consume === 'yes',
    isBroadcastEnabled: broadcast === undefined ? config.isBroadcastEnabled : broadcast === 'yes',
  };
}

function policyOf(texts: readonly string[]): GroupConfigBody['retryPolicy'] {
  const nextMs = texts.map((text) => {
    const seconds = Number(text);
    if (seconds > 0 && seconds <= 86_400) return Math.round(seconds * 1_000);
    throw new RmqError('USAGE', `--retry-after: "${text}" is not allowed: 0.001 to 86400 seconds`);
  });
  return { type: 'CUSTOMIZED', nextMs };
}
