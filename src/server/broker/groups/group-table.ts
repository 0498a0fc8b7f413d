/** The consumer groups of a broker. As with topics, a change is answered once it is durable. */
import { RmqError } from '../../../protocol/errors.ts';
import { groupNameProblem, isSystemGroup } from '../../../protocol/message/names.ts';
import { limits } from '../../shared/limits.ts';
import type { MessageStore, StateBatch, StateSource } from '../../store/message-store.ts';
import type { GroupConfig } from '../api.ts';

const prefix = 'group/';
const minuteMs = 60_000;

/** Delays between attempts, attempt by attempt; facts/grpc-v2.md 4.2. */
export const retryDelaysMs: readonly number[] = [
  1_000,
  5_000,
  10_000,
  30_000,
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 60, 120].map((minutes) => minutes * minuteMs),
];

/** A group as it is made without being asked; facts/store.md §9. */
export function defaultGroup(group: string): GroupConfig {
  return {
    group,
    isConsumeEnabled: true,
    isConsumeFromMinEnabled: true,
    isBroadcastEnabled: true,
    isOrdered: false,
    retryQueueCount: 1,
    retryCountMax: 16,
    retryPolicy: { type: 'CUSTOMIZED', nextMs: retryDelaysMs },
    consumeTimeoutMinutes: 15,
    isNotifyConsumersChangedEnabled: true,
    brokerId: 0,
    whichBrokerWhenConsumeSlowly: 1,
    systemFlag: 0,
    attributes: {},
  };
}

export class GroupTable implements StateSource {
  readonly #groups = new Map<string, GroupConfig>();
  readonly #dirty = new Set<string>();
  readonly #store: MessageStore;
  /** Whether a group that is asked for is made. */
  isAutoCreate: boolean;

  constructor(options: { readonly store: MessageStore; readonly isAutoCreate: boolean }) {
    this.#store = options.store;
    this.isAutoCreate = options.isAutoCreate;
  }

  async load(): Promise<void> {
    for await (const [key, value] of this.#store.loadState(prefix)) {
      const config = JSON.parse(Buffer.from(value).toString('utf8')) as GroupConfig; // our own
      this.#groups.set(key.slice(prefix.length), config);
    }
  }

  collect(batch: StateBatch): void {
    for (const group of this.#dirty) {
      const config = this.#groups.get(group);
      if (config === undefined) batch.delete(prefix + group);
      else batch.put(prefix + group, Buffer.from(JSON.stringify(config)));
    }
    this.#dirty.clear();
  }

  all(): readonly GroupConfig[] {
    return [...this.#groups.values()];
  }

  /** The group if there is one. */
  peek(group: string): GroupConfig | undefined {
    return this.#groups.get(group);
  }

  /** The group; made with defaults when that is allowed (as it is for the system's) and its name is legal. */
  get(group: string): GroupConfig | undefined {
    const known = this.#groups.get(group);
    if (known !== undefined) return known;
    if (!this.isAutoCreate && !isSystemGroup(group)) return undefined;
    if (groupNameProblem(group) !== undefined) return undefined;
    if (this.#groups.size >= limits.groupCountMax) return undefined;
    const made = defaultGroup(group);
    this.set(made);
    return made;
  }

  /** @throws RmqError GROUP_NOT_FOUND */
  require(group: string): GroupConfig {
    const found = this.get(group);
    if (found !== undefined) return found;
    throw new RmqError('GROUP_NOT_FOUND', `subscription group [${group}] does not exist`, {
      hint: `create it: rmq group create ${group}`,
    });
  }

  /** Puts a configuration without checks and without waiting for the disk. */
  set(config: GroupConfig): void {
    this.#groups.set(config.group, config);
    this.#dirty.add(config.group);
    this.#store.requestStateWrite();
  }

  /** @throws RmqError ILLEGAL_GROUP */
  async put(config: GroupConfig): Promise<void> {
    const problem = groupNameProblem(config.group);
    if (problem !== undefined) throw new RmqError('ILLEGAL_GROUP', problem);
    this.set(config);
    await this.#store.writeStateNow();
  }

  async delete(group: string): Promise<void> {
    if (!this.#groups.delete(group)) return;
    this.#dirty.add(group);
    await this.#store.writeStateNow();
  }
}
