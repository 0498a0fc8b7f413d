/** Moving a group in queues of a topic: what `offset reset`, `set`, `rewind` and `skip` have in common. */
import type { AdminClient, QueueAddress } from '../../client/admin-client.ts';
import { getGroup, groupOffsets, setOffset } from '../../client/group-client.ts';
import { asRmqError, RmqError } from '../../protocol/errors.ts';
import { unknownGroup } from '../group/group-row.ts';
import type { Argument, Column, Flag } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';

export interface MovedRow {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  /** undefined: the group had no offset there. */
  readonly from: number | undefined;
  readonly to: number;
  /** Messages that will be consumed again (above 0) or skipped (below 0). */
  readonly change: number | undefined;
  /** False with --dry-run, and where the group was there already. */
  readonly isMoved: boolean;
}

export interface QueueChoice {
  readonly group: string;
  readonly topic: string;
  readonly queue?: number;
  readonly broker?: string;
}

/** A queue with what it holds and where the group is in it. */
export interface MovableQueue extends QueueAddress {
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly consumerOffset: number | undefined;
}

/** One group in one queue, and where it shall be. */
export interface Move {
  readonly queue: QueueAddress;
  readonly from: number | undefined;
  readonly to: number;
}

export const groupAndTopic: readonly Argument[] = [
  { name: 'group', description: 'name of the consumer group', isRequired: true },
  { name: 'topic', description: 'name of the topic', isRequired: true },
];

export const queueFlags: readonly Flag[] = [
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
];

export const movedColumns: readonly Column<MovedRow>[] = [
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
  {
    title: 'MOVED',
    value: (row) => {
      if (row.isMoved) return 'yes';
      return row.change === 0 ? 'no, is there' : 'no, dry run';
    },
  },
];

/** Moves the group to what `target` says of each chosen queue. @throws RmqError PARTIAL … */
export async function moveQueues(
  context: Context,
  choice: QueueChoice,
  target: (queue: MovableQueue, admin: AdminClient) => Promise<number> | number,
): Promise<MovedRow[]> {
  const { group } = choice;
  const admin = await context.connect();
  if ((await getGroup(admin, group)) === undefined) throw await unknownGroup(admin, group);
  const moves: Move[] = [];
  for (const queue of await chosenQueues(admin, choice)) {
    moves.push({ queue, from: queue.consumerOffset, to: await target(queue, admin) });
  }
  return applyMoves(context, group, moves);
}

async function chosenQueues(admin: AdminClient, choice: QueueChoice): Promise<MovableQueue[]> {
  const { group, topic, queue, broker } = choice;
  const queues = (await admin.queues(topic)).filter(
    ({ queueId, brokerName }) =>
      (queue === undefined || queueId === queue) && (broker === undefined || brokerName === broker),
  );
  if (queues.length === 0) {
    throw new RmqError('ILLEGAL_QUEUE', `topic ${topic} has no such queue`, {
      hint: `see them: rmq topic describe ${topic}`,
    });
  }
  // Asked for a topic by name, brokers answer also where the group has never been.
  const before = (await groupOffsets(admin, group)).filter((one) => one.topic === topic);
  return Promise.all(
    queues.map(async (one): Promise<MovableQueue> => {
      const [minOffset, maxOffset] = await Promise.all([
        admin.minOffset(one),
        admin.maxOffset(one),
      ]);
      const known = before.find(
        ({ brokerName, queueId }) => brokerName === one.brokerName && queueId === one.queueId,
      )?.consumerOffset;
      // Apache's brokers say -1 for a queue in which the group has not been.
      const consumerOffset = known === undefined || known < 0 ? undefined : known;
      return { ...one, minOffset, maxOffset, consumerOffset };
    }),
  );
}

/** @throws RmqError PARTIAL when the first ones were moved and a later one could not be. */
export async function applyMoves(
  context: Context,
  group: string,
  moves: readonly Move[],
): Promise<MovedRow[]> {
  const admin = await context.connect();
  const rows: MovedRow[] = [];
  for (const { queue, from, to } of moves) {
    const isMoved = !context.isDryRun && from !== to;
    if (isMoved) {
      try {
        await setOffset(admin, group, queue, to);
      } catch (thrown) {
        throw partly(rows, moves.length, asRmqError(thrown));
      }
    }
    const { topic, brokerName, queueId } = queue;
    const change = from === undefined ? undefined : from - to;
    rows.push({ topic, brokerName, queueId, from, to, change, isMoved });
  }
  return rows;
}

function partly(rows: readonly MovedRow[], count: number, error: RmqError): RmqError {
  const moved = rows.filter(({ isMoved }) => isMoved);
  if (moved.length === 0) return error;
  const names = moved.map(({ topic, brokerName, queueId }) => `${topic} ${brokerName}:${queueId}`);
  return new RmqError(
    'PARTIAL',
    `${moved.length} of ${count} queues were moved (${names.join(', ')}), then: ${error.message}`,
    { hint: 'run it again: what is in place stays', cause: error },
  );
}

/** The offset within what the queue still holds. */
export function within(offset: number, { minOffset, maxOffset }: MovableQueue): number {
  return Math.min(Math.max(offset, minOffset), maxOffset);
}
