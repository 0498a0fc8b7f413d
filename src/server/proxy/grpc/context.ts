/** What every RPC of a proxy works with. */
import type { Clock } from '../../../platform/clock.ts';
import type { Random } from '../../../platform/random.ts';
import type { Logger } from '../../shared/logger.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { Receipts } from '../receipts.ts';
import type { ClientRegistry } from '../settings.ts';
import type { Endpoints } from './endpoints.ts';

export interface ProxyContext {
  readonly cluster: ClusterView;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly clients: ClientRegistry;
  readonly receipts: Receipts;
  readonly endpoints: Endpoints;
  /** Receives that wait; calling one ends its wait. */
  readonly parked: Set<() => void>;
}
