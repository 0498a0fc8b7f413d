/**
 * `node test/bench/fifo-order.ts [--groups 10000] [--messages 10] [--every SECONDS]`: many message groups on 8
 * queues, 8 consumers whose work fails now and then, and a server that is ended, in turn by `kill -9`
 * and in order, every few seconds. Every message must come out, each group's in order. Exit code 1
 * when a promise is broken.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { defaultGroup } from '../../src/server/broker/groups/group-table.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { GroupOrder } from '../support/group-order.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';

const { values } = parseArgs({
  options: {
    groups: { type: 'string', default: '10000' },
    messages: { type: 'string', default: '10' },
    every: { type: 'string', default: '3' },
  },
});
const queueCount = 8;
const consumerCount = 8;
const folder = await mkdtemp(join(tmpdir(), 'rmq-fifo-'));
const client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });

async function start(): Promise<{ server: ServerProcess; broker: RemoteBroker }> {
  const server = await startProcess(['--data', folder]);
  const broker = new RemoteBroker({
    clusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    address: String(server.ready.broker),
    client,
  });
  return { server, broker };
}

let { server, broker } = await start();
const order = new GroupOrder({
  groupCount: Number(values.groups),
  perGroup: Number(values.messages),
  queueCount,
});
await broker.putTopic(topicOf('fifo', queueCount, 6, { 'message.type': 'FIFO' }));
const group = defaultGroup('fifo-consumers');
await broker.putGroup({ ...group, isOrdered: true, retryCountMax: 1_000 });
await order.sendAll(broker);

const begunMs = performance.now();
let errorCount = 0;
let restartCount = 0;
const options = { chance: Math.random, invisibleTimeMs: 2_000, pollingTimeMs: 500 };
async function consume(): Promise<void> {
  while (!order.isComplete && order.failure === undefined) {
    try {
      await order.receive(broker, options);
    } catch {
      // The server is away: what became of the receive or the acknowledgement nobody knows.
      errorCount++;
      await sleep(50);
    }
  }
}
async function restart(): Promise<void> {
  for (;;) {
    await sleep(Number(values.every) * 1_000);
    if (order.isComplete || order.failure !== undefined) return;
    if (restartCount++ % 2 === 0) {
      const ended = once(server.child, 'exit');
      server.child.kill('SIGKILL');
      await ended;
    } else await server.stop();
    ({ server, broker } = await start());
  }
}
const restarts = restart();
await Promise.all(Array.from({ length: consumerCount }, consume));
const tookS = (performance.now() - begunMs) / 1_000;
await restarts;
await server.stop();
await client.close();
await rm(folder, { recursive: true });
console.log(
  `${order.groupCount} groups, ${order.doneCount} messages done in ${order.deliveryCount} deliveries, ` +
    `${restartCount} restarts, ${errorCount} calls failed, ${tookS.toFixed(1)} s`,
);
if (order.failure !== undefined) {
  console.log(order.failure.message);
  process.exitCode = 1;
}
