/** A broker with its store, its Remoting port and its registration, as one thing to start and stop. */
import { NameServerClient } from '../client/nameserver-client.ts';
import { RemotingClient } from '../client/remoting-client.ts';
import type { Files } from '../platform/files.ts';
import { formatHostPort } from '../platform/host-port.ts';
import type { HostPort } from '../platform/network.ts';
import { RmqError } from '../protocol/errors.ts';
import { Broker } from './broker/broker.ts';
import { BrokerRemoting } from './broker/remoting/broker-remoting.ts';
import { toRecordHost } from './broker/remoting/record-host.ts';
import { BrokerRegistration } from './broker/remoting/registration.ts';
import { brokerSettings } from './broker-settings.ts';
import { advertised, dialAdvertised, type ServerPorts } from './ports.ts';
import { RemotingListener } from './remoting/listener.ts';
import type { ServerSettings } from './shared/settings.ts';
import type { DatabaseFactory } from './store/index/database.ts';
import { levelDatabaseFactory, memoryDatabaseFactory } from './store/index/level-database.ts';
import { LogStore } from './store/log-store.ts';
import type { RecoveryReport } from './store/message-store.ts';
import { type Origin, readOrigin } from './store/origin.ts';

const routeTimeoutMs = 3_000;

export interface BrokerRole {
  readonly name: string;
  readonly endpoint: HostPort;
  readonly broker: Broker;
  readonly recovery: RecoveryReport;
  stop(): Promise<void>;
}

interface BrokerRoleOptions {
  readonly settings: ServerSettings;
  readonly ports: ServerPorts;
  readonly namesrv: readonly string[];
}

/** Recovers, then listens, then registers. What was opened is closed when a step fails. */
export async function startBrokerRole(options: BrokerRoleOptions): Promise<BrokerRole> {
  const { settings } = options;
  // The port is known once it is open; no message is stored before.
  const storeHost = { ...toRecordHost({ host: settings.listenHost, port: settings.brokerPort }) };
  await takeOverApache(options);
  const origin = await originOf(options);
  const store = await openStore(options, storeHost, origin);
  const { random } = options.ports;
  const clock = options.ports.messageClock ?? options.ports.clock;
  const logger = options.ports.logger.named('broker');
  const broker = new Broker({ store, clock, random, logger, storeHost, settings, origin });
  const recovery = await store.start();
  try {
    return await serve(options, { store, storeHost, broker, recovery });
  } catch (error) {
    await store.stop();
    throw error;
  }
}

async function serve(
  { settings, ports, namesrv }: BrokerRoleOptions,
  opened: {
    readonly store: LogStore;
    readonly storeHost: { address: Uint8Array; port: number };
    readonly broker: Broker;
    readonly recovery: RecoveryReport;
  },
): Promise<BrokerRole> {
  const { clock, network } = ports;
  const { store, storeHost, broker, recovery } = opened;
  const logger = ports.logger.named('broker');
  await broker.start();
  let address = '';
  const client = new RemotingClient({ network, clock });
  const nameservers = new NameServerClient({
    client,
    addresses: namesrv,
    timeoutMs: routeTimeoutMs,
  });
  const remoting = new BrokerRemoting({
    broker,
    clock,
    logger,
    address: () => address,
    settings: brokerSettings(settings, { broker, store }),
    routeOf: async (topic) => (await nameservers.route(topic))?.queues,
    deleteExpired: () => store.deleteExpired(),
  });
  await remoting.load();
  const listener = new RemotingListener({ network, clock, logger, handlers: remoting.handlers() });
  const endpoint = await listener.listen({ host: settings.listenHost, port: settings.brokerPort });
  const told = advertised(settings.advertise.broker, endpoint, network);
  address = formatHostPort(told.address);
  Object.assign(storeHost, toRecordHost(told.address));
  void dialAdvertised(told.table, { network, logger });
  remoting.start();
  const registration = new BrokerRegistration({
    broker,
    brokerId: settings.brokerId,
    address,
    advertise: told.table.toString(),
    isEverywhere: told.isEverywhere,
    namesrv,
    client,
    clock,
    logger,
    intervalMs: settings.registerIntervalMs,
    windowMs: settings.registrationWindowMs,
  });
  await registration.start();
  const stop = async (): Promise<void> => {
    // Out of the routes first, so that clients go elsewhere while what is under way is answered.
    await registration.stop();
    await client.close();
    broker.stop();
    await listener.stop();
    remoting.stop();
    await store.stop();
  };
  return { name: 'broker', endpoint, broker, recovery, stop };
}

function folderOf(dataDir: string | undefined): string {
  return dataDir === undefined ? '/broker' : `${dataDir}/broker`;
}

/** A data folder that is a store of Apache's broker: its copy in `broker` is what is served. */
async function takeOverApache({ settings, ports }: BrokerRoleOptions): Promise<void> {
  const { dataDir } = settings;
  if (dataDir === undefined) return;
  const { files, clock, random } = ports;
  // Nothing is loaded for it at an ordinary start.
  if (!(await isThere(files, `${dataDir}/commitlog`))) return;
  if (await isThere(files, `${folderOf(dataDir)}/commitlog`)) return;
  const { importApache } = await import('./apache/import.ts');
  const logger = ports.logger.named('store');
  logger.warn("the data folder is a store of Apache's broker: it is copied, then served", {
    from: dataDir,
    to: folderOf(dataDir),
  });
  const { signal } = new AbortController();
  const progress = (): void => undefined;
  const work = { files, clock, random, logger, from: dataDir, dataDir, progress, signal };
  const { holes, ...report } = await importApache(work);
  logger.info("taken over from Apache's broker", { ...report, damaged: holes.length });
}

async function isThere(files: Files, path: string): Promise<boolean> {
  return await files.stat(path).then(
    () => true,
    () => false,
  );
}

/** What the store was taken over with, if it was. */
async function originOf({ settings, ports }: BrokerRoleOptions): Promise<Origin | undefined> {
  const folder = folderOf(settings.dataDir);
  try {
    return await readOrigin(ports.files, folder);
  } catch (error) {
    if (!(error instanceof RmqError)) throw error;
    // It is needed only to build the index anew; then all timers of the other broker's log wait again.
    ports.logger.named('store').error(error.message, { hint: error.hint });
    return undefined;
  }
}

async function openStore(
  { settings, ports }: BrokerRoleOptions,
  storeHost: { readonly address: Uint8Array; readonly port: number },
  origin: Origin | undefined,
): Promise<LogStore> {
  const { dataDir } = settings;
  const folder = folderOf(dataDir);
  const databaseFolder = dataDir === undefined ? undefined : `${folder}/index`;
  const openDatabase: DatabaseFactory =
    databaseFolder === undefined
      ? await memoryDatabaseFactory()
      : await levelDatabaseFactory(databaseFolder);
  return new LogStore({
    files: ports.files,
    clock: ports.messageClock ?? ports.clock,
    logger: ports.logger.named('store'),
    openDatabase,
    databaseFolder,
    folder,
    flush: settings.flush,
    origin,
    // Apache's broker opens segments of one size only: the way back stays open.
    segmentSizeBytes: origin?.segmentSizeBytes ?? settings.segmentSizeBytes,
    retentionMs: settings.retentionMs,
    retentionBytes: settings.retentionBytes,
    retentionFreeBytes: settings.retentionFreeBytes,
    minFreeBytes: dataDir === undefined ? 0 : settings.minFreeBytes,
    storeHost,
  });
}
