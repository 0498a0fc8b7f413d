/** What is drawn for a run of the broker, and the names of what takes part. */
import type { MessageKind, PoppedKind } from './broker-model.ts';
import { type DiskFaults, drawFaults } from './faults.ts';
import type { SimRandom } from './random.ts';

export interface BrokerConfig {
  readonly flush: 'sync' | 'async';
  readonly queueCount: number;
  readonly producerCount: number;
  readonly consumerCount: number;
  readonly roundCount: number;
  /** Sends of a whole run; a run that failed is made shorter by it. */
  readonly messageCountMax: number;
  readonly retryCountMax: number;
  readonly invisibleMs: number;
  readonly groupCount: number;
  /** How often a consumer does not acknowledge. */
  readonly forgets: number;
  readonly faults: DiskFaults;
  readonly hasPowerCuts: boolean;
  readonly losesIndex: boolean;
  /** Old messages are deleted: after how long, and above which size of the log. */
  readonly hasRetention: boolean;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** The topics of `keyedKinds` keep the newest message of each of so many keys; 0: all. */
  readonly keyCount: number;
}

/** Kinds whose consumers pop; those of `pull` keep offsets of their own. */
export const poppedKinds: readonly PoppedKind[] = [
  'normal',
  'fifo',
  'transaction',
  'delay',
  'priority',
];
export const kinds: readonly MessageKind[] = [...poppedKinds, 'pull'];

/** Kinds whose topics are compacted in some runs. */
const keyedKinds: readonly MessageKind[] = ['normal', 'pull'];

/** Attributes of the topic of a kind. */
export function attributesOf(kind: MessageKind, keyCount: number): Record<string, string> {
  if (kind === 'priority') return { 'message.type': 'PRIORITY' };
  return keyCount > 0 && keyedKinds.includes(kind) ? { 'cleanup.policy': 'COMPACTION' } : {};
}

/** The key of a message of that kind; '' where it has none. */
export function drawKey(kind: MessageKind, keyCount: number, random: SimRandom): string {
  return keyCount > 0 && keyedKinds.includes(kind) ? `key-${random.below(keyCount)}` : '';
}

export function topicOfKind(kind: MessageKind): string {
  return `topic-${kind}`;
}

export const popGroup = 'consumers';
export const pullGroup = 'pullers';
/** Producers over gRPC have their topic for a group. */
export const producerGroup = 'producers';

export function drawBrokerConfig(random: SimRandom): BrokerConfig {
  const flush = random.chance(0.7) ? 'sync' : 'async';
  const hasRetention = random.chance(0.3);
  return {
    flush,
    queueCount: random.between(1, 3),
    producerCount: random.between(1, 3),
    consumerCount: random.between(1, 4),
    roundCount: random.between(1, 4),
    messageCountMax: Number.MAX_SAFE_INTEGER,
    retryCountMax: random.pick([2, 5, 16]),
    invisibleMs: random.pick([200, 2_000, 30_000]),
    groupCount: random.between(1, 6),
    forgets: random.pick([0, 0.05, 0.3]),
    faults: drawFaults(random),
    // What asynchronous flush gives up is the store's part of the simulator.
    hasPowerCuts: flush === 'sync' && random.chance(0.6),
    // Without its index a queue of which nothing is left begins at 0 again.
    losesIndex: !hasRetention && random.chance(0.2),
    hasRetention,
    retentionMs: random.pick([1_000, 20_000, 300_000, 3_600_000_000]),
    retentionBytes: random.pick([32 << 10, 100 << 10, 2 ** 40, 2 ** 40]),
    keyCount: random.chance(0.3) ? random.pick([1, 4, 20]) : 0,
  };
}
