/** The delivery states of all groups: found, made, stored with the database's batches, loaded, dropped. */
import type { QueueOffset } from '../../../protocol/message/message.ts';
import type { MessageStore, StateBatch } from '../../store/message-store.ts';
import type { InFlight } from './in-flight.ts';
import { type OpenBudget, QueueState } from './queue-state.ts';
import {
  blockKey,
  decodeBlock,
  decodeHeader,
  encodeBlock,
  encodeHeader,
  parseStateKey,
  stateKey,
  statePrefix,
} from './state-codec.ts';

export interface CommittedOffset {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: QueueOffset;
}

/** What a group has of a topic. */
class Consumption {
  readonly states: QueueState[] = [];
  /** Receives so far: each begins at the next queue, so that all queues get their turn. */
  turn = 0;
}

export class StateTable {
  readonly #store: MessageStore;
  readonly #consumptions = new Map<string, Map<string, Consumption>>();
  readonly #budget: OpenBudget = { count: 0 };
  readonly #dirty = new Set<QueueState>();
  #deleted: string[] = [];

  constructor(store: MessageStore) {
    this.#store = store;
  }

  /** Messages in flight and held back of all states. */
  get openCount(): number {
    return this.#budget.count;
  }

  async load(): Promise<void> {
    let last: QueueState | undefined;
    for await (const [key, value] of this.#store.loadState(statePrefix)) {
      const parts = parseStateKey(key);
      if (parts === undefined) continue;
      const { group, topic, queueId, block } = parts;
      if (block === undefined) {
        if (last !== undefined) this.#loaded(last);
        last = this.make(group, topic, queueId);
        decodeHeader(last, value);
        continue;
      }
      // A header comes before its blocks, and both are written together.
      const state = this.find(group, topic, queueId);
      if (state === undefined) continue;
      state.storedBlocks.add(block);
      decodeBlock(state, block, value);
    }
    if (last !== undefined) this.#loaded(last);
  }

  #loaded(state: QueueState): void {
    state.dirtyBlocks.clear();
    const queue = this.#store.queue(state.topic, state.queueId);
    state.clamp(queue.minOffset, queue.maxOffset);
    this.changed(state);
  }

  /** The state is to be stored, if something of it has changed that is. */
  changed(state: QueueState): void {
    if (!state.isDirty) return;
    this.#dirty.add(state);
    this.#store.requestStateWrite();
  }

  collect(batch: StateBatch): void {
    for (const key of this.#deleted) batch.delete(key);
    this.#deleted = [];
    for (const state of this.#dirty) {
      state.isDirty = false;
      batch.put(stateKey(state), encodeHeader(state));
      for (const block of state.dirtyBlocks) {
        const bytes = encodeBlock(state, block);
        if (bytes !== undefined) {
          batch.put(blockKey(state, block), bytes);
          state.storedBlocks.add(block);
        } else if (state.storedBlocks.delete(block)) batch.delete(blockKey(state, block));
      }
      state.dirtyBlocks.clear();
    }
    this.#dirty.clear();
  }

  #consumption(group: string, topic: string): Consumption {
    let topics = this.#consumptions.get(group);
    if (topics === undefined) {
      topics = new Map();
      this.#consumptions.set(group, topics);
    }
    let consumption = topics.get(topic);
    if (consumption === undefined) {
      consumption = new Consumption();
      topics.set(topic, consumption);
    }
    return consumption;
  }

  /** How many receives of the group there were before this one. */
  turnOf(group: string, topic: string): number {
    return this.#consumption(group, topic).turn++;
  }

  make(group: string, topic: string, queueId: number): QueueState {
    const state = new QueueState(group, topic, queueId, this.#budget);
    this.#consumption(group, topic).states[queueId] = state;
    return state;
  }

  find(group: string, topic: string, queueId: number): QueueState | undefined {
    return this.#consumptions.get(group)?.get(topic)?.states[queueId];
  }

  /** Committed offsets of a group, of all groups when undefined. */
  listOffsets(group: string | undefined): CommittedOffset[] {
    const offsets: CommittedOffset[] = [];
    for (const [name, topics] of this.#consumptions) {
      if (group !== undefined && group !== name) continue;
      for (const { states } of topics.values()) {
        for (const state of states) {
          if (state === undefined) continue;
          const offset = state.committed as QueueOffset; // counted in offsets
          offsets.push({ group: name, topic: state.topic, queueId: state.queueId, offset });
        }
      }
    }
    return offsets;
  }

  *all(): Iterable<QueueState> {
    for (const topics of this.#consumptions.values()) {
      for (const { states } of topics.values()) {
        for (const state of states) if (state !== undefined) yield state;
      }
    }
  }

  /** All messages that are not done. */
  *inFlight(): Iterable<{ readonly state: QueueState; readonly one: InFlight }> {
    for (const state of this.all()) for (const one of state.open()) yield { state, one };
  }

  /** @returns the states that are no more. */
  dropTopic(topic: string): QueueState[] {
    const dropped: QueueState[] = [];
    for (const [group, topics] of this.#consumptions) {
      const consumption = topics.get(topic);
      if (consumption === undefined) continue;
      topics.delete(topic);
      this.#drop(consumption, dropped);
      if (topics.size === 0) this.#consumptions.delete(group);
    }
    return dropped;
  }

  /** @returns the states that are no more. */
  dropGroup(group: string): QueueState[] {
    const dropped: QueueState[] = [];
    for (const one of this.#consumptions.get(group)?.values() ?? []) this.#drop(one, dropped);
    this.#consumptions.delete(group);
    return dropped;
  }

  #drop({ states }: Consumption, dropped: QueueState[]): void {
    for (const state of states) {
      if (state === undefined) continue;
      state.isDropped = true;
      this.#dirty.delete(state);
      this.#deleted.push(stateKey(state));
      for (const block of state.storedBlocks) this.#deleted.push(blockKey(state, block));
      state.forget();
      dropped.push(state);
    }
    this.#store.requestStateWrite();
  }
}
