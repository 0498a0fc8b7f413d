/** What a server needs from its surroundings, and the addresses it tells others. */
import type { Clock } from '../platform/clock.ts';
import type { Files } from '../platform/files.ts';
import { parseHostPort } from '../platform/host-port.ts';
import type { HostPort, Network } from '../platform/network.ts';
import type { Random } from '../platform/random.ts';
import type { Tls } from '../platform/tls.ts';
import type { Logger } from './shared/logger.ts';

export interface ServerPorts {
  readonly clock: Clock;
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

/** What others are told: `--advertise`, with our port where it names none; else where we listen. */
export function advertisedAddress(advertise: string | undefined, local: HostPort): HostPort {
  if (advertise === undefined) return { ...local, host: reachable(local.host) };
  return parseHostPort(advertise) ?? { host: advertise, port: local.port };
}
