/** A NameServer and brokers on real sockets and free ports, in this process; stores in memory. */
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { formatHostPort } from '../../src/platform/host-port.ts';
import { MemoryFiles } from '../../src/platform/memory-files.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { BrokerRemoting } from '../../src/server/broker/remoting/broker-remoting.ts';
import { BrokerRegistration } from '../../src/server/broker/remoting/registration.ts';
import { NameServer } from '../../src/server/nameserver/nameserver.ts';
import { RemotingListener } from '../../src/server/remoting/listener.ts';
import { silentLogger } from '../../src/server/shared/logger.ts';
import { memoryDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';

export const clock = nodeClock;
const anyPort = { host: '127.0.0.1', port: 0 };
const logger = silentLogger;

export function newClient(): RemotingClient {
  return new RemotingClient({ network: nodeNetwork, clock: nodeClock });
}

export async function startNameServer(
  port = 0,
): Promise<{ readonly address: string; readonly port: number; stop(): Promise<void> }> {
  const nameserver = new NameServer({
    network: nodeNetwork,
    clock: nodeClock,
    logger,
    files: new MemoryFiles(),
    folder: undefined,
  });
  const local = await nameserver.start({ host: '127.0.0.1', port });
  return { address: formatHostPort(local), port: local.port, stop: () => nameserver.stop() };
}

/** A broker with its port; registered with `namesrv`. */
export async function startBroker(
  options: { readonly brokerName?: string; readonly namesrv?: readonly string[] } = {},
): Promise<{ readonly broker: Broker; readonly address: string; stop(): Promise<void> }> {
  const { brokerName = 'broker-a', namesrv = [] } = options;
  const storeHost = { address: Uint8Array.of(127, 0, 0, 1), port: 10911 };
  const store = new LogStore({
    files: new MemoryFiles(),
    clock: nodeClock,
    logger,
    openDatabase: await memoryDatabaseFactory(),
    databaseFolder: undefined,
    folder: '/store',
    flush: 'async',
    segmentSizeBytes: 1 << 22,
    retentionMs: 3_600_000,
    minFreeBytes: 0,
    storeHost,
  });
  const settings = {
    clusterName: 'cluster',
    brokerName,
    isAutoCreateTopicEnabled: true,
    isAutoCreateGroupEnabled: true,
    defaultTopicQueueCount: 4,
    delayMaxMs: 259_200_000,
  };
  const broker = new Broker({
    store,
    clock: nodeClock,
    random: nodeRandom,
    logger,
    storeHost,
    settings,
  });
  await store.start();
  await broker.start();
  let address = '';
  const remoting = new BrokerRemoting({ broker, clock: nodeClock, logger, address: () => address });
  const handlers = remoting.handlers();
  const listener = new RemotingListener({
    network: nodeNetwork,
    clock: nodeClock,
    logger,
    handlers,
  });
  address = formatHostPort(await listener.listen(anyPort));
  remoting.start();
  const client = newClient();
  const registration = new BrokerRegistration({
    broker,
    brokerId: 0,
    address,
    advertise: '',
    isEverywhere: false,
    namesrv,
    client,
    clock: nodeClock,
    logger,
    intervalMs: 200,
    windowMs: 1_000,
  });
  await registration.start();
  const stop = async (): Promise<void> => {
    await registration.stop();
    await client.close();
    remoting.stop();
    broker.stop();
    await listener.stop();
    await store.stop();
  };
  return { broker, address, stop };
}
