/** Brokers as commands name and show them. */
import type { AdminClient } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { nearest } from '../../util/nearest.ts';
import type { Argument } from '../shared/command.ts';

export interface BrokerPlace {
  readonly brokerName: string;
  readonly clusterName: string;
  /** 0 is the master. */
  readonly brokerId: number;
  readonly address: string;
}

export const brokerArgument: Argument = {
  name: 'broker',
  description: 'name of the broker',
  isRequired: true,
};

/** Every broker that is registered, or those of one name. @throws RmqError BROKER_NOT_FOUND */
export async function brokersOf(
  admin: AdminClient,
  name: string | undefined,
): Promise<readonly BrokerPlace[]> {
  const brokers = await admin.nameserver.brokers();
  const places = brokers.flatMap(({ brokerName, clusterName, addresses }) =>
    [...addresses].map(([brokerId, address]) => ({ brokerName, clusterName, brokerId, address })),
  );
  const chosen = places.filter(({ brokerName }) => name === undefined || brokerName === name);
  if (chosen.length === 0 && name !== undefined) {
    const names = brokers.map(({ brokerName }) => brokerName);
    const meant = nearest(name, names);
    throw new RmqError('BROKER_NOT_FOUND', `no broker ${name} is registered`, {
      hint: meant === undefined ? `there is: ${names.join(', ')}` : `did you mean ${meant}?`,
    });
  }
  return chosen.sort((a, b) => compare(a.brokerName, b.brokerName) || a.brokerId - b.brokerId);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
