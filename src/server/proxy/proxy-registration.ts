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
const retryDelayMs = 250;

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
  /** NameServers to be tried again soon. */
  readonly #retries = new Map<string, Timer>();
  #isStopped = false;

  constructor(options: ProxyRegistrationOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { client, namesrv } = this.#options;
    client.onDisconnect((address) => {
      if (namesrv.includes(address)) this.#retryLater(address);
    });
    await this.#registerAll();
    this.#renewLater();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const { client, clock, clusterName, namesrv, self } = this.#options;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    for (const timer of this.#retries.values()) clock.clearTimer(timer);
    const grpcAddr = formatHostPort(self.grpc);
    const fields = unregisterProxyHeader.encode({ clusterName, proxyName: self.name, grpcAddr });
    const code = RequestCode.RMQ_UNREGISTER_PROXY;
    await Promise.allSettled(
      namesrv.map((address) => client.invoke(address, code, fields, undefined, { timeoutMs })),
    );
  }

  #renewLater(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      void this.#registerAll();
      this.#renewLater();
    });
  }

  async #registerAll(): Promise<void> {
    await Promise.all(this.#options.namesrv.map((address) => this.#register(address)));
  }

  /** A NameServer that cannot be reached is asked again soon: once it is back, routes name us at once. */
  async #register(address: string): Promise<void> {
    const { client, clusterName, self, windowMs } = this.#options;
    const fields = registerProxyHeader.encode({
      clusterName,
      proxyName: self.name,
      grpcAddr: formatHostPort(self.grpc),
      heartbeatTimeoutMs: windowMs,
      advertise: self.advertise?.toString() ?? '',
    });
    try {
      await client.invoke(address, RequestCode.RMQ_REGISTER_PROXY, fields, undefined, {
        timeoutMs,
      });
    } catch {
      this.#retryLater(address);
    }
  }

  #retryLater(address: string): void {
    if (this.#isStopped || this.#retries.has(address)) return;
    const { clock, intervalMs } = this.#options;
    const timer = clock.setTimer(Math.min(retryDelayMs, intervalMs / 2), () => {
      this.#retries.delete(address);
      void this.#register(address);
    });
    this.#retries.set(address, timer);
  }
}
