/**
 * Keeps a proxy known to all NameServers of ours, so that routes through any proxy name all of them.
 * Apache's NameServer refuses the request, which is harmless: then a proxy knows only itself.
 */
import type { RemotingClient } from '../../client/remoting-client.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import {
  registerProxyHeader,
  unregisterProxyHeader,
} from '../../protocol/remoting/headers/registration.ts';
import type { ProxyAddress } from './cluster-view.ts';

const timeoutMs = 3_000;
const retryDelayMs = 100;

export interface ProxyRegistrationOptions {
  readonly clusterName: string;
  readonly self: ProxyAddress;
  readonly namesrv: readonly string[];
  readonly client: RemotingClient;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly windowMs: number;
}

export class ProxyRegistration {
  readonly #options: ProxyRegistrationOptions;
  #timer: Timer | undefined;
  #retry: Timer | undefined;
  #isStopped = false;

  constructor(options: ProxyRegistrationOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { client, namesrv, clock } = this.#options;
    client.onDisconnect((address) => {
      if (this.#isStopped || this.#retry !== undefined || !namesrv.includes(address)) return;
      this.#retry = clock.setTimer(retryDelayMs, () => {
        this.#retry = undefined;
        void this.#registerAll();
      });
    });
    await this.#registerAll();
    this.#renewLater();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const { clock, clusterName, self } = this.#options;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    if (this.#retry !== undefined) clock.clearTimer(this.#retry);
    const grpcAddr = formatHostPort(self.grpc);
    const fields = unregisterProxyHeader.encode({ clusterName, proxyName: self.name, grpcAddr });
    await this.#toAll(RequestCode.RMQ_UNREGISTER_PROXY, fields);
  }

  #renewLater(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      void this.#registerAll();
      this.#renewLater();
    });
  }

  #registerAll(): Promise<void> {
    const { clusterName, self, windowMs } = this.#options;
    const fields = registerProxyHeader.encode({
      clusterName,
      proxyName: self.name,
      grpcAddr: formatHostPort(self.grpc),
      heartbeatTimeoutMs: windowMs,
      advertise: self.advertise?.toString() ?? '',
    });
    return this.#toAll(RequestCode.RMQ_REGISTER_PROXY, fields);
  }

  /** Who does not answer is asked again with the next renewal. */
  async #toAll(code: number, fields: Record<string, string>): Promise<void> {
    const { namesrv, client } = this.#options;
    await Promise.allSettled(
      namesrv.map((address) => client.invoke(address, code, fields, undefined, { timeoutMs })),
    );
  }
}
