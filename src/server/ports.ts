/** What a server needs from its surroundings, and the addresses it tells others. */
import type { Clock } from '../platform/clock.ts';
import type { Files } from '../platform/files.ts';
import { formatHostPort } from '../platform/host-port.ts';
import type { HostPort, Network } from '../platform/network.ts';
import type { Random } from '../platform/random.ts';
import type { Tls } from '../platform/tls.ts';
import { asRmqError } from '../protocol/errors.ts';
import { Advertised } from './shared/advertise.ts';
import type { Logger } from './shared/logger.ts';

const dialTimeoutMs = 3_000;

export interface ServerPorts {
  readonly clock: Clock;
  /** The time of messages, for the broker and its store; a test may move it. `clock` when left out. */
  readonly messageClock?: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly tls: Tls;
  readonly files: Files;
  readonly logger: Logger;
}

/** An address that listens everywhere is dialled on loopback. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/**
 * What others are told by `advertise`, a setting; our port stands where it names none. Without it, a listener
 * on all addresses is known by the machine's first one.
 */
export function advertised(
  advertise: string,
  local: HostPort,
  network: Pick<Network, 'ownHosts'>,
): {
  readonly table: Advertised;
  readonly address: HostPort;
  /** It listens on all addresses, and nobody said which one to tell. */
  readonly isEverywhere: boolean;
} {
  const table = Advertised.parse(advertise, local.port) ?? Advertised.none; // checked with the config
  const { fallback } = table;
  const isEverywhere = fallback === undefined && isWildcard(local.host);
  const host = isWildcard(local.host) ? outerHost(local.host, network) : local.host;
  return { table, address: fallback ?? { ...local, host }, isEverywhere };
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function outerHost(host: string, network: Pick<Network, 'ownHosts'>): string {
  const usable = network.ownHosts().filter((own) => host === '::' || !own.includes(':'));
  return usable[0] ?? reachable(host);
}

/** Says which of the addresses that others are told cannot be dialled from here. Never throws. */
export async function dialAdvertised(
  table: Advertised,
  { network, logger }: Pick<ServerPorts, 'network' | 'logger'>,
): Promise<void> {
  const dial = async (address: HostPort): Promise<void> => {
    try {
      const connection = await network.connect(address, { timeoutMs: dialTimeoutMs });
      connection.setHandler({ onData: () => {}, onDrain: () => {}, onClose: () => {} });
      connection.destroy();
    } catch (error) {
      logger.warn('an advertised address cannot be reached from here; clients may not reach it', {
        address: formatHostPort(address),
        reason: asRmqError(error).message,
      });
    }
  };
  await Promise.all(table.addresses().map(dial));
}
