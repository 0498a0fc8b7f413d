/** Makes a topic as an administrator would, for suites that look from outside. */
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { createTopicHeader } from '../../src/protocol/remoting/headers/admin.ts';

const updateAndCreateTopic = 17; // facts/remoting.md §2.3

/** @throws Error when the broker (host:port) refuses. */
export async function createTopic(broker: string, topic: string, queueCount = 1): Promise<void> {
  const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
  try {
    await createTopicWith(client, broker, topic, queueCount);
  } finally {
    await client.close();
  }
}

/** The same over a connection that is there. */
export async function createTopicWith(
  client: RemotingClient,
  broker: string,
  topic: string,
  queueCount: number,
): Promise<void> {
  const header = createTopicHeader.encode({
    topic,
    defaultTopic: 'TBW102',
    readQueueCount: queueCount,
    writeQueueCount: queueCount,
    permission: 6,
    filterType: 'SINGLE_TAG',
    systemFlag: 0,
    isOrdered: false,
    attributes: '+message.type=NORMAL',
  });
  const options = { timeoutMs: 5000 };
  const answer = await client.invoke(broker, updateAndCreateTopic, header, undefined, options);
  if (answer.code !== 0) throw new Error(`creating ${topic}: ${answer.code} ${answer.remark}`);
}
