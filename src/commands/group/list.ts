/** `rmq group list` */
import type { Command } from '../shared/command.ts';
import { type GroupRow, groupColumns, groupRow } from './group-row.ts';

interface Options {
  readonly all: boolean;
}

export const groupList: Command<Options, GroupRow> = {
  summary: 'List the consumer groups',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'all',
      short: 'a',
      kind: { type: 'boolean' },
      default: 'false',
      description: 'with those of the system',
    },
  ],
  columns: groupColumns,
  examples: [
    ['rmq group list', 'every group with how it is delivered to'],
    ['rmq group list --output json', 'the same for a program'],
  ],
  async run(context, { all }) {
    const admin = await context.connect();
    const groups = [...(await admin.listGroups()).values()].map(groupRow);
    const shown = groups.filter(({ group }) => all || !isSystemGroup(group));
    return shown.sort((a, b) => (a.group < b.group ? -1 : 1));
  },
};

/** Groups that brokers and tools make for themselves; facts/broker.md 1.3. */
function isSystemGroup(group: string): boolean {
  return (
    group.startsWith('CID_RMQ_SYS_') ||
    group.startsWith('CID_ONSAPI_') ||
    ['TOOLS_CONSUMER', 'FILTERSRV_CONSUMER', 'SELF_TEST_C_GROUP', 'CID_ONS-HTTP-PROXY'].includes(
      group,
    )
  );
}
