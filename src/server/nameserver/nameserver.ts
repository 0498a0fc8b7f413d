/**
 * The NameServer: a route table in memory behind a Remoting port. Several are independent of each
 * other; whoever reports, reports to all.
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Files } from '../../platform/files.ts';
import type { HostPort, Network } from '../../platform/network.ts';
import type { HandlerTable, RequestHandler } from '../remoting/handler.ts';
import { RemotingListener } from '../remoting/listener.ts';
import type { Logger } from '../shared/logger.ts';
import { queryHandlers } from './handlers/queries.ts';
import { registrationHandlers } from './handlers/registration.ts';
import { KvConfig } from './kv-config.ts';
import { RouteTable } from './route-table.ts';
import { NameServerSettings } from './settings.ts';

export class NameServer {
  readonly table: RouteTable = new RouteTable();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #files: Files;
  readonly #folder: string | undefined;
  readonly #kv: KvConfig;
  readonly #settings: NameServerSettings;
  readonly #listener: RemotingListener;
  #local: HostPort | undefined = undefined;
  #startedAtMs = 0;
  readonly #watched = new Set<number>();
  #timer: Timer | undefined = undefined;

  constructor(options: {
    readonly network: Network;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly files: Files;
    /** Where the KV configuration is kept; undefined: in memory. */
    readonly folder: string | undefined;
  }) {
    const { clock, logger, files, folder, network } = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#files = files;
    this.#folder = folder;
    this.#kv = new KvConfig({ files, folder });
    this.#settings = new NameServerSettings({ files, folder });
    this.#listener = new RemotingListener({ network, clock, logger, handlers: this.#handlers() });
  }

  #handlers(): HandlerTable {
    const { table } = this;
    const parts = {
      table,
      clock: this.#clock,
      logger: this.#logger,
      kv: this.#kv,
      settings: this.#settings,
      shown: () => ({
        listenPort: this.#local?.port ?? 0,
        bindAddress: this.#local?.host ?? '',
        kvConfigPath: this.#folder === undefined ? '' : `${this.#folder}/kvConfig.json`,
        configStorePath: this.#folder === undefined ? '' : `${this.#folder}/namesrv.properties`,
      }),
      isReady: () => this.#isReady,
    };
    const taken = new WeakMap();
    const watched = registrationHandlers({ ...parts, taken }).map(
      ([code, handler]): [number, RequestHandler] => [
        code,
        (request, answer) => {
          this.#watch(request.session);
          return handler(request, answer);
        },
      ],
    );
    return new Map([...watched, ...queryHandlers(parts)]);
  }

  /** Whether all brokers have had the time to register, as far as somebody asked to wait for that. */
  get #isReady(): boolean {
    const { needWaitForService, waitSecondsForService } = this.#settings.values;
    if (!needWaitForService) return true;
    return this.#clock.monotonicMs() >= this.#startedAtMs + waitSecondsForService * 1_000;
  }

  /** What registered on a connection leaves with it, at once. */
  #watch(session: { readonly id: number; onClose(run: () => void): void }): void {
    if (this.#watched.has(session.id)) return;
    this.#watched.add(session.id);
    session.onClose(() => {
      this.#watched.delete(session.id);
      this.#dropped(this.table.dropSession(session.id), 'its connection closed');
    });
  }

  /** @throws RmqError PORT_IN_USE, ADDRESS_NOT_AVAILABLE */
  async start(address: HostPort): Promise<HostPort> {
    if (this.#folder !== undefined) await this.#files.makeFolder(this.#folder);
    await this.#kv.load();
    await this.#settings.load();
    const local = await this.#listener.listen(address);
    this.#local = local;
    this.#startedAtMs = this.#clock.monotonicMs();
    this.#scanLater();
    return local;
  }

  #scanLater(): void {
    const { scanNotActiveBrokerInterval: intervalMs } = this.#settings.values;
    this.#timer = this.#clock.setTimer(intervalMs, () => {
      this.#dropped(this.table.dropSilent(this.#clock.monotonicMs()), 'it was silent');
      this.#scanLater();
    });
  }

  #dropped(names: readonly string[], why: string): void {
    for (const name of names) this.#logger.warn('left the cluster', { name, why });
  }

  async stop(): Promise<void> {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    await this.#listener.stop();
  }
}
