/** Groups: who lags and has nobody, whose members disagree, whose messages were given up. */
import type { AdminClient, Master } from '../../client/admin-client.ts';
import { runningInfo } from '../../client/consumers-client.ts';
import { deadLetterQueues } from '../../client/dead-letter-client.ts';
import {
  type GroupConnections,
  groupConnections,
  groupOffsets,
} from '../../client/group-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { isSystemGroup } from '../../protocol/message/names.ts';
import type { Context } from '../shared/context.ts';
import type { Finding } from './finding.ts';

/** Groups that are asked for at once. */
const atOnce = 8;

async function eachGroup(
  context: Context,
  look: (admin: AdminClient, group: string) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const admin = await context.connect();
  const groups = [...(await admin.listGroups()).keys()].filter((group) => !isSystemGroup(group));
  const findings: Finding[] = [];
  for (let at = 0; at < groups.length; at += atOnce) {
    const part = groups.slice(at, at + atOnce);
    findings.push(...(await Promise.all(part.map((group) => look(admin, group)))).flat());
  }
  return findings;
}

/** Messages wait, and nobody comes for them. */
export function backlogFindings(context: Context): Promise<readonly Finding[]> {
  return eachGroup(context, async (admin, group) => {
    const { members } = await groupConnections(admin, group);
    if (members.length > 0) return [];
    const lag = (await groupOffsets(admin, group)).reduce(
      // Apache's brokers say -1 for a queue in which the group has not been.
      (sum, one) =>
        sum + (one.consumerOffset < 0 ? 0 : Math.max(0, one.brokerOffset - one.consumerOffset)),
      0,
    );
    if (lag === 0) return [];
    return [
      {
        severity: 'warning',
        check: 'backlog',
        subject: group,
        problem: `${lag} messages wait, and it has no member`,
        advice: `start its consumers; if nobody needs it: rmq group delete ${group}`,
      },
    ];
  });
}

/** Members of one group have to subscribe alike: else each gets only a part of what it wants. */
export function conflictFindings(context: Context): Promise<readonly Finding[]> {
  return eachGroup(context, async (admin, group) => {
    const connections = await groupConnections(admin, group);
    if (connections.members.length < 2) return [];
    const seen = await subscriptionsOf(admin, group, connections);
    if (new Set(seen.map(({ text }) => text)).size < 2) return [];
    const list = seen.map(({ clientId, text }) => `${clientId}: ${text || 'nothing'}`).join('; ');
    return [
      {
        severity: 'critical',
        check: 'subscription',
        subject: group,
        problem: `its members subscribe differently, so messages are lost to them (${list})`,
        advice: 'give each of these programs a group of its own, or the same subscriptions',
      },
    ];
  });
}

async function subscriptionsOf(
  admin: AdminClient,
  group: string,
  { members }: GroupConnections,
): Promise<readonly { readonly clientId: string; readonly text: string }[]> {
  const masters = new Map(
    (await admin.masters()).map((one): [string, Master] => [one.brokerName, one]),
  );
  const clients = new Map(members.map((one) => [one.clientId, one.brokerName]));
  const seen = await Promise.all(
    [...clients].map(async ([clientId, brokerName]) => {
      const address = masters.get(brokerName)?.address ?? '';
      try {
        const info = await runningInfo(admin, address, { group, clientId, hasStack: false });
        const own = Object.entries(info.subscriptions).filter(([topic]) => !topic.startsWith('%'));
        const text = own
          .map(([topic, expression]) => `${topic} (${expression})`)
          .sort()
          .join(', ');
        return [{ clientId, text }];
      } catch (error) {
        // One that has gone meanwhile, or whose proxy answers for it, has no say.
        if (error instanceof RmqError) return [];
        throw error;
      }
    }),
  );
  return seen.flat();
}

/** Messages that were given up and not sent again. */
export function deadLetterFindings(context: Context): Promise<readonly Finding[]> {
  return eachGroup(context, async (admin, group) => {
    const waiting = await waitingDeadLetters(admin, group);
    if (waiting === 0) return [];
    return [
      {
        severity: 'warning',
        check: 'dead letters',
        subject: group,
        problem: `${waiting} messages could not be consumed and were given up`,
        advice: `rmq dlq show ${group} says which; rmq dlq redrive ${group} sends them again`,
      },
    ];
  });
}

async function waitingDeadLetters(admin: AdminClient, group: string): Promise<number> {
  try {
    const queues = await deadLetterQueues(admin, group);
    return queues.reduce((sum, one) => sum + Math.max(0, one.maxOffset - one.nextOffset), 0);
  } catch (error) {
    if (error instanceof RmqError && error.code === 'TOPIC_NOT_FOUND') return 0;
    throw error;
  }
}
