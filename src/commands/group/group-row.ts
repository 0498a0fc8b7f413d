/** A consumer group as commands show it. */

import type { AdminClient } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { GroupConfigBody } from '../../protocol/remoting/bodies/group-config.ts';
import { nearest } from '../../util/nearest.ts';
import type { Column } from '../shared/command.ts';

export interface GroupRow {
  readonly group: string;
  /** `concurrent` or `fifo`. */
  readonly delivery: string;
  readonly canConsume: boolean;
  readonly isBroadcastAllowed: boolean;
  /** Redeliveries before a message becomes a dead letter. */
  readonly retryCountMax: number;
  /** Such as `1s, 5s, 10s …` or `5s × 2 up to 7200s`. */
  readonly retryPolicy: string;
}

export function groupRow(config: GroupConfigBody): GroupRow {
  return {
    group: config.group,
    delivery: config.isOrdered ? 'fifo' : 'concurrent',
    canConsume: config.isConsumeEnabled,
    isBroadcastAllowed: config.isBroadcastEnabled,
    retryCountMax: config.retryCountMax,
    retryPolicy: policyText(config),
  };
}

function policyText({ retryPolicy }: GroupConfigBody): string {
  if (retryPolicy.type === 'EXPONENTIAL') {
    const { initialMs, maxMs, multiplier } = retryPolicy;
    return `${seconds(initialMs)} × ${multiplier} up to ${seconds(maxMs)}`;
  }
  const { nextMs } = retryPolicy;
  const shown = nextMs.slice(0, 4).map(seconds).join(', ');
  return nextMs.length > 4 ? `${shown} … ${seconds(nextMs.at(-1) ?? 0)}` : shown;
}

function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}

export const groupColumns: readonly Column<GroupRow>[] = [
  { title: 'GROUP', value: (row) => row.group, style: () => 'name' },
  { title: 'DELIVERY', value: (row) => row.delivery },
  { title: 'CONSUME', value: (row) => (row.canConsume ? 'yes' : 'no') },
  { title: 'RETRIES', align: 'right', value: (row) => row.retryCountMax },
  { title: 'RETRY AFTER', value: (row) => row.retryPolicy },
];

/** GROUP_NOT_FOUND with the nearest name there is. */
export async function unknownGroup(admin: AdminClient, group: string): Promise<RmqError> {
  const meant = nearest(group, [...(await admin.listGroups()).keys()]);
  return new RmqError('GROUP_NOT_FOUND', `there is no consumer group ${group}`, {
    hint: meant === undefined ? `create it: rmq group create ${group}` : `did you mean ${meant}?`,
  });
}

export const groupArgument = {
  name: 'group',
  description: 'name of the consumer group',
  isRequired: true,
} as const;
