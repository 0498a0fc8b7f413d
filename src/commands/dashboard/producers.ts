/**
 * Who sends to a topic. Brokers know the producers that are connected, by group, but not where they send to; so it
 * is read off the newest messages, each of which says where it was born, and told apart by address.
 */
import { producersOfBrokers } from '../../client/consumers-client.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import type { RecordHost, StoredMessage } from '../../protocol/message/message.ts';
import { isSystemGroup } from '../../protocol/message/names.ts';
import { findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';
import type { ClusterState, Producer, QueueStat } from './cluster-state.ts';
import type { MachinePorts } from './machines.ts';

/** Queues that are looked into at a tick, those with the newest messages, and messages of each. */
const queueCountMax = 4;
const messageCountMax = 8;
/** That many are remembered, those of the newest messages. */
const producerCountMax = 50;
/** A client of 4.x makes a producer of this group for its own sake. */
const innerGroup = 'CLIENT_INNER_PRODUCER';

/** Adds who sent what came since the last look. The topic's queues have been looked at. */
export async function lookAtProducers(
  state: ClusterState,
  topic: string,
  ports: MachinePorts,
): Promise<void> {
  const { admin, changed } = ports;
  const before = new Set(state.producersOf.get(topic)?.map(({ address }) => address));
  const known = new Map(state.producersOf.get(topic)?.map((one) => [one.address, one]));
  const seenMs = Math.max(0, ...[...known.values()].map(({ lastMs }) => lastMs));
  const brokers = state.machinesOf('broker');
  const queues = newestQueues(state.topicStat(topic).queues, seenMs);
  for (const { brokerName, queueId, minOffset, maxOffset } of queues) {
    const address = brokers.find(({ name }) => name === `${brokerName}:0`)?.address;
    if (address === undefined) continue;
    const begin = Math.max(minOffset, maxOffset - messageCountMax);
    const read = { maxCount: messageCountMax, waitMs: 0, expression: '*' };
    const { messages } = await admin.pull({ topic, brokerName, queueId, address }, begin, read);
    for (const message of messages) {
      const host = bornHostOf(message);
      const same = known.get(host);
      const lastMs = Math.max(same?.lastMs ?? 0, message.storeTimestampMs);
      known.set(host, { ...same, address: host, lastMs });
    }
  }
  const found = [...known.values()].sort((a, b) => b.lastMs - a.lastMs).slice(0, producerCountMax);
  const isNew = found.some(({ address }) => !before.has(address));
  state.producersOf.set(topic, isNew ? await named(found, ports) : found);
  changed();
}

/** Those with messages that are newer, the newest first. */
function newestQueues(queues: readonly QueueStat[], seenMs: number): readonly QueueStat[] {
  return queues
    .filter((one) => one.maxOffset > one.minOffset && one.lastStoreTimestampMs > seenMs)
    .sort((a, b) => b.lastStoreTimestampMs - a.lastStoreTimestampMs)
    .slice(0, queueCountMax);
}

/** Behind a proxy the connection is the proxy's; then a property says whose the message was. */
function bornHostOf({ properties, bornHost }: StoredMessage): string {
  return findProperty(properties, PropertyName.bornHost) ?? formatHostPort(hostPort(bornHost));
}

function hostPort({ address, port }: RecordHost): { host: string; port: number } {
  if (address.length === 4) return { host: address.join('.'), port };
  const words = Array.from({ length: 8 }, (_, index) =>
    (((address[2 * index] ?? 0) << 8) | (address[2 * index + 1] ?? 0)).toString(16),
  );
  return { host: words.join(':'), port };
}

/** With what brokers know of the clients at these addresses. Those of gRPC and of tools they do not know. */
async function named(
  producers: readonly Producer[],
  { admin }: MachinePorts,
): Promise<readonly Producer[]> {
  const connected = await producersOfBrokers(admin);
  return producers.map((producer) => {
    const same = connected.filter(({ address }) => address === producer.address);
    const [first] = same;
    if (first === undefined) return producer;
    const groups = new Set(same.map(({ group }) => group));
    groups.delete(innerGroup);
    const { clientId, language } = first;
    return {
      ...producer,
      clientId,
      language,
      groups: [...groups].filter((group) => !isSystemGroup(group)).sort(),
    };
  });
}
