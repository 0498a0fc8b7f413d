/** `rmq group delete` */
import { getGroup, groupConnections } from '../../client/group-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Command } from '../shared/command.ts';
import { consumersOfProxies } from '../shared/proxies.ts';
import { groupArgument, unknownGroup } from './group-row.ts';

interface Options {
  readonly group: string;
  readonly force: boolean;
}

interface DeletedRow {
  readonly group: string;
  readonly brokerNames: readonly string[];
  /** False with --dry-run: nothing was changed. */
  readonly isDeleted: boolean;
}

export const groupDelete: Command<Options, DeletedRow> = {
  summary: 'Delete a consumer group with its offsets',
  impact: 'destroy',
  isRemote: true,
  arguments: [groupArgument],
  flags: [
    {
      name: 'force',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'although somebody consumes with it now',
    },
  ],
  columns: [
    { title: 'GROUP', value: (row) => row.group },
    { title: 'BROKERS', value: (row) => row.brokerNames.join(',') },
    { title: 'DELETED', value: (row) => (row.isDeleted ? 'yes' : 'no, dry run') },
  ],
  examples: [
    ['rmq group delete billing', 'asks for the name, then deletes'],
    ['rmq group delete billing --yes', 'without a question, for scripts'],
  ],
  confirmation: ({ group }) => ({
    question: `group ${group} forgets how far it has consumed`,
    name: group,
  }),
  async run(context, { group, force }) {
    const admin = await context.connect();
    const found = await getGroup(admin, group);
    if (found === undefined) throw await unknownGroup(admin, group);
    const { members } = await groupConnections(admin, group);
    const overGrpc = (await consumersOfProxies(context, admin, [group])).get(group) ?? [];
    const memberCount = members.length + overGrpc.length;
    if (memberCount > 0 && !force) {
      throw new RmqError('BUSY', `${memberCount} consumers use group ${group} now`, {
        hint: 'stop them first, or say --force',
      });
    }
    if (!context.isDryRun) await admin.deleteGroup(group);
    return { group, brokerNames: found.brokerNames, isDeleted: !context.isDryRun };
  },
};
