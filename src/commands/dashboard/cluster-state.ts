/** All that the dashboard knows of a cluster: what the sampler writes and views show. */

import { deadLetterTopicPrefix } from '../../protocol/message/names.ts';
import type { GroupConfigBody } from '../../protocol/remoting/bodies/group-config.ts';
import type { ClientRow } from '../client/client-row.ts';
import type { TopicRow } from '../topic/topic-row.ts';
import { History, Meter } from './meter.ts';

export type Role = 'nameserver' | 'broker' | 'proxy';

export interface Machine {
  /** `broker broker-a:0`; the same machine has the same one for ever. */
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly address: string;
  readonly clusterName: string;
  /** Unix ms by the NameServer's clock; undefined where none is told. */
  lastHeartbeatMs: number | undefined;
  /** Why it is not well: it does not answer, it refuses messages. */
  problem: string | undefined;
  isDrained: boolean;
  version: string | undefined;
  readonly in: Meter;
  readonly out: Meter;
  /** What it says of itself, by its own names. */
  facts: Readonly<Record<string, string>>;
}

export interface QueueStat {
  readonly brokerName: string;
  readonly queueId: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Of the newest message, Unix ms; 0: there is none. */
  readonly lastStoreTimestampMs: number;
  readonly in: Meter;
}

export interface TopicStat {
  readonly in: Meter;
  queues: readonly QueueStat[];
  /** Messages that are stored. */
  storedCount: number;
}

export interface QueueProgress {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  readonly consumerOffset: number;
  readonly brokerOffset: number;
  readonly lag: number;
  /** Delivered and not acknowledged yet; 0 where the broker does not tell. */
  readonly inFlightCount: number;
  /** Store time of the last consumed message, Unix ms; 0 when unknown. */
  readonly lastTimestampMs: number;
}

export interface Member {
  readonly clientId: string;
  readonly address: string;
  readonly language: string;
  /** The broker or proxy that it is connected to. */
  readonly via: string;
}

/** Who sent one of the newest messages of a topic. */
export interface Producer {
  /** Of its connection. */
  readonly address: string;
  /** Store time of the newest that is known, Unix ms. */
  readonly lastMs: number;
  /** undefined: no broker knows a client there. */
  readonly clientId?: string;
  readonly language?: string;
  /** That it produces with. */
  readonly groups?: readonly string[];
}

export interface GroupStat {
  readonly out: Meter;
  queues: readonly QueueProgress[];
  lag: number;
  inFlightCount: number;
  /** undefined: not asked for yet. */
  members: readonly Member[] | undefined;
  /** `topic` to filter expression. */
  subscriptions: Readonly<Record<string, string>>;
}

/** Dead letters of a group. */
export interface DeadLetterStat {
  readonly storedCount: number;
  /** Of these, not sent again yet. */
  readonly waitingCount: number;
}

/** Messages that wait for a time, by the topic that they are for, or for the end of their transaction. */
export interface Pending {
  readonly kind: 'delayed' | 'transaction';
  readonly brokerName: string;
  /** Empty: not told by topic. */
  readonly topic: string;
  readonly count: number;
}

export interface ClusterEvent {
  /** Unix ms. */
  readonly atMs: number;
  readonly tone: 'good' | 'warning' | 'bad' | 'plain';
  readonly text: string;
}

/** Consumers of 4.x tell every 5 s how far they are: twice that, so that the rate does not jump. */
const groupWindowMs = 10_000;
const eventsMax = 500;

export class ClusterState {
  /** Changes with each change: what was derived from an older one is stale. */
  version = 0;
  readonly machines = new Map<string, Machine>();
  topics: readonly TopicRow[] = [];
  groups: ReadonlyMap<string, GroupConfigBody> = new Map();
  readonly topicStats = new Map<string, TopicStat>();
  readonly groupStats = new Map<string, GroupStat>();
  readonly deadLetters = new Map<string, DeadLetterStat>();
  /** Groups that consume a topic, of the topics that were looked at. */
  readonly consumersOf = new Map<string, readonly string[]>();
  /** Who sent the newest messages of the topics that were looked at, the latest first. */
  readonly producersOf = new Map<string, readonly Producer[]>();
  pending: readonly Pending[] = [];
  clients: readonly ClientRow[] | undefined = undefined;
  readonly events: ClusterEvent[] = [];
  readonly inHistory = new History();
  readonly outHistory = new History();
  readonly lagHistory = new History();
  /** Why part of what is shown is old, by what was asked for. */
  readonly troubles = new Map<string, string>();

  /** The machines of a role, by name. */
  machinesOf(role: Role): Machine[] {
    const found = [...this.machines.values()].filter((machine) => machine.role === role);
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  topicStat(topic: string): TopicStat {
    let stat = this.topicStats.get(topic);
    if (stat === undefined) {
      stat = { in: new Meter(), queues: [], storedCount: 0 };
      this.topicStats.set(topic, stat);
    }
    return stat;
  }

  groupStat(group: string): GroupStat {
    let stat = this.groupStats.get(group);
    if (stat === undefined) {
      stat = {
        out: new Meter(groupWindowMs),
        queues: [],
        lag: 0,
        inFlightCount: 0,
        members: undefined,
        subscriptions: {},
      };
      this.groupStats.set(group, stat);
    }
    return stat;
  }

  /** Groups that have or had dead letters, by name. */
  get deadLetterGroups(): readonly string[] {
    return this.topics
      .filter(({ topic }) => topic.startsWith(deadLetterTopicPrefix))
      .map(({ topic }) => topic.slice(deadLetterTopicPrefix.length));
  }

  /** Messages a second, all brokers together; undefined as long as none has told twice. */
  rate(direction: 'in' | 'out'): number | undefined {
    const rates = this.machinesOf('broker').flatMap((one) => one[direction].perSecond ?? []);
    return rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0);
  }

  /** Messages that groups have not consumed, of the groups that were looked at. */
  get lag(): number {
    let sum = 0;
    for (const { lag } of this.groupStats.values()) sum += lag;
    return sum;
  }

  tell(event: ClusterEvent): void {
    if (this.events.unshift(event) > eventsMax) this.events.pop();
  }
}
