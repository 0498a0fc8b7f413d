/** `rmq offset reset`: moves a group in every queue of a topic, or in one. */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { getGroup, groupOffsets, setOffset } from '../../client/group-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { unknownGroup } from '../group/group-row.ts';
import type { Command } from '../shared/command.ts';
import { parseStartPoint, type StartPoint } from '../shared/times.ts';

interface Options {
  readonly group: string;
  readonly topic: string;
  readonly to: string;
  readonly queue?: number;
  readonly broker?: string;
}

interface MovedRow {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly from: number | undefined;
  readonly to: number;
  /** Messages that will be consumed again (above 0) or skipped (below 0). */
  readonly change: number | undefined;
  /** False with --dry-run: nothing was changed. */
  readonly isMoved: boolean;
}

export const offsetReset: Command<Options, MovedRow> = {
  summary: 'Let a group consume again from an offset or a time, or skip',
  impact: 'destroy',
  isRemote: true,
  arguments: [
    { name: 'group', description: 'name of the consumer group', isRequired: true },
    { name: 'topic', description: 'name of the topic', isRequired: true },
  ],
  flags: [
    {
      name: 'to',
      kind: { type: 'text', placeholder: 'WHERE' },
      default: 'latest',
      description: 'earliest, latest, -15m, an offset or an ISO 8601 time',
    },
    {
      name: 'queue',
      short: 'q',
      kind: { type: 'integer', min: 0, max: 65_535 },
      description: 'only this queue',
    },
    {
      name: 'broker',
      kind: { type: 'text', placeholder: 'NAME' },
      description: 'only the queues of this broker',
    },
  ],
  columns: [
    { title: 'TOPIC', value: (row) => row.topic },
    { title: 'BROKER', value: (row) => row.brokerName },
    { title: 'QUEUE', align: 'right', value: (row) => row.queueId },
    { title: 'FROM', align: 'right', value: (row) => row.from },
    { title: 'TO', align: 'right', value: (row) => row.to },
    {
      title: 'EFFECT',
      value: ({ change }) => {
        if (change === undefined || change === 0) return undefined;
        return change > 0 ? `${change} again` : `${-change} skipped`;
      },
    },
    { title: 'MOVED', value: (row) => (row.isMoved ? 'yes' : 'no, dry run') },
  ],
  examples: [
    ['rmq offset reset billing orders --to -1h --dry-run', 'what would be consumed again'],
    ['rmq offset reset billing orders --to latest --yes', 'skip all that waits'],
    ['rmq offset reset billing orders --to 1200 --queue 3 --yes', 'one queue, by offset'],
  ],
  confirmation: ({ group, topic, to }) => ({
    question: `group ${group} goes on in ${topic} at ${to}: messages are consumed again or never`,
    name: group,
  }),
  async run(context, options) {
    const { group, topic } = options;
    const start = parseStartPoint(options.to, context.clock.nowMs(), '--to');
    const admin = await context.connect();
    if ((await getGroup(admin, group)) === undefined) throw await unknownGroup(admin, group);
    const queues = (await admin.queues(topic)).filter(
      ({ queueId, brokerName }) =>
        (options.queue === undefined || queueId === options.queue) &&
        (options.broker === undefined || brokerName === options.broker),
    );
    if (queues.length === 0) {
      throw new RmqError('ILLEGAL_QUEUE', `topic ${topic} has no such queue`, {
        hint: `see them: rmq topic describe ${topic}`,
      });
    }
    const before = await groupOffsets(admin, group, topic);
    const rows: MovedRow[] = [];
    for (const queue of queues) {
      const { brokerName, queueId } = queue;
      const to = await target(admin, queue, start);
      const from = before.find(
        (one) => one.brokerName === brokerName && one.queueId === queueId,
      )?.consumerOffset;
      if (!context.isDryRun) await setOffset(admin, group, queue, to);
      const change = from === undefined ? undefined : from - to;
      rows.push({ topic, brokerName, queueId, from, to, change, isMoved: !context.isDryRun });
    }
    return rows;
  },
};

/** Within what the queue still holds. */
async function target(admin: AdminClient, queue: QueueAddress, start: StartPoint): Promise<number> {
  if (start.type === 'earliest') return admin.minOffset(queue);
  if (start.type === 'latest') return admin.maxOffset(queue);
  if (start.type === 'time') return admin.offsetByTime(queue, start.timestampMs);
  const [min, max] = await Promise.all([admin.minOffset(queue), admin.maxOffset(queue)]);
  return Math.min(Math.max(start.offset, min), max);
}
