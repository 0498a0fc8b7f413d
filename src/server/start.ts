/**
 * Builds the roles asked for and wires them: NameServer, then broker (recover, listen, register), then
 * proxy. What the roles need from outside comes in as ports. A role that cannot start leaves nothing
 * open behind it; `stop()` goes the other way round.
 */
import { formatHostPort } from '../platform/host-port.ts';
import type { HostPort, Network } from '../platform/network.ts';
import { RmqError } from '../protocol/errors.ts';
import type { BrokerApi } from './broker/api.ts';
import { reachable, type ServerPorts } from './ports.ts';
import type { Siblings } from './proxy/siblings.ts';
import { createLogger } from './shared/logger.ts';
import type { ServerSettings } from './shared/settings.ts';
import type { RecoveryReport } from './store/message-store.ts';

export interface RunningServer {
  /** Where each role listens; undefined: it does not run here. */
  readonly endpoints: {
    readonly nameserver: HostPort | undefined;
    readonly broker: HostPort | undefined;
    readonly grpc: HostPort | undefined;
    /** The proxy's Remoting port, when it has one. */
    readonly remoting: HostPort | undefined;
  };
  /** The broker of this process, called directly. */
  readonly broker: LocalBroker | undefined;
  readonly recovery: RecoveryReport | undefined;
  /** Drains and closes in order, within about 10 s. Idempotent. */
  stop(): Promise<void>;
}

/** `BrokerApi`, for those who may not import from the broker's folder. */
export type LocalBroker = BrokerApi;

/** Something that has been started and has to be stopped. */
interface Started {
  readonly name: string;
  stop(): Promise<void> | void;
}

const stopDeadlineMs = 10_000;

/**
 * Ready when it resolves: the roles serve and know each other.
 * @throws RmqError PORT_IN_USE, DATA_DIR_IN_USE, ADDRESS_NOT_AVAILABLE, STORE_CORRUPT …; nothing stays
 * open then. A `worker` shares its ports with its siblings, and somebody else registers them all.
 */
export async function startServer(
  settings: ServerSettings,
  ports: ServerPorts,
  worker?: { readonly siblings: Siblings },
): Promise<RunningServer> {
  const started: Started[] = [];
  const has = (role: ServerSettings['roles'][number]): boolean => settings.roles.includes(role);
  // Loaded while the others open their files and ports.
  const brokerRole = has('broker') ? import('./broker-role.ts') : undefined;
  const proxyRole = has('proxy') ? import('./proxy-role.ts') : undefined;
  try {
    if (worker === undefined) await probePorts(settings, ports.network);
    const nameserver = has('nameserver')
      ? await startNameServer(settings, ports, started)
      : undefined;
    const namesrv = namesrvOf(settings, nameserver);
    const broker = await (await brokerRole)?.startBrokerRole({ settings, ports, namesrv });
    if (broker !== undefined) started.push(broker);
    const proxy = await (await proxyRole)?.startProxyRole({
      settings,
      ports,
      namesrv,
      localBroker: broker?.broker,
      siblings: worker?.siblings,
    });
    if (proxy !== undefined) started.push(proxy);
    let stopping: Promise<void> | undefined;
    return {
      endpoints: {
        nameserver,
        broker: broker?.endpoint,
        grpc: proxy?.endpoint,
        remoting: proxy?.remoting,
      },
      broker: broker?.broker,
      recovery: broker?.recovery,
      stop: () => (stopping ??= stopAll(started, ports)),
    };
  } catch (error) {
    await stopAll(started, ports);
    // The other imports may have failed for the same reason; one error is enough.
    brokerRole?.catch(() => undefined);
    proxyRole?.catch(() => undefined);
    throw error;
  }
}

/** The surroundings of production: this machine's clock, disk and network. */
export async function nodePorts(
  settings: ServerSettings,
  writeLog: (line: string) => void,
): Promise<ServerPorts> {
  const [{ nodeClock }, { nodeRandom }, { nodeNetwork }, { nodeTls }, files] = await Promise.all([
    import('../platform/node-clock.ts'),
    import('../platform/node-random.ts'),
    import('../platform/node-network.ts'),
    import('../platform/node-tls.ts'),
    settings.dataDir === undefined
      ? import('../platform/memory-files.ts').then(({ MemoryFiles }) => new MemoryFiles())
      : import('../platform/node-files.ts').then(({ NodeFiles }) => new NodeFiles()),
  ]);
  return {
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    tls: nodeTls,
    files,
    logger: createLogger({ level: settings.logLevel, clock: nodeClock, write: writeLog }),
  };
}

/** A port that is taken is found before anything is created. @throws RmqError PORT_IN_USE, ADDRESS_NOT_AVAILABLE */
export async function probePorts(settings: ServerSettings, network: Network): Promise<void> {
  const wanted = [
    ['nameserver', settings.nameserverPort, 'nameserver-port'],
    ['broker', settings.brokerPort, 'broker-port'],
    ['proxy', settings.grpcPort, 'grpc-port'],
    ['proxy', settings.remotingPort ?? 0, 'remoting-port'],
  ] as const;
  for (const [role, port, flag] of wanted) {
    if (port === 0 || !settings.roles.includes(role)) continue;
    try {
      const probe = await network.listen({ host: settings.listenHost, port }, (connection) =>
        connection.destroy(),
      );
      await probe.close();
    } catch (error) {
      if (!(error instanceof RmqError) || error.code !== 'PORT_IN_USE') throw error;
      throw new RmqError('PORT_IN_USE', `${error.message} (${role})`, {
        hint: `stop the process that holds it, or say --${flag} or --ports auto`,
        cause: error,
      });
    }
  }
}

async function startNameServer(
  settings: ServerSettings,
  ports: ServerPorts,
  started: Started[],
): Promise<HostPort> {
  const { NameServer } = await import('./nameserver/nameserver.ts');
  const nameserver = new NameServer({
    ...ports,
    folder: settings.dataDir === undefined ? undefined : `${settings.dataDir}/namesrv`,
  });
  const endpoint = await nameserver.start({
    host: settings.listenHost,
    port: settings.nameserverPort,
  });
  started.push({ name: 'NameServer', stop: () => nameserver.stop() });
  return endpoint;
}

/** The NameServers that were named, and the one of this process. */
function namesrvOf(settings: ServerSettings, own: HostPort | undefined): readonly string[] {
  const list = new Set(settings.namesrv);
  if (own !== undefined) list.add(formatHostPort({ ...own, host: reachable(own.host) }));
  return [...list];
}

/** Stops in reverse order. One that does not end in time is left behind, and the log says so. */
async function stopAll(started: Started[], { clock, logger }: ServerPorts): Promise<void> {
  for (const part of started.splice(0).reverse()) {
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(stopDeadlineMs, () => {
        logger.error(`${part.name} did not stop in time`, { deadlineMs: stopDeadlineMs });
        resolve();
      });
      Promise.resolve(part.stop())
        .catch((error: unknown) => logger.error(`${part.name}: ${String(error)}`))
        .finally(() => {
          clock.clearTimer(timer);
          resolve();
        });
    });
  }
}
