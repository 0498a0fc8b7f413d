/** What can be done from the dashboard: each is the command of the same name, run with its own checks. */
import { setWritable } from '../../client/broker-client.ts';
import { dlqRedrive } from '../dlq/redrive.ts';
import { groupDelete } from '../group/delete.ts';
import { offsetReset } from '../offset/reset.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { topicDelete } from '../topic/delete.ts';
import type { ClusterState } from './cluster-state.ts';
import { brokerNameOf } from './machines.ts';

export interface Actions {
  /** @returns what was done, one line. @throws RmqError */
  redrive(group: string): Promise<string>;
  /** What a move to `to` would do, one line; nothing is changed. @throws RmqError */
  previewReset(group: string, to: string): Promise<string>;
  reset(group: string, to: string): Promise<string>;
  deleteTopic(topic: string): Promise<string>;
  deleteGroup(group: string): Promise<string>;
  drain(machineId: string): Promise<string>;
}

export function actionsOf(context: Context, state: ClusterState): Actions {
  return {
    redrive: async (group) => {
      const rows = await run(dlqRedrive, context, { group, again: false, dryRun: false });
      const count = rows.reduce((sum, row) => sum + row.redrivenCount, 0);
      const failed = rows.find(({ error }) => error !== undefined);
      const text = `${count} dead letters of ${group} were sent again`;
      return failed === undefined ? text : `${text}, then: ${failed.error}`;
    },
    previewReset: (group, to) => reset({ ...context, isDryRun: true }, state, group, to),
    reset: (group, to) => reset(context, state, group, to),
    deleteTopic: async (topic) => {
      await topicDelete.run(context, { topic });
      return `topic ${topic} was deleted`;
    },
    deleteGroup: async (group) => {
      await groupDelete.run(context, { group, force: false });
      return `group ${group} was deleted`;
    },
    drain: async (machineId) => {
      const machine = state.machines.get(machineId);
      if (machine?.role !== 'broker') return 'only brokers are drained';
      const admin = await context.connect();
      await setWritable(admin, brokerNameOf(machine), machine.isDrained);
      const done = machine.isDrained
        ? 'takes messages again'
        : 'is drained: producers go elsewhere';
      return `broker ${brokerNameOf(machine)} ${done}`;
    },
  };
}

/** Rows of a command that answers with a list. */
async function run<Options extends object, Row extends object>(
  command: Command<Options, Row>,
  context: Context,
  options: Options,
): Promise<readonly Row[]> {
  return (await command.run(context, options)) as readonly Row[]; // these commands do
}

/** In every topic that the group consumes, its retries left alone. */
async function reset(
  context: Context,
  state: ClusterState,
  group: string,
  to: string,
): Promise<string> {
  const queues = state.groupStats.get(group)?.queues ?? [];
  const topics = [...new Set(queues.map(({ topic }) => topic))].filter(
    (topic) => !topic.startsWith('%'),
  );
  let again = 0;
  let skipped = 0;
  for (const topic of topics) {
    for (const { change = 0 } of await run(offsetReset, context, { group, topic, to })) {
      if (change > 0) again += change;
      else skipped -= change;
    }
  }
  if (topics.length === 0) return `${group} consumes no topic`;
  const where = topics.length === 1 ? topics[0] : `${topics.length} topics`;
  return `${group} in ${where}: ${again} messages again, ${skipped} skipped`;
}
