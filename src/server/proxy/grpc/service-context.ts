/** What the RPCs share. */
import type { Clock } from '../../../platform/clock.ts';
import type { Random } from '../../../platform/random.ts';
import type { Logger } from '../../shared/logger.ts';
import type { ClientCommands } from '../client-commands.ts';
import type { ClusterView, ProxyAddress } from '../cluster-view.ts';
import type { LiteClients } from '../lite-clients.ts';
import type { Producers } from '../producers.ts';
import type { Rates } from '../rates.ts';
import type { Receipts } from '../receipts.ts';
import type { SentTransactions } from '../sent-transactions.ts';
import type { ClientRegistry } from '../settings.ts';
import type { ParkedPolls } from './parked-polls.ts';

export interface ServiceContext {
  readonly cluster: ClusterView;
  readonly clients: ClientRegistry;
  readonly receipts: Receipts;
  readonly producers: Producers;
  readonly transactions: SentTransactions;
  readonly parked: ParkedPolls;
  readonly lite: LiteClients;
  readonly commands: ClientCommands;
  readonly rates: Rates;
  /** Of this program. */
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Delivery times further ahead are refused. */
  readonly delayMaxMs: number;
  /** This proxy among `cluster.liveProxies()`. */
  readonly self: ProxyAddress;
}
